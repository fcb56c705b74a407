"""The city's economy: its trades, districts, calendar, one shock and the relief that answered it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FUTURE_MONTHS = 12
"""The hidden state runs on after the last record, so that the youngest snapshot has an outcome too."""

USUAL_SIZE = 13.25
"""Log of the median firm's usual monthly sales in yuan: half a million, like firms that ask for a loan."""

SILENT_SEASON = np.array([-0.25, 1.60, 0.95, 0.25, 0.12, 0.05, -0.05, -0.05, -0.05, -0.15, -0.15, -0.40])
"""Log-odds by calendar month that a firm writes no invoice: the new year's month and the one after are quiet."""

SEASONS: dict[str, tuple[float, ...]] = {
    # Log factor by calendar month. The February dip, the slow spring and the year-end rush are those of real
    # Chinese invoices; the rest is what each trade is known for.
    "even": (0.29, -0.40, -0.15, -0.14, -0.12, -0.03, 0.01, 0.05, 0.04, 0.05, 0.24, 0.45),
    "retail": (0.59, -0.10, -0.25, -0.24, -0.17, -0.08, -0.09, 0.00, 0.04, 0.07, 0.22, 0.45),
    "building": (-0.01, -0.75, -0.10, -0.04, -0.02, 0.02, 0.01, 0.05, 0.09, 0.17, 0.37, 0.60),
    "export": (0.24, -0.50, -0.15, -0.14, -0.12, 0.02, 0.16, 0.25, 0.19, 0.12, 0.17, 0.15),
    "summer": (0.04, -0.25, -0.15, -0.09, 0.03, 0.22, 0.31, 0.30, 0.04, -0.03, -0.03, 0.00),
    "harvest": (0.24, -0.25, -0.30, -0.29, -0.22, -0.03, 0.06, 0.15, 0.24, 0.37, 0.32, 0.25),
}


@dataclass(frozen=True)
class Trade:
    """One GB/T 4754-2017 division; rates are per 1,000 yuan of monthly sales."""

    code: str
    share: float
    zh: str
    en: str
    vat_bps: int
    sales_per_head: float  # thousand yuan a month
    kwh: float
    water: float
    gas: float
    season: str
    exposure: float  # to the economy-wide shock, 0.5 | 1.0 | 1.5
    risk: float  # log-hazard offset
    wage: float  # contribution base per head, yuan a month
    uninvoiced: float  # sales without invoice per sales with


TRADES: tuple[Trade, ...] = (
    Trade("A01", 1, "农业", "Agriculture", 900, 22, 8, 2.0, 0.0, "harvest", 0.5, 0.10, 4300, 0.1),
    Trade("C13", 3, "食品", "Foods", 1300, 55, 45, 1.2, 3.0, "harvest", 0.5, -0.10, 5000, 0.1),
    Trade("C17", 3, "纺织", "Textiles", 1300, 42, 95, 3.0, 6.0, "export", 1.0, 0.20, 5100, 0.0),
    Trade("C18", 3, "服饰", "Apparel", 1300, 30, 28, 0.8, 0.6, "export", 1.0, 0.30, 4900, 0.1),
    Trade("C21", 5, "家具", "Furniture", 1300, 38, 40, 0.5, 0.4, "building", 1.0, 0.20, 5300, 0.1),
    Trade("C26", 2, "化工", "Chemicals", 1300, 80, 110, 2.5, 5.0, "even", 0.5, 0.0, 6100, 0.0),
    Trade("C29", 4, "塑料制品", "Plastics", 1300, 48, 120, 0.8, 0.5, "even", 1.0, 0.10, 5300, 0.0),
    Trade("C30", 4, "陶瓷", "Ceramics", 1300, 46, 130, 2.0, 22.0, "building", 1.0, 0.30, 5400, 0.0),
    Trade("C33", 7, "五金", "Hardware", 1300, 45, 85, 0.7, 2.0, "export", 1.0, 0.10, 5400, 0.0),
    Trade("C34", 5, "机械", "Machinery", 1300, 52, 48, 0.4, 0.6, "even", 0.5, -0.20, 6000, 0.0),
    Trade("C35", 3, "装备", "Equipment", 1300, 55, 40, 0.4, 0.5, "even", 0.5, -0.20, 6300, 0.0),
    Trade("C38", 6, "电器", "Electrical", 1300, 60, 42, 0.4, 0.6, "summer", 0.5, -0.15, 6000, 0.0),
    Trade("C39", 5, "电子", "Electronics", 1300, 65, 50, 0.5, 0.2, "export", 0.5, -0.20, 6900, 0.0),
    Trade("E47", 2, "建筑工程", "Construction", 900, 60, 10, 0.6, 0.0, "building", 1.0, 0.45, 5600, 0.0),
    Trade("E50", 4, "装饰工程", "Decoration", 900, 45, 7, 0.3, 0.0, "building", 1.5, 0.45, 5400, 0.1),
    Trade("F51", 12, "贸易", "Trading", 1300, 130, 5, 0.1, 0.0, "even", 1.0, 0.0, 5300, 0.1),
    Trade("F52", 8, "商贸", "Retail", 1300, 60, 14, 0.3, 0.1, "retail", 1.5, 0.15, 4700, 0.6),
    Trade("G54", 3, "运输", "Transport", 900, 40, 6, 0.3, 0.3, "even", 1.0, 0.25, 5500, 0.1),
    Trade("G59", 1, "仓储", "Warehousing", 600, 45, 22, 0.3, 0.0, "retail", 0.5, -0.10, 5400, 0.0),
    Trade("H61", 1, "酒店", "Hotels", 600, 20, 75, 6.0, 5.0, "summer", 1.5, 0.35, 4600, 0.5),
    Trade("H62", 3, "餐饮", "Catering", 600, 18, 55, 4.5, 7.0, "retail", 1.5, 0.50, 4400, 0.8),
    Trade("I65", 4, "信息科技", "Information Technology", 600, 45, 9, 0.2, 0.0, "even", 0.5, -0.15, 9200, 0.0),
    Trade("L72", 5, "商务服务", "Business Services", 600, 40, 6, 0.2, 0.0, "even", 1.0, 0.10, 6400, 0.1),
    Trade("M74", 3, "技术服务", "Technical Services", 600, 42, 10, 0.2, 0.0, "even", 0.5, -0.20, 8200, 0.0),
    Trade("O81", 2, "维修", "Repair", 1300, 28, 14, 0.6, 0.0, "even", 1.0, 0.15, 4900, 0.4),
    Trade("P83", 1, "教育咨询", "Education", 600, 22, 16, 0.6, 0.1, "summer", 1.5, 0.35, 5800, 0.6),
)

REGIONS: tuple[tuple[str, str, str, float], ...] = (
    # GB/T 2260 code, city in Chinese and English, share of firms.
    ("440604", "佛山市", "Foshan", 10.0),
    ("440605", "佛山市", "Foshan", 15.0),
    ("440606", "佛山市", "Foshan", 16.0),
    ("440607", "佛山市", "Foshan", 5.0),
    ("440608", "佛山市", "Foshan", 4.0),
    ("440303", "深圳市", "Shenzhen", 4.0),
    ("440304", "深圳市", "Shenzhen", 5.0),
    ("440305", "深圳市", "Shenzhen", 6.0),
    ("440306", "深圳市", "Shenzhen", 10.0),
    ("440307", "深圳市", "Shenzhen", 8.0),
    ("330203", "宁波市", "Ningbo", 3.0),
    ("330206", "宁波市", "Ningbo", 3.0),
    ("330212", "宁波市", "Ningbo", 3.0),
    ("330802", "衢州市", "Quzhou", 2.0),
    ("500151", "重庆市铜梁区", "Tongliang", 2.0),
    ("411303", "南阳市", "Nanyang", 2.0),
    ("310104", "上海市", "Shanghai", 2.0),
)


def trade_column(name: str) -> Floats:
    """Return one numeric column of the trades, shape (trades,)."""
    return np.array([getattr(trade, name) for trade in TRADES], dtype=np.float64)


@dataclass(frozen=True)
class Calendar:
    """The months of a city; index 0 is the first month with records.

    `months` have records, `FUTURE_MONTHS` more carry only the hidden state.
    """

    until: date  # first day of the last month with records
    months: int

    @property
    def total(self) -> int:
        """Months with a hidden state."""
        return self.months + FUTURE_MONTHS

    @cached_property
    def starts(self) -> Ints:
        """First day of each month as days since 1970, one more than `total` and shape (total + 3,)."""
        last = np.datetime64(self.until, "M")
        first = last - (self.months - 1)
        return (first + np.arange(self.total + 3)).astype("datetime64[D]").astype(np.int64)

    @cached_property
    def month_of_year(self) -> Ints:
        """Calendar month 0 … 11 of each month, shape (total,)."""
        first = self.until.year * 12 + self.until.month - 1 - (self.months - 1)
        return (first + np.arange(self.total)) % 12

    @property
    def cut(self) -> int:
        """Last day on which anything was recorded: the 20th after the last month, as days since 1970."""
        return int(self.starts[self.months]) + 19

    @property
    def shock(self) -> tuple[int, int]:
        """First month and month after the last of the economy-wide shock."""
        first = int(self.months * 0.4)
        return first, first + 5

    @property
    def relief(self) -> tuple[int, int]:
        """First month and month after the last of the relief policy: it follows the shock by a month."""
        first, after = self.shock
        return first + 1, after + 4

    @cached_property
    def in_relief(self) -> npt.NDArray[np.bool_]:
        """Whether the relief is in force in a month, shape (total,)."""
        first, after = self.relief
        index = np.arange(self.total)
        return (index >= first) & (index < after)

    @cached_property
    def sales_shock(self) -> Floats:
        """Log factor on sales at exposure 1, shape (total,): a fall, then a slow return."""
        first, after = self.shock
        index = np.arange(self.total, dtype=np.float64)
        falling = np.where((index >= first) & (index < after), -0.30, 0.0)
        back = np.where(index >= after, -0.15 * np.exp(-(index - after) / 4.0), 0.0)
        return falling + back

    @cached_property
    def health_shock(self) -> Floats:
        """Shift of health at exposure 1, shape (total,): it lags sales and is softened by the relief."""
        first, _ = self.shock
        since = np.arange(self.total, dtype=np.float64) - first
        return np.where(since >= 0, -0.35 * (1.0 - np.exp(-(since + 1) / 2.0)) * np.exp(-since / 12.0), 0.0)

    @cached_property
    def snapshots(self) -> Ints:
        """Month indices of the quarter-ends that the truth covers."""
        index = np.arange(self.months)
        return index[self.month_of_year[: self.months] % 3 == 2]

    def day(self, index: int) -> date:
        """Return the first day of month `index`."""
        day: date = np.datetime64(int(self.starts[index]), "D").item()
        return day
