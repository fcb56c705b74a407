"""What a connector may bring in: whatever it delivers, only facts that a frame can hold get past."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from creditlink.records.offices.admission import Admission, admit
from creditlink.records.pulls.delivery import Delivery, Fact, Reject, ResourceResult

pytestmark = pytest.mark.pure

JUNE = date(2026, 6, 1)
ALLOWED = Admission("gx", ("payroll_months",), ("social_security",), date(2026, 1, 1), date(2026, 8, 20))
GOOD = Fact(
    "payroll_months", JUNE, "",
    {"headcount": 3, "base_fen": 10, "due_fen": 5, "paid_fen": 5, "due_on": "2026-07-15", "paid_on": None,
     "joiners": 0, "leavers": 0},
    datetime(2026, 7, 16, tzinfo=UTC),
)  # fmt: skip
EVENT = Fact(
    "credit_events", JUNE, "penalty/7", {"occurred_on": "2026-06-03", "severity": 2, "amount_fen": 1, "ended_on": None},
    GOOD.known_at,
)  # fmt: skip


def delivery(*facts):
    return Delivery("whatever", list(facts), resources={"payroll": ResourceResult(rows=len(facts))})


def with_value(**values):
    return replace(GOOD, values=GOOD.values | values)


def test_what_fits_passes_under_the_configured_name():
    came = delivery(GOOD)
    came.rejects.append(Reject.of("whatever", "payroll", "row 1", "headcount", "x", "not a number"))
    got = admit(came, ALLOWED)
    assert (got.source, got.facts, got.status) == ("gx", [GOOD], "DELIVERED")
    assert [(reject.source, reject.field, reject.excerpt) for reject in got.rejects] == [("gx", "headcount", "x")]


@pytest.mark.parametrize(
    ("fact", "field", "reason"),
    [
        (replace(GOOD, frame="tax_standing"), "frame", "of category tax, but the source is configured for social_sec"),
        (replace(GOOD, frame="gossip"), "frame", "no such frame"),
        (replace(GOOD, frame="registration"), "frame", "of category registration"),
        ("a text", "(fact)", "no fact"),
        (replace(GOOD, period=date(2026, 6, 2)), "period", "first day"),
        (replace(GOOD, period=datetime(2026, 6, 1, tzinfo=UTC)), "period", "first day"),
        (replace(GOOD, period=date(2025, 12, 1)), "period", "outside the asked range"),
        (replace(GOOD, period=date(2026, 9, 1)), "period", "outside the asked range"),
        (replace(GOOD, version=-1), "version", "negative"),
        (replace(GOOD, version=2**31), "version", "whole number"),
        (replace(GOOD, version=True), "version", "whole number"),
        (replace(GOOD, complete=1), "complete", "neither true nor false"),
        (replace(GOOD, known_at=datetime(2026, 7, 16)), "known_at", "zone"),  # noqa: DTZ001
        (replace(GOOD, known_at=datetime(9999, 7, 16, tzinfo=UTC)), "known_at", "years"),
        (replace(GOOD, known_at="2026-07-16"), "known_at", "instant"),
        (replace(GOOD, subkey="\0"), "subkey", "text"),
        (replace(GOOD, subkey="x" * 201), "subkey", "text"),
        (replace(GOOD, values=[1]), "values", "named values"),
        (with_value(gossip=1), "gossip", "no value of frame"),
        (with_value(firm=1), "firm", "no value of frame"),
        (with_value(known_on="2020-01-01"), "known_on", "no value of frame"),
        (with_value(headcount="3"), "headcount", "whole number"),
        (with_value(headcount=3.0), "headcount", "whole number"),
        (with_value(headcount=-1), "headcount", "not between"),
        (with_value(base_fen=10**18), "base_fen", "not between"),
        (with_value(base_fen=2**63), "base_fen", "whole number"),
        (with_value(due_on="2026-7-15"), "due_on", "day"),
        (with_value(due_on="20260715"), "due_on", "day"),
        (with_value(due_on="9999-12-31"), "due_on", "not between"),
        (with_value(due_on=date(2026, 7, 15)), "due_on", "day"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_kept_aside_by_name_and_the_rest_passes(fact, field, reason):
    got = admit(delivery(GOOD, fact), ALLOWED)
    assert got.facts == [GOOD]
    [reject] = got.rejects
    assert reject.field == field
    assert reason in reject.reason
    assert reject.position == "fact 1"
    assert got.status == "PARTIAL"
    assert "1 facts of the connector were refused" in got.error


@pytest.mark.parametrize(
    ("fact", "field"),
    [
        (replace(EVENT, subkey="gossip/7"), "kind"),
        (replace(EVENT, values=EVENT.values | {"severity": 4}), "severity"),
        (replace(EVENT, values=EVENT.values | {"severity": 200}), "severity"),
        (replace(EVENT, values=EVENT.values | {"occurred_on": None}), "occurred_on"),
        (replace(EVENT, values={"severity": 1}), "occurred_on"),
        (replace(EVENT, values=EVENT.values | {"kind": "penalty"}), "kind"),
    ],
)
def test_what_identifies_an_event_is_there_and_known(fact, field):
    allowed = Admission("credit", ("credit_events",), ("public_credit",), date(2026, 1, 1), date(2026, 8, 20))
    got = admit(delivery(EVENT, fact), allowed)
    assert got.facts == [EVENT]
    assert [reject.field for reject in got.rejects] == [field]


def test_a_source_of_one_kind_within_a_category_delivers_that_kind():
    values = {"usage": 1.0, "amount_fen": 1, "due_on": "2026-07-15", "method": "cash", "read_quality": "actual"}
    meters = [Fact("meter_months", JUNE, f"{kind}/1", values, GOOD.known_at) for kind in ("electricity", "water")]
    allowed = Admission("grid", ("meter_months",), ("electricity",), date(2026, 1, 1), date(2026, 8, 20))
    got = admit(delivery(*meters), allowed)
    assert got.facts == meters[:1]
    [reject] = got.rejects
    assert "configured for electricity" in reject.reason


def test_a_frame_that_the_factory_does_not_name_is_refused():
    allowed = Admission("tax", ("tax_standing",), ("tax",), date(2026, 1, 1), date(2026, 8, 20))
    fact = replace(GOOD, frame="vat_declarations", values={})
    [reject] = admit(delivery(fact), allowed).rejects
    assert "factory does not name" in reject.reason


def test_a_connector_that_is_wrong_throughout_has_all_refused_in_little_time():
    facts = [with_value(headcount=-1) for _ in range(5000)]
    got = admit(delivery(*facts, GOOD), ALLOWED)
    assert len(got.facts) + len(got.rejects) == 5001
    assert not [fact for fact in got.facts if fact.values["headcount"] < 0]


def test_one_that_says_nothing_of_how_it_went_was_no_answer():
    assert admit(Delivery("x"), ALLOWED).status == "DOWN"
    odd = Delivery("x", resources={"payroll": ResourceResult(status="PENDING")})
    assert admit(odd, ALLOWED).status == "DOWN"


def test_a_correction_is_two_facts():
    later = replace(with_value(headcount=4), version=1, known_at=GOOD.known_at + timedelta(days=40))
    assert admit(delivery(GOOD, later), ALLOWED).facts == [GOOD, later]
