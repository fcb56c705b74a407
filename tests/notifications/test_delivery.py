"""From a change of state to the bank's endpoint: in the same transaction, signed, tried again, given up, replayed."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from creditlink.consents import service as consents
from creditlink.consents.life import approval, sweep
from creditlink.institutions import targets
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import Client, Institution
from creditlink.kit import ids
from creditlink.kit.errors import Conflict
from creditlink.kit.postgres import db
from creditlink.notifications import delivery, endpoints, message, service
from creditlink.sandbox.banks.bank import verified_webhook
from tests import factories as make
from tests.factories import NOW
from tests.notifications.conftest import KEY, deliveries, listen, try_once
from tests.records.offices import Reply


def change(consent, action, now=NOW, role="api"):
    with db.transaction(role) as session:
        action(session, consent, actor="account:x", reason="by_the_firm", now=now)


def waiting_jobs():
    with db.transaction("owner") as session:
        return session.execute(
            text(
                "SELECT args->>'delivery_id' AS id, scheduled_at, priority FROM procrastinate_jobs"
                " WHERE task_name = 'notifications.deliver' ORDER BY procrastinate_jobs.id"
            )
        ).all()


class TestWhatTheBankIsTold:
    def test_a_revocation_is_queued_in_its_own_transaction_and_arrives_signed(self, told, endpoint):
        consent, client, secret = told
        change(consent, consents.revoke)
        (row,) = deliveries()
        assert [job.id for job in waiting_jobs()] == [str(row.id)]
        assert try_once(row.id).state == "delivered"
        (asked,) = endpoint.asked
        assert (asked.method, asked.path) == ("POST", "/hooks")
        event = verified_webhook(secret, asked.headers, asked.body, now=NOW.timestamp())
        with db.transaction("owner") as session:
            salt = session.get_one(Institution, client.institution_id).pairwise_salt
        assert event == {
            "type": "consent.revoked",
            "version": 1,
            "timestamp": NOW.isoformat(),
            "data": {
                "consent_id": consent.wire_id,
                "enterprise_id": ids.pairwise(salt, consent.enterprise_id),
                "state": "REVOKED",
                "reason": "by_the_firm",
            },
        }

    def test_nothing_is_told_of_a_change_that_was_rolled_back(self, told):
        def fails():
            with db.transaction() as session:
                consents.revoke(session, told[0], actor="account:x", reason="x", now=NOW)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fails()
        assert (deliveries(), waiting_jobs()) == ([], [])

    def test_every_change_that_a_bank_cannot_know_of(self, empty_database, endpoint):
        with db.transaction("owner") as session:
            client = make.make_client(session)
            rows = {name: make.make_consent(session, client=client) for name in ("pausing", "expiring", "amending")}
            former = rows["amending"]
        listen(client, endpoint.url)
        change(rows["pausing"], consents.pause)
        change(rows["pausing"], consents.resume, NOW + timedelta(seconds=1))
        with db.transaction("owner") as session:
            firm = session.get_one(make.Enterprise, former.enterprise_id)
            account = session.get_one(make.Account, former.granted_by)
            later = consents.request_consent(
                session, client=client, details=make.make_details(), now=NOW, amends=session.merge(former)
            )
            shown = make.statement(
                make.make_details(), institution_zh="银", institution_en="B", template=None, lang="zh"
            )
            approval.approve(
                session, later, account=account, enterprise=firm, categories=later.categories_asked, statement=shown,
                now=NOW + timedelta(seconds=2),
            )  # fmt: skip
        sweep.sweep(NOW + timedelta(days=31))
        for row in deliveries():
            try_once(row.id)
        events = sorted((json.loads(asked.body) for asked in endpoint.asked), key=lambda e: e["timestamp"])
        told = [(e["type"], e["data"]["consent_id"]) for e in events]
        assert told[:3] == [
            ("consent.paused", rows["pausing"].wire_id),
            ("consent.resumed", rows["pausing"].wire_id),
            ("consent.amended", former.wire_id),
        ]
        assert events[2]["data"]["amended_by"] == later.wire_id
        assert {type_ for type_, _ in told[3:]} == {"consent.expired"}
        assert {c for _, c in told[3:]} == {rows["pausing"].wire_id, rows["expiring"].wire_id, later.wire_id}

    def test_the_one_use_too_many_is_told_too(self, told):
        with db.transaction("owner") as session:
            consents.end(session, session.merge(told[0]), "EXHAUSTED", actor="system", reason="uses_spent", now=NOW)
        with db.transaction("owner") as session:
            body = session.scalar(text("SELECT body FROM notifications"))
        assert json.loads(body)["type"] == "consent.exhausted"

    def test_every_client_of_the_bank_is_told_and_no_other_bank(self, told, endpoint):
        consent, client, _ = told
        with db.transaction("owner") as session:
            institution = session.get_one(Institution, client.institution_id)
            second, foreign = make.make_client(session, institution), make.make_client(session)
        listen(second, endpoint.url)
        listen(foreign, endpoint.url)
        change(consent, consents.pause)
        assert {row.client_id for row in deliveries()} == {client.client_id, second.client_id}


class TestTries:
    @pytest.fixture
    def row(self, told):
        change(told[0], consents.revoke)
        return deliveries()[0]

    def test_eight_and_then_it_is_given_up_until_it_is_replayed(self, row, endpoint):
        endpoint.answer = lambda _asked: Reply(503)
        now, waits = NOW, []
        for number in range(1, message.TRIES + 1):
            held = try_once(row.id, now=now)
            assert (held.tries, held.last_status) == (number, 503)
            if held.next_try_at is not None:
                assert waiting_jobs()[-1].scheduled_at == held.next_try_at
                waits.append(held.next_try_at - now)
                now = held.next_try_at
        assert held.state == "failed"
        assert len(waits) == 7
        assert all(
            abs(wait / planned - 1) <= message.JITTER for wait, planned in zip(waits, message.DELAYS, strict=True)
        )
        assert try_once(row.id, now=now).tries == 8
        assert len(endpoint.asked) == 8
        endpoint.answer = lambda _asked: Reply(200)
        with db.transaction("owner") as session:
            service.replay(session, session.merge(held), actor="operator", now=now)
        done = try_once(row.id, now=now)
        assert (done.state, done.tries, done.replays) == ("delivered", 1, 1)
        assert len({asked.headers["webhook-id"] for asked in endpoint.asked}) == 1

    def test_of_two_replays_at_once_one_sends(self, row):
        try_once(row.id)

        def replay(_):
            try:
                with db.transaction("owner") as session:
                    service.replay(session, session.get_one(type(row), row.id), actor="operator", now=NOW)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(replay, range(6))) == 1

    def test_a_worker_that_died_after_its_claim_sends_again(self, row, endpoint):
        with db.transaction("worker") as session:
            assert delivery.claim(session, row.id, key=KEY, now=NOW).number == 1
        assert try_once(row.id).tries == 2
        assert len(endpoint.asked) == 1

    def test_what_is_delivered_is_not_sent_again_by_a_doubled_job(self, row, endpoint):
        try_once(row.id)
        try_once(row.id)
        assert len(endpoint.asked) == 1

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_is_not_followed(self, row, endpoint, status):
        endpoint.answer = lambda _asked: Reply(status, headers={"Location": endpoint.url + "/elsewhere"})
        held = try_once(row.id)
        assert (held.state, held.last_status, "not followed" in held.last_error) == ("waiting", status, True)
        assert [asked.path for asked in endpoint.asked] == ["/hooks"]

    def test_an_endless_answer_does_not_hold_the_worker(self, row, endpoint):
        endpoint.answer = lambda _asked: Reply(200, body=b"x" * 30_000_000)
        assert try_once(row.id).state == "delivered"

    def test_a_dripping_answer_ends_with_the_time_limit(self, told, monkeypatch):
        monkeypatch.setattr(delivery, "TRY_SECONDS", 0.5)
        stop = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as server:

            def drip():
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n")
                    while not stop.wait(0.1):
                        try:
                            connection.sendall(b"X-Drip: 1\r\n")
                        except OSError:
                            return

            thread = threading.Thread(target=drip)
            thread.start()
            listen(told[1], f"http://127.0.0.1:{server.getsockname()[1]}/")
            change(told[0], consents.revoke)
            held = try_once(deliveries()[0].id)
            stop.set()
            thread.join()
        assert held.state == "waiting"
        assert "no answer within" in held.last_error

    @pytest.mark.parametrize(
        ("table", "said"), [("clients", "the client is suspended"), ("institutions", "the client is suspended")]
    )
    def test_a_suspended_bank_is_told_nothing(self, row, endpoint, table, said):
        with db.transaction("owner") as session:
            session.execute(text(f"UPDATE {table} SET status = 'suspended'"))
        assert try_once(row.id).last_error == said
        assert endpoint.asked == []


class TestTargets:
    @pytest.mark.parametrize(
        "url",
        [
            "https://10.0.0.8/hooks",
            "https://127.0.0.1/hooks",
            "https://2130706433/hooks",
            "https://0x7f000001/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://localhost/",
            "http://203.0.113.9/",
            "ftp://bank.example/",
        ],
    )
    def test_ssrf_through_webhook_is_refused_at_save(self, told, url):
        with pytest.raises(RegistrationRefused, match="webhook_url"):
            listen(told[1], url)

    def test_loopback_is_refused_outside_the_sandbox_at_save_and_at_send(self, told, endpoint):
        consent, client, _ = told
        with pytest.raises(RegistrationRefused):
            listen(client, endpoint.url, allow_loopback=False)
        change(consent, consents.revoke)
        held = try_once(deliveries()[0].id, allow_loopback=False)
        assert (held.state, held.last_status, held.last_error) == ("waiting", None, "the address must be https")
        assert endpoint.asked == []

    def test_a_name_that_points_into_the_own_network_later_is_refused_at_send(self, told, monkeypatch):
        answers = iter(["93.184.215.14", "192.168.1.1"])

        def getaddrinfo(_host, port, **_):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

        monkeypatch.setattr(targets.socket, "getaddrinfo", getaddrinfo)
        listen(told[1], "https://bank.example/hooks")
        change(told[0], consents.revoke)
        held = try_once(deliveries()[0].id)
        assert held.last_error == "the host is not on the public internet"


class TestSecrets:
    def test_one_is_shown_once_and_stored_sealed(self, told, endpoint):
        _, client, secret = told
        assert secret.startswith("whsec_")
        assert listen(client, endpoint.url) is None
        with db.transaction("owner") as session:
            sealed = session.scalar(text("SELECT sealed FROM webhook_secrets"))
            assert secret.removeprefix("whsec_") not in sealed
            assert endpoints.signing_secrets(session, client.client_id, key=KEY, now=NOW) == [secret]
            assert endpoints.signing_secrets(session, client.client_id, key="other" * 10, now=NOW) == []

    @pytest.mark.parametrize(("overlap", "for_a_day"), [(True, 2), (False, 1)])
    def test_after_a_rotation_two_are_valid_for_a_day(self, told, overlap, for_a_day):
        _, client, old = told
        with db.transaction("owner") as session:
            new = endpoints.rotate_secret(
                session, session.merge(client), key=KEY, actor="staff:olga", now=NOW, overlap=overlap
            )

        def valid(at):
            with db.transaction("worker") as session:
                return endpoints.signing_secrets(session, client.client_id, key=KEY, now=at)

        assert set(valid(NOW + timedelta(hours=23, minutes=59))) == {new, old} if for_a_day == 2 else {new}
        assert len(valid(NOW)) == for_a_day
        assert valid(NOW + timedelta(days=1)) == [new]

    def test_the_api_cannot_read_them(self, told):
        with pytest.raises(Exception, match="permission denied"), db.transaction("api") as session:
            session.execute(text("SELECT * FROM webhook_secrets"))

    def test_a_client_without_an_address_is_told_nothing(self, told):
        with db.transaction("owner") as session:
            endpoints.remove_address(session, session.merge(told[1]), actor="staff:olga", now=NOW)
            assert session.get_one(Client, told[1].id).webhook_url is None
        change(told[0], consents.revoke)
        assert deliveries() == []
