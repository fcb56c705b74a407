"""The canonical record frames: what every source is turned into, and all that indicators may read.

The same columns travel through the synthetic city's Parquet files, the fact store and the
indicators. A frame is *long*: one row per firm and period (and sub-key), and a correction is a
further row with the same key and a later `known_on`. Rows of a category that was not granted are
simply not in the frame.

`firm` numbers firms within one RecordSet; it is not an identity outside it. `period` is the first
day of the month a fact is about. `known_on` is the Asia/Shanghai day on which CreditLink (or the
bureau, in the sandbox) first knew the row. Money is integer fen.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

import polars as pl

from creditlink.engine.vocabulary import SUPPLIES, TAXPAYER_GRADES

METER_KINDS = tuple(SUPPLIES)
PAY_METHODS = ("direct_debit", "transfer", "cash")
READ_QUALITIES = ("actual", "estimated", "substituted")
DIRECTIONS = ("output", "input")
EVENT_KINDS = ("penalty", "licence", "court_enforcement", "dishonest_debtor", "red_list", "searched")
"""Kinds of public-credit events; `searched`: the lists were searched, so what is not on them is not there."""
FILINGS = ("monthly", "quarterly", "occasion")
"""How often a taxpayer files VAT; `occasion`: only when something was sold (按次)."""
RETURN_KINDS = ("prepayment", "settlement")
"""Returns of corporate income tax: each quarter on account, each year for good."""
TAX_EVENT_KINDS = ("violation", "penalty", "refund")
PROPERTY_KINDS = ("patent", "utility_model", "trademark", "software")
TRADE_DIRECTIONS = ("export", "import")

_KEYED = {"firm": pl.Int32, "period": pl.Date}

FRAME_SCHEMAS: dict[str, dict[str, pl.DataType | type[pl.DataType]]] = {
    # One row per firm; registration is public and always present.
    "registration": {
        "firm": pl.Int32,
        "industry": pl.String,  # GB/T 4754-2017 division: section letter + 2 digits, e.g. C26
        "region": pl.String,  # GB/T 2260, 6 digits
        "entity_type": pl.String,  # company | partnership | sole_trader | cooperative
        "status": pl.String,  # active | suspended | revoked | deregistered
        "established_on": pl.Date,
        "registered_capital_fen": pl.Int64,
        "paid_in_capital_fen": pl.Int64,  # null where not disclosed
        "linked_struck_off": pl.Boolean,  # shares address or representative with a struck-off firm
    },
    "vat_declarations": {
        **_KEYED,  # period: first month of the filing period
        "months": pl.Int8,  # that the declaration covers: 1, or 3 for a quarterly filer
        "filing": pl.Enum(FILINGS),
        "taxable_sales_fen": pl.Int64,  # without the exempt ones
        "exempt_sales_fen": pl.Int64,  # sales on which relief waives the tax
        "output_tax_fen": pl.Int64,
        "input_tax_fen": pl.Int64,
        "payable_fen": pl.Int64,
        "paid_fen": pl.Int64,
        "due_on": pl.Date,
        "filed_on": pl.Date,  # null: not filed
        "known_on": pl.Date,
    },
    "income_tax_returns": {
        **_KEYED,  # period: first month of the quarter or year
        "kind": pl.Enum(RETURN_KINDS),
        "revenue_fen": pl.Int64,  # from the beginning of the year, as the form asks
        "profit_fen": pl.Int64,  # before tax, from the beginning of the year; negative: a loss
        "payable_fen": pl.Int64,  # for this return
        "paid_fen": pl.Int64,
        "due_on": pl.Date,
        "filed_on": pl.Date,  # null: not filed
        "known_on": pl.Date,
    },
    "invoice_months": {
        **_KEYED,
        "direction": pl.Enum(DIRECTIONS),  # output = sales, input = purchases
        "invoices": pl.Int32,  # valid and positive
        "amount_fen": pl.Int64,  # net of tax; valid invoices, red-letter ones subtracted
        "tax_fen": pl.Int64,
        "void_invoices": pl.Int32,
        "red_invoices": pl.Int32,
        "red_amount_fen": pl.Int64,  # absolute value
        "counterparties": pl.Int32,  # distinct, over valid positive invoices
        "top1_amount_fen": pl.Int64,  # largest counterparty's positive amount in the month
        "top5_amount_fen": pl.Int64,
        "hhi": pl.Float64,  # sum of squared counterparty shares in the month, 0..1
        "known_on": pl.Date,
    },
    "tax_standing": {
        **_KEYED,
        "taxpayer_grade": pl.Enum(TAXPAYER_GRADES),
        "taxpayer_kind": pl.Enum(["general", "small_scale"]),
        "arrears_fen": pl.Int64,
        "arrears_days": pl.Int32,
        "known_on": pl.Date,
    },
    "tax_events": {
        **_KEYED,  # period: month of the event
        "kind": pl.Enum(TAX_EVENT_KINDS),
        "occurred_on": pl.Date,
        "severity": pl.Int8,  # 1 minor, 2 ordinary, 3 serious; of a refund 1
        "amount_fen": pl.Int64,
        "ended_on": pl.Date,  # put right or paid; null: open
        "known_on": pl.Date,
    },
    "payroll_months": {
        **_KEYED,
        "headcount": pl.Int32,
        "base_fen": pl.Int64,  # sum of contribution bases
        "due_fen": pl.Int64,
        "paid_fen": pl.Int64,
        "due_on": pl.Date,
        "paid_on": pl.Date,  # null: not paid yet
        "joiners": pl.Int32,
        "leavers": pl.Int32,
        "known_on": pl.Date,
    },
    "fund_months": {  # the housing fund (公积金)
        **_KEYED,
        "headcount": pl.Int32,
        "due_fen": pl.Int64,
        "paid_fen": pl.Int64,
        "due_on": pl.Date,
        "paid_on": pl.Date,  # null: not paid yet
        "known_on": pl.Date,
    },
    "meter_months": {
        **_KEYED,
        "kind": pl.Enum(METER_KINDS),
        "usage": pl.Float64,  # kWh for electricity, m³ for water and gas; null: no reading
        "night_usage": pl.Float64,  # of it between 22:00 and 08:00; null without an interval meter
        "weekend_usage": pl.Float64,  # of it on Saturdays and Sundays; null without an interval meter
        "amount_fen": pl.Int64,
        "due_on": pl.Date,
        "paid_on": pl.Date,  # null: not paid yet
        "method": pl.Enum(PAY_METHODS),
        "read_quality": pl.Enum(READ_QUALITIES),
        "disconnected": pl.Boolean,
        "known_on": pl.Date,
    },
    "credit_events": {
        **_KEYED,  # period: month of the event
        "kind": pl.Enum(EVENT_KINDS),
        "occurred_on": pl.Date,
        "severity": pl.Int8,  # 1 minor, 2 ordinary, 3 serious
        "amount_fen": pl.Int64,
        "ended_on": pl.Date,  # null: still in force
        "known_on": pl.Date,
    },
    "contract_months": {
        **_KEYED,
        "signed": pl.Int32,
        "performed": pl.Int32,
        "breached": pl.Int32,
        "signed_fen": pl.Int64,
        "performed_fen": pl.Int64,
        "breached_fen": pl.Int64,
        "government_due_fen": pl.Int64,  # fell due in the month from payers that are public bodies
        "government_late_fen": pl.Int64,  # of it what they had not paid by its due day
        "known_on": pl.Date,
    },
    "property_grants": {  # intellectual property
        **_KEYED,
        "kind": pl.Enum(PROPERTY_KINDS),
        "granted": pl.Int32,
        "known_on": pl.Date,
    },
    "shipment_months": {  # logistics and storage
        **_KEYED,
        "shipments": pl.Int32,
        "tonnes": pl.Float64,
        "stored_tonnes": pl.Float64,  # in warehouses on an average day; null: no warehouse
        "known_on": pl.Date,
    },
    "customs_months": {
        **_KEYED,
        "direction": pl.Enum(TRADE_DIRECTIONS),
        "declarations": pl.Int32,
        "amount_fen": pl.Int64,  # customs value
        "faults": pl.Int32,  # declarations that customs corrected or refused
        "known_on": pl.Date,
    },
}
"""Frame name -> column -> polars type."""

FRAME_KEYS: dict[str, tuple[str, ...]] = {
    "registration": ("firm",),
    "vat_declarations": ("firm", "period"),
    "income_tax_returns": ("firm", "period", "kind"),
    "invoice_months": ("firm", "period", "direction"),
    "tax_standing": ("firm", "period"),
    "tax_events": ("firm", "period", "kind", "occurred_on"),
    "payroll_months": ("firm", "period"),
    "fund_months": ("firm", "period"),
    "meter_months": ("firm", "period", "kind"),
    "credit_events": ("firm", "period", "kind", "occurred_on"),
    "contract_months": ("firm", "period"),
    "property_grants": ("firm", "period", "kind"),
    "shipment_months": ("firm", "period"),
    "customs_months": ("firm", "period", "direction"),
}
"""What identifies a fact; of the rows with one key, the one with the latest `known_on` not after `as_of` counts."""

CATEGORY_FRAMES: dict[str, tuple[str, ...]] = {
    "registration": ("registration",),
    "tax": ("vat_declarations", "income_tax_returns", "invoice_months", "tax_standing", "tax_events"),
    "social_security": ("payroll_months",),
    "housing_fund": ("fund_months",),
    "utility": ("meter_months",),
    "public_credit": ("credit_events",),
    "contract": ("contract_months",),
    "intellectual_property": ("property_grants",),
    "logistics": ("shipment_months",),
    "import_export": ("customs_months",),
}
"""Consent category -> the frames it opens."""

OPTIONAL_CATEGORIES = tuple(category for category in CATEGORY_FRAMES if category != "registration")
"""Categories of which nothing may be known; the registration is always there."""

FRAME_CATEGORY = {frame: category for category, frames in CATEGORY_FRAMES.items() for frame in frames}
"""Record frame -> the category that opens it."""


def empty(name: str) -> pl.DataFrame:
    """Return frame `name` with its columns and no rows."""
    return pl.DataFrame(schema=FRAME_SCHEMAS[name])


@dataclass(frozen=True)
class RecordSet:
    """Everything known of some firms; `registration` has exactly one row per firm, by `firm`."""

    registration: pl.DataFrame
    vat_declarations: pl.DataFrame
    income_tax_returns: pl.DataFrame
    invoice_months: pl.DataFrame
    tax_standing: pl.DataFrame
    tax_events: pl.DataFrame
    payroll_months: pl.DataFrame
    fund_months: pl.DataFrame
    meter_months: pl.DataFrame
    credit_events: pl.DataFrame
    contract_months: pl.DataFrame
    property_grants: pl.DataFrame
    shipment_months: pl.DataFrame
    customs_months: pl.DataFrame

    @classmethod
    def of(cls, **frames: pl.DataFrame) -> RecordSet:
        """Build from the frames at hand; those not given are empty."""
        return cls(**{f.name: frames.get(f.name, empty(f.name)) for f in fields(cls)})

    def frame(self, name: str) -> pl.DataFrame:
        """Return one frame by its name."""
        frame: pl.DataFrame = getattr(self, name)
        return frame


def days_of(instants: pl.Series) -> pl.Series:
    """Return the calendar days of a column of dates or times.

    Times with a zone are instants: their day is the one in Asia/Shanghai, whichever zone they are written in. Times
    without one are on the clock of Shanghai already.
    """
    if isinstance(instants.dtype, pl.Datetime) and instants.dtype.time_zone is not None:
        instants = instants.dt.convert_time_zone("Asia/Shanghai")
    return instants.cast(pl.Date) if instants.dtype == pl.Date else instants.dt.date()


def as_known(frame: pl.DataFrame, name: str, as_of: date) -> pl.DataFrame:
    """Return the rows of `frame` as they were known on `as_of`: corrections applied, no future.

    Raises
    ------
    KeyError
        `name` is not a record frame.
    """
    if name == "registration":
        return frame
    keys = FRAME_KEYS[name]
    known = frame.filter((pl.col("known_on") <= as_of) & (pl.col("period") <= as_of))
    return known.sort(*keys, "known_on").unique(subset=keys, keep="last", maintain_order=True)
