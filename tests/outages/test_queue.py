"""Callers are served in turn; who asks for much delays itself."""

import asyncio

import pytest

from creditlink.web.front.about import Callers
from creditlink.web.front.application import Bounds, Front
from creditlink.web.front.news import News
from creditlink.web.front.queue import FairQueue, QueueFull

pytestmark = pytest.mark.pure


def queue(slots=4, **bounds):
    return FairQueue(slots, **{"most": 100, "most_each": 50, "patience": 5.0} | bounds)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def test_one_caller_alone_has_every_slot():
    async def run():
        line = queue()
        for _ in range(4):
            await asyncio.wait_for(line.enter("noisy"), 1)

    asyncio.run(run())


def test_the_quiet_one_is_next_however_many_of_the_noisy_ones_wait():
    async def run():
        line, order = queue(), []

        async def ask(caller):
            await line.enter(caller)
            order.append(caller)

        tasks = [asyncio.ensure_future(ask("noisy")) for _ in range(40)]
        await settle()
        assert order == ["noisy"] * 4
        tasks.append(asyncio.ensure_future(ask("quiet")))
        await settle()
        line.leave("noisy")
        await settle()
        assert order[4:] == ["quiet"]
        for _ in range(2):
            line.leave("noisy")
            await settle()
        assert order[5:] == []  # the noisy one has its share, one slot, with the one that still runs
        line.leave("noisy")
        await asyncio.wait_for(asyncio.shield(tasks[4]), 5)  # a moment later, for the quiet one still runs
        assert order[5:] == ["noisy"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.parametrize("bounds", [{"most": 3}, {"most_each": 3}])
def test_what_cannot_be_served_in_time_is_refused_at_once(bounds):
    async def run():
        line = queue(slots=1, **bounds)
        tasks = [asyncio.ensure_future(line.enter("a")) for _ in range(4)]
        await settle()
        with pytest.raises(QueueFull):
            await asyncio.wait_for(line.enter("a"), 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


def test_one_that_waits_too_long_or_leaves_costs_no_slot():
    async def run():
        line = queue(slots=1, patience=0.05)
        await line.enter("a")
        with pytest.raises(QueueFull):
            await line.enter("b")
        left = asyncio.ensure_future(line.enter("c"))
        await settle()
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        line.leave("a")
        await asyncio.wait_for(line.enter("d"), 1)

    asyncio.run(run())


def test_a_caller_who_waits_begins_nothing_beside_one_who_does_not_and_is_not_starved():
    async def run():
        line, order = queue(slots=8), []

        async def ask(caller):
            await line.enter(caller)
            order.append(caller)

        tasks = [asyncio.ensure_future(ask("noisy")) for _ in range(40)]
        await settle()
        tasks.append(asyncio.ensure_future(ask("quiet")))
        await settle()
        line.leave("noisy")
        await settle()
        assert order[8:] == ["quiet"]
        for _ in range(7):
            line.leave("noisy")
            await settle()
        assert order[9:] == []  # its share is two of the eight, but the quiet one runs
        line.leave("quiet")
        await settle()
        assert order[9:] == ["noisy"] * 2
        line.leave("noisy")
        await line.enter("quiet")
        line.leave("noisy")
        await asyncio.wait_for(asyncio.shield(tasks[10]), 5)  # the quiet one stays long: the noisy one goes on
        assert order[11:12] == ["noisy"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


def test_a_caller_of_more_weight_has_more_of_the_slots_beside_others():
    async def run():
        line = queue(slots=8)
        for caller, weight in (("heavy", 3), ("light", 1)):
            await line.enter(caller, weight)
        waits = {
            caller: [asyncio.ensure_future(line.enter(caller, weight)) for _ in range(8)]
            for caller, weight in (("heavy", 3), ("light", 1))
        }
        await settle()
        assert sum(task.done() for task in waits["heavy"]) == 2  # three of the four that are shared out, with the first
        assert sum(task.done() for task in waits["light"]) == 0
        for task in (*waits["heavy"], *waits["light"]):
            task.cancel()
        await asyncio.gather(*waits["heavy"], *waits["light"], return_exceptions=True)

    asyncio.run(run())


def test_a_weight_that_is_none_counts_as_the_usual_one(tmp_path):
    (tmp_path / "callers").write_bytes(b"\xff" * 2000)
    noted = Callers(tmp_path / "callers")
    noted.note("a", 4)
    noted.note("b")
    assert noted.weight() == 5


def test_all_clients_of_a_bank_are_one_caller_however_many_tokens_they_have():
    front = Front(lambda _environ, _start: [], News("", "x"), Bounds(), {}, Callers())
    learned = {front._learn(f"DPoP token-{n}".encode(), "one-bank", 3) for n in range(20)}
    assert learned == {("institution:one-bank", 3)}
    assert front._caller(b"DPoP token-7", {"REMOTE_ADDR": "192.0.2.1"}) == ("institution:one-bank", 3)
    assert front._caller(b"DPoP another", {"REMOTE_ADDR": "192.0.2.1"}) == ("new:192.0.2.1", 1)


def test_callers_are_known_to_every_process_of_a_server(tmp_path):
    first, second = (Callers(tmp_path / "front" / "callers") for _ in range(2))
    first.note("a")
    second.note("b")
    assert first.weight() == second.weight() == 2
    alone = Callers()
    alone.note("a")
    assert alone.weight() == 1


def test_a_file_of_callers_that_cannot_be_opened_or_holds_anything_is_no_obstacle(tmp_path):
    (tmp_path / "file").write_bytes(b"\xff" * 4000)
    noted = Callers(tmp_path / "file")
    noted.note("a")
    assert noted.weight() == 1
    unshared = Callers(tmp_path / "file" / "callers")
    unshared.note("a")
    assert unshared.weight() == 1
