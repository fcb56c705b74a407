"""The firm's card on its page, and what whoever gets its link sees."""

from __future__ import annotations

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from creditlink.audit.tables import AuditEntry
from creditlink.cards import ending, lists, service
from creditlink.cards.tables import CardPlace, CardPresentation, CardView, CreditCard, StatusList
from creditlink.consents.tables import Consent
from creditlink.kit.clock import day_of, month_start, utc_now
from creditlink.kit.postgres import db
from creditlink.messages.tables import PersonMessage
from creditlink.portal.person import throttle
from creditlink.records.pulls.delivery import Fact
from creditlink.records.store import save_facts
from creditlink.web import card_pages
from tests import factories as make
from tests.cards.conftest import CARD, later, owner, the_card, the_presentations
from tests.cards.test_attacks import said
from tests.portal.conftest import Person
from tests.portal.test_own import agree, fetched

VERIFY = "/cards/verify"


def looked(app, link, lang="en"):
    return app.test_client().get(f"{link}?lang={lang}")


def verified(app, presented, lang="en"):
    answer = app.test_client().post(f"{VERIFY}?lang={lang}", data={"card": presented})
    assert answer.status_code == 200, answer.text
    return answer.text


def heading(shown):
    return re.search(r'role="status">\s*<h2>([^<]+)<', shown).group(1)


class TestMaking:
    def test_without_its_own_data_there_is_no_card(self, reader):
        shown = reader.get(f"{CARD}?lang=en").text
        assert "First agree to see that data" in shown
        assert reader.post(CARD).status_code == 409
        assert agree(reader).status_code == 303
        assert "What your card would say today" in reader.get(f"{CARD}?lang=en").text

    def test_a_card_says_what_is_known_and_nothing_of_what_is_not(self, carded, settings):
        shown = carded.person.get(f"{CARD}?lang=en").text
        assert 'class="credit-card"' in shown
        with owner() as session:
            card = the_card(session)
            keys = card_pages.keys_of(settings)
            found = service.held(session, card, keys)
            assert {"name", "grade_band", "points_band", "taxpayer_kind", "headcount_band"} <= set(card.facts)
            assert b"eyJ" not in card.sealed
            assert set(found.facts) == set(card.facts)
            assert card.categories == ["profile", "social_security", "tax"]
            assert not {"no_penalties", "no_enforcement", "red_list"} & set(card.facts)  # nobody searched the lists
            assert card.expires_at - card.issued_at == timedelta(days=90)
            entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "card.issue")).one()
            assert entry.detail["facts"] == card.facts
            assert entry.actor == f"account:{carded.person.account.id}"

    def test_lists_that_were_searched_say_what_they_say(self, reader, empty_database, city, rich_firm, products):
        assert agree(reader).status_code == 303
        consent = fetched(empty_database, city, rich_firm)
        today = day_of(utc_now())
        values = {"occurred_on": today.isoformat(), "severity": 1, "amount_fen": 0, "ended_on": None}
        found = Fact("credit_events", month_start(today), "searched/" + today.isoformat(), values, utc_now())
        with empty_database.transaction("owner") as session:
            save_facts(
                session, [found], enterprise_id=consent.enterprise_id, source="public_credit", pull_id=None,
                now=utc_now(),
            )  # fmt: skip
        reader.get(f"{CARD}?lang=en")
        assert reader.post(CARD).status_code == 303
        with owner() as session:
            assert {"no_penalties", "no_enforcement", "red_list"} <= set(the_card(session).facts)
            assert "grade_band" not in the_card(session).facts  # no profile was made

    def test_a_source_that_answered_in_part_says_nothing(self, reader, itself, empty_database):
        itself()
        with empty_database.transaction("owner") as session:
            session.execute(text("UPDATE pull_parts SET status = 'PARTIAL' WHERE source IN ('tax', 'social_security')"))
        reader.get(f"{CARD}?lang=en")
        assert reader.post(CARD).status_code == 303
        with owner() as session:
            assert not {"no_tax_arrears", "taxpayer_kind", "social_security_on_time", "sales_band"} & set(
                the_card(session).facts
            )

    def test_a_new_one_ends_the_old_one_and_what_it_showed(self, app, carded):
        link = carded.link("grade_band")
        presented = carded.presented("grade_band")
        carded.person.get(f"{CARD}?lang=en")
        assert carded.person.post(CARD).status_code == 303
        with owner() as session:
            rows = session.scalars(select(CreditCard).order_by(CreditCard.issued_at, CreditCard.id)).all()
            assert sorted((one.ended_for or "", one.sealed is None) for one in rows) == [
                ("", False),
                ("replaced", True),
            ]
            assert all(one.sealed is None and one.ended_at for one in the_presentations(session))
        assert looked(app, link).status_code == 410
        assert heading(verified(app, presented)).startswith("Not good any more")

    def test_two_who_make_one_at_once_leave_one(self, app, carded):
        people = [Person(app.test_client(), carded.person.account) for _ in range(2)]
        for one in people:
            one.sign_in()
            one.get(f"{CARD}?lang=en")
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(lambda one: one.post(CARD).status_code, people))
        assert answers == [303, 303]
        with owner() as session:
            assert session.scalar(select(func.count()).where(CreditCard.ended_at.is_(None))) == 1
            assert session.scalar(select(func.count()).select_from(CardPlace)) == 3

    def test_a_code_is_asked_for_where_the_person_has_codes(self, carded, settings):
        from creditlink.enterprises import accounts
        from tests.portal.test_staff import TOTP

        with owner() as session:
            accounts.enroll_totp(session.merge(carded.person.account), TOTP, key=settings.secret_key)
        carded.person.get(f"{CARD}?lang=en")
        assert carded.person.post(CARD).status_code == 422
        assert carded.show("grade_band").status_code == 422
        assert "One-time code" in carded.person.page.text
        assert 'value="grade_band" checked' in carded.person.page.text

    def test_an_agent_beyond_its_limits_makes_and_shows_nothing(self, app, carded, firm):
        with owner() as session:
            agent = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, firm.enterprise, agent, "agent", limits={"categories": ["electricity"]})
        other = Person(app.test_client(), agent)
        other.sign_in()
        other.get("/portal/security")
        assert other.post(CARD, enterprise=str(firm.enterprise.id)).status_code == 403
        answer = other.post(f"{CARD}/shown", enterprise=str(firm.enterprise.id), fact="name", audience="x", days="3")
        assert answer.status_code == 403

    def test_another_firms_card_is_not_found(self, app, carded):
        carded.link("grade_band")
        with owner() as session:
            stranger = make.make_account(session, password=make.PASSWORD)
            other_firm = make.make_enterprise(session)
            make.make_representation(session, other_firm, stranger)
            card, (shown,) = the_card(session), the_presentations(session)
        other = Person(app.test_client(), stranger)
        other.sign_in()
        other.get("/portal/security")
        for path in (f"{CARD}/shown/{shown.wire_id}", f"{CARD}?enterprise={card.enterprise_id}"):
            assert other.get(path).status_code == 404
        other.get("/portal/security")
        for path in (f"{CARD}/{card.wire_id}/end", f"{CARD}/shown/{shown.wire_id}/end"):
            assert other.post(path).status_code == 404
        assert other.post(CARD, enterprise=str(card.enterprise_id)).status_code == 404
        with owner() as session:
            assert the_card(session).ended_at is None


class TestShowing:
    @pytest.mark.parametrize("lang", ["en", "zh"])
    def test_only_what_is_chosen_is_shown_with_its_day(self, app, carded, lang):
        link = carded.link("grade_band", "years_in_business", audience="南海一房东 <b>")
        seen = looked(app, link, lang)
        assert seen.status_code == 200
        assert heading(seen.text) == ("Genuine and good" if lang == "en" else "真实有效")
        assert "南海一房东 &lt;b&gt;" in seen.text
        assert ("Grade band" if lang == "en" else "信用等级区间") in seen.text
        for hidden in ("Unified social credit code", "统一社会信用代码", "Points band", "信用评分区间"):
            assert hidden not in seen.text
        assert day_of(utc_now()).isoformat() in seen.text
        assert seen.headers["Referrer-Policy"] == "no-referrer"
        assert seen.headers["Cache-Control"] == "no-store"
        assert "script-src" not in seen.headers["Content-Security-Policy"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"fact": []}, {"fact": ["invented"]}, {"audience": " "}, {"audience": "x" * 201},
            {"audience": "农商行\u202e行商农"}, {"days": "0"},
            {"days": "91"}, {"days": "-1"}, {"days": "1.5"}, {"days": ""}, {"days": "９"}, {"days": "9" * 30},
        ],
    )  # fmt: skip
    def test_a_wrong_choice_is_refused_and_kept(self, carded, fields):
        form = {"fact": ["grade_band"], "audience": "房东", "days": "30"} | fields
        carded.person.get(f"{CARD}?lang=en")
        answer = carded.person.post(f"{CARD}/shown", **form)
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        with owner() as session:
            assert the_presentations(session) == []

    def test_nul_is_refused_at_the_border(self, carded):
        for odd in ("a\0b",):
            assert carded.show("grade_band", audience=odd).status_code == 422

    def test_it_can_be_pasted_uploaded_or_opened_by_its_link(self, app, carded, settings):
        presented = carded.presented("grade_band")
        assert heading(verified(app, presented)) == "Genuine and good"
        assert heading(verified(app, f"\ufeff{presented}\n")) == "Genuine and good"
        for content in (presented.encode(), b"\xef\xbb\xbf" + presented.encode(), presented.encode("utf-16")):
            data = {"file": (io.BytesIO(content), "card.txt")}
            answer = app.test_client().post(f"{VERIFY}?lang=en", data=data, content_type="multipart/form-data")
            assert heading(answer.text) == "Genuine and good"
        link = settings.issuer + carded.link("grade_band")
        answer = app.test_client().post(VERIFY, data={"card": link})
        assert (answer.status_code, link.endswith(answer.headers["Location"])) == (303, True)

    @pytest.mark.parametrize("odd", [b"", b"\0", b"\xff\xfe\x00\xd8", "信用".encode("gbk"), b"%PDF-1.7", b"~" * 40_000])
    def test_an_odd_file_is_no_card(self, app, odd):
        data = {"file": (io.BytesIO(odd), "x")}
        answer = app.test_client().post(f"{VERIFY}?lang=en", data=data, content_type="multipart/form-data")
        assert heading(answer.text) == "Not to be trusted"

    def test_too_much_is_refused_before_it_is_read(self, app):
        answer = app.test_client().post(VERIFY, data={"card": "x" * 3_000_000})
        assert answer.status_code == 413

    def test_it_is_counted_by_day_and_by_nothing_else(self, app, carded):
        link = carded.link("grade_band")
        for _ in range(3):
            looked(app, link)
        app.test_client().head(link)
        with owner() as session:
            (view,) = session.scalars(select(CardView)).all()
            assert (view.times, view.viewed_on) == (3, day_of(utc_now()))
            (row,) = the_presentations(session)
        assert "opened 3 times" in carded.person.get(f"{CARD}?lang=en").text
        assert "Counted by day" in carded.person.get(f"{CARD}/shown/{row.wire_id}?lang=en").text

    def test_its_token_is_stored_as_a_hash_and_sealed(self, carded):
        link = carded.link("grade_band")
        with owner() as session:
            kept = session.execute(text("SELECT row_to_json(p)::text FROM card_presentations p")).scalar()
        assert link.rpartition("/")[2] not in kept
        assert "eyJ" not in kept

    @pytest.mark.parametrize("token", ["clk_x", "x", "..", "%00", "clk_" + "A" * 43, "%F0%9F%98%80", "a" * 5000])
    def test_a_guessed_link_is_not_found(self, app, carded, token):
        carded.link("grade_band")
        assert looked(app, f"/cards/{token}").status_code == 404

    def test_one_is_ended_and_the_others_stay(self, app, carded):
        first, second = carded.link("grade_band"), carded.link("years_in_business")
        with owner() as session:
            one = next(row for row in the_presentations(session) if row.facts == ["grade_band"])
        for _ in range(2):
            carded.person.get(CARD)
            assert carded.person.post(f"{CARD}/shown/{one.wire_id}/end").status_code == 303
        assert looked(app, first).status_code == 410
        assert "Grade band" not in looked(app, first).text
        assert looked(app, second).status_code == 200
        with owner() as session:
            assert session.scalar(select(func.count()).where(AuditEntry.action == "card.hide")) == 1

    def test_so_many_are_open_at_once(self, carded, app):
        from dataclasses import replace as changed

        from creditlink.cards.rules.settings import CardSettings
        from creditlink.kit.processes import runtime

        known = runtime.of_app(app).of(CardSettings)
        runtime.of_app(app).put(changed(known, most_shown=1))
        try:
            carded.link("grade_band")
            assert carded.show("name").status_code == 409
        finally:
            runtime.of_app(app).put(known)

    def test_looks_from_one_address_are_slowed_down(self, app, monkeypatch):
        monkeypatch.setattr(throttle, "LOOKS", 2)
        answers = [app.test_client().post(VERIFY, data={"card": "x"}) for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert looked(app, "/cards/clk_x").status_code == 429


class TestTheEnd:
    def test_a_link_that_was_ended_is_over_by_its_text_too(self, app, carded):
        presented = carded.presented("grade_band")
        assert "Genuine and good" in app.test_client().post(f"{VERIFY}?lang=en", data={"card": presented}).text
        with owner() as session:
            (shown,) = the_presentations(session)
        carded.person.get(f"{CARD}/shown/{shown.wire_id}?lang=en")
        assert carded.person.post(f"{CARD}/shown/{shown.wire_id}/end").status_code == 303
        over = app.test_client().post(f"{VERIFY}?lang=en", data={"card": presented}).text
        assert "the firm ended it" in over
        assert "Genuine and good" not in over
        assert (
            "Genuine and good"
            in app.test_client().post(f"{VERIFY}?lang=en", data={"card": carded.presented("name")}).text
        )

    def test_revoked_it_is_refused_wherever_it_is(self, app, carded):
        link, presented = carded.link("grade_band"), carded.presented("grade_band")
        with owner() as session:
            card = the_card(session)
        for status in (303, 409):
            carded.person.get(CARD)
            assert carded.person.post(f"{CARD}/{card.wire_id}/end").status_code == status
        assert looked(app, link).status_code == 410
        shown = verified(app, presented)
        assert heading(shown).startswith("Not good any more")
        assert "Grade band" not in shown
        with owner() as session:
            card = the_card(session)
            assert (card.ended_for, card.sealed) == ("revoked", None)
            assert session.scalars(select(CardPresentation.sealed)).all() == [None, None]

    @pytest.mark.parametrize(
        ("cause", "why", "said_so"),
        [
            ("UPDATE consents SET state = 'REVOKED', changed_at = now() WHERE purpose = 'own'", "consent", "Not good"),
            ("UPDATE enterprises SET status = 'deregistered'", "firm", "Not good"),
        ],
    )
    def test_it_ends_with_what_it_rests_on_at_the_next_look(self, app, carded, cause, why, said_so):
        link, presented = carded.link("grade_band"), carded.presented("grade_band")
        with owner() as session:
            session.execute(text(cause))
        assert heading(verified(app, presented)).startswith(said_so)
        assert heading(looked(app, link).text).startswith(said_so)
        assert "Grade band" not in looked(app, link).text
        now = utc_now()
        with db.transaction("worker") as session:
            (one,) = ending.over(session, now)
            assert ending.end_one(session, one, now=now)
            assert not ending.end_one(session, one, now=now)
        with owner() as session:
            card = the_card(session)
            assert (card.ended_for, card.sealed) == (why, None)
            assert session.scalars(select(PersonMessage.kind)).all().count("card_ended") >= 1
            assert session.scalar(select(func.count()).where(AuditEntry.action == "card.end")) == 1

    def test_paused_it_is_not_good_and_resumed_it_is_again(self, app, carded):
        presented = carded.presented("grade_band")
        with owner() as session:
            session.execute(text("UPDATE consents SET state = 'PAUSED', changed_at = now() WHERE purpose = 'own'"))
        assert heading(verified(app, presented)).startswith("Paused by the firm")
        assert "paused" in carded.person.get(f"{CARD}?lang=en").text
        with owner() as session:
            assert ending.over(session, utc_now()) == []
            session.execute(text("UPDATE consents SET state = 'ACTIVE', changed_at = now() WHERE purpose = 'own'"))
        assert heading(verified(app, presented)) == "Genuine and good"

    @pytest.mark.parametrize(("category", "ends"), [("tax", True), ("electricity", True)])
    def test_a_corrected_record_ends_it(self, carded, category, ends):
        """A card with a grade rests on every record; see below for one without."""
        with owner() as session:
            corrected(session, the_card(session), category)
        with owner() as session:
            assert service.trouble_of(session, the_card(session), later(seconds=5)) == ("correction" if ends else None)

    def test_a_correction_of_what_it_does_not_say_leaves_it(self, carded):
        with owner() as session:
            session.execute(text("UPDATE credit_cards SET categories = '{tax}'"))
            corrected(session, the_card(session), "electricity")
        with owner() as session:
            assert service.trouble_of(session, the_card(session), later(seconds=5)) is None

    def test_what_is_over_is_deleted_in_time(self, app, carded):
        carded.link("grade_band")
        looked(app, carded.link("name"))
        with db.transaction("worker") as session:
            firm_id = the_card(session).enterprise_id
            assert list(ending.delete_over(session, firm_id, utc_now())) == []
            gone = list(ending.delete_over(session, firm_id, later(days=3 * 366)))
            assert [table for table, *_ in gone] == ["credit_cards"]
        with owner() as session:
            assert the_presentations(session) == []
            assert session.scalar(select(func.count()).select_from(CardView)) == 0
            assert session.scalar(select(func.count()).select_from(CardPlace)) == 1  # never given out again

    def test_without_a_database_it_is_genuine_with_a_status_unknown(self, app, carded, monkeypatch):
        presented = carded.presented("grade_band")

        def away(*_, **__):
            raise OperationalError("SELECT", {}, psycopg.OperationalError("away"))

        monkeypatch.setattr(lists, "status_at", away)
        monkeypatch.setattr(card_pages.throttle, "count", away)
        shown = verified(app, presented)
        assert "cannot be found out now" in heading(shown)
        assert "Grade band" in shown
        monkeypatch.setattr(card_pages.showing, "opened", away)
        answer = looked(app, "/cards/clk_x")
        assert answer.status_code == 503
        assert "The service cannot answer right now" in answer.text

    def test_what_is_shown_while_the_card_is_ended_is_not_left_behind(self, carded, settings):
        from creditlink.cards import configuration, showing
        from creditlink.kit.errors import Conflict

        with carded.person.client.application.app_context(), owner() as session:
            held = service.held(session, the_card(session), card_pages.keys_of(settings))
            service.end_for(session, the_card(session), "revoked", utc_now())
            with pytest.raises(Conflict, match="ended"):
                showing.show(
                    session, held, carded.person.account, ["name"], audience="x", days=1,
                    keys=card_pages.keys_of(settings), settings=configuration.current(), now=utc_now(),
                )  # fmt: skip


def corrected(session, card, category):
    """Leave a dispute of a record that was corrected after the card was made."""
    session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(
        text("""
            INSERT INTO disputes (id, enterprise_id, opened_by, claim, statement, wanted, category, frame, period,
                subkey, source, channel, fact_id, said, said_version, said_hash, held_since_at, state, level,
                opened_at, due_at, tries, changed_at, ended_at, keep_until)
            VALUES (gen_random_uuid(), :firm, :account, 'wrong', 'x', '{}', :category, 'vat_declarations', '2026-01-01',
                '', 'tax', 'desk', 1, '{}', 1, 'x', now(), 'corrected', 0, now(), now(), 0, now(),
                :at, now() + interval '1 year')"""),
        {"firm": card.enterprise_id, "account": card.issued_by, "category": category,
         "at": card.issued_at + timedelta(seconds=1)},
    )  # fmt: skip


class TestForAVerifiersProgram:
    def test_the_list_says_who_ended_and_may_be_kept_for_a_while(self, app, carded, settings):
        presented = carded.presented("grade_band")
        place = carded.check(presented).place
        path = place.uri.removeprefix(settings.issuer)
        from creditlink.cards.rules import statuses

        def status(now=None):
            answer = app.test_client().get(path)
            assert answer.headers["Content-Type"] == "application/statuslist+jwt"
            assert answer.headers["Cache-Control"] == "public, max-age=300"
            token = answer.text
            looked_up = statuses.of_token(token, carded.keys, issuer=settings.issuer, now=now or utc_now())
            return looked_up(place), token

        assert status()[0] == "valid"
        with owner() as session:
            card = the_card(session)
        carded.person.get(CARD)
        carded.person.post(f"{CARD}/{card.wire_id}/end")
        word, token = status()
        assert word == "revoked"
        assert len(token) < 1_000  # 65,536 places
        with pytest.raises(statuses.StatusListRefused):
            statuses.of_token(token, carded.keys, issuer=settings.issuer, now=later(days=2))
        with pytest.raises(statuses.StatusListRefused):
            statuses.of_token(token, carded.keys, issuer="http://x.test", now=utc_now())
        for wrong in ("", "x", "a.b.c", presented, token[:-5], "\0", "信"):
            with pytest.raises(statuses.StatusListRefused):
                statuses.of_token(wrong, carded.keys, issuer=settings.issuer, now=utc_now())
        assert app.test_client().get("/cards/status/00000000-0000-0000-0000-000000000000").status_code == 404
        assert app.test_client().get("/cards/status/x").status_code == 404

    def test_who_issues_and_what_a_card_is(self, app, settings):
        metadata = app.test_client().get("/.well-known/jwt-vc-issuer").json
        assert metadata == {"issuer": settings.issuer, "jwks_uri": f"{settings.issuer}/v1/receipt-keys"}
        assert app.test_client().get("/v1/receipt-keys").json["keys"][0]["alg"] == "ES256"
        document = app.test_client().get("/cards/types/credit-card-1")
        assert document.json["vct"].endswith("/cards/types/credit-card-1")
        assert document.headers["Access-Control-Allow-Origin"] == "*"

    def test_places_are_drawn_at_random_and_a_new_list_begins_when_half_are_taken(self, empty_database):
        from creditlink.cards.rules.settings import CardSettings

        small = CardSettings(90, 31, 30, 90, 50, 16, 300, 86400)
        given = []
        with empty_database.transaction("owner") as session:
            for place in range(20):
                given.append(service._place(session, small, utc_now() + timedelta(seconds=place)))
            assert len(set(given)) == 20
            assert {place for _, place in given} <= set(range(16))
            assert sorted(session.scalars(select(StatusList.size))) == [16, 16, 16]
            sizes = [sum(one == list_id for one, _ in given) for list_id in dict.fromkeys(one for one, _ in given)]
            assert sizes == [8, 8, 4]
            assert [place for _, place in given[:8]] != sorted(place for _, place in given[:8]) or given[0][1] != 0

    def test_the_roles_of_the_database_may_not_ask_about_a_card_of_their_own_making(self, empty_database):
        for role in ("creditlink_api", "creditlink_worker"):
            with empty_database.engine("owner").connect() as connection:
                connection.execute(text(f"SET LOCAL ROLE {role}"))
                with pytest.raises(Exception, match="permission denied"):
                    connection.execute(text("SELECT creditlink_trouble_of(NULL::credit_cards, now())"))

    def test_the_pages_role_sees_nobodys_cards(self, carded, empty_database):
        carded.link("grade_band")
        with empty_database.transaction("api") as session:
            for table in ("credit_cards", "card_presentations", "card_views"):
                assert session.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


class TestWallet:
    def wallet(self, carded, key=None):
        key = key or ECKey.generate_key("P-256")
        carded.person.get(f"{CARD}?lang=en")
        answer = carded.person.post(f"{CARD}/wallet", key=json.dumps(key.as_dict(private=False)))
        return key, answer

    def test_its_card_is_bound_to_its_key_and_not_kept(self, app, carded):
        from creditlink.cards import signing

        key, answer = self.wallet(carded)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("application/dc+sd-jwt")
        assert "attachment" in answer.headers["Content-Disposition"]
        card = answer.text
        assert said(card.split("~")[0].split(".")[1])["cnf"]["jwk"] == key.as_dict(private=False)
        assert heading(verified(app, card)) == "Not to be trusted"  # without the wallet's proof it is a copy
        part = signing.chosen(card, ["grade_band"])
        mine = signing.presented(part, key, audience="某房东", now=utc_now(), good_until=later(hours=1))
        assert heading(verified(app, mine)) == "Genuine and good"
        with owner() as session:
            row = the_card(session, holder="wallet")
            assert row.sealed is None
            assert session.scalar(select(func.count()).where(CreditCard.ended_at.is_(None))) == 2
        carded.person.get(CARD)
        assert carded.person.post(f"{CARD}/{row.wire_id}/end").status_code == 303
        assert heading(verified(app, mine)).startswith("Not good any more")
        assert looked(app, carded.link("grade_band")).status_code == 200  # the other card stays

    @pytest.mark.parametrize("key", ["", "x", "{}", "[1]", '{"kty": "oct", "k": "AA"}'])
    def test_a_key_that_is_none_is_refused(self, carded, key):
        carded.person.get(f"{CARD}?lang=en")
        assert carded.person.post(f"{CARD}/wallet", key=key).status_code == 422

    def test_ones_own_consent_is_needed(self, carded):
        with owner() as session:
            session.execute(text("UPDATE consents SET state = 'PAUSED', changed_at = now() WHERE purpose = 'own'"))
            assert session.scalars(select(Consent.state)).one() == "PAUSED"
        assert self.wallet(carded)[1].status_code == 409
