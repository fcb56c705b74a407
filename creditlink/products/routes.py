"""`/v1/products`: the public catalogue of loan products."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

import flask

from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.kit.errors import InvalidRequest, NotFound
from creditlink.kit.http.api import Blueprint, public
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.products import approval_store, listing, service
from creditlink.products.files.open_form import product_schema
from creditlink.products.listing import ChangesQuery, ProductQuery
from creditlink.products.schemas import (
    ChangesQuerySchema,
    PolicySchema,
    ProductChangesSchema,
    ProductPageSchema,
    ProductQuerySchema,
    ProductSchema,
)
from creditlink.products.service import Listing

blueprint = Blueprint("products", __name__, url_prefix="/v1/products", description="The public catalogue of products")

Answer = tuple[dict[str, object], int, dict[str, str]] | flask.Response
"""A body for the schema, the status and the headers; or the whole answer."""

_CACHE = "public, max-age=60"


@blueprint.route("", methods=["GET"])
@public
@blueprint.arguments(ProductQuerySchema, location="query")
@blueprint.response(200, ProductPageSchema)
@blueprint.alt_response(304, description="The page is the one that `If-None-Match` names", success=True)
@blueprint.problems(InvalidRequest)
def list_products(query: ProductQuery) -> Answer:
    """Search the products on offer today; anybody may.

    The order is that of the codes. No order anywhere depends on who pays.
    """
    with db.transaction() as session:
        catalogue = service.listing(session, runtime.part(Settings))
    etag = _etag(catalogue.revision, repr(query))
    if unchanged := _unchanged(etag):
        return unchanged
    found = listing.find(catalogue.book.products, catalogue.institutions, query)
    rest = [terms for terms in found if terms.code > query.cursor]
    page = rest[: query.limit]
    body: dict[str, object] = {
        "revision": catalogue.revision,
        "total": len(found),
        "items": [_listed(terms, catalogue) for terms in page],
        "next_cursor": page[-1].code if len(rest) > len(page) else None,
    }
    return body, 200, {"ETag": f'"{etag}"', "Cache-Control": _CACHE}


@blueprint.route("/changes", methods=["GET"])
@public
@blueprint.arguments(ChangesQuerySchema, location="query")
@blueprint.response(200, ProductChangesSchema)
@blueprint.alt_response(304, description="Nothing changed since the answer that `If-None-Match` names", success=True)
@blueprint.problems(InvalidRequest)
def list_changes(query: ChangesQuery) -> Answer:
    """Follow the catalogue: which versions went on sale or off it since a revision.

    Who has seen a revision has seen all changes up to it. Days do not make changes: a mirror goes by `valid_from`
    and `valid_until` itself. Versions that were never on sale are not told.
    """
    with db.transaction() as session:
        now = service.standing(session)
        etag = now.digest("changes", str(query.since), str(query.limit))
        if unchanged := _unchanged(etag):
            return unchanged
        rows, more = service.changes(session, since=query.since, limit=query.limit)
    body: dict[str, object] = {
        "items": [
            {name: getattr(product, name) for name in ("revision", "code", "version", "state", "changed_at")}
            | {
                "institution_code": lender.code,
                "product": listing.as_listed(product.to_terms(), (lender.name_zh, lender.name_en), service.KNOWN)
                if product.state == "live"
                else None,
            }
            for product, lender in rows
        ],
        "next_since": rows[-1][0].revision if rows else query.since,
        "more": more,
        "suspended": now.suspended,
        "exhausted": now.exhausted,
    }
    return body, 200, {"ETag": f'"{etag}"', "Cache-Control": _CACHE}


@blueprint.route("/schema", methods=["GET"])
@public
@blueprint.response(200)
def show_schema() -> Answer:
    """Return the JSON Schema of a product, the open form in which products are published."""
    return product_schema(), 200, {"Cache-Control": _CACHE, "Content-Type": "application/schema+json"}


@blueprint.route("/<code>", methods=["GET"])
@public
@blueprint.response(200, ProductSchema)
@blueprint.alt_response(304, description="The product is the one that `If-None-Match` names", success=True)
@blueprint.problems(NotFound)
def show_product(code: str) -> Answer:
    """Return one product on offer today, every condition in words."""
    with db.transaction() as session:
        catalogue = service.listing(session, runtime.part(Settings))
    terms = catalogue.by_code.get(code)
    if terms is None:
        raise NotFound
    etag = _etag(catalogue.revision, code)
    if unchanged := _unchanged(etag):
        return unchanged
    return _listed(terms, catalogue), 200, {"ETag": f'"{etag}"', "Cache-Control": _CACHE}


policy = Blueprint(
    "matching_policy", __name__, url_prefix="/v1/matching-policy", description="How products are ordered"
)


@policy.route("", methods=["GET"])
@public
@policy.response(200, PolicySchema)
def show_policy() -> dict[str, object]:
    """Return everything besides a product's terms and the firm itself that enters an order, a limit or a price.

    Approval odds learned from what lenders answered come with their calibration; kinds with too few answers are named.
    """
    settings = runtime.part(Settings)
    with db.transaction() as session:
        model = approval_store.live(session)
    return {
        "settings": asdict(service.matching_settings(settings.config_dir)),
        "approval_model": None if model is None else {"sha256": model.sha256, **model.to_dict()},
    }


def _listed(terms: ProductTerms, catalogue: Listing) -> dict[str, object]:
    return listing.as_listed(terms, catalogue.institutions[terms.institution_code], catalogue.book.known)


def _etag(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _unchanged(etag: str) -> flask.Response | None:
    if etag not in flask.request.if_none_match:
        return None
    response = flask.Response(status=304, headers={"Cache-Control": _CACHE})
    response.set_etag(etag)
    return response
