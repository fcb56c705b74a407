"""The feed: whole lists and changes, both clocks, numbers that count once, rows kept aside."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from creditlink.audit.tables import AuditEntry
from creditlink.consents.agreement.statement import statement
from creditlink.consents.life import approval
from creditlink.consents.tables import Consent
from creditlink.enterprises import service
from creditlink.enterprises.registry import codes, loads, versions
from creditlink.enterprises.registry.feed_file import FeedRow
from creditlink.enterprises.registry.tables import RegistryItem, RegistryLoad, RegistryRow
from creditlink.enterprises.tables import Account, Enterprise, RegisteredEntry
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.postgres import db
from creditlink.portal.firm.deciding import decision
from creditlink.records import store
from tests.enterprises.registry.conftest import SECRET, handing_in, take
from tests.factories import NOW, make_account, make_consent, make_enterprise, make_representation, make_uscc

TODAY = day_of(NOW)
CODE, OTHER = make_uscc(1), make_uscc(2)
BEGAN = NOW - timedelta(days=400)


def listed(uscc=CODE, **values):
    return {
        "uscc": uscc, "name": f"佛山{uscc[-4:]}五金有限公司", "industry": "C33", "region": "440604",
        "established_on": "2019-05-06",
    } | values  # fmt: skip


def change(number, **values):
    return {"sequence": str(number), "uscc": CODE} | values


@pytest.fixture
def firm(empty_database):
    with db.transaction("owner") as session:
        return make_enterprise(
            session, uscc=CODE, name="旧名有限公司", created_at=BEGAN, updated_at=BEGAN, established_on=date(2019, 5, 6)
        ).id


def enterprise(code=CODE):
    with db.transaction("owner") as session:
        return service.by_uscc(session, code)


def named(firm, day, known_at=None):
    with db.transaction("worker") as session:
        one = session.get_one(Enterprise, firm)
        return versions.named_on(session, one, day=day, known_at=known_at or NOW + timedelta(days=900))


def status_on(firm, as_of):
    with db.transaction("worker") as session:
        inputs = store.read_inputs(session, [firm], categories=(), since=date(2023, 8, 1), as_of=as_of)
        return inputs.records.registration["status"].item()


class TestChanges:
    def test_a_new_firm_is_registered_with_all_that_is_said_of_it(self, load):
        done = load(
            change(1, **listed(
                status="suspended", registered_capital_fen=7, paid_in_capital_fen=3, address="佛山市南海区一路1号",
                legal_representative="张三", representative_id="p1",
                shareholders=[{"name": "张三", "person_id": "p1", "share_bps": 6000}, {"name": "乙", "uscc": OTHER}],
                branches=[{"name": "一分公司"}], valid_from="2026-01-05",
            ))
        )  # fmt: skip
        assert done["rows"] == {"waiting": 0, "applied": 1, "unchanged": 0, "repeated": 0, "refused": 0}
        made = enterprise()
        assert (made.status, made.registered_capital_fen, made.region) == ("suspended", 7, "440604")
        assert status_on(made.id, TODAY) == "suspended"
        said = named(made.id, TODAY)
        assert said.kinds["address"].items[0].name == "佛山市南海区一路1号"
        holders = said.kinds["shareholder"].items
        assert [(one.name, one.uscc, one.share_bps) for one in holders] == [("张三", None, 6000), ("乙", OTHER, None)]
        # The registrar's number of a person is kept as a digest only, the same wherever the person appears.
        assert holders[0].person_key == said.kinds["representative"].items[0].person_key
        assert "p1" not in holders[0].person_key
        assert named(made.id, date(2025, 12, 31)).kinds == {}

    def test_a_row_says_nothing_of_what_it_does_not_name(self, load, firm):
        load(change(1, address="甲路"))
        before = enterprise()
        assert load(change(2, paid_in_capital_fen=9))["rows"]["applied"] == 1
        after = enterprise()
        assert after.paid_in_capital_fen == 9
        assert (after.name, after.status, after.registered_capital_fen) == (
            before.name, before.status, before.registered_capital_fen,
        )  # fmt: skip
        assert named(firm, TODAY).kinds["address"].items[0].name == "甲路"

    def test_a_new_name_holds_from_its_day_and_is_known_from_when_it_was_learned(self, load, firm):
        since = TODAY - timedelta(days=100)
        load(change(1, name="新名有限公司", valid_from=since.isoformat()))
        assert enterprise().name == "新名有限公司"
        assert named(firm, since).name == "新名有限公司"
        assert named(firm, since).former_names == ("旧名有限公司",)
        assert named(firm, since - timedelta(days=1)).name == "旧名有限公司"
        assert named(firm, TODAY, known_at=NOW - timedelta(seconds=1)).name == "旧名有限公司"

    def test_late_news_of_an_older_name_does_not_undo_the_newer_one(self, load, firm):
        load(change(1, name="第三名有限公司", valid_from="2026-06-01"))
        load(change(2, name="第二名有限公司", valid_from="2026-02-01"), now=NOW + timedelta(days=1))
        assert enterprise().name == "第三名有限公司"
        days = [date(2026, 1, 31), date(2026, 2, 1), date(2026, 6, 1)]
        assert [named(firm, day).name[:3] for day in days] == ["旧名有", "第二名", "第三名"]
        assert named(firm, days[2]).former_names == ("旧名有限公司", "第二名有限公司")

    def test_a_code_changes_and_the_firm_stays_the_same(self, load, firm):
        since = TODAY - timedelta(days=10)
        load(change(1, uscc=OTHER, former_uscc=CODE, valid_from=since.isoformat()))
        assert enterprise(CODE) is None
        assert enterprise(OTHER).id == firm
        assert (named(firm, since).uscc, named(firm, since).former_usccs) == (OTHER, (CODE,))
        assert named(firm, since - timedelta(days=1)).uscc == CODE
        # A row that still has the old code is about the same firm, and changes no code back.
        assert load(change(2, uscc=CODE, status="revoked"), now=NOW + timedelta(days=1))["rows"]["applied"] == 1
        assert (enterprise(OTHER).id, enterprise(OTHER).status) == (firm, "revoked")
        assert load(change(3, uscc=OTHER, former_uscc=CODE))["rows"]["unchanged"] == 1

    def test_a_late_revocation_is_in_force_from_its_day_for_those_who_know(self, load, firm):
        load(change(1, status="revoked", valid_from=(TODAY - timedelta(days=60)).isoformat()))
        assert [status_on(firm, TODAY - timedelta(days=ago)) for ago in (0, 1)] == ["revoked", "active"]
        with db.transaction("owner") as session:
            newest = session.scalars(select(RegisteredEntry).order_by(RegisteredEntry.id.desc())).first()
            assert newest.valid_from == TODAY - timedelta(days=60)

    def test_a_correction_of_one_day_takes_the_place_of_what_was_said_of_it(self, load, firm):
        load(change(1, address="甲路", valid_from="2026-03-01"), change(2, address="乙路", valid_from="2026-03-01"))
        assert named(firm, date(2026, 3, 1)).kinds["address"].items[0].name == "乙路"
        with db.transaction("owner") as session:
            assert session.scalar(text("SELECT count(*) FROM registry_versions WHERE kind = 'address'")) == 2

    def test_the_firms_evidence_names_what_changed_without_values(self, load, firm):
        load(change(1, legal_representative="李四", status="suspended"))
        with db.transaction("owner") as session:
            entry = session.scalar(select(AuditEntry).where(AuditEntry.action == "registry.change"))
        assert entry.enterprise_id == firm
        assert entry.detail["changed"] == ["representative", "status"]
        assert "李四" not in str(entry.detail)


class TestNumbers:
    def test_a_row_again_changes_nothing(self, load, firm):
        load(change(1, name="甲有限公司"))
        load(change(2, name="乙有限公司"))
        again = load(change(1, name="甲有限公司"))
        assert again["rows"]["repeated"] == 1
        assert enterprise().name == "乙有限公司"

    def test_a_number_with_another_row_is_refused(self, load, firm):
        load(change(1, name="甲有限公司"))
        refused = load(change(1, name="乙有限公司"))["refused"]
        assert refused[0]["problems"] == [
            {"field": "sequence", "value": "1", "problem": "was that of another row already"}
        ]
        assert enterprise().name == "甲有限公司"

    def test_a_refused_row_may_come_again_corrected_under_its_number(self, load, firm):
        assert load(change(1, status="asleep"))["rows"]["refused"] == 1
        assert load(change(1, status="suspended"))["rows"]["applied"] == 1

    def test_a_change_needs_a_number(self, load, firm):
        assert load({"uscc": CODE, "status": "revoked"})["refused"][0]["problems"][0]["field"] == "sequence"


class TestRefusals:
    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"industry": "33"}, "industry"),
            ({"region": "44"}, "region"),
            ({"established_on": "2027-01-01"}, "established_on"),
            ({"registered_capital_fen": 10**18}, "registered_capital_fen"),
            ({"valid_from": "2030-01-01"}, "valid_from"),
            ({"name": "甲", "id_card": "1"}, "id_card"),
        ],
    )
    def test_a_wrong_row_is_kept_aside_and_the_others_go_in(self, load, firm, values, field):
        done = load(change(1, address="甲路"), change(2, **values), change(3, status="suspended"))
        assert (done["rows"]["applied"], done["rows"]["refused"]) == (2, 1)
        (wrong,) = done["refused"]
        assert (wrong["row"], wrong["sequence"], wrong["uscc"]) == (2, "2", CODE)
        assert [one["field"] for one in wrong["problems"]] == [field]
        assert enterprise().status == "suspended"

    def test_a_firm_that_cannot_be_registered_leaves_nothing_behind(self, load):
        done = load(change(1, name="甲", status="revoked"), change(2, **listed()))
        assert [one["field"] for one in done["refused"][0]["problems"]] == ["industry", "region"]
        assert done["rows"]["applied"] == 1
        assert enterprise().status == "active"

    def test_what_was_taken_is_kept_no_longer(self, load, firm):
        load(change(1, address="甲路"), change(2, status="asleep"))
        with db.transaction("owner") as session:
            assert [row.body for row in session.scalars(select(RegistryRow))] == [None, None]

    @pytest.mark.parametrize(
        ("opening", "field"),
        [
            ({"kind": "full", "region": "4"}, "region"),
            ({"kind": "full", "region": "４４"}, "region"),
            ({"kind": "incremental", "region": "44"}, "region"),
        ],
    )
    def test_a_load_that_cannot_be_is_refused(self, load, opening, field):
        with pytest.raises(InvalidRequest, match=field):
            load(**opening)


class TestFullLists:
    def test_who_is_no_longer_listed_is_marked_and_not_deleted(self, load):
        load(*(listed(make_uscc(n)) for n in range(1, 41)), kind="full")
        done = load(*(listed(make_uscc(n)) for n in range(2, 41)), kind="full", now=NOW + timedelta(days=1))
        assert (done["unlisted"], done["rows"]["unchanged"]) == (1, 39)
        gone = enterprise()
        assert gone.status == "active"
        assert named(gone.id, TODAY).is_listed is True
        assert named(gone.id, TODAY + timedelta(days=1)).is_listed is False
        # Marked once; and listed again when it is.
        again = load(*(listed(make_uscc(n)) for n in range(2, 41)), kind="full", now=NOW + timedelta(days=2))
        assert again["unlisted"] == 0
        load(listed() | {"sequence": "9"}, now=NOW + timedelta(days=3))
        assert named(gone.id, TODAY + timedelta(days=3)).is_listed is True

    def test_a_list_that_lacks_too_many_marks_none(self, load):
        load(*(listed(make_uscc(n)) for n in range(1, 11)), kind="full")
        done = load(listed(), kind="full")
        assert done["unlisted"] == 0
        assert "lacks 9 of 10 firms, more than 5 %" in done["not_unlisted_because"]
        assert load(listed(), kind="full", most_unlisted_bps=9_500)["unlisted"] == 9

    def test_a_row_that_names_no_firm_may_be_any_firms(self, load):
        load(*(listed(make_uscc(n)) for n in range(1, 41)), kind="full")
        done = load(*(listed(make_uscc(n)) for n in range(2, 41)), {"uscc": "?"}, kind="full")
        assert "1 rows name no firm" in done["not_unlisted_because"]

    def test_a_wrong_row_still_lists_its_firm(self, load):
        load(*(listed(make_uscc(n)) for n in range(1, 41)), kind="full")
        done = load(listed(status="?"), *(listed(make_uscc(n)) for n in range(2, 41)), kind="full")
        assert (done["rows"]["refused"], done["unlisted"], done["not_unlisted_because"]) == (1, 0, None)

    def test_a_list_speaks_of_its_region_only(self, load, firm):
        load(*(listed(make_uscc(n), region="440305") for n in range(10, 20)), kind="full", region="4403")
        done = load(*(listed(make_uscc(n), region="440305") for n in range(10, 20)), kind="full", region="4403")
        assert done["unlisted"] == 0
        assert named(firm, TODAY).is_listed

    def test_a_firm_under_its_former_code_is_listed(self, load, firm):
        load(change(1, uscc=OTHER, former_uscc=CODE))
        assert load(listed(CODE, name="旧名有限公司"), kind="full", most_unlisted_bps=10_000)["unlisted"] == 0


class TestInterruptions:
    def test_a_load_goes_on_where_it_stopped(self, empty_database):
        rows = [FeedRow(n, listed(make_uscc(n))) for n in range(1, 8)]
        opening = loads.Opening("reg", "full", file_sha256="f" * 64)
        with handing_in() as session:
            opened = loads.open_load(session, opening, actor="test", now=NOW)
            loads.stage(session, opened, rows[:5])  # and then the machine stops
        with handing_in() as session:
            again = loads.open_load(session, opening, actor="test", now=NOW)
            assert again.id == opened.id
            loads.stage(session, again, rows)
            loads.mark_ready(again, NOW)
        with db.transaction("worker") as session:
            again = session.get_one(RegistryLoad, opened.id)
            assert loads.take_batch(session, again, secret=SECRET, now=NOW, most=3) == 3  # and once more
        assert take(opened.id, most=3)["rows"]["applied"] == 7
        with handing_in() as session:
            done = session.get_one(RegistryLoad, opened.id)
            with pytest.raises(Conflict, match="takes no more rows"):
                loads.stage(session, done, rows)
            assert loads.open_load(session, opening, actor="test", now=NOW).id != opened.id

    def test_a_crash_within_a_batch_takes_none_of_it(self, empty_database):
        with handing_in() as session:
            opened = loads.open_load(session, loads.Opening("reg", "full"), actor="test", now=NOW)
            loads.stage(session, opened, [FeedRow(n, listed(make_uscc(n))) for n in range(1, 4)])
            loads.mark_ready(opened, NOW)
        with db.transaction("worker") as session:
            loads.take_batch(session, session.get_one(RegistryLoad, opened.id), secret=SECRET, now=NOW)
            session.rollback()
        assert enterprise() is None
        assert take(opened.id)["rows"]["applied"] == 3


def test_a_persons_entries_are_closed_to_who_has_no_right(load, firm):
    load(change(1, legal_representative="张三"))
    with db.transaction("api") as session:
        assert session.scalars(select(RegistryItem)).all() == []
    with db.transaction("api", viewer=db.Viewer(actor="operator")) as session:
        assert session.scalars(select(RegistryItem.name)).all() == ["张三"]


class TestRequestsUnderAFormerCode:
    """A bank's system may have the old code for months; the firm that is asked is the same."""

    def test_a_request_made_before_the_change_is_answered_after_it(self, load, empty_database):
        now = utc_now()
        with db.transaction("owner") as session:
            asked = make_consent(session, state="REQUESTED", uscc=CODE, now=now)
            firm, person = make_enterprise(session, uscc=CODE, name="旧名有限公司"), make_account(session)
            make_representation(session, firm, person)
        load(change(1, uscc=OTHER, former_uscc=CODE), now=now)
        with db.transaction("owner") as session:
            renamed, person = session.get_one(Enterprise, firm.id), session.get_one(Account, person.id)
            assert renamed.uscc == OTHER
            waiting = session.get_one(Consent, asked.id)
            assert [one.id for one in decision.firms_for(session, person, waiting, now)] == [firm.id]
            shown = statement(waiting.details(), institution_zh="银行", institution_en="Bank", template=None, lang="zh")
            agreed = approval.approve(
                session, waiting, account=person, enterprise=renamed, categories=waiting.categories_asked,
                statement=shown, now=now,
            )  # fmt: skip
            assert (agreed.state, agreed.enterprise_id) == ("ACTIVE", firm.id)

    def test_a_code_that_another_firm_has_now_is_that_firms(self, load, firm):
        load(change(1, uscc=OTHER, former_uscc=CODE))
        with db.transaction("owner") as session:
            newer = make_enterprise(session, uscc=CODE, name="后来者有限公司")
        with db.transaction("api") as session:
            assert codes.firm_of(session, CODE) == newer.id
            assert codes.firm_of(session, OTHER) == firm
            assert codes.firm_of(session, make_uscc(77)) is None
            assert codes.codes_of(session, [firm]) == {CODE, OTHER}
