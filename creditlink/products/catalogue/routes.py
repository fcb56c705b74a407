"""`/v1/catalogue`: an institution's own products, written, checked with four eyes, published and retired."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict

import flask
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from creditlink.access.guard import current_access, require_access
from creditlink.engine.matching.products.terms import Flaw, ProductInvalid
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import (
    Conflict,
    InsufficientScope,
    InvalidRequest,
    MalformedBody,
    NotFound,
    TooManyRequests,
    Unauthorized,
)
from creditlink.kit.http.api import Blueprint, Schema
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.products import listing, service
from creditlink.products.catalogue import lifecycle, publishing
from creditlink.products.catalogue.lifecycle import Hands
from creditlink.products.catalogue.publishing import FirmCounts
from creditlink.products.catalogue.schemas import (
    OwnProductsQuery,
    OwnProductsQuerySchema,
    ProductCheck,
    ProductCheckBodySchema,
    ProductCountSchema,
    ProductVersionInFullSchema,
    ProductVersionPageSchema,
    StepNote,
    StepNoteSchema,
)
from creditlink.products.files.open_form import product_schema
from creditlink.products.tables import Product

blueprint = Blueprint(
    "catalogue",
    __name__,
    url_prefix="/v1/catalogue",
    description="Your own products: draft → checked → (scheduled →) live → retired. Who wrote a version cannot check "
    "it: register two clients with keys of their own, one to write and one to check",
)

_REFUSALS = (Unauthorized, InsufficientScope, NotFound, Conflict)
_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {k: v for k, v in product_schema().items() if k not in ("$schema", "$id")}}
    },
}


@blueprint.route("/products", methods=["GET"])
@require_access("product:read")
@blueprint.arguments(OwnProductsQuerySchema, location="query")
@blueprint.response(200, ProductVersionPageSchema)
@blueprint.problems(InvalidRequest, Unauthorized, InsufficientScope)
def list_own(query: OwnProductsQuery) -> dict[str, object]:
    """List the versions of your own products in every state, in order of code and version."""
    rows = select(Product).where(Product.institution_id == current_access().institution_id)
    if query.state is not None:
        rows = rows.where(Product.state == query.state)
    if query.code is not None:
        rows = rows.where(Product.code == query.code)
    if query.cursor is not None:
        code, _, version = query.cursor.partition(":")
        rows = rows.where(tuple_(Product.code, Product.version) > (code, int(version)))
    with db.transaction() as session:
        found = session.scalars(rows.order_by(Product.code, Product.version).limit(query.limit + 1)).all()
    page = found[: query.limit]
    last = page[-1] if len(found) > len(page) else None
    return {
        "items": [_summary(one) for one in page],
        "next_cursor": None if last is None else f"{last.code}:{last.version}",
    }


@blueprint.route("/products/<code>", methods=["PUT"])
@require_access("product:write")
@blueprint.doc(requestBody=_BODY)
@blueprint.response(200, ProductVersionInFullSchema)
@blueprint.problems(InvalidRequest, MalformedBody, Unauthorized, InsufficientScope, Conflict)
def write_product(code: str) -> dict[str, object]:
    """Write a draft: a new product, or the next version of one that is live.

    The body is the open form of a product (`/v1/products/schema`). While a version is being prepared, writing again
    changes it, and a checked one becomes a draft again. A live version is never changed: it stays as it is until
    the next one is published, and requests made under it keep it.
    """
    body = blueprint.ARGUMENTS_PARSER.load_json(flask.request, Schema())
    if not isinstance(body, dict):
        raise InvalidRequest(errors=[{"pointer": "/", "detail": "must be a product as an object"}])
    if body.setdefault("code", code) != code:
        raise InvalidRequest(errors=[{"pointer": "/code", "detail": f"value {body['code']!r}: must be {code!r}"}])
    with db.transaction() as session:
        institution = session.get_one(Institution, current_access().institution_id)
        try:
            product = publishing.write(session, institution, body, hands=_hands(session), now=utc_now())
        except ProductInvalid as error:
            raise InvalidRequest(errors=[_pointed(flaw) for flaw in error.flaws]) from None
        return _in_full(session, product)


def _pointed(flaw: Flaw) -> dict[str, str]:
    """Return a flaw with its field as a JSON pointer: `rules[0].limit` is `/rules/0/limit`."""
    pointer = "/" + re.sub(r"\[(\d+)\]", r"/\1", flaw.field).replace(".", "/")
    return {"pointer": "/" if flaw.field == "(product)" else pointer, "detail": str(flaw)}


@blueprint.route("/products/<code>/versions/<int:version>", methods=["GET"])
@require_access("product:read")
@blueprint.response(200, ProductVersionInFullSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound)
def show_product_version(code: str, version: int) -> dict[str, object]:
    """Show one version of your own product: terms, what the rule checker says, and what was done to it."""
    with db.transaction() as session:
        return _in_full(session, publishing.own(session, current_access().institution_id, code, version))


@blueprint.route("/products/<code>/versions/<int:version>/count", methods=["POST"])
@require_access("discovery:count")
@blueprint.response(200, ProductCountSchema)
@blueprint.problems(Unauthorized, InsufficientScope, NotFound, TooManyRequests)
def count_product_version(code: str, version: int) -> dict[str, object]:
    """Count the firms of the last screening that a version is for, before it is published.

    Firms that agreed to be counted, in tens, a few counts a day; of one screening as many different sets of rules as
    `/v1/discovery` counts, both together. Where no screening is at hand it says so.
    """
    with db.transaction() as session:
        product = publishing.own(session, current_access().institution_id, code, version)
        return publishing.count(
            session,
            product,
            runtime.part(FirmCounts),
            client_id=current_access().client_id,
            hands=_hands(session),
            now=utc_now(),
        )


@blueprint.route("/products/<code>/versions/<int:version>/check", methods=["POST"])
@require_access("product:check")
@blueprint.arguments(ProductCheckBodySchema)
@blueprint.response(200, ProductVersionInFullSchema)
@blueprint.problems(InvalidRequest, *_REFUSALS)
def check_product_version(body: ProductCheck, code: str, version: int) -> dict[str, object]:
    """Confirm a draft that another client of yours wrote.

    409 when you wrote any of it or hold a key of who did, when the terms changed since you read them, or when the
    rule checker finds rules that contradict or that no firm can pass.
    """
    return _step(
        code,
        version,
        lambda session, product: publishing.check(
            session, product, terms_sha256=body.terms_sha256, hands=_hands(session), now=utc_now(), note=body.note
        ),
    )


@blueprint.route("/products/<code>/versions/<int:version>/publish", methods=["POST"])
@require_access("product:write")
@blueprint.arguments(StepNoteSchema)
@blueprint.response(200, ProductVersionInFullSchema)
@blueprint.problems(InvalidRequest, *_REFUSALS)
def publish_product_version(body: StepNote, code: str, version: int) -> dict[str, object]:
    """Put a checked version on sale; the version before it is retired in the same moment.

    A version whose `valid_from` lies ahead is `scheduled`: until that day the one before it stays on sale.
    """
    return _step(
        code,
        version,
        lambda session, product: publishing.publish(
            session, product, hands=_hands(session), now=utc_now(), note=body.note
        ),
    )


@blueprint.route("/products/<code>/versions/<int:version>/retire", methods=["POST"])
@require_access("product:write")
@blueprint.arguments(StepNoteSchema)
@blueprint.response(200, ProductVersionInFullSchema)
@blueprint.problems(InvalidRequest, *_REFUSALS)
def retire_product_version(body: StepNote, code: str, version: int) -> dict[str, object]:
    """Take a version off sale, or drop one that is being prepared; there is no way back."""
    return _step(
        code,
        version,
        lambda session, product: publishing.retire(
            session, product, hands=_hands(session), now=utc_now(), note=body.note
        ),
    )


def _step(code: str, version: int, act: Callable[[Session, Product], Product]) -> dict[str, object]:
    with db.transaction() as session:
        product = publishing.own(session, current_access().institution_id, code, version, lock=True)
        return _in_full(session, act(session, product))


def _hands(session: Session) -> Hands:
    client = session.scalars(select(Client).where(Client.client_id == current_access().client_id)).one()
    return Hands(f"bank:{client.client_id}", lifecycle.key_marks(client.jwks, client.jwks_uri))


def _summary(product: Product) -> dict[str, object]:
    names = ("code", "version", "state", "terms_sha256", "written_by", "checked_by")
    instants = ("created_at", "changed_at", "published_at")
    return {name: getattr(product, name) for name in (*names, *instants)} | {
        "allowed": sorted(lifecycle.STEPS[product.state])
    }


def _in_full(session: Session, product: Product) -> dict[str, object]:
    institution = session.get_one(Institution, product.institution_id)
    names = (institution.name_zh, institution.name_en)
    return _summary(product) | {
        "product": listing.as_listed(product.to_terms(), names, service.KNOWN),
        "findings": [asdict(finding) for finding in publishing.findings_of(product)],
        "steps": [
            {name: getattr(one, name) for name in ("at", "step", "actor", "terms_sha256", "note")}
            for one in publishing.steps_of(session, product)
        ],
    }
