"""Notices: who is told what, how it is carried, and that nothing sensitive leaves the site."""

import json
import re
import socketserver
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select, text

from creditlink.consents import service as consents
from creditlink.consents import tasks as consent_tasks
from creditlink.consents.life import counters, refusals
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import ConsentRefused, LimitExceeded
from creditlink.kit.keyring import box
from creditlink.kit.postgres import db
from creditlink.kit.settings import SettingError, load_settings
from creditlink.messages import delivery, service
from creditlink.messages.kinds import ALWAYS, DEFAULTS, KINDS, LETTERS
from creditlink.messages.providers import (
    FolderProvider,
    MessageProviders,
    NeverSent,
    NotSent,
    OutgoingMessage,
    SmtpProvider,
    load_providers,
)
from creditlink.messages.tables import MessageDelivery, PersonChannel, PersonMessage
from tests import factories as make
from tests.messages.conftest import run_all

MAIL = "li@firm.example"


@pytest.fixture
def account(settings, empty_database):
    """A person with an e-mail address and a mobile number."""
    with db.transaction("owner") as session:
        made = make.make_account(session)
        service.set_channel(session, made.id, "email", MAIL, language="en", now=utc_now())
        service.set_channel(session, made.id, "sms", "13800138000", language="zh", now=utc_now())
    return made


def told(account):
    with db.transaction("owner") as session:
        return list(session.scalars(select(PersonMessage.kind).where(PersonMessage.account_id == account.id)))


def outbox(settings, channel="email"):
    run_all(settings)
    file = settings.var_dir / "outbox" / f"{channel}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def tell(account, kind="offer_arrived", about="x", now=None):
    with db.transaction("api") as session:
        service.tell(session, account.id, kind, now or utc_now(), page="/portal/", about=about)


class Carrier:
    """A provider that answers as it is told to, and remembers."""

    def __init__(self, *answers):
        self.answers, self.sent = list(answers), []

    def send(self, message):
        self.sent.append(message)
        if self.answers and (answer := self.answers.pop(0)):
            raise answer


class TestSending:
    def one(self):
        with db.transaction("owner") as session:
            return session.scalars(select(MessageDelivery).where(MessageDelivery.channel == "email")).one()

    def send(self, carrier, now, settings):
        run = self.one().id
        providers = MessageProviders({"email": carrier})
        delivery.send(run, lambda: now, providers=providers, key=settings.secret_key, issuer=settings.issuer)
        return self.one()

    def test_a_person_is_told_once_where_they_want_it(self, account, settings):
        for _ in range(3):
            tell(account)
        (mail,) = outbox(settings)
        assert (mail["address"], mail["title"]) == (MAIL, "An offer has arrived")
        assert outbox(settings, "sms") == []  # not among its defaults
        tell(account, "new_device")
        assert outbox(settings, "sms")[0]["title"] == "新设备登录"
        tell(account, about="another")
        assert len(outbox(settings)) == 3

    def test_what_failed_is_tried_again_later_and_at_last_no_more(self, account, settings, monkeypatch):
        tell(account)
        with db.transaction("owner") as session:
            delivery.sort(session, session.scalars(select(PersonMessage.id)).one(), utc_now())
        carrier = Carrier(*[NotSent("busy")] * 9)
        at, pauses = utc_now(), []
        while True:
            row = self.send(carrier, at, settings)
            if row.state != "waiting":
                break
            pauses.append(row.next_try_at - at)
            assert self.send(carrier, row.next_try_at - timedelta(seconds=1), settings).tries == row.tries  # not yet
            at = row.next_try_at
        assert pauses == list(delivery.PAUSES)
        assert (row.state, row.last_error, len(carrier.sent)) == ("failed", "busy", len(delivery.PAUSES) + 1)
        assert len({one.reference for one in carrier.sent}) == 1

    def test_an_address_that_is_none_is_not_tried_again(self, account, settings):
        tell(account)
        with db.transaction("owner") as session:
            delivery.sort(session, session.scalars(select(PersonMessage.id)).one(), utc_now())
        assert self.send(Carrier(NeverSent("no such")), utc_now(), settings).state == "failed"

    def test_a_removed_address_gets_nothing_any_more(self, account, settings):
        tell(account)
        with db.transaction("owner") as session:
            delivery.sort(session, session.scalars(select(PersonMessage.id)).one(), utc_now())
            service.drop_channel(session, account.id, "email")
        carrier = Carrier()
        assert (self.send(carrier, utc_now(), settings).state, carrier.sent) == ("failed", [])

    def test_a_lost_job_is_found(self, account, settings):
        tell(account)
        with db.transaction("owner") as session:
            session.execute(text("DELETE FROM procrastinate_jobs"))
        later = utc_now() + timedelta(minutes=2)
        with db.transaction("worker") as session:
            (message,), _ = service.late(session, later)
            delivery.sort(session, message, utc_now())
            session.execute(text("DELETE FROM procrastinate_jobs"))
        with db.transaction("worker") as session:
            unsorted, (waiting,) = service.late(session, later)
        assert (unsorted, waiting) == ([], self.one().id)

    def test_a_letter_goes_until_it_expires_and_is_not_kept(self, account, settings):
        now = utc_now()
        with db.transaction("api") as session:
            service.send_letter(
                session, "reset", channel="email", address=MAIL, language="zh", link="https://x.example/SECRET",
                expires_at=now + timedelta(minutes=30), key=settings.secret_key, now=now, account_id=account.id,
            )  # fmt: skip
        row = self.one()
        assert "SECRET" not in row.sealed
        assert "SECRET" in box(settings.secret_key, service.SEALED).decrypt(row.sealed.encode()).decode()
        late = self.send(Carrier(), now + timedelta(minutes=31), settings)
        assert (late.state, late.sealed, late.last_error) == ("failed", None, "its link has expired")

    def test_old_ones_are_forgotten(self, account, settings):
        tell(account, now=utc_now() - timedelta(days=181))
        tell(account, about="new")
        run_all(settings)
        with db.transaction("worker") as session:
            assert service.forget_old(session, utc_now()) == 1
            assert session.scalar(select(func.count()).select_from(PersonMessage)) == 1


class TestPreferences:
    def test_are_held_and_what_is_about_ones_own_access_goes_by_mail_whatever_they_say(self, account, settings):
        with db.transaction("api", viewer=db.Viewer(account_id=account.id)) as session:
            service.prefer(session, account.id, {"email": [], "sms": ["offer_arrived"]})
        for kind in ("offer_arrived", "consent_ending", "new_device"):
            tell(account, kind)
        assert [one["title"] for one in outbox(settings)] == ["Signed in on a new device"]
        assert [one["title"] for one in outbox(settings, "sms")] == ["收到新的融资报价"]
        with db.transaction("owner") as session:
            assert session.get_one(PersonChannel, (account.id, "email")).kinds == list(ALWAYS)

    def test_another_persons_notices_and_addresses_are_not_seen(self, account):
        tell(account)
        with db.transaction("owner") as session:
            other = make.make_account(session)
        with db.transaction("api", viewer=db.Viewer(account_id=other.id)) as session:
            assert service.newest(session, account.id, limit=9) == []
            assert service.channels_of(session, account.id) == {}
            service.read_all(session, account.id, utc_now())
        with db.transaction("api", viewer=db.Viewer(account_id=account.id)) as session:
            assert service.unread(session, account.id) == 1


@pytest.mark.pure
class TestTexts:
    def test_say_nothing_but_that_something_happened(self):
        """No place for a name, a code, an amount or a reason is in any of them; letters have one, for their link."""
        for kind in KINDS.values():
            assert not re.search(r"[{}%]|\d", "".join(kind.title + kind.text))
        for letter in LETTERS.values():
            assert [re.findall(r"{\w*}", one) for one in letter.text] == [["{link}"], ["{link}"]]
            assert not re.search(r"[{}]", "".join(letter.title))

    def test_every_kind_is_somewhere(self):
        assert set(DEFAULTS) == {"email", "sms", "wechat"}
        assert set(DEFAULTS["email"]) == set(KINDS)
        assert set(ALWAYS) == {"new_device", "access_changed"}


class TestWhatIsTold:
    @pytest.fixture
    def consent(self, settings, empty_database):
        now = utc_now()
        with db.transaction("owner") as session:
            made = make.make_consent(session, now=now - timedelta(days=20))
            made.account = session.get_one(make.Account, made.granted_by)
        return made

    def test_a_request_that_waits(self, settings, empty_database):
        now = utc_now()
        with db.transaction("owner") as session:
            firm, account, client = make.make_enterprise(session), make.make_account(session), make.make_client(session)
            make.make_representation(session, firm, account)
            stranger = make.make_account(session)
        asked = make.make_details(valid_until=now + timedelta(days=30))
        with db.transaction("api", viewer=db.Viewer(institution_id=client.institution_id)) as session:
            for channel in ("inbox", "redirect"):
                consents.request_consent(
                    session, client=client, details=asked, now=now, channel=channel, asked_uscc=firm.uscc
                )
        assert told(account) == ["request_waiting"]
        assert told(stranger) == []

    def test_the_first_use_and_no_other(self, consent):
        for _ in range(2):
            with db.transaction("api", viewer=db.Viewer(institution_id=consent.institution_id)) as session:
                counters.consume_use(session, session.get_one(type(consent), consent.id), utc_now())
        assert told(consent.account) == ["consent_first_used"]

    def test_a_refusal_that_should_not_have_come_once_a_day(self, consent):
        access = SimpleNamespace(institution_id=consent.institution_id, consent_id=consent.id, authorization_details=())

        def refuse(problem, days=0):
            now = utc_now() + timedelta(days=days)
            refusals.record_refusal(access, consent.client_id, problem, route="/v1/profiles", now=now)

        refuse(LimitExceeded("full", attribute="pulls_per_day"))
        assert told(consent.account) == []
        for _ in range(3):
            refuse(ConsentRefused(reason="revoked"))
        assert told(consent.account) == ["unusual_access"]
        refuse(ConsentRefused(reason="category_not_granted:tax"), days=1)
        assert told(consent.account) == ["unusual_access"] * 2

    def test_an_end_that_comes_soon_and_one_that_came(self, consent):
        now = consent.expires_at - timedelta(days=6)
        for _ in range(2):
            consent_tasks.tell_of_ends.func(timestamp=int(now.timestamp()))
        assert told(consent.account) == ["consent_ending"]
        with db.transaction("worker") as session:
            late = session.get_one(type(consent), consent.id)
            consents.end(session, late, "EXPIRED", actor="system", reason="expired", now=consent.expires_at)
        assert told(consent.account) == ["consent_ending"] * 2

    def test_ones_own_withdrawal_is_no_news(self, consent):
        with db.transaction("owner") as session:
            one = session.get_one(type(consent), consent.id)
            consents.revoke(session, one, actor="account:x", reason="by_the_firm", now=utc_now())
        assert told(consent.account) == []


class _Smtp(socketserver.StreamRequestHandler):
    """As much of a mail server as takes one message; an address of `nobody` is none, of `busy` not now."""

    def handle(self):
        def say(line):
            self.wfile.write(line.encode() + b"\r\n")

        say("220 mail.example")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ", 1)[0].upper()
            if verb == "DATA":
                say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines))
                say("250 taken")
            elif verb == "RCPT" and "nobody@" in line:
                say("550 no such user")
            elif verb == "RCPT" and "busy@" in line:
                say("450 try later")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


class TestMailServer:
    @pytest.fixture
    def server(self):
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as found:
            found.mails, found.daemon_threads = [], True
            thread = threading.Thread(target=found.serve_forever, daemon=True)
            thread.start()
            yield found
            found.shutdown()
            thread.join()

    def message(self, address=MAIL, title="有新的授权请求待处理"):
        return OutgoingMessage("email", address, title, "请登录查看。", "zh", "ref")

    def test_a_message_in_chinese_arrives(self, server):
        from email import message_from_bytes, policy

        provider = SmtpProvider(f"smtp+plain://127.0.0.1:{server.server_address[1]}", "notices@creditlink.example")
        provider.send(self.message())
        mail = message_from_bytes(server.mails[0], policy=policy.default)
        assert (mail["To"], mail["Subject"], mail["Auto-Submitted"]) == (MAIL, self.message().title, "auto-generated")
        assert mail.get_content().strip() == "请登录查看。"

    def test_refusals_and_silence_are_told_apart(self, server):
        provider = SmtpProvider(f"smtp+plain://127.0.0.1:{server.server_address[1]}", "notices@creditlink.example")
        with pytest.raises(NeverSent):
            provider.send(self.message("nobody@firm.example"))
        with pytest.raises(NotSent) as busy:
            provider.send(self.message("busy@firm.example"))
        assert not isinstance(busy.value, NeverSent)
        assert "busy@" not in str(busy.value)
        with pytest.raises(NotSent):
            SmtpProvider("smtp+plain://127.0.0.1:1", "a@b.example").send(self.message())

    def test_a_header_cannot_be_injected(self, server):
        provider = SmtpProvider(f"smtp+plain://127.0.0.1:{server.server_address[1]}", "notices@creditlink.example")
        with pytest.raises(NeverSent):
            provider.send(self.message("li@firm.example\nBcc: all@evil.example"))
        assert server.mails == []

    @pytest.mark.parametrize("wrong", [
        {"MAIL_URL": "http://x"}, {"MAIL_URL": "smtp://"}, {"MAIL_URL": "smtp+plain://mail.example"},
        {"MAIL_URL": "smtps://mail.example", "MAIL_FROM": "x y@z"}, {"MAIL_URL": "smtps://mail.example"},
    ], ids=str)  # fmt: skip
    def test_a_wrong_setting_ends_the_start(self, wrong, tmp_path):
        variables = {f"CREDITLINK_{name}": value for name, value in wrong.items()}
        found = load_settings(
            {"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40, "CREDITLINK_VAR_DIR": str(tmp_path),
             **variables}
        )  # fmt: skip
        with pytest.raises(SettingError, match="mail_"):
            load_providers(found)


def test_the_sandbox_has_a_post_box_for_each_channel(settings):
    found = load_providers(settings).by_channel
    assert {name: type(one) for name, one in found.items()} == dict.fromkeys(("email", "sms", "wechat"), FolderProvider)
