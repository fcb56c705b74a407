"""Profiles as a bank sees them: the summary, every indicator, every product in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching import encoding
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.outcomes import ProductMatch
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.engine.profile.improvements import improvements_of
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.snapshot import BEST
from creditlink.engine.profile.unlock import opened_by, unlock
from creditlink.kit import ids
from creditlink.kit.clock import to_second
from creditlink.kit.errors import NotFound
from creditlink.overlays.application import overlay_json
from creditlink.overlays.tables import OverlayResult
from creditlink.profiles.matched.paging import MatchQuery, page_of
from creditlink.profiles.reliance.endings.tables import ProfileEnding
from creditlink.profiles.tables import Profile


def summary(
    profile: Profile,
    *,
    purpose: str,
    salt: str,
    with_products: bool,
    now: datetime,
    ending: ProfileEnding | None = None,
    overlay: OverlayResult | None = None,
    review: dict[str, object] | None = None,
    contested: Sequence[dict[str, object]] = (),
) -> dict[str, object]:
    """Return a profile's summary.

    Parameters
    ----------
    salt : makes the firm's id the one that only this institution sees.
    with_products : whether the reader may match (the action `match`); without it no product is named.
    now : a profile that is read after its time says so.
    ending : the event that ended it early; None: none did.
    overlay : what the bank's overlay said of it, if it asked for that.
    review : what people did about it; None: nothing.
    contested : what of its data the firm disputes, or disputed.
    """
    stored = profile.products
    products = {"counts": stored["counts"], "best": stored["best"], "near_misses": stored["near_misses"][:BEST]}
    return {
        "id": ids.external("prf", profile.id),
        "enterprise_id": ids.pairwise(salt, profile.enterprise_id),
        "consent_id": ids.external("cns", profile.consent_id),
        "purpose": purpose,
        "created_at": profile.created_at,
        "as_of": profile.as_of,
        "state": profile.state,
        "pd_12m": profile.pd_12m,
        "points": profile.points,
        "grade": profile.grade,
        "partial": None,
        "relief": [],
        "capacity": None,
        "relations": None,
        **profile.summary,
        "validity": _validity(profile, ending, now),
        "coverage": profile.coverage,
        "products": products if with_products else None,
        "overlay": None if overlay is None else overlay_json(overlay, salt),
        "review": review,
        "contested": list(contested),
        "model": {"model_id": profile.model_id, "sha256": profile.model_sha256},
        "bundle": profile.bundle_sha256,
        "inputs_hmac": ids.pairwise_digest(salt, profile.inputs_sha256),
        "content_hmac": ids.pairwise_digest(salt, profile.content_sha256),
    }


def _validity(profile: Profile, ending: ProfileEnding | None, now: datetime) -> dict[str, object] | None:
    validity = profile.summary.get("validity")
    if validity is None:
        return None
    until = datetime.fromisoformat(validity["valid_until"])
    ended: dict[str, object] = {"ended_at": None, "ended_by": None}
    if ending is not None:
        ended = {"ended_at": to_second(ending.ended_at), "ended_by": ending.as_json()}
    return {**validity, "valid_until": until, "expired": now >= until, **ended}


def explanation(profile: Profile) -> dict[str, object]:
    """Return every indicator's value and exact contribution: base + contributions = margin."""
    parts = dict(profile.explanation)
    indicators = [
        {
            "name": name,
            "label_zh": BY_NAME[name].label_zh,
            "label_en": BY_NAME[name].label_en,
            "dimension": BY_NAME[name].dimension,
            "category": BY_NAME[name].category,
            "unit": BY_NAME[name].unit,
            "direction": BY_NAME[name].direction,
            "value": value,
            "contribution": contribution,
            "points_contribution": points,
        }
        for name, (value, contribution, points) in parts.pop("indicators").items()
    ]
    return {"profile_id": ids.external("prf", profile.id), **parts, "indicators": indicators}


def improvements(profile: Profile, live: LiveModel) -> dict[str, object]:
    """Return what would raise the firm's grade; no plan for a firm without a score."""
    head: dict[str, object] = {"profile_id": ids.external("prf", profile.id), "state": profile.state}
    if profile.state != "scored":
        return head | {"grade": None, "points": None, "target": None, "best_points": None, "plans": []}
    if profile.summary.get("partial"):
        # No change of the firm raises a grade that is capped for want of records.
        return head | {
            "grade": profile.grade,
            "points": profile.points,
            "target": None,
            "best_points": None,
            "plans": [],
        }
    return head | improvements_of(_values(profile), industry=profile.registration["industry"], live=live).to_dict()


def matches(profile: Profile, book: ProductBook | None, query: MatchQuery) -> dict[str, object]:
    """Return one page of the products in order with every rule, and the near misses.

    Parameters
    ----------
    book : holds the profile's products; None: it was matched to none.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    StoredMatchesInvalid
        What is kept is damaged, or belongs to other products.
    """
    page = page_of(None if book is None else encoding.unpack(profile.matches, book), query)
    return {
        "profile_id": ids.external("prf", profile.id),
        "counts": profile.products["counts"],
        "total": page.total,
        "products": page.products,
        "next_cursor": page.next_cursor,
        "near_misses": profile.products["near_misses"],
    }


def unlocked(profile: Profile, code: str, book: ProductBook, live: LiveModel) -> dict[str, object]:
    """Return what would open one product to the firm.

    Raises
    ------
    NotFound
        The profile was not matched to such a product.
    StoredMatchesInvalid
        What is kept is damaged, or belongs to other products.
    """
    firm = encoding.unpack(profile.matches, book)
    match = firm.of_product(code)
    if match is None:
        raise NotFound
    found = unlock(
        match,
        firm.subject,
        _values(profile),
        industry=profile.registration["industry"],
        live=live,
        book=book,
        indicators=BY_NAME,
    )
    return {"profile_id": ids.external("prf", profile.id), **found.to_dict()}


def opened(profile: Profile, after: Mapping[str, float], book: ProductBook, live: LiveModel) -> list[ProductTerms]:
    """Return the products that changes of indicators would open to the firm."""
    if not profile.matches:  # there was no product
        return []
    firm = encoding.unpack(profile.matches, book)
    return opened_by(firm, _values(profile), after, industry=profile.registration["industry"], live=live)


def undecided(profile: Profile, book: ProductBook, most: int) -> list[ProductMatch]:
    """Return the best products that only missing records keep from being decided, each with its rules in words."""
    return encoding.unpack(profile.matches, book).undetermined(most) if profile.matches else []


def _values(profile: Profile) -> dict[str, float | None]:
    return {name: value for name, (value, *_) in profile.explanation["indicators"].items()}
