"""The last screening at the operator's desk: its summary, a map by region in tiles, and who a product is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.engine.vocabulary import GRADES
from creditlink.kit.errors import InvalidRequest, NotFound
from creditlink.portal.site import blueprint, page, settings
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import A_PAGE, operating
from creditlink.portal.staff.operator.figures.regions import name_of
from creditlink.products import service as products
from creditlink.screening.city.counts import CitySummary, ScreeningManifest
from creditlink.screening.city.results import Results, ResultsUnusable
from creditlink.screening.city.run import SUMMARY
from creditlink.screening.discovery import OperatorAnswer, answer_for_operator
from creditlink.screening.routes import results_folder

_GOOD = frozenset(GRADES[:3])
_SHADES = (0.2, 0.4, 0.6, 0.8)
_MOST_PRODUCTS = 60


@dataclass(frozen=True)
class RegionTile:
    """A region of the map: how many firms were scored, which share of them is graded B or better, how dark it is.

    Where a grade has too few firms to be told, the share is not told either.
    """

    code: str
    name: str
    scored: int
    share: float | None
    shade: int  # 1 to 5; 0: not told

    @classmethod
    def of(cls, code: str, grades: Mapping[str, int | None]) -> RegionTile:
        """Return the tile of a region's grades."""
        known = {name: count for name, count in grades.items() if name in GRADES}
        scored = sum(count or 0 for count in known.values())
        if not scored or None in known.values():
            return cls(code, name_of(code), scored, None, 0)
        share = sum(count or 0 for name, count in known.items() if name in _GOOD) / scored
        return cls(code, name_of(code), scored, share, 1 + sum(share >= bound for bound in _SHADES))


@blueprint.get("/staff/operator/screening")
@operating
def operator_screening(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show the last screening: what it was over, grades, lists, regions, and products by how many they are for."""
    found = _run(results_folder(settings()))
    if found is None:
        return page("staff/operator/screening.html", manifest=None)
    manifest, summary = found
    tiles = [RegionTile.of(code, grades) for code, grades in summary["grades_by_region"].items()]
    ranked = sorted(summary["products"], key=lambda one: (-(one["eligible"] or 0), one["product"]))
    return page(
        "staff/operator/screening.html",
        manifest=manifest,
        summary=summary,
        grades=[(name, summary["grades"].get(name, 0)) for name in (*GRADES, "not_scored")],
        tiles=sorted(tiles, key=lambda tile: (-tile.scored, tile.code)),
        products=ranked[:_MOST_PRODUCTS],
        left_out=max(0, len(ranked) - _MOST_PRODUCTS),
    )


@blueprint.get("/staff/operator/screening/products")
@operating
def operator_reverse(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show who of the screened city a product is for, and how many more if a rule moved; each answer is evidence."""
    offered = products.listing(session, settings()).by_code
    asked = {name: flask.request.args.get(name, "").strip()[:128] for name in ("product", "move", "to", "cursor")}
    terms = offered.get(asked["product"])
    answer, error = None, None
    if asked["product"] and terms is None:
        error = gettext("No product on offer has the code %(code)s.", code=asked["product"][:40])
    if terms is not None:
        try:
            answer = _answer(session, here, now, terms, asked)
        except NotFound:
            error = gettext("No screening has been finished that knows what this product asks for.")
        except InvalidRequest:
            error = gettext("The rule cannot be moved so: the product has no such number rule.")
    return page(
        "staff/operator/reverse.html",
        status=200 if error is None else 422,
        codes=sorted(offered),
        asked=asked,
        terms=terms,
        movable=sorted({rule["subject"] for rule in answer["rules"] if rule["steps"]}) if answer else [],
        answer=answer,
        error=error,
    )


def _answer(
    session: Session, here: AtDesk, now: datetime, terms: ProductTerms, asked: dict[str, str]
) -> OperatorAnswer:
    move = None
    if asked["move"]:
        try:
            move = (asked["move"], float(asked["to"]))
        except ValueError:
            raise InvalidRequest("to must be a number") from None
    after = asked["cursor"] if asked["cursor"].isascii() and asked["cursor"].isdigit() else None
    folder = results_folder(settings())
    answer, screening = answer_for_operator(folder, terms, move=move, limit=A_PAGE, after=after and after[:18])
    moved = {"move": move[0], "to": move[1]} if move else {}
    audit.record(
        session, action="screening.read", result="disclosed", actor=here.actor.name, now=now,
        detail={
            "product": terms.code, "version": terms.version, "screening": screening, **moved,
            "firms": len(answer["firms"]),
        },
    )  # fmt: skip
    return answer


def _run(folder: Path) -> tuple[ScreeningManifest, CitySummary] | None:
    """Return the manifest and the summary of the screening; None: there is no finished one."""
    try:
        results = Results(str(folder))
        return results.manifest, cast(CitySummary, json.loads(results.folder.read(SUMMARY)))
    except (ResultsUnusable, OSError, ValueError):
        return None
