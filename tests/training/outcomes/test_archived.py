"""Labels from the archive: sealed records joined with outcomes, who is left out, and who is told of each look."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.audit import service as audit
from creditlink.cli.financing import financing
from creditlink.cli.training.train import train
from creditlink.decisions import archive
from creditlink.decisions.record import FORMAT, DecisionRecord
from creditlink.decisions.tables import DecisionRow
from creditlink.engine.scoring.model import sha256_of
from creditlink.financing.applications.states import ACCEPTED
from creditlink.financing.tables import Application, FinancingRequest, LoanFact
from creditlink.kit.postgres import db
from creditlink.kit.settings import ROOT
from creditlink.retention.tables import DeletionRequest
from creditlink.training.dataset import FEATURES
from creditlink.training.recalibration import adjustment
from tests.factories import make_account, make_client, make_consent, make_enterprise, make_institution, make_staff

MADE = datetime(2025, 1, 10, 4, tzinfo=UTC)
AS_OF = date(2025, 1, 11)
ANSWERED = MADE + timedelta(days=3)
CUT = date(2026, 6, 30)
MODEL = ROOT / "models" / "city-2026g"


class Portfolio:
    """Applications with their sealed records and what lenders told, a firm each."""

    def __init__(self, session, settings) -> None:
        self.session, self.settings = session, settings
        self.client = make_client(session, make_institution(session))
        self.account = make_account(session)

    def add(self, state="closed", *, late=None, sales=1.0, consent="ACTIVE", record=True, expired=False, as_of=AS_OF):
        firm = make_enterprise(self.session)
        agreed = make_consent(
            self.session, client=self.client, enterprise=firm, account=self.account, state=consent, now=MADE
        )
        request = FinancingRequest(
            enterprise_id=firm.id, asked_by=self.account.id, amount_fen=10**8, term_months=12, use="purchase",
            collateral="none", version=1, made_at=MADE, changed_at=MADE, expires_at=MADE + timedelta(days=30),
            ended_at=None, end_reason=None,
        )  # fmt: skip
        self.session.add(request)
        self.session.flush()
        held = Application(
            request_id=request.id, enterprise_id=firm.id, institution_id=self.client.institution_id,
            client_id=self.client.client_id, consent_id=agreed.id, product_code="TAX-1", product_version=1,
            state=state, made_at=MADE, changed_at=ANSWERED, answer_due_at=ANSWERED, answered_at=ANSWERED,
            decline_codes=["D01"] if state == "declined" else [], decline_note="", decline_weighed=[],
        )  # fmt: skip
        self.session.add(held)
        self.session.flush()
        if record:
            self._seal(firm, agreed, sales, expired=expired, as_of=as_of)
        if state in ACCEPTED:
            self._tell(held, "draw", date(2025, 1, 20), None)
            if late:
                self._tell(held, "repayment", date(2025, 9, 1), late)
            self._tell(held, "closure", date(2026, 1, 25), None)
        self.session.flush()
        return held

    def _seal(self, firm, agreed, sales, *, expired, as_of) -> None:
        chosen = uuid4()
        profile = {"id": str(chosen), "as_of": as_of.isoformat(), "pd_12m": 0.03, "enterprise_id": str(firm.id)}
        indicators = dict.fromkeys(FEATURES) | {"sales_12_fen": sales * 1e8, "age_months": 70.0}
        basis = {
            "registration": {"industry": "C33", "region": "440604", "entity_type": "company"},
            "indicators": indicators, "cash": None, "next_filing": None, "relieved": [],
        }  # fmt: skip
        body = {"format": FORMAT, "purpose": "underwriting", "bundle": "0" * 64, "profile": profile, "basis": basis}
        payload = DecisionRecord(body, b"").payload
        self.session.add(
            DecisionRow(
                id=chosen, chain_id=firm.id, seq=1, decided_at=MADE + timedelta(days=1),
                payload_sha256=sha256_of(payload), previous="0" * 64, digest="1" * 64,
                keep_until=MADE + timedelta(days=1826), expired_at=MADE if expired else None,
                enterprise_id=firm.id, institution_id=agreed.institution_id, consent_id=agreed.id, as_of=as_of,
                grade="B", model_id="city-2026g", bundle_sha256=None,
                payload=None if expired else archive.seal(payload, self.settings.secret_key),
            )
        )  # fmt: skip

    def _tell(self, held, kind, on, late) -> None:
        self.session.add(
            LoanFact(
                application_id=held.id, enterprise_id=held.enterprise_id, institution_id=held.institution_id,
                kind=kind, about_on=on, reference="", amount_fen=10**8 if kind == "draw" else 0, days_past_due=late,
                known_at=datetime(on.year, on.month, on.day, 4, tzinfo=UTC) + timedelta(days=35), reported_by="bank:x",
            )
        )  # fmt: skip


@pytest.fixture
def portfolio(empty_database, settings):
    with empty_database.transaction("owner") as session:
        make_staff(session, "wang", "risk")
        yield Portfolio(session, settings)


@pytest.fixture
def run(empty_database, settings, monkeypatch):
    monkeypatch.setattr("creditlink.cli.training.learning.start", lambda _role: (settings, empty_database))
    monkeypatch.setattr("creditlink.cli.financing.start", lambda _role: (settings, empty_database))

    def invoke(group, *arguments):
        return CliRunner().invoke(group, list(map(str, arguments)), catch_exceptions=False)

    return invoke


@pytest.fixture
def mixed(portfolio):
    """One application of every kind."""
    made = {
        "good": portfolio.add(), "bad": portfolio.add("written_off", late=120, sales=0.1),
        "declined": portfolio.add("declined"), "not_taken": portfolio.add("lapsed"),
        "immature": portfolio.add("repaying", as_of=date(2025, 9, 1)), "gone": portfolio.add(expired=True),
        "revoked": portfolio.add(consent="REVOKED"), "never": portfolio.add(record=False), "deleted": portfolio.add(),
    }  # fmt: skip
    portfolio.session.add(
        DeletionRequest(
            consent_id=made["deleted"].consent_id,
            enterprise_id=made["deleted"].enterprise_id,
            asked_at=ANSWERED,
            asked_by=f"account:{portfolio.account.id}",
        )
    )
    portfolio.session.commit()
    return {name: held.enterprise_id for name, held in made.items()}


COUNTS = {"bad": 1, "declined": 1, "good": 1, "immature": 1, "no_record": 2, "not_taken": 1, "withdrawn": 2}


def looks(enterprise_id):
    with db.transaction("owner") as session:
        return [line for line in audit.export(session, enterprise_id) if line["action"] == "decision.learn"]


def test_every_application_is_a_row_or_counted_by_name(mixed, run, tmp_path):
    out = tmp_path / "labels.parquet"
    answer = run(financing, "labels", "--as-of", CUT, "--as", "wang", "--out", out, "--json")
    assert json.loads(answer.stdout.splitlines()[-1])["counts"] == COUNTS
    rows = pl.read_parquet(out)
    assert rows.columns[:4] == ["firm", "as_of", "is_bad", FEATURES[0]]
    assert sorted(rows.select("is_bad", "sales_12_fen").rows()) == [(0, 1e8), (1, 1e7)]


def test_only_records_that_count_are_opened_and_each_look_is_in_the_firms_log(mixed, run, tmp_path):
    run(financing, "labels", "--as-of", CUT, "--as", "wang", "--out", tmp_path / "labels.csv")
    assert {name for name, firm in mixed.items() if looks(firm)} == {"good", "bad"}
    (look,) = looks(mixed["bad"])
    assert look["actor"].startswith("staff:")
    assert (look["purpose"], look["detail"]["role"]) == ("model_training", "risk")
    run(financing, "labels", "--as-of", CUT, "--as", "wang", "--declined", "--out", tmp_path / "all.csv")
    assert {name for name, firm in mixed.items() if looks(firm)} == {"good", "bad", "declined"}


def test_declined_firms_have_no_outcome(mixed, run, tmp_path):
    out = tmp_path / "all.parquet"
    run(financing, "labels", "--as-of", CUT, "--as", "wang", "--declined", "--out", out)
    rows = pl.read_parquet(out).sort("outcome")
    assert rows["outcome"].to_list() == ["bad", "declined", "good"]
    assert rows["is_bad"].to_list() == [1, None, 0]
    assert rows["approved"].to_list() == [True, False, True]
    assert rows["pd_12m"].to_list() == [0.03] * 3


def test_what_is_known_later_does_not_count(mixed, run, tmp_path):
    answer = run(
        financing,
        "labels",
        "--as-of",
        "2025-09-30",
        "--horizon",
        6,
        "--as",
        "wang",
        "--out",
        tmp_path / "a.csv",
        "--json",
    )
    counts = json.loads(answer.stdout.splitlines()[-1])["counts"]
    # Six months after January nobody was late yet, and no report of that month came.
    assert (counts.get("bad"), counts["unreported"]) == (None, 2)


def test_nobody_opens_a_record_without_a_name_and_the_role(mixed, run, empty_database, tmp_path):
    with empty_database.transaction("owner") as session:
        make_staff(session, "li", "auditor")
    nameless = run(financing, "labels", "--out", tmp_path / "a.csv")
    wrong = run(financing, "labels", "--as", "li", "--out", tmp_path / "a.csv")
    assert (nameless.exit_code, wrong.exit_code) == (1, 1)
    assert "in whose name?" in nameless.output
    assert not (tmp_path / "a.csv").exists()
    assert not looks(mixed["good"])


def test_a_model_is_recalibrated_from_the_archive(portfolio, run, tmp_path, monkeypatch):
    """With fewer firms than a level needs, for speed; that it needs them is tested by itself."""
    for k in range(24):
        portfolio.add(late=120 if k % 2 else None, sales=1.0 + k)
    portfolio.session.commit()
    out = tmp_path / "portfolio-2026a"
    few = run(train, "recalibrate", MODEL, "--from-database", "--as", "wang", "--out", out)
    assert "12 firms went bad: 100 are needed, 88 more" in few.output
    monkeypatch.setattr(adjustment, "LEAST_BADS", 10)
    monkeypatch.setattr(adjustment, "LEAST_GOODS", 10)
    done = run(train, "recalibrate", MODEL, "--from-database", "--as", "wang", "--out", out)
    assert "24 rows, 12 bad: 0.5000" in done.output, done.output
    told = json.loads((out / "manifest.json").read_text())["recalibration"]
    assert (told["source"], told["rows"], told["firms"], told["since"]) == ("archive", 24, 24, "2025-01-11")
    assert told["level"] > 1  # half of them went bad, of whom the city's model expected few


def test_a_model_is_trained_from_the_archive(portfolio, run, tmp_path, monkeypatch):
    for k in range(60):
        portfolio.add(late=120 if k % 2 else None, sales=0.1 if k % 3 else 5.0)
    portfolio.session.commit()
    out = tmp_path / "loans-2027a"
    few = run(train, "outcomes", MODEL, "--from-database", "--as", "wang", "--out", out)
    assert "30 firms went bad: 50 are needed, 20 more" in few.output
    monkeypatch.setattr("creditlink.training.outcomes.fitting.LEAST_BADS", 20)
    done = run(train, "outcomes", MODEL, "--from-database", "--as", "wang", "--out", out)
    assert "60 loans of 60 firms" in done.output, done.output
    assert "| good | 30 |" in (out / "datasheet.md").read_text()
