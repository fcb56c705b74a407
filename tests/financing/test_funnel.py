"""The funnel: separate facts, reconciled to the row, and nothing told of fewer than ten firms."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.cli import financing as commands
from creditlink.cli.financing import financing
from creditlink.engine.vocabulary import FEWEST_FIRMS
from creditlink.financing.applications import applications
from creditlink.financing.applications.applications import locked
from creditlink.financing.funnel import cases
from creditlink.financing.funnel.funnel import (
    AMOUNTS,
    DIMENSIONS,
    OTHER,
    Case,
    during,
    funnel,
    funnels,
    league,
)
from creditlink.financing.loans import outcomes
from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.kit.clock import day_of, start_of_day
from creditlink.kit.ids import external
from creditlink.kit.postgres import db
from tests.financing.conftest import NOW, OFFER, bank_of

NEXT_MONTH = NOW + timedelta(days=20)
SUMMED = ("applied", "approved", "declined", "drawn", "repaid", "written_off", "asked_fen", "approved_fen", "drawn_fen")


def case(firm: int, institution="A", **values) -> Case:
    return Case(
        **{
            "application": uuid4(), "firm": UUID(int=firm), "institution": institution, "product": f"{institution}-1",
            "industry": "C", "region": "440600", "month": "2026-08", "asked_fen": 100, "approved": False,
            "approved_fen": 0, "declined": False, "drawn_fen": 0, "repaid": False, "written_off": False,
            "overdue_90": False, "answer_hours": None,
        }
        | values
    )  # fmt: skip


@pytest.mark.pure
class TestPure:
    def test_each_fact_is_counted_apart(self):
        told = [
            case(k, approved=k < 20, approved_fen=90 * (k < 20), drawn_fen=80 * (k < 12), repaid=k < 2)
            for k in range(30)
        ]
        (row,) = funnel(told, "institution")
        assert (row.firms, row.applied, row.approved, row.drawn, row.repaid) == (30, 30, 20, 12, 2)
        assert (row.asked_fen, row.approved_fen, row.drawn_fen) == (3000, 1800, 960)

    def test_an_amount_that_few_firms_share_in_is_not_told(self):
        told = [case(k, drawn_fen=80 * (k < 9)) for k in range(12)]
        assert [(row.drawn, row.drawn_fen, row.asked_fen) for row in funnel(told, "institution")] == [(9, None, 1200)]

    def test_nor_one_that_could_be_worked_out_from_the_others(self):
        told = [case(k, "A", drawn_fen=7) for k in range(12)]
        told += [case(k + 20, "B", drawn_fen=50 * (k == 0)) for k in range(12)]
        rows = funnels(told)
        assert rows["all"][0].drawn_fen == 134
        assert [row.drawn_fen for row in rows["institution"]] == [None, None]  # A's beside the total would tell B's one

    @given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ABC"), st.booleans()), max_size=90))
    @settings(max_examples=60, deadline=None)
    def test_no_amount_less_those_beside_it_is_of_few_firms(self, drawn):
        told = [case(firm, at, drawn_fen=7 * d) for firm, at, d in drawn]
        rows = funnels(told)
        named = {row.key for row in rows["institution"]}
        for total in rows["all"]:
            hidden = {
                one.firm
                for one in told
                for row in rows["institution"]
                if one.drawn_fen and row.drawn_fen is None
                and row.key == (one.institution if one.institution in named else OTHER)
            }  # fmt: skip
            assert total.drawn_fen is None or not hidden or len(hidden) >= FEWEST_FIRMS

    def test_what_happened_between_two_moments_is_told_once(self):
        before = [case(k, application=UUID(int=k + 1000)) for k in range(12)]
        after = [replace(one, drawn_fen=80) if k < 3 else one for k, one in enumerate(before)] + [case(50)]
        happened = during(before, after)
        assert [(one.applied, one.asked_fen, one.drawn_fen) for one in happened] == [(False, 0, 80)] * 3 + [
            (True, 100, 0)
        ]
        assert during(after, after) == []

    def test_ten_applications_of_one_firm_are_one_firm(self):
        assert funnel([case(1) for _ in range(50)], "institution") == []

    def test_small_groups_are_told_together_and_take_a_larger_one_along_when_too_small(self):
        told = [case(k, "A") for k in range(30)] + [case(k, "B") for k in range(12)] + [case(99, "C")]
        rows = {row.key: row.applied for row in funnel(told, "institution")}
        assert rows == {"A": 30, OTHER: 13}

    def test_the_quickest_to_answer_leads(self):
        told = [case(k, "A", answer_hours=5.0) for k in range(10)] + [case(k, "B", answer_hours=2.0) for k in range(10)]
        assert [row.key for row in league(told)] == ["B", "A"]

    def test_products_subtracted_from_their_institution_leave_no_small_group(self):
        told = [case(k, "A", product="A-1") for k in range(11)] + [case(k + 20, "A", product="A-2") for k in range(2)]
        told += [case(k + 40, "B", product=f"B-{k}") for k in range(14)]
        products = {row.key: row.applied for row in funnel(told, "product")}
        assert {row.key: row.applied for row in funnel(told, "institution")} == {"A": 13, "B": 14}
        assert products == {OTHER: 27}  # A-1 beside A would have told of the two firms of A-2

    def test_products_that_leave_enough_stay(self):
        told = [case(k + 20 * (k > 10), "A", product="A-1" if k < 11 else "A-2") for k in range(22)]
        told += [case(k + 60, "B", product=f"B-{k}") for k in range(14)]
        assert {row.key for row in funnel(told, "product")} == {"A-1", "A-2", OTHER}

    def test_a_median_of_few_firms_is_not_told(self):
        rows = funnel([case(k, answer_hours=3.0 if k < 9 else None) for k in range(12)], "institution")
        assert [(row.answered, row.median_answer_hours) for row in rows] == [(9, None)]

    @given(
        st.lists(
            st.tuples(st.integers(0, 40), st.sampled_from("AB"), st.sampled_from("123"), st.sampled_from("xyz")),
            max_size=120,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_no_row_less_those_within_it_is_of_few_firms(self, drawn):
        told = [case(firm, at, product=f"{at}-{p}", region=region) for firm, at, p, region in drawn]
        rows = funnels(told)
        members = {
            name: {
                row.key: {
                    k for k, one in enumerate(told)
                    if (DIMENSIONS[name](one) if DIMENSIONS[name](one) in {r.key for r in held} else OTHER) == row.key
                }
                for row in held
            }
            for name, held in rows.items()
        }  # fmt: skip
        for outer, inner in itertools.permutations(DIMENSIONS, 2):
            for whole in members[outer].values():
                left = whole.difference(*(part for part in members[inner].values() if part <= whole))
                assert not left or len({told[k].firm for k in left}) >= FEWEST_FIRMS

    @given(
        st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ABCDE"), st.booleans(), st.booleans()), max_size=150)
    )
    @settings(max_examples=60, deadline=None)
    def test_what_is_told_adds_up_and_hides_every_small_group(self, drawn):
        told = [case(firm, at, approved=a, drawn_fen=7 * d) for firm, at, a, d in drawn]
        total = funnel(told, "all")
        rows = funnel(told, "institution")
        assert all(row.firms >= FEWEST_FIRMS for row in rows)
        hidden = [one for one in told if one.institution not in {row.key for row in rows}]
        if total and rows and (OTHER in {row.key for row in rows} or not hidden):
            for name in SUMMED:
                parts = [getattr(row, name) for row in (*rows, *total)]
                if None not in parts:
                    assert sum(parts[:-1]) == parts[-1]
                else:
                    assert name in AMOUNTS
        elif hidden and total:
            # Nothing else was told either, so nothing can be subtracted.
            assert rows == []


class TestFromTheDatabase:
    @pytest.fixture
    def lived(self, market, asked):
        """Twelve requests, each before three lenders: the first offers and lends, the second declines."""
        ids = [asked() for _ in range(12)]
        with db.transaction("owner") as session:
            for k, (first, second, _) in enumerate(ids):
                held = locked(session, first)
                made = market.offer(session, held, now=NOW + timedelta(hours=4))
                declined = locked(session, second)
                applications.decline(
                    session, declined, [declines()["D33"]], note="", weighed=[], actor=bank_of(declined),
                    now=NOW + timedelta(hours=10),
                )  # fmt: skip
                market.accept(session, held, made.sha256, now=NOW + timedelta(hours=5))
                market.sign(session, locked(session, first), made.sha256, now=NOW + timedelta(hours=6))
                if k < 6:
                    drawn = LoanOutcome("draw", date(2026, 8, 24), 90_000_000)
                    outcomes.record(session, locked(session, first), drawn, actor="x", now=NOW + timedelta(days=1))
        return ids

    def test_every_row_is_accounted_for(self, lived):
        with db.transaction("owner") as session:
            found = cases.cases_of(session)
        assert {one.application for one in found} == {one for ids in lived for one in ids}
        assert sum(one.approved for one in found) == 12
        assert sum(one.declined for one in found) == 12
        assert sum(one.drawn_fen for one in found) == 6 * 90_000_000
        assert {one.answer_hours for one in found} == {4.0, 10.0, None}

    def test_an_offer_of_thirty_million_yuan_is_counted(self, market, asked):
        """Its fen do not fit 32 bits."""
        (held_id, *_) = asked()
        with db.transaction("owner") as session:
            market.offer(session, locked(session, held_id), terms=replace(OFFER, amount_fen=3_000_000_000))
            found = cases.cases_of(session)
        assert sum(one.approved_fen for one in found) == 3_000_000_000

    def test_one_firm_is_too_few_to_tell(self, lived, client):
        with db.transaction("worker") as session:
            cases.publish(session, NEXT_MONTH)
        assert client.get("/v1/financing/funnel?by=institution").json["rows"] == []

    def test_what_is_published_is_what_the_rows_say(self, lived, client, monkeypatch):
        with db.transaction("owner") as session:
            true = list(cases.cases_of(session))
        # One firm stands behind all twelve requests of the fixture: let each count as a firm of its own.
        spread = [
            Case(**{name: getattr(one, name) for name in Case.__slots__} | {"firm": one.application}) for one in true
        ]
        monkeypatch.setattr(cases, "cases_of", lambda session, known_at: spread if known_at > NOW else [])
        with db.transaction("worker") as session:
            assert cases.publish(session, NOW) == 0  # the month is not over
            over = start_of_day(day_of(NEXT_MONTH).replace(day=1))
            assert cases.publish(session, over + timedelta(minutes=59)) == 0  # and its last moments may not be kept yet
            assert cases.publish(session, NEXT_MONTH) > 0
        for dimension in DIMENSIONS:
            rows = client.get(f"/v1/financing/funnel?by={dimension}").json["rows"]
            assert sum(row["applied"] for row in rows) == 36
            assert sum(row["approved_fen"] for row in rows) == 12 * OFFER.amount_fen
            assert {row["drawn_fen"] for row in rows} <= {None, 0}  # six firms drew
        times = client.get("/v1/financing/answer-times").json["rows"]
        assert [row["median_answer_hours"] for row in times] == [4.0, 10.0]

    def test_the_difference_between_two_publications_tells_no_firms_sums(self, client, monkeypatch, empty_database):
        """What one firm does after a period is told with those of nine others, or not yet."""
        first = [case(k, application=UUID(int=k + 1000)) for k in range(12)]
        second = [replace(one, drawn_fen=12_345 if k == 0 else 0) for k, one in enumerate(first)]
        third = [replace(one, drawn_fen=12_345 + k) for k, one in enumerate(first)]
        known = {}
        monkeypatch.setattr(cases, "cases_of", lambda session, known_at=None: known[known_at])

        def published(at):
            with db.transaction("worker") as session:
                cases.publish(session, at)
            return client.get("/v1/financing/funnel").json

        months = [date(2026, month, 1) for month in (9, 10, 11)]
        for month, held in zip(months, (first, second, third), strict=True):
            known[start_of_day(month)] = held
        at = [start_of_day(month) + timedelta(days=3) for month in months]
        before = published(at[0])
        assert [(row["applied"], row["drawn_fen"]) for row in before["rows"]] == [(12, 0)]
        assert published(at[0] + timedelta(days=20)) == before
        assert published(at[1]) == before  # one firm drew in September: nothing is told
        after = published(at[2])
        assert (after["period_from"], after["period_until"]) == (before["period_until"], after["periods"][0])
        assert [(row["firms"], row["applied"], row["drawn"]) for row in after["rows"]] == [(12, 0, 12)]
        assert (
            client.get("/v1/financing/funnel", query_string={"until": before["period_until"]}).json["rows"]
            == before["rows"]
        )

    def test_a_wrong_dimension_is_refused(self, client):
        answer = client.get("/v1/financing/funnel?by=surname")
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/by")


def declines():
    from creditlink.financing import configuration
    from creditlink.kit.settings import ROOT

    return configuration.declines(ROOT / "config")


class TestCommands:
    @pytest.fixture
    def run(self, monkeypatch, empty_database):
        monkeypatch.setattr("creditlink.cli.financing.start", lambda role: db.configure(empty_database, role=role))
        return lambda *arguments: CliRunner().invoke(financing, [str(one) for one in arguments])

    def test_outcomes_from_a_file(self, run, market, asked, tmp_path):
        (first, *_) = asked(1)
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, first))
            market.accept(session, locked(session, first), made.sha256)
            market.sign(session, locked(session, first), made.sha256)
        file = tmp_path / "loans.csv"
        wire = external("app", first)
        file.write_text(f"application_id,kind,on,amount_fen\n{wire},draw,2026-08-20,50\n{wire},draw,yesterday,50\n")
        code = market.lenders[0][0].code
        answer = run("outcomes", file, "--institution", code)
        assert answer.exit_code == 1
        assert "line 3: field 'on': value 'yesterday'" in answer.output
        assert "2 lines: 1 recorded, 0 known already, 1 wrong" in answer.output
        assert "0 recorded, 1 known already" in run("outcomes", file, "--institution", code).output

    def test_a_run_that_was_cut_off_keeps_what_was_in_and_goes_on_when_repeated(
        self, run, market, asked, tmp_path, monkeypatch
    ):
        (first, *_) = asked(1)
        with db.transaction("owner") as session:
            made = market.offer(session, locked(session, first))
            market.accept(session, locked(session, first), made.sha256)
            market.sign(session, locked(session, first), made.sha256)
        wire = external("app", first)
        rows = [{"application_id": wire, "kind": "draw", "on": "2026-08-20", "amount_fen": 50}]
        rows += [{"application_id": wire, "kind": "repayment", "on": f"2026-{m:02}-01", "amount_fen": 40,
                  "days_past_due": 0} for m in (9, 10)]  # fmt: skip
        file = tmp_path / "loans.ndjson"
        file.write_text("\n".join(["{", *map(json.dumps, rows)]))
        real, parts = commands.take_lines, []

        def cut_off(session, known, part, **at):
            parts.append(part)
            if len(parts) == 2:
                raise ConnectionError
            return real(session, known, part, **at)

        monkeypatch.setattr(commands, "AT_ONCE", 2)
        monkeypatch.setattr(commands, "take_lines", cut_off)
        code = market.lenders[0][0].code
        assert isinstance(run("outcomes", file, "--institution", code).exception, ConnectionError)
        again = run("outcomes", file, "--institution", code)
        assert "line 1: field 'line': value '{': is not a JSON object" in again.output
        assert "4 lines: 2 recorded, 1 known already, 1 wrong" in again.output

    @pytest.mark.parametrize(
        ("name", "text", "institution", "said"),
        [
            ("loans.txt", "x", None, ".csv"),
            ("loans.csv", "application_id\n", None, "lacks the column"),
            ("loans.csv", "application_id,kind,on\n", "NOBODY", "NOBODY"),
        ],
    )
    def test_a_wrong_file_is_refused_before_anything(self, run, market, tmp_path, name, text, institution, said):
        file = tmp_path / name
        file.write_text(text)
        answer = run("outcomes", file, "--institution", institution or market.lenders[0][0].code)
        assert answer.exit_code != 0
        assert said in answer.output

    def test_the_funnel_says_when_there_is_too_little_to_tell(self, run, asked):
        asked()
        assert "fewer than ten firms" in run("funnel").output
        assert run("funnel", "--json").output == ""
        assert [json.loads(line) for line in run("answer-times", "--json").output.splitlines()] == []
