"""A source is added by a package: installed, configured for its province, and asked beside the first dialect."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import add_months, day_of, month_start, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.settings import ROOT, SettingError
from creditlink.records import coverage, sources, store
from creditlink.records.offices.installed import factories
from creditlink.records.pulls import fetching, pull
from creditlink.records.sources import Sources, load_sources
from creditlink.records.tables import FactRow, Pull, PullPart, RejectedRow
from creditlink.web.wiring import check_files
from tests import factories as make
from tests.records.conftest import QUICK, City, shipped  # noqa: F401 (a fixture)
from tests.records.offices import Asked, Office, Reply, office

PACKAGE = Path(__file__).parent / "creditlink-guangxi"
SHIPPED = (ROOT / "config" / "sources.toml").read_text()
ENTRY = """
[sources.social_security_guangxi]
categories = ["social_security"]
regions = ["45"]
base_url = "{url}"
fresh_hours = 168
credentials = {{ token = "a-token" }}
"""


def install(source: Path, target: Path) -> None:
    """Build and install a package into a folder, without the network."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """The package, installed into a folder of its own; built from a copy, since building leaves files behind."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    install(folder / "source", folder / "installed")
    return folder / "installed"


def forget_modules() -> None:
    for name in [name for name in sys.modules if name.startswith("creditlink_guangxi")]:
        del sys.modules[name]


@pytest.fixture
def installed(built, monkeypatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(built))
    yield built
    forget_modules()


@pytest.fixture
def configured(shipped, tmp_path):  # noqa: F811 (the fixture)
    def read(text):
        (tmp_path / "sources.toml").write_text(text)
        return replace(shipped, config_dir=tmp_path)

    return read


class Province:
    """The second province's office: six months of every firm."""

    def __init__(self) -> None:
        self.first = add_months(month_start(day_of(utc_now())), -6)
        self.spoil = lambda rows: rows

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != "Bearer a-token":
            return Reply(401, b'{"zt": "cuo", "yy": "token"}')
        months = [add_months(self.first, i) for i in range(6)]
        rows = self.spoil([self._row(m) for m in months if asked.query["q"] <= f"{m:%Y%m}" <= asked.query["z"]])
        return Reply(body=json.dumps({"zt": "ok", "zs": len(rows), "wz": True, "mx": rows}).encode())

    def _row(self, month) -> dict:
        known = add_months(month, 1) - timedelta(days=1)
        return {
            "bh": f"GX-{month:%Y%m}", "xh": 0, "ny": f"{month:%Y%m}", "rs": 77, "jfjs": 1000, "yj": 300, "sj": 300,
            "jzrq": f"{known:%Y%m%d}", "jfrq": None, "xz": 0, "js": 0, "lrsj": f"{known}T09:00:00+08:00",
        }  # fmt: skip


@pytest.fixture
def province() -> Province:
    return Province()


@pytest.fixture
def both(installed, configured, province) -> Iterator[tuple[Sources, Office, Office]]:
    """This process's sources with both dialects, at two offices on sockets of their own."""
    with office(City().answer) as first, office(province.answer) as second:
        text = re.sub(r"http://127\.0\.0\.1:700\d", first.url, SHIPPED) + ENTRY.format(url=second.url)
        opened = Sources(replace(load_sources(configured(text), {}), limits=QUICK))
        sources.configure(opened)
        yield opened, first, second
        opened.close()
        sources.configure(None)


def consent_in(region: str) -> Consent:
    with db.transaction("owner") as session:
        firm = make.make_enterprise(session, region=region)
        made = make.make_consent(session, now=utc_now() - timedelta(minutes=1), enterprise=firm)
        session.expunge_all()
    return made


def parts_of(consent):
    with db.transaction("worker") as session:
        found = session.scalars(select(PullPart).join(Pull).where(Pull.consent_id == consent.id)).all()
        session.expunge_all()
    return {part.source: part for part in found}


def headcounts(consent):
    with db.transaction("worker") as session:
        records = store.record_sets(
            session, [consent.enterprise_id], categories=consent.categories, as_of=day_of(utc_now()),
            since=pull.look_back(consent, utc_now())[0],
        )  # fmt: skip
    return set(records.payroll_months["headcount"])


def test_each_firm_is_asked_for_where_it_is_in_one_run(empty_database, both):
    opened, first, second = both
    here, there = consent_in("440600"), consent_in("450103")
    for consent in (here, there):
        fetching.run_pull(consent.id, opened, utc_now)
    assert {name: part.status for name, part in parts_of(here).items()}.get("social_security") == "DELIVERED"
    assert "social_security_guangxi" not in parts_of(here)
    assert parts_of(there)["social_security_guangxi"].status == "DELIVERED"
    assert "social_security" not in parts_of(there)
    with db.transaction("owner") as session:
        uscc = {c.id: session.get_one(Enterprise, c.enterprise_id).uscc for c in (here, there)}
    assert {one.query["uscc"] for one in first.asked if "payroll" in one.path} == {uscc[here.id]}
    assert {one.query["dm"] for one in second.asked} == {uscc[there.id]}
    assert (headcounts(here), headcounts(there)) == ({10}, {77})


def test_what_follows_knows_the_package_as_any_source(empty_database, both):
    opened, _, _ = both
    consent = consent_in("450103")
    fetching.run_pull(consent.id, opened, utc_now)
    now = utc_now()
    with db.transaction("worker") as session:
        assert pull.state_now(session, consent, now).state == "fresh"
        found = coverage.coverage(session, consent, as_of=day_of(now), now=now)["social_security"]
        assert (found["status"], found["source"], found["rows"]) == ("delivered", "social_security_guangxi", 6)
        assert set(session.scalars(select(FactRow.source).where(FactRow.frame == "payroll_months"))) == {
            "social_security_guangxi"
        }


def test_its_bad_rows_are_named_and_kept_aside(empty_database, both, province):
    opened, _, _ = both
    province.spoil = lambda rows: [rows[0] | {"rs": "七十七"}, *rows[1:]]
    consent = consent_in("450103")
    fetching.run_pull(consent.id, opened, utc_now)
    with db.transaction("worker") as session:
        [row] = session.scalars(select(RejectedRow)).all()
        assert (row.source, row.field, row.excerpt) == ("social_security_guangxi", "rs", "七十七")


def test_a_wrong_token_is_denied_and_told_nobody(empty_database, both, province, monkeypatch):
    opened, _, _ = both
    monkeypatch.setattr(opened.connectors["social_security_guangxi"], "_token", "another")
    consent = consent_in("450103")
    fetching.run_pull(consent.id, opened, utc_now)
    part = parts_of(consent)["social_security_guangxi"]
    assert (part.status, part.error) == ("DENIED", "jf: the office refuses: 401 token")


@pytest.mark.pure
@pytest.mark.long
def test_the_package_passes_the_kit(built):
    command = [sys.executable, "-m", "pytest", "-p", "creditlink.conformance.plugin", "-p", "no:cacheprovider"]
    command += ["--pyargs", "creditlink.conformance.suite", "--connector", "social_security_guangxi"]
    command += ["--wire", str(PACKAGE / "wire")]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(built), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\b[1-9]\d+ passed", done.stdout)


@pytest.mark.pure
class TestAtStart:
    def test_without_the_package_its_entry_is_refused_by_name(self, configured):
        text = SHIPPED + ENTRY.format(url="http://127.0.0.1:7009")
        with pytest.raises(SettingError, match="no connector 'social_security_guangxi' is installed"):
            load_sources(configured(text), {})

    def test_with_it_the_start_knows_its_credentials(self, installed, configured):
        text = SHIPPED + ENTRY.format(url="http://127.0.0.1:7009").replace('token = "a-token"', "")
        with pytest.raises(SettingError, match="CREDITLINK_BUREAU_SOCIAL_SECURITY_GUANGXI_TOKEN"):
            load_sources(configured(text), {})

    def test_a_package_that_breaks_stops_the_start(self, built, shipped, tmp_path, monkeypatch):  # noqa: F811
        """Whether or not its connector is configured: named with package and cause, never half loaded."""
        broken = tmp_path / "broken"
        shutil.copytree(built, broken)
        (broken / "creditlink_guangxi" / "connector.py").write_text("import a_library_that_is_not_there\n")
        monkeypatch.syspath_prepend(str(broken))
        forget_modules()
        said = (
            r"package creditlink-guangxi 1\.0\.0, entry point 'social_security_guangxi'.*ModuleNotFoundError.*not_there"
        )
        with pytest.raises(SettingError, match=said):
            check_files(shipped)
        with pytest.raises(SettingError, match=said):
            factories()
        forget_modules()
