"""The path to a struck-off firm in a profile: told in its reason, stored with it, the same on replay."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select
from sqlalchemy.orm import undefer

from creditlink.cli.replay import replay_profile
from creditlink.engine.profile import basis
from creditlink.enterprises.registry import loads
from creditlink.enterprises.registry.feed_file import FeedRow
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.profiles.serving.live import load_live
from creditlink.profiles.tables import Profile
from tests import factories as make
from tests.oauth import flow

GONE, FRIEND = make.make_uscc(9_101), make.make_uscc(9_102)
NEW = {"industry": "C33", "region": "440600", "established_on": "2019-05-06"}
LED = {"legal_representative": "张三", "representative_id": "1"}


def feed(*rows, kind="full"):
    """Take a load of the registry in."""
    now = utc_now()
    with db.transaction("owner") as session:
        load = loads.open_load(
            session, loads.Opening("reg", kind, "99" if kind == "full" else ""), actor="test", now=now
        )
        loads.stage(session, load, [FeedRow(n, row) for n, row in enumerate(rows, 1)])
        loads.take_batch(session, load, secret="s" * 40, now=now)
        loads.finish(session, load, now=now)
        assert loads.counts(session, load)["refused"] == 0, loads.refused_rows(session, load)


@pytest.fixture
def tied(firm, settings):
    """The firm's representative left a firm that was struck off; it stands in a circle of two."""
    mine = firm.enterprise.uscc
    feed(
        {"uscc": mine, **LED, "registered_capital_fen": 9_000, "paid_in_capital_fen": 400,
         "guarantees": [{"name": "友公司", "uscc": FRIEND, "amount_fen": 500}],
         "shareholders": [{"name": "李四", "person_id": "4", "share_bps": 4900}]},
        {"uscc": GONE, "name": "已吊销公司", "status": "revoked", "valid_from": "2026-03-02", **LED, **NEW},
        {"uscc": FRIEND, "name": "友公司", "guarantees": [{"name": "某", "uscc": mine, "amount_fen": 700}], **NEW},
    )  # fmt: skip
    return mine


def test_the_profile_names_the_path(tied, created, bank, firm):
    authorization, profile = created()
    (way,) = profile["relations"]["ways_to_revoked"]
    name = firm.enterprise.name
    assert way["text_zh"] == f"{name}与已吊销公司的法定代表人同为张三；已吊销公司于2026-03-02被吊销营业执照。"
    assert way["text_en"] == (
        f"{name} shares its legal representative 张三 with 已吊销公司, which was struck off on 2026-03-02."
    )
    assert (way["revoked_on"], way["steps"][0]["tie"], way["steps"][0]["uscc"]) == (
        "2026-03-02", "same_representative", GONE,
    )  # fmt: skip
    assert profile["relations"]["guarantees"] is None  # contracts were not granted
    assert profile["relations"]["notices"] == []
    assert "李四" not in json.dumps(profile, ensure_ascii=False)
    assert bank.call("GET", f"/v1/profiles/{profile['id']}", authorization).json()["relations"] == profile["relations"]


def test_a_replay_gives_the_same_bytes_whatever_the_registry_says_now(tied, created, bank, empty_database, settings):
    authorization, profile = created()
    feed({"sequence": "1", "uscc": tied, "legal_representative": "王五", "representative_id": "5"}, kind="incremental")
    feed({"sequence": "2", "uscc": GONE, "name": "另一名公司"}, kind="incremental")
    with empty_database.transaction("owner") as session:
        stored = session.scalars(select(Profile).options(undefer("*"))).one()
        assert replay_profile(session, stored, live=load_live(settings), settings=settings).same
    again = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    assert (len(profile["relations"]["ways_to_revoked"]), again["relations"]["ways_to_revoked"]) == (1, [])


def test_the_reason_of_a_flag_that_is_set_says_what_is_known_of_it(tied, created, bank, monkeypatch):
    """Another reason stands for the flag's too, which not every model has among its four strongest."""
    authorization, profile = created()
    (way,) = profile["relations"]["ways_to_revoked"]
    for reason in profile["reasons"]:
        assert reason["sentence_zh"].endswith(way["text_zh"]) == (reason["indicator"] == "linked_struck_off")
    before = next(one for one in profile["reasons"] if one["value"] and one["indicator"] != "linked_struck_off")
    monkeypatch.setattr(basis, "explanations", lambda told: {before["indicator"]: ("路径。", "The path.")})
    again = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    after = next(one for one in again["reasons"] if one["indicator"] == before["indicator"])
    assert after["sentence_zh"] == f"{before['sentence_zh']}路径。"
    assert after["sentence_en"] == f"{before['sentence_en']} The path."
    assert again["points"] == profile["points"]
    changed = {before["indicator"], "linked_struck_off"}
    others = [[one for one in said["reasons"] if one["indicator"] not in changed] for said in (profile, again)]
    assert others[0] == others[1]


def test_guarantees_are_told_and_noticed_where_contracts_are_granted(tied, empty_database, http, authorized, delivered):
    granted = ("tax", "social_security", "electricity", "contract")
    bank = flow.register_bank(empty_database, http, categories=["registration", *granted])
    authorization = authorized(bank, categories=granted)
    delivered(authorization, contract="DELIVERED")
    answer = bank.call("POST", "/v1/profiles", authorization, json={})
    assert answer.status_code == 201, answer.text
    relations = answer.json()["relations"]
    assert relations["guarantees"] == {"given": 1, "given_fen": 500, "unknown": 0, "circles": [2]}
    assert [one["notice"] for one in relations["notices"]] == ["guarantees_over_capital", "guarantee_circle"]
    assert "700" not in json.dumps(relations)  # what the other firm gave is its own
