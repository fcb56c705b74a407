"""Time stamps over anchors: what was anchored cannot be written again; an authority that is away stops nothing."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from click.testing import CliRunner

from creditlink.audit import anchors, service, stamps, tasks
from creditlink.audit.places import AnchorFolder
from creditlink.cli.audit import audit
from creditlink.kit.clock import utc_now
from creditlink.kit.processes import runtime
from creditlink.kit.settings import SettingError, load_settings
from tests import factories as make
from tests.audit.authority import OPENSSL, LocalAuthority
from tests.audit.tampering import tamper

pytest.importorskip("rfc3161_client", reason="the extra 'anchors' is not installed")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl, the authority of these tests, is not installed")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authorities")
    return LocalAuthority(folder / "ours", "Ours"), LocalAuthority(folder / "other", "Other")


@pytest.fixture
def authority(authorities):
    ours = authorities[0]
    ours.answer, ours.pause, ours.asked = ours.stamped, 0.0, 0
    with ours.served() as url:
        ours.url = url
        yield ours


@pytest.fixture
def settings(settings, authority):
    return replace(settings, timestamp_url=authority.url, timestamp_roots=authority.roots)


@pytest.fixture
def place(settings):
    return settings.var_dir / "anchors"


@pytest.fixture
def run(empty_database, settings, monkeypatch):
    monkeypatch.setattr("creditlink.cli.audit.start", lambda _role: (settings, empty_database))
    return lambda *arguments: CliRunner().invoke(audit, list(arguments))


@pytest.fixture
def said(settings, monkeypatch):
    runtime.process().put(settings)
    told = []
    for level in ("info", "warning", "error"):
        monkeypatch.setattr(tasks.log, level, lambda event, **more: told.append((event, more)))
    return told


@pytest.fixture
def firm(empty_database):
    with empty_database.transaction("owner") as session:
        return make.make_enterprise(session)


def record(database, firm_id, n=1):
    for _ in range(n):
        with database.transaction("api") as session:
            service.record(
                session, action="profile.summary", result="disclosed", actor="bank:x", now=utc_now(),
                enterprise_id=firm_id,
            )  # fmt: skip


def put(path, content):
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def checked(run, *options):
    result = run("check", *options)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_the_hourly_job_has_the_newest_anchor_stamped_once_and_the_check_says_so(
    empty_database, firm, place, run, said, authority
):
    for _ in range(2):
        record(empty_database, firm.id)
        tasks.anchor_heads(0)
        tasks.stamp_newest(0)
    assert sorted(p.name for p in place.iterdir()) == [
        "anchor-0000000001.jws", "anchor-0000000001.tsr", "anchor-0000000002.jws", "anchor-0000000002.tsr",
    ]  # fmt: skip
    assert authority.asked == 2
    assert [event for event, _ in said].count("evidence_stamped") == 2
    status, output = checked(run)
    assert (status, "2 time stamps hold, the last of anchor 2" in output) == (0, True), output


class TestAttack:
    """Each of these is made with the database's owner, the signing key and the place in hand."""

    @pytest.fixture(autouse=True)
    def anchored(self, empty_database, firm, run):
        for _ in range(2):
            record(empty_database, firm.id, 2)
            assert "is time-stamped" in run("anchor").stderr
        assert checked(run)[0] == 0

    def test_a_stamp_that_was_changed(self, place, run):
        stamp = place / "anchor-0000000002.tsr"
        content = bytearray(stamp.read_bytes())
        content[-10] ^= 1  # in the signature
        put(stamp, bytes(content))
        status, output = checked(run)
        assert (status, "anchor-0000000002.tsr: the time stamp does not hold" in output) == (1, True), output

    def test_what_is_no_stamp(self, place, run):
        put(place / "anchor-0000000002.tsr", b"stamped, on my honour")
        status, output = checked(run)
        assert (status, "anchor-0000000002.tsr: the time stamp does not hold" in output) == (1, True), output

    def test_a_stamp_over_another_anchor(self, place, run):
        put(place / "anchor-0000000002.tsr", (place / "anchor-0000000001.tsr").read_bytes())
        status, output = checked(run)
        assert (status, "anchor-0000000002.tsr: the time stamp does not hold" in output) == (1, True), output
        assert "Mismatch between messages" in output

    def test_a_stamp_of_somebody_whom_the_roots_do_not_vouch_for(self, place, run, authorities):
        document = (place / "anchor-0000000002.jws").read_bytes()
        put(place / "anchor-0000000002.tsr", authorities[1].over(document))
        status, output = checked(run)
        assert (status, "anchor-0000000002.tsr: the time stamp does not hold" in output) == (1, True), output
        assert checked(run, "--roots", str(authorities[1].roots))[1].count("anchor-0000000001.tsr: the time") == 1

    def rewound(self, database, settings, firm, place, *, issued_at):
        """Cut the chain below its stamped head, and write the last anchor again over what is left."""
        tamper(
            database, "DELETE FROM audit_entries WHERE seq > 2", "DELETE FROM audit_anchors WHERE number = 2",
            "UPDATE audit_heads SET seq = 2, digest = (SELECT digest FROM audit_entries WHERE seq = 2)",
            "DELETE FROM audit_anchored",
        )  # fmt: skip
        (place / "anchor-0000000002.jws").unlink()
        made = anchors.anchor(
            lambda: database.transaction("owner"), AnchorFolder(place),
            issuer=settings.issuer, secret=settings.secret_key, now=issued_at,
        )  # fmt: skip
        assert [one.number for one in made] == [2]

    def test_a_chain_rewound_below_a_stamped_head_and_anchored_again(self, empty_database, settings, firm, place, run):
        self.rewound(empty_database, settings, firm, place, issued_at=utc_now())
        status, output = checked(run)
        assert (status, "anchor-0000000002.tsr: the time stamp does not hold" in output) == (1, True), output
        assert "chain" not in output.partition("anchor-")[0]  # by itself it holds

    def test_and_stamped_again_says_when(self, empty_database, settings, firm, place, run):
        self.rewound(empty_database, settings, firm, place, issued_at=utc_now() - timedelta(days=3))
        (place / "anchor-0000000002.tsr").unlink()
        assert "is time-stamped" in run("anchor").stderr
        status, output = checked(run)
        assert (status, "anchor 2, written 2" in output) == (1, True), output
        assert "the first time stamp over it is of 2" in output

    def test_removed_stamps_are_missed(self, empty_database, place, run):
        (place / "anchor-0000000002.tsr").unlink()
        status, output = checked(run)
        assert (status, "anchor 2 was stamped 2" in output) == (1, True), output

    def test_a_stamp_without_its_anchor_is_named(self, empty_database, place, run):
        (place / "anchor-0000000002.jws").unlink()
        tamper(empty_database, "DELETE FROM audit_anchors WHERE number = 2")
        status, output = checked(run)
        assert (status, "anchor-0000000002.tsr: the anchor that it stamps is not at" in output) == (1, True), output

    def test_all_stamps_removed_with_the_note_of_them(self, empty_database, settings, place, run):
        for stamp in place.glob("*.tsr"):
            stamp.unlink()
        tamper(empty_database, "UPDATE audit_anchors SET stamped_at = NULL")
        assert checked(run)[0] == 0  # as if nothing had ever been stamped
        kept = (place / "anchor-0000000001.jws").read_bytes()
        looked = stamps.Examination(
            AnchorFolder(place), stamps.roots_of(settings.timestamp_roots), now=utc_now(), noted={}, since=1
        )
        assert list(looked.of_anchor("anchor-0000000001.jws", 1, kept, utc_now() - timedelta(days=2))) == []
        assert "no time stamp covers it" in next(looked.of_all())


@pytest.mark.parametrize(
    ("away", "reason"),
    [
        ("refused", "no answer: ConnectError"),
        ("busy", "it answered 503"),
        ("trickle", "no answer within"),
        ("page", "the time stamp does not hold"),
        ("old", "Nonce mismatch"),
        ("other", "the time stamp does not hold"),
        ("flood", "its answer is larger than"),
    ],
)
def test_an_authority_that_is_away_is_a_state_and_the_anchor_is_kept(
    away, reason, empty_database, firm, place, run, said, authority, authorities, settings, monkeypatch
):
    trouble = {
        "busy": lambda _query: (503, b""),
        "page": lambda _query: (200, b"<html>maintenance</html>"),
        "old": lambda _query: (200, authority.over((place / "anchor-0000000001.jws").read_bytes())),
        "other": authorities[1].stamped,
        "flood": lambda _query: (200, b"0" * (stamps._MOST_BYTES + 1)),
    }
    authority.answer = trouble.get(away, authority.stamped)
    if away == "trickle":
        authority.pause = 0.05
        monkeypatch.setattr(stamps, "SECONDS", 1.0)
    if away == "refused":
        runtime.process().put(replace(settings, timestamp_url="http://127.0.0.1:9/stamp"))
    record(empty_database, firm.id)
    tasks.anchor_heads(0)
    assert [p.name for p in place.iterdir()] == ["anchor-0000000001.jws"]
    assert [event for event, _ in said] == ["evidence_anchored", "evidence_not_stamped"]
    assert reason in said[1][1]["reason"]
    status, output = checked(run)
    assert (status, "no time stamp holds" in output) == (0, True), output

    authority.answer, authority.pause = authority.stamped, 0.0
    runtime.process().put(settings)
    tasks.stamp_newest(0)
    assert said[-1][0] == "evidence_stamped"
    assert "1 time stamps hold, the last of anchor 1" in checked(run)[1]


def test_a_later_stamp_covers_the_anchors_of_an_hour_without(empty_database, firm, place, run, authority):
    authority.answer = lambda _query: (503, b"")
    record(empty_database, firm.id)
    result = run("anchor")
    assert (result.exit_code, "kept, and not time-stamped yet" in result.stderr) == (0, True)
    authority.answer = authority.stamped
    record(empty_database, firm.id)
    run("anchor")
    assert [p.name for p in sorted(place.glob("*.tsr"))] == ["anchor-0000000002.tsr"]
    assert checked(run)[0] == 0
    assert checked(run, "--stamped-from", "1")[0] == 0


def test_an_anchor_that_was_replaced_gets_no_stamp(empty_database, firm, place, run, authority):
    authority.answer = lambda _query: (503, b"")
    record(empty_database, firm.id)
    run("anchor")
    authority.answer = authority.stamped
    put(place / "anchor-0000000001.jws", b"another")
    assert "is not at" in run("anchor").stderr
    assert authority.asked == 1


def test_a_stamp_that_was_added_before_a_crash_is_noted_later(empty_database, firm, place, run):
    record(empty_database, firm.id)
    run("anchor")
    kept = (place / "anchor-0000000001.tsr").read_bytes()
    tamper(empty_database, "UPDATE audit_anchors SET stamped_at = NULL")
    assert "anchor 1 is time-stamped" in run("anchor").stderr
    assert (place / "anchor-0000000001.tsr").read_bytes() == kept
    assert checked(run)[0] == 0


def test_without_roots_the_check_says_that_it_verified_no_stamp(
    empty_database, firm, run, settings, monkeypatch, authority
):
    record(empty_database, firm.id)
    run("anchor")
    bare = replace(settings, timestamp_url=None, timestamp_roots=None)
    monkeypatch.setattr("creditlink.cli.audit.start", lambda _role: (bare, empty_database))
    status, output = checked(run)
    assert (status, "1 time stamps not verified (give --roots)" in output) == (0, True), output
    assert "1 time stamps hold" in checked(run, "--roots", str(authority.roots))[1]


def test_go_to_any_file_system(empty_database, firm, run):
    pytest.importorskip("fsspec")
    record(empty_database, firm.id)
    address = f"memory://stamps-{uuid4().hex}"
    assert "is time-stamped" in run("anchor", "--to", address).stderr
    assert "1 time stamps hold" in checked(run, "--anchors", address)[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CREDITLINK_TIMESTAMP_URL": "ftp://tsa.example"}, "timestamp_url must be http"),
        ({"CREDITLINK_TIMESTAMP_URL": "http://[::1"}, "timestamp_url must be http"),
        ({"CREDITLINK_TIMESTAMP_URL": "https://tsa.example"}, "timestamp_roots is required"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_start(given, said, tmp_path):
    with pytest.raises(SettingError, match=said):
        load_settings({"CREDITLINK_VAR_DIR": str(tmp_path), **given})


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"none", "no certificate")])
def test_roots_that_cannot_be_read_are_refused_at_start(settings, tmp_path, content, said):
    file = tmp_path / "roots.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingError, match=said):
        stamps.authority_of(replace(settings, timestamp_roots=file))
