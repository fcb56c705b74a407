"""A bank, a firm that agreed, and the firm's facts in the store, as a finished pull leaves them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import uuid4

import httpx
import polars as pl
import pytest

from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_KEYS
from creditlink.engine.vocabulary import evidence_of
from creditlink.kit.clock import add_months, day_of, month_start, utc_now
from creditlink.kit.settings import load_settings
from creditlink.records.pulls.delivery import Fact
from creditlink.records.sources import Sources, configure, current, load_sources
from creditlink.records.store import save_facts
from creditlink.records.tables import Pull, PullPart
from creditlink.sandbox.city import write_city
from tests.months import last_recorded_month
from tests.oauth import flow

MIDDLING = 0.02  # between grades B and C
CORE = ("tax", "social_security", "electricity")


@pytest.fixture(scope="session")
def city(tmp_path_factory):
    """A small city up to the last month of which all is known."""
    folder = tmp_path_factory.mktemp("city") / "small"
    write_city(folder, firms=300, months=40, seed=11, until=last_recorded_month())
    return folder


@pytest.fixture(scope="session")
def rich_firm(city) -> int:
    """A firm of middling risk that all three offices know up to last quarter.

    Most indicators have a value, it has reasons and strengths, and its grade can move both ways, whatever the month.
    """
    lately = add_months(month_start(day_of(utc_now())), -4)
    known = known_lately(city, ("vat_declarations", "invoice_months", "payroll_months", "meter_months"), lately)
    return min(of_hazard(city, known), key=lambda row: (abs(row[1] - MIDDLING), row[0]))[0]


@pytest.fixture(scope="session")
def safe_firm(city) -> int:
    """The firm with the least true hazard among those whose staff and electricity are known up to last quarter."""
    known = known_lately(city, ("payroll_months", "meter_months"), add_months(month_start(day_of(utc_now())), -4))
    return min(of_hazard(city, known), key=lambda row: (row[1], row[0]))[0]


def of_hazard(city, firms: set[int]) -> list[tuple[int, float]]:
    """Return each of the firms that are in business, and its true probability of going bad, on the newest day."""
    truth = pl.read_parquet(city / "truth" / "*.parquet").filter(pl.col("firm").is_in(list(firms)))
    newest = truth.filter(pl.col("as_of") == pl.col("as_of").max(), pl.col("hazard_12m").is_not_null())
    return newest.select("firm", "hazard_12m").rows()


def known_lately(city, frames, since: date) -> set[int]:
    """Return the firms of which each of the frames has a row since a month, of meters electricity's."""
    known = []
    for name in frames:
        rows = pl.read_parquet(city / name / "*.parquet").filter(pl.col("period") >= since)
        if "kind" in rows.columns:
            rows = rows.filter(pl.col("kind") == "electricity")
        known.append(set(rows["firm"].to_list()))
    return set.intersection(*known)


def facts_of(city, firm: int, categories=CORE) -> list[Fact]:
    """One firm's rows of a city as facts."""
    found = []
    for category in categories:
        for frame in CATEGORY_FRAMES[evidence_of(category)]:
            rows = pl.read_parquet(city / frame / "*.parquet").filter(pl.col("firm") == firm)
            keys = [k for k in FRAME_KEYS[frame] if k not in ("firm", "period")]
            for row in rows.to_dicts():
                known_on, period = row.pop("known_on"), row.pop("period")
                row.pop("firm")
                subkey = "/".join(str(row[k]) for k in keys)
                for key in keys[:1]:  # the others stay in the body, as connectors write them
                    row.pop(key)
                values = {k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()}
                at = datetime.combine(known_on, datetime.min.time(), tzinfo=utc_now().tzinfo)
                fact = Fact(frame, period, subkey, json.loads(json.dumps(values)), at)
                found += [fact] if fact.category == category else []
    return found


def matched(bank, authorization, profile_id: str) -> list[dict]:
    """Read all products of a profile, page by page."""
    found, more = [], "limit=100"
    while more:
        page = bank.call("GET", f"/v1/profiles/{profile_id}/matches?{more}", authorization).json()
        found += page["products"]
        more = page["next_cursor"] and f"limit=100&cursor={page['next_cursor']}"
    return found


def nothing_public() -> dict[str, str]:
    """What the connected platforms of public records say of a firm on no list; they are asked whatever is granted."""
    config = current().config
    return {name: "NO_RECORD" for name in config.sources if config.is_public(name)}


def store_pull(session, consent, parts: dict[str, str], now):
    """Leave behind what a finished pull leaves, and return its id: `parts` is source -> status."""
    pull = Pull(
        id=uuid4(), consent_id=consent.id, enterprise_id=consent.enterprise_id, trigger="consent", status="DONE",
        since=day_of(now), until=day_of(now), requested_at=now, finished_at=now,
    )  # fmt: skip
    session.add(pull)
    session.flush()
    for source, status in parts.items():
        session.add(
            PullPart(
                pull_id=pull.id, source=source, status=status, attempt=1, rows=1, total=1, new_rows=1, rejected=0,
                resources={}, error=None, digest=None, began_at=now, finished_at=now,
            )
        )  # fmt: skip
    return pull.id


@pytest.fixture
def disconnect():
    """Leave a category's office out of this process's configuration."""

    def leave_out(category):
        config = load_sources(load_settings())
        kept = {name: one for name, one in config.sources.items() if category not in one.categories}
        assert len(kept) < len(config.sources)
        configure(Sources(replace(config, sources=kept)))

    yield leave_out
    current().close()
    configure(None)


@pytest.fixture
def firm(empty_database) -> flow.Firm:
    return flow.make_firm(empty_database)


@pytest.fixture
def http(app):
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as client:
        yield client


@pytest.fixture
def bank(empty_database, http):
    return flow.register_bank(empty_database, http)


@pytest.fixture
def authorized(app, firm):
    """Run the whole flow for a bank; return the authorization with its tokens."""

    def run(bank, *, categories=("tax", "social_security", "electricity"), kept=None, **values):
        optional = [c for c in categories if kept and c not in kept]
        asked = flow.details(
            **{
                "categories": list(categories),
                "actions": ["profile", "match"],
                "history_months": 36,
                "pulls_per_month": 3,
                **({"optional_categories": optional} if optional else {}),
            }
            | values
        )
        authorization = bank.push(asked, scope=flow.SCOPE)
        callback = flow.decide(app, firm, flow.open_page(bank, authorization), categories=kept)
        bank.exchange(bank.code_from(callback, authorization), authorization)
        return authorization

    return run


@pytest.fixture
def delivered(empty_database, city, rich_firm):
    """Store facts for a consent's firm and mark its sources as answered."""

    def run(authorization, *, categories=CORE, firm=None, **statuses):
        from creditlink.consents.tables import Consent

        now, whose = utc_now(), rich_firm if firm is None else firm
        with empty_database.transaction("owner") as session:
            consent = session.get_one(Consent, flow.consent_of(authorization))
            for category in categories:
                save_facts(
                    session, facts_of(city, whose, (category,)), enterprise_id=consent.enterprise_id,
                    source=category, pull_id=None, now=now - timedelta(seconds=1),
                )  # fmt: skip
            store_pull(session, consent, nothing_public() | dict.fromkeys(categories, "DELIVERED") | statuses, now)

    return run


@pytest.fixture
def products(empty_database, settings):
    """The seed's lenders and their published products."""
    from creditlink.sandbox.platform.seed import seed_lenders

    with empty_database.transaction("owner") as session:
        seed_lenders(session, settings, now=utc_now())


@pytest.fixture
def created(bank, authorized, delivered):
    """A created profile: the authorization and the answer's body."""

    def run(**values):
        authorization = authorized(bank, **values)
        delivered(authorization)
        response = bank.call("POST", "/v1/profiles", authorization, json={})
        assert response.status_code == 201, response.text
        return authorization, response.json()

    return run
