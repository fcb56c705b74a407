"""Rows for tests: plain functions, one per table, live and complete unless told otherwise.

Each adds its row to the session it is given and returns it. Data of people and firms is made up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from uuid import uuid4

from creditlink.consents import service as consents
from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.statement import statement
from creditlink.consents.life import approval
from creditlink.enterprises import representation
from creditlink.enterprises import service as enterprises
from creditlink.enterprises.accounts import hash_password
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.institutions.tables import Client, Institution
from creditlink.kit import uscc as uscc_rules
from creditlink.staff import people
from creditlink.staff.actor import StaffActor
from creditlink.staff.tables import StaffMember

NOW = datetime(2026, 8, 24, 2, 0, tzinfo=UTC)
"""Ten in the morning in Shanghai, mid-month."""

CATEGORIES = ("registration", "tax", "social_security", "electricity")
PASSWORD = "correct horse battery"

_numbers = count(1)
_hashed = lru_cache(hash_password)


def make_uscc(number: int | None = None) -> str:
    """Return a well-formed code with a true check character."""
    body = f"91440600MA{number if number is not None else next(_numbers):07d}"
    return body + uscc_rules.check_value(body)


def make_institution(session, **values) -> Institution:
    number = next(_numbers)
    row = Institution(
        **{
            "code": f"BANK{number}",
            "name_zh": f"第{number}银行",
            "name_en": f"Bank {number}",
            "kind": "bank",
            "status": "active",
            "pairwise_salt": uuid4().hex,
            "created_at": NOW,
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def make_client(session, institution: Institution | None = None, **values) -> Client:
    row = Client(
        **{
            "client_id": f"client-{next(_numbers)}",
            "institution_id": (institution or make_institution(session)).id,
            "name": "Lending desk",
            "jwks": {"keys": []},
            "redirect_uris": ["https://bank.example/callback"],
            "scopes": ["profile:create", "profile:read", "consent:read"],
            "categories": list(CATEGORIES),
            "metadata_": {},
            "status": "active",
            "created_at": NOW,
            "updated_at": NOW,
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def make_enterprise(session, **values) -> Enterprise:
    number = next(_numbers)
    row = Enterprise(
        **{
            "uscc": make_uscc(number),
            "name": f"佛山第{number}五金制品有限公司",
            "name_en": f"Foshan Hardware No. {number} Co., Ltd.",
            "industry": "C33",
            "region": "440600",
            "entity_type": "company",
            "status": "active",
            "registered_capital_fen": 100_000_000,
            "paid_in_capital_fen": 50_000_000,
            "established_on": NOW.date() - timedelta(days=2000),
            "linked_struck_off": False,
            "created_at": NOW,
            "updated_at": NOW,
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def make_account(session, *, password: str | None = None, **values) -> Account:
    """`password` is hashed only if given: hashing is slow on purpose."""
    number = next(_numbers)
    if password is not None:
        values["password_hash"] = _hashed(password)
    row = Account(
        **{
            "login": f"person{number}",
            "display_name": f"陈{number}",
            "password_hash": "!",
            "role": "enterprise",
            "status": "active",
            "created_at": NOW,
            "metadata_": {},
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def make_staff(session, login, *roles, key=None, **values) -> StaffActor:
    """Return a member of staff as somebody who acts; `key` is registered as theirs."""
    account = make_account(session, login=login, display_name=login.title(), role="staff")
    member = StaffMember(
        **{
            "account_id": account.id,
            "staff_number": f"N-{login}",
            "roles": sorted(roles),
            "status": "active",
            "created_at": NOW,
            "changed_at": NOW,
        }
        | values
    )
    session.add(member)
    session.flush()
    if key is not None:
        people.register_key(session, account.id, key.as_dict(private=False), name="test", by=None, now=NOW)
    return people.actor_named(session, member, proof="session")


def make_representation(session, enterprise, account, role="legal_representative", **values) -> Representation:
    return representation.appoint(
        session, **{"enterprise": enterprise, "account": account, "role": role, "now": NOW} | values
    )


def make_details(**values) -> AuthorizationDetails:
    return AuthorizationDetails(
        **{
            "uscc": None,
            "categories": CATEGORIES,
            "optional_categories": ("electricity",),
            "purpose": "underwriting",
            "access": "once",
            "history_months": 24,
            "valid_until": NOW + timedelta(days=30),
            "data_life_days": 30,
            "pulls_per_month": 3,
            "pulls_per_day": None,
            "actions": ("profile", "match"),
            "fair_use_version": "test",
        }
        | values
    )


def make_consent(
    session,
    *,
    client: Client | None = None,
    enterprise: Enterprise | None = None,
    account: Account | None = None,
    state: str = "ACTIVE",
    categories=None,
    wanted=CATEGORIES,
    now: datetime = NOW,
    **details,
):
    """Return a consent to `wanted` brought to `state` the way a firm brings it there, with `categories` granted."""
    client = client or make_client(session)
    optional = tuple(c for c in ("electricity",) if c in wanted)
    asked = make_details(
        **{"valid_until": now + timedelta(days=30), "categories": tuple(wanted), "optional_categories": optional}
        | details
    )
    consent = consents.request_consent(session, client=client, details=asked, now=now)
    if state == "REQUESTED":
        return consent
    if account is None:
        account = make_account(session)
    actor = f"account:{account.id}"
    if state == "REJECTED":
        return consents.reject(session, consent, actor=actor, reason="declined", now=now)
    if enterprise is None:
        enterprise = make_enterprise(session, **({"uscc": asked.uscc} if asked.uscc else {}))
    if enterprises.may_act(session, account, enterprise, now) is None:
        make_representation(session, enterprise, account, now=now)
    shown = statement(asked, institution_zh="银行", institution_en="Bank", template=None, lang="zh")
    approval.approve(
        session,
        consent,
        account=account,
        enterprise=enterprise,
        categories=asked.categories if categories is None else categories,
        statement=shown,
        now=now,
    )
    if state == "PAUSED":
        consents.pause(session, consent, actor=actor, reason="test", now=now)
    elif state == "REVOKED":
        consents.revoke(session, consent, actor=actor, reason="test", now=now)
    elif state in ("EXPIRED", "EXHAUSTED"):
        consents.end(session, consent, state, actor="system", reason="test", now=now)
    return consent
