"""What every connector must do: the checks. Each is run by pytest through the plugin, never by the product."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from creditlink.conformance import mutations
from creditlink.conformance.bench import QUICK, Bench, lines
from creditlink.conformance.cases import HOLDING_FACTS, KINDS, GoldenCase
from creditlink.conformance.replay import Answer, Question, with_body
from creditlink.kit.clock import add_months, month_start
from creditlink.records.connectors.wire import Failure, PullStopped
from creditlink.records.offices.factory import ConnectorFactory
from creditlink.records.pulls.delivery import Delivery

_MOST_SECONDS = 20.0
_WHOLE = ("DELIVERED", "NO_RECORD")


def test_every_kind_of_case_is_recorded(cases: dict[str, list[GoldenCase]]) -> None:
    """The golden files show each thing that an office of any kind may say."""
    missing = {kind: about for kind, about in KINDS.items() if kind not in cases}
    assert not missing


def test_its_golden_files_use_every_frame_it_names(factory: ConnectorFactory, bench: Bench, cases: object) -> None:
    """A frame that no golden file delivers is a promise that nobody has seen kept."""
    seen = set()
    for case in (case for found in cases.values() for case in found):  # type: ignore[attr-defined]
        with bench.facing(case) as (connector, _):
            seen |= {fact.frame for fact in bench.fetch(connector, case).facts}
    assert seen == set(factory.frames)


def test_the_golden_files_come_out_as_written(bench: Bench, case: GoldenCase) -> None:
    """Each recorded conversation gives exactly the recorded facts, rejects and status, by the recorded requests."""
    with bench.facing(case) as (connector, office):
        got = bench.fetch(connector, case)
    assert office.strangers == []
    assert got.status == case.status, got.error
    assert lines(got.facts) == case.facts
    assert sorted((reject.resource, reject.field) for reject in got.rejects) == list(case.rejects)
    assert all(reject.reason and reject.position for reject in got.rejects)
    for question in office.asked:
        assert not [
            name for name, secret in bench.credentials.items() if secret in str((question.path, question.query))
        ]


def test_the_statuses_are_told_apart(bench: Bench, cases: dict[str, list[GoldenCase]]) -> None:
    """No record, nothing in the range, incomplete and refused are four answers."""
    wanted = {"no_record": "NO_RECORD", "empty": "DELIVERED", "partial": "PARTIAL", "denied": "DENIED"}
    for kind, status in wanted.items():
        for case in cases.get(kind, []):
            with bench.facing(case) as (connector, _):
                got = bench.fetch(connector, case)
            assert got.status == status, f"{case.name}: {got.error}"
            if kind != "partial":  # that lists were searched is said of a firm that is on none
                assert {fact.subkey for fact in got.facts} <= ({"searched"} if kind == "empty" else set())
            assert bool(got.error) == (status in ("PARTIAL", "DENIED"))


def test_both_clocks_tick(bench: Bench, cases: dict[str, list[GoldenCase]]) -> None:
    """A correction is a further fact with a higher version and a later instant; the earlier one stays."""
    for case in cases.get("corrected", []):
        with bench.facing(case) as (connector, _):
            got = bench.fetch(connector, case)
        versions: dict[tuple[object, ...], list[tuple[int, object]]] = {}
        for fact in got.facts:
            versions.setdefault((fact.frame, fact.period, fact.subkey), []).append((fact.version, fact.known_at))
        corrected = [sorted(found, key=str) for found in versions.values() if len(found) > 1]
        assert corrected, f"{case.name} has no fact in two versions"
        for found in corrected:
            assert sorted(version for version, _ in found) == [version for version, _ in found]
            assert len({version for version, _ in found}) == len({known for _, known in found}) == len(found)
            assert sorted(known for _, known in found) == [known for _, known in found]  # type: ignore[type-var]


def test_pages_neither_overlap_nor_leave_gaps(bench: Bench, cases: dict[str, list[GoldenCase]]) -> None:
    """Every page is asked for once, and no fact comes twice."""
    for case in cases.get("paged", []):
        with bench.facing(case) as (connector, office):
            got = bench.fetch(connector, case)
        assert len(office.asked) >= 2
        assert len({(one.path, str(sorted(one.query.items())), one.content) for one in office.asked}) == len(
            office.asked
        )
        keys = [(fact.frame, fact.period, fact.subkey, fact.version) for fact in got.facts]
        assert len(set(keys)) == len(keys)
        assert got.total in (None, got.rows)


def test_an_office_that_repeats_a_page_for_ever_ends(bench: Bench, cases: dict[str, list[GoldenCase]]) -> None:
    """However an office turns its pages, the connector stops asking."""
    for case in cases.get("paged", []):
        first = replace(case, exchanges=case.exchanges[:1])
        with bench.facing(first) as (connector, office):
            began = time.monotonic()

            def in_time(began: float = began) -> bool:
                if time.monotonic() - began > _MOST_SECONDS:
                    raise Failure("TIMEOUT", "the kit has waited long enough")
                return True

            bench.fetch(connector, first, proceed=in_time)
            assert time.monotonic() - began < _MOST_SECONDS, f"{len(office.asked)} requests and no end"


def test_the_same_answers_give_the_same_digest(bench: Bench, whole: GoldenCase) -> None:
    """The digest is over the answers; the connector keeps nothing of an earlier conversation."""
    with bench.facing(whole) as (connector, _):
        first, second = bench.fetch(connector, whole), bench.fetch(connector, whole)
    assert re.fullmatch(r"[0-9a-f]{64}", first.digest)
    assert (first.digest, lines(first.facts)) == (second.digest, lines(second.facts))


def test_several_firms_at_once_stay_apart(bench: Bench, whole: GoldenCase) -> None:
    """A connector is shared by threads."""
    with bench.facing(whole) as (connector, _), ThreadPoolExecutor(4) as pool:
        found = [pool.submit(bench.fetch, connector, whole) for _ in range(8)]
        assert {lines(one.result().facts) for one in found} == {whole.facts}


def test_a_body_that_is_cut_off_is_no_answer(bench: Bench, whole: GoldenCase) -> None:
    """Of a torn body whole rows may be used; that it is torn always shows."""
    for cut in mutations.cuts(whole.exchanges[-1].body):
        got = _spoilt(bench, whole, lambda answer, cut=cut: with_body(answer, cut))  # type: ignore[misc]
        assert got.status not in _WHOLE or lines(got.facts) == whole.facts, f"cut at {len(cut)} bytes"
        assert set(lines(got.facts)) <= set(whole.facts)
    got = _spoilt(bench, whole, lambda answer: replace(answer, hang_up=True))
    assert got.status not in _WHOLE


@pytest.mark.parametrize("kind", mutations.FOREIGN)
def test_a_body_of_another_kind_is_no_answer(bench: Bench, whole: GoldenCase, kind: str) -> None:
    """What is no answer in the dialect is a failure with a reason, and gives no fact."""
    got = _spoilt(bench, whole, lambda answer: with_body(answer, mutations.FOREIGN[kind]))
    assert got.status not in _WHOLE
    assert got.error
    assert set(lines(got.facts)) <= set(whole.facts)


def test_a_byte_order_mark_is_read_over_or_refused(bench: Bench, whole: GoldenCase) -> None:
    """It never costs a row in silence."""
    got = _spoilt(bench, whole, lambda answer: with_body(answer, mutations.with_bom(answer.body)))
    assert lines(got.facts) == whole.facts or got.status not in _WHOLE


@pytest.mark.parametrize(
    ("status", "wanted"),
    [(500, "DOWN"), (502, "DOWN"), (503, "DOWN"), (429, "DOWN"), (504, "TIMEOUT"), (401, "DENIED"), (403, "DENIED"),
     (302, None), (418, None)],
)  # fmt: skip
def test_a_failure_has_its_status(bench: Bench, whole: GoldenCase, status: int, wanted: str | None) -> None:
    """5xx passes, 4xx does not, and a redirect is not followed; of several pages those before it are kept."""
    failed = Answer(status, {"Location": "http://127.0.0.1:9/elsewhere"} if status == 302 else {}, b"")
    if len(whole.exchanges) > 1:
        later = _spoilt(bench, whole, lambda _answer: failed)
        assert later.status == "PARTIAL"
        assert set(lines(later.facts)) < set(whole.facts)
    with bench.facing(whole, lambda _question, _answer: failed) as (connector, _):
        got = bench.fetch(connector, whole)
    assert not got.facts
    assert got.error
    assert got.status == wanted if wanted else got.status in ("DOWN", "DENIED")


def test_silence_is_a_time_out(bench: Bench, cases: dict[str, list[GoldenCase]]) -> None:
    """An office that does not answer costs a bounded time, and is asked a bounded number of times."""
    case = cases["delivered"][0]
    began = time.monotonic()
    with bench.facing(case, lambda _question, answer: replace(answer, delay=QUICK.read_seconds * 3)) as (
        connector,
        office,
    ):
        got = bench.fetch(connector, case)
        resources = max(1, len(got.resources))
    assert got.status == "TIMEOUT"
    assert not got.facts
    assert len(office.asked) <= QUICK.attempts * resources
    assert time.monotonic() - began < (QUICK.total_seconds + 1) * resources


def test_a_fault_that_passes_is_not_noticed(bench: Bench, whole: GoldenCase) -> None:
    """One 500 is asked again after, by the product's wire."""
    failed: list[Question] = []

    def once(question: Question, answer: Answer) -> Answer:
        if failed:
            return answer
        failed.append(question)
        return Answer(500, {}, b"")

    with bench.facing(whole, once) as (connector, _):
        assert lines(bench.fetch(connector, whole).facts) == whole.facts


def test_a_value_that_cannot_be_costs_its_row_and_says_so(
    bench: Bench, cases: dict[str, list[GoldenCase]], most_hard_values: int
) -> None:
    """Every value of an answer is replaced by hard ones: no row is lost in silence, none is stored that cannot be."""
    holding = [case for kind in HOLDING_FACTS for case in cases.get(kind, [])]
    # The first answer of each endpoint, whose rows are read by code of their own.
    firsts = {
        one.body: (case, one.path) for case in holding for one in {e.path: e for e in case.exchanges[::-1]}.values()
    }
    silent = []
    for target, spoilt in mutations.hard_values(
        *firsts, apart={body: path for body, (_, path) in firsts.items()}, most=most_hard_values
    ).items():
        case, body = firsts[target][0], target

        def spoil(_question: Question, answer: Answer, target: bytes = target) -> Answer:
            return with_body(answer, body) if answer.body == target else answer  # noqa: B023 (the office reads it)

        with bench.facing(case, spoil) as (connector, _):
            for what, body in spoilt:  # noqa: B007 (the office reads it)
                got = bench.fetch(connector, case)
                assert all(reject.field and reject.reason for reject in got.rejects), what
                if len(got.facts) < len(case.facts) and not got.rejects and got.status in _WHOLE:
                    silent.append(f"{case.name}: {what}")
    # A changed state of the whole answer may make it another answer; a changed value of a row never may.
    assert silent == []


def test_nothing_outside_the_asked_range_is_taken(bench: Bench, whole: GoldenCase) -> None:
    """An office may send what was not asked for; the consent does not cover it."""
    month = month_start(add_months(whole.since, 1))
    last = add_months(month, 1) - timedelta(days=1)
    with bench.facing(whole) as (connector, office):
        got = bench.fetch(connector, whole, since=month, until=last)
        assert office.asked
    assert office.strangers, "the connector asks for the same range whatever it is given"
    assert all(fact.period == month for fact in got.facts)


def test_it_stops_when_it_may_not_proceed(bench: Bench, whole: GoldenCase) -> None:
    """`proceed` is asked before and after every request; a no ends the conversation at once."""
    counted = _Counted(no_at=None)
    with bench.facing(whole) as (connector, office):
        bench.fetch(connector, whole, proceed=counted)
        requests = len(office.asked)
    assert counted.calls >= 2 * requests
    for no_at in range(counted.calls):
        with bench.facing(whole) as (connector, office):
            stop = _Counted(no_at)
            with pytest.raises(PullStopped):
                bench.fetch(connector, whole, proceed=stop)
            assert len(office.asked) <= (no_at + 1) // 2
            assert stop.calls == no_at + 1


def test_the_products_patience_ends_it_too(bench: Bench, whole: GoldenCase) -> None:
    """`proceed` may raise a `Failure` when a firm takes too long: that is a status, like any other."""

    def impatient() -> bool:
        raise Failure("TIMEOUT", "the office took too long for one firm")

    with bench.facing(whole) as (connector, office):
        got = bench.fetch(connector, whole, proceed=impatient)
    assert (got.status, got.facts, office.asked) == ("TIMEOUT", [], [])


class _Counted:
    """Says yes until its time has come."""

    def __init__(self, no_at: int | None) -> None:
        self.calls = 0
        self._no_at = no_at

    def __call__(self) -> bool:
        self.calls += 1
        return self._no_at is None or self.calls <= self._no_at


def _spoilt(bench: Bench, case: GoldenCase, change: Callable[[Answer], Answer]) -> Delivery:
    """Return what comes of a case of which the last recorded exchange is changed, each time it is asked for."""
    last = case.exchanges[-1]

    def spoil(_question: Question, answer: Answer) -> Answer:
        return change(answer) if answer.body == last.body else answer

    with bench.facing(case, spoil) as (connector, _):
        return bench.fetch(connector, case)
