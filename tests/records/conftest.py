"""Four offices with a little data each, and this process's sources pointed at them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest

from creditlink.kit.clock import add_months, day_of, month_start, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.settings import load_settings
from creditlink.records import sources
from creditlink.records.connectors.wire import TimeLimits
from creditlink.records.sources import SourceConfig, Sources, SourcesConfig
from tests import factories as make
from tests.records.offices import Asked, Office, Reply, office

MONTHS = 6
QUICK = TimeLimits(
    connect_seconds=1, read_seconds=1.0, attempts=2, wait_seconds=0.01, wait_max_seconds=0.02, jitter_seconds=0
)
KINDS = {
    **dict.fromkeys(("zzssb", "qysds", "nsrzt", "wfcf", "fapiao"), "tax"),
    "payroll": "social_security",
    "months": "electricity",
    "chaxun": "public_credit",
}


class City:
    """The data of the three offices, in their dialects, for every firm; `spoil` replaces answers."""

    def __init__(self) -> None:
        self.first = add_months(month_start(day_of(utc_now())), -MONTHS)
        self.corrected = False  # whether the payroll of the first month was corrected meanwhile
        self.spoil: Callable[[str, Asked], Reply | None] = lambda _source, _asked: None

    def answer(self, asked: Asked) -> Reply:
        name = next(part for part in asked.path.split("/") if part in KINDS)
        spoilt = self.spoil(KINDS[name], asked)
        if spoilt is not None:
            return spoilt
        dialects = {
            "tax": self._tax,
            "social_security": self._payroll,
            "electricity": self._meters,
            "public_credit": self._lists,
        }
        return dialects[KINDS[name]](asked)

    @property
    def months(self) -> list[date]:
        return [add_months(self.first, i) for i in range(MONTHS)]

    def _known(self, month: date) -> date:
        return add_months(month, 1) - timedelta(days=1)

    def _tax(self, asked: Asked) -> Reply:
        body = json.loads(asked.body)
        resource = asked.path.split("/")[3]
        rows = [row for m in self.months for row in self._tax_rows(resource, m) if body["ssqQ"] <= f"{m:%Y%m}"]
        start = (body["pageNum"] - 1) * body["pageSize"]
        page = {"code": "0000", "msg": "成功", "total": len(rows), "wzbz": "Y"}
        return Reply(body=json.dumps(page | {"data": rows[start : start + body["pageSize"]]}).encode())

    def _tax_rows(self, resource: str, month: date) -> list[dict]:
        base = {"lsh": f"{resource}-{month:%Y%m}", "bbh": 0, "lrsj": f"{self._known(month):%Y%m%d}090000+0800"}
        if resource == "zzssb":
            amounts = {"ysxse": "1000.00", "msxse": "0.00", "xxse": "130.00", "jxse": "100.00", "ynse": "30.00"}
            day = f"{self._known(month):%Y%m%d}"
            period = {"skssqQ": f"{month:%Y%m}", "skssqZ": f"{month:%Y%m}", "sbfs": "1"}
            return [base | period | amounts | {"yjse": "30.00", "sbqx": day, "sbrq": day}]
        if resource in ("qysds", "wfcf"):
            return []
        if resource == "nsrzt":
            return [base | {"ny": f"{month:%Y%m}", "xydj": "B", "nsrlx": "1", "qsje": "0.00", "qsts": 0}]
        invoice = {"fphm": "1", "kprq": f"{month:%Y%m}05", "je": "100.00", "se": "13.00", "hj": "113.00", "zt": "0"}
        return [base | invoice | {"lsh": f"{base['lsh']}-{fx}", "fx": fx, "dfdm": "G7"} for fx in "XJ"]

    def _payroll(self, asked: Asked) -> Reply:
        def row(month: date, people: int, version: int, known: date) -> str:
            return (
                f'<month id="SB-{month:%Y%m}" version="{version}" period="{month:%Y-%m}"'
                f' recordedAt="{known}T10:00:00+08:00">'
                f"<headcount>{people}</headcount><base>100.00</base><due>30.00</due><paid>30.00</paid>"
                f"<dueOn>{known}</dueOn><paidOn>{known}</paidOn><joiners>0</joiners><leavers>0</leavers></month>"
            )

        rows = [row(m, 10, 0, self._known(m)) for m in self.months]
        if self.corrected:
            rows.insert(1, row(self.first, 12, 1, self._known(self.months[-1])))
        root = f'<payrolls uscc="{asked.query["uscc"]}" total="{len(rows)}" complete="true">'
        return Reply(body=(root + "".join(rows) + "</payrolls>").encode())

    def _meters(self, asked: Asked) -> Reply:
        if "electricity" not in asked.path:
            return Reply(204, headers={"X-Record": "none"})
        lines = [
            f"E-{m:%Y%m},0,P1,{m:%Y-%m},100.5,,,kWh,8000,{self._known(m)},,DD,A,0,{self._known(m)}T01:00:00Z"
            for m in self.months
        ]
        header = (
            "record_id,version,service_point,period,usage,night_usage,weekend_usage,unit,amount_fen,due_on,paid_on,"
            "method,read_quality,disconnected,recorded_at"
        )
        headers = {"Content-Type": "text/csv", "X-Total-Count": str(len(lines)), "X-Complete": "true"}
        return Reply(body=("\r\n".join([header, *lines]) + "\r\n").encode(), headers=headers)

    def _lists(self, asked: Asked) -> Reply:
        """Answer that the firm is on no list."""
        body = json.loads(asked.body)
        months = {name: body[name] for name in ("起始月份", "截止月份")}
        lists = ["行政处罚", "行政许可", "被执行人", "失信被执行人", "守信红名单"]
        searched = {"凭证编号": "C-1", "名单范围": lists, "查询时间": utc_now().isoformat(timespec="seconds")}
        page = {"状态码": "200", "总条数": 0, "是否完整": "是", "记录": [], "查询凭证": searched | months}
        return Reply(body=json.dumps(page | {"统一社会信用代码": body["统一社会信用代码"]}).encode())


FACTS_OF_A_FIRM = MONTHS * (2 + 2) + MONTHS + MONTHS


@pytest.fixture
def city() -> City:
    return City()


@pytest.fixture
def desk(city) -> Iterator[Office]:
    """All the offices behind one door."""
    with office(city.answer) as opened:
        yield opened


def config_for(url: str, **changes) -> SourcesConfig:
    credentials = {
        "tax": {"app_id": "app", "secret": "key"},
        "social_security": {"api_key": "key"},
        "electricity": {"user": "u", "password": "p"},
    }
    return SourcesConfig(
        **{
            "limits": QUICK,
            "circuit_failures": 50,
            "circuit_reset_seconds": 60,
            "retry_soon": timedelta(seconds=15),
            "retry_later": (timedelta(minutes=1), timedelta(minutes=5)),
            "sources": {
                name: SourceConfig(name, (name,), url, timedelta(hours=72), held) for name, held in credentials.items()
            },
        }
        | changes
    )


@pytest.fixture
def offices(desk) -> Iterator[Sources]:
    """This process's sources, at the offices."""
    opened = Sources(config_for(desk.url))
    sources.configure(opened)
    yield opened
    opened.close()
    sources.configure(None)


@pytest.fixture
def consent(empty_database):
    """A live consent of a firm, given now, to everything."""
    with db.transaction("owner") as session:
        made = make.make_consent(session, now=utc_now() - timedelta(minutes=1))
        session.expunge_all()
    return made


@pytest.fixture
def shipped(tmp_path):
    """The settings as they are shipped."""
    return load_settings({"CREDITLINK_VAR_DIR": str(tmp_path)})
