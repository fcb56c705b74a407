"""Heads anchored outside the database: a chain that was removed, rewound or rewritten since is found and named."""

import json
import re
from datetime import datetime
from uuid import uuid4

import pytest
from click.testing import CliRunner

from creditlink.audit import anchors, service, tasks
from creditlink.audit.places import AnchorFolder, open_place
from creditlink.cli.audit import audit
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.processes import runtime
from creditlink.kit.settings import SettingError
from tests import factories as make
from tests.audit.tampering import tamper


def record(database, firm, n=1):
    for i in range(n):
        with database.transaction("api") as session:
            service.record(
                session, action="profile.summary", result="disclosed", actor="bank:x", now=utc_now(),
                enterprise_id=firm, detail={"n": i},
            )  # fmt: skip


@pytest.fixture
def run(empty_database, settings, monkeypatch):
    monkeypatch.setattr("creditlink.cli.audit.start", lambda _role: (settings, empty_database))
    return lambda *arguments: CliRunner().invoke(audit, list(arguments))


@pytest.fixture
def firm(empty_database):
    with empty_database.transaction("owner") as session:
        return make.make_enterprise(session)


CUT = (
    "DELETE FROM audit_entries WHERE chain_id = :firm AND seq > 2",
    "UPDATE audit_heads h SET seq = 2, digest = (SELECT digest FROM audit_entries e"
    " WHERE e.chain_id = h.chain_id AND e.seq = 2) WHERE chain_id = :firm",
)
GONE = ("DELETE FROM audit_entries WHERE chain_id = :firm", "DELETE FROM audit_heads WHERE chain_id = :firm")


class TestAChainThatFitsItself:
    """Each of these leaves chain and head in agreement: without the anchors nothing is wrong."""

    def forged(self, run, database, firm, change):
        record(database, firm.id, 4)
        assert run("anchor").exit_code == 0
        assert run("check").exit_code == 0, run("check").output
        change()
        without = run("check", "--anchors", "none")
        assert (without.exit_code, "0 do not hold" in without.output) == (0, True), without.output
        found = run("check")
        assert found.exit_code == 1, found.output
        assert f"chain {firm.id} (firm {firm.uscc}): anchor 1 of 2" in found.output
        return found.output

    def test_removed_is_found(self, run, empty_database, firm):
        told = self.forged(run, empty_database, firm, lambda: tamper(empty_database, *GONE, firm=firm.id))
        assert "holds seq 4" in told
        assert "the chain is gone: removed" in told

    def test_rewound_is_found(self, run, empty_database, firm):
        told = self.forged(run, empty_database, firm, lambda: tamper(empty_database, *CUT, firm=firm.id))
        assert "it ends at seq 2: rewound" in told

    def test_rewritten_is_found_although_it_went_on(self, run, empty_database, firm):
        def change():
            tamper(empty_database, *CUT, firm=firm.id)
            record(empty_database, firm.id, 5)

        assert "that entry has digest" in self.forged(run, empty_database, firm, change)

    def test_rewritten_is_found_although_it_was_anchored_again(self, run, empty_database, firm):
        def change():
            tamper(empty_database, *CUT, firm=firm.id)
            record(empty_database, firm.id, 5)
            assert "anchor 2" in run("anchor").output

        assert "holds seq 4" in self.forged(run, empty_database, firm, change)

    def test_everything_is_found_although_the_note_of_it_was_removed_too(self, run, empty_database, firm):
        def change():
            tamper(empty_database, *GONE, "DELETE FROM audit_anchors", "DELETE FROM audit_anchored", firm=firm.id)

        assert "removed" in self.forged(run, empty_database, firm, change)


class TestAnchors:
    def test_hold_only_what_moved_and_name_the_one_before(self, run, empty_database, settings):
        firms = [uuid4() for _ in range(3)]
        for one in firms:
            record(empty_database, one)
        run("anchor")
        record(empty_database, firms[1], 2)
        run("anchor")
        assert "no head has moved" in run("anchor").output
        place = open_place(settings.anchors_place)
        first, second = (place.read(name) for name in place.names())
        claims = [keyring.unverified(document.decode()) for document in (first, second)]
        assert {chain for chain, *_ in claims[0]["heads"]} == {str(one) for one in firms}
        assert [(chain, seq) for chain, seq, _ in claims[1]["heads"]] == [(str(firms[1]), 3)]
        assert claims[1]["previous"] == anchors._hash(first)

    def test_of_many_heads_are_several(self, run, empty_database, settings, monkeypatch):
        monkeypatch.setattr(anchors, "MOST_HEADS", 2)
        for _ in range(5):
            record(empty_database, uuid4())
        assert "3 anchors" in run("anchor").output
        assert run("check").exit_code == 0

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda folder: (folder / "anchor-0000000002.jws").unlink(), "expected anchor 2, it is anchor 3"),
            (lambda folder: (folder / "anchor-0000000003.jws").unlink(), "anchor 3 is not at"),
            (lambda folder: swap(folder, 2, 3), "anchor-0000000002.jws: expected anchor 2"),
            (lambda folder: replace(folder, 2), "anchor-0000000002.jws: the signature does not hold"),
        ],
        ids=["removed", "cut off", "swapped", "forged"],
    )
    def test_that_were_tampered_with_are_named(self, run, empty_database, firm, settings, change, said):
        for _ in range(3):
            record(empty_database, firm.id)
            run("anchor")
        assert run("check").exit_code == 0
        change(settings.var_dir / "anchors")
        result = run("check")
        assert (result.exit_code, said in result.output) == (1, True), result.output

    def test_a_number_noted_elsewhere_finds_a_place_and_a_database_that_were_both_rewound(
        self, run, empty_database, firm, settings
    ):
        record(empty_database, firm.id)
        run("anchor")
        record(empty_database, firm.id)
        noted = run("anchor").output.split()[-1]
        (settings.var_dir / "anchors" / "anchor-0000000002.jws").unlink()
        tamper(
            empty_database, "DELETE FROM audit_entries WHERE seq = 2", "DELETE FROM audit_anchors WHERE number = 2",
            "UPDATE audit_heads SET seq = 1, digest = (SELECT digest FROM audit_entries WHERE seq = 1)",
            "UPDATE audit_anchored SET seq = 1, digest = (SELECT digest FROM audit_entries WHERE seq = 1)",
        )  # fmt: skip
        assert run("check").exit_code == 0
        result = run("check", "--last", noted)
        assert (result.exit_code, "anchor 2 is not at" in result.output) == (1, True), result.output

    def test_written_but_not_noted_are_written_again(self, empty_database, settings, firm, run):
        record(empty_database, firm.id)
        run("anchor")
        tamper(empty_database, "DELETE FROM audit_anchors", "DELETE FROM audit_anchored")  # a crash before the note
        assert "anchor 2" in run("anchor").output
        assert run("check").exit_code == 0, run("check").output

    def test_a_file_is_there_once(self, tmp_path):
        place = AnchorFolder(tmp_path / "a")
        place.add("anchor-0000000001.jws", b"1")
        with pytest.raises(FileExistsError):
            place.add("anchor-0000000001.jws", b"2")
        assert (place.names(), place.read("anchor-0000000001.jws")) == (["anchor-0000000001.jws"], b"1")

    def test_go_to_any_file_system(self, empty_database, settings, firm, run, monkeypatch):
        pytest.importorskip("fsspec")
        record(empty_database, firm.id, 2)
        address = f"memory://anchors-{uuid4().hex}"
        assert run("anchor", "--to", address).exit_code == 0
        assert run("check", "--anchors", address).exit_code == 0
        tamper(empty_database, *GONE, firm=firm.id)
        assert "removed" in run("check", "--anchors", address).output
        with pytest.raises(FileExistsError):
            open_place(address).add("anchor-0000000001.jws", b"")
        with pytest.raises(SettingError, match="nowhere"):
            open_place("nowhere://x")


def swap(folder, one, other):
    a, b = (folder / f"anchor-{n:010d}.jws" for n in (one, other))
    kept = a.read_bytes()
    for path, content in ((a, b.read_bytes()), (b, kept)):
        path.chmod(0o644)
        path.write_bytes(content)


def replace(folder, number):
    path = folder / f"anchor-{number:010d}.jws"
    path.chmod(0o644)
    claims = keyring.unverified(path.read_text())
    path.write_text(keyring.sign(claims, typ=anchors.TYPE, secret="another" * 9))


def test_the_hourly_job_anchors_as_the_worker_and_says_what_went_back(empty_database, settings, firm, monkeypatch):
    runtime.process().put(settings)
    said = []
    monkeypatch.setattr(tasks.log, "error", lambda event, **more: said.append((event, more)))
    record(empty_database, firm.id, 3)
    now = int(datetime.now().astimezone().timestamp())
    tasks.anchor_heads(now)
    assert open_place(settings.anchors_place).names() == ["anchor-0000000001.jws"]
    tasks.anchor_heads(now)
    assert said == []
    tamper(empty_database, *CUT, firm=firm.id)
    tasks.anchor_heads(now)
    assert said == [("evidence_rewound", {"chains": [str(firm.id)]})]
    assert json.dumps(said)


def test_a_place_that_is_gone_is_said_and_the_age_is_measured(empty_database, settings, firm, client, monkeypatch):
    """The alert: the job fails by name, and the metric goes on ageing until an anchor is written again."""
    said = []
    record(empty_database, firm.id)
    monkeypatch.setattr(tasks.log, "error", lambda event, **more: said.append(event))
    assert "creditlink_evidence_seconds{" not in client.get("/metrics").text
    place = settings.var_dir / "anchors"
    place.write_text("a file where the folder should be")
    with pytest.raises(OSError, match="anchors"):
        tasks.anchor_heads(0)
    assert said == ["evidence_not_anchored"]
    place.unlink()
    tasks.anchor_heads(0)
    age = re.search(r'creditlink_evidence_seconds{step="anchored"} ([0-9.e-]+)', client.get("/metrics").text)
    assert age is not None
    assert 0 <= float(age[1]) < 60
