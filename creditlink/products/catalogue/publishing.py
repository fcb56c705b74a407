"""A lender's own products: written, checked by other hands, published and retired; every step leaves a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.engine.matching.book import rule_flaws
from creditlink.engine.matching.products.checker import ProductFinding, check_product
from creditlink.engine.matching.products.terms import Flaw, ProductInvalid, ProductTerms
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of, start_of_day
from creditlink.kit.errors import Conflict, NotFound, TooManyRequests
from creditlink.products.catalogue import lifecycle
from creditlink.products.catalogue.lifecycle import Hands, StepNotAllowed
from creditlink.products.files.open_form import parse_product
from creditlink.products.service import KNOWN, next_revisions, take_turns, terms_sha256
from creditlink.products.tables import Product, ProductStep, StepDetail


@dataclass(frozen=True)
class FirmCounts:
    """How firms of the last screening are counted for a product, and each count noted as a question to it."""

    count: Callable[[ProductTerms], dict[str, object]]
    note: Callable[..., None]


SYSTEM = Hands("system")
_COUNTING = 0x636F756E  # "coun": seeds the lock's number


def write(
    session: Session,
    institution: Institution,
    raw: Mapping[str, object],
    *,
    hands: Hands,
    now: datetime,
    note: str = "",
) -> Product:
    """Write a draft: the product's first version, its next one, or over the version that is being prepared.

    Writing the same terms again changes nothing. A checked version that is written to becomes a draft again.

    Raises
    ------
    ProductInvalid
        The terms are wrong, name an unknown indicator, or are another institution's; every flaw is named.
    Conflict
        The code is another institution's product.
    """
    take_turns(session)
    code = str(raw.get("code", ""))
    versions = session.scalars(select(Product).where(Product.code == code).order_by(Product.version)).all()
    if any(one.institution_id != institution.id for one in versions):
        raise Conflict(f"product {code}: the code is taken", reason="code_taken")
    pending = next((one for one in versions if one.state in lifecycle.PENDING), None)
    number = pending.version if pending else versions[-1].version + 1 if versions else 1
    terms = _own_terms(institution, raw, number)
    plain = terms.to_dict()
    digest = terms_sha256(plain)
    if pending is not None and pending.terms_sha256 == digest:
        return pending
    (revision,) = next_revisions(session, 1)
    if pending is None:
        pending = Product(
            institution_id=institution.id,
            code=terms.code,
            version=number,
            state="draft",
            terms=plain,
            terms_sha256=digest,
            revision=revision,
            written_by=hands.actor,
            created_at=now,
            changed_at=now,
        )
        session.add(pending)
    else:
        pending.state = lifecycle.after(pending.state, "write")
        pending.terms, pending.terms_sha256, pending.revision = plain, digest, revision
        pending.written_by, pending.checked_by, pending.changed_at = hands.actor, None, now
    session.flush()
    _note(session, pending, "write", hands, now=now, note=note)
    return pending


def _own_terms(institution: Institution, raw: Mapping[str, object], number: int) -> ProductTerms:
    """Return the terms of the institution's own product in the version it gets.

    Raises
    ------
    ProductInvalid
        Something is wrong; every flaw is named.
    """
    terms = parse_product({**raw, "version": raw.get("version", number)})
    flaws = [
        Flaw(field, value, f"must be {wanted!r}{why}")
        for field, value, wanted, why in (
            ("institution_code", terms.institution_code, institution.code, ", your own"),
            ("institution_kind", terms.institution_kind, institution.kind, ", your own"),
            ("version", terms.version, number, " or left out: the platform numbers versions"),
        )
        if value != wanted
    ]
    if not terms.code.startswith(f"{institution.code}-"):
        flaws.append(Flaw("code", terms.code, f"must begin with '{institution.code}-'"))
    if flaws := flaws + rule_flaws(terms, KNOWN):
        raise ProductInvalid(terms.code, flaws)
    return terms


def check(
    session: Session, product: Product, *, terms_sha256: str, hands: Hands, now: datetime, note: str = ""
) -> Product:
    """Confirm, with other hands than those that wrote it, exactly the terms of a hash.

    Raises
    ------
    Conflict
        The terms are no longer those, the state or the four eyes forbid it, or the rules cannot be met.
    """
    if product.terms_sha256 != terms_sha256:
        raise Conflict("check: the terms are not those that were read", reason="terms_changed")
    if product.state == "checked" and product.checked_by == hands.actor:
        return product
    with refusing():
        to = lifecycle.after(product.state, "check")
        lifecycle.check_hands(hands, _writers(session, product))
    _refuse_errors(product)
    product.state, product.checked_by = to, hands.actor
    return _record_step(session, product, "check", hands, now=now, note=note)


def publish(session: Session, product: Product, *, hands: Hands, now: datetime, note: str = "") -> Product:
    """Put a checked version on sale; the live version of the product, if there is one, is retired with it.

    A version for a later day is scheduled: until that day the live one stays on sale. Versions scheduled for the
    same day or later are dropped with it, for this one was decided after them.

    Raises
    ------
    Conflict
        The version is not checked, its rules cannot be met, or its validity is over.
    """
    if product.state in ("scheduled", "live"):
        return product
    with refusing():
        to = lifecycle.after(product.state, "publish")
    terms = product.to_terms()
    if terms.valid_until is not None and terms.valid_until <= day_of(now):
        raise Conflict(f"publish: valid_until {terms.valid_until} is past", reason="validity_over")
    _refuse_errors(product)
    for other in session.scalars(select(Product).where(Product.code == product.code, Product.state == "scheduled")):
        if other.to_terms().valid_from >= terms.valid_from:
            _supersede(session, other, product, hands, now=now)
    if terms.valid_from > day_of(now):
        product.state = "scheduled"
        return _record_step(session, product, "publish", hands, now=now, note=note)
    return _go_live(session, product, "publish", hands, now=now, note=note, state=to)


def start_due(session: Session, *, now: datetime) -> int:
    """Put the scheduled versions on sale whose day has come; return how many."""
    take_turns(session)
    waiting = session.scalars(
        select(Product).where(Product.state == "scheduled").order_by(Product.code, Product.version)
    ).all()
    due = [product for product in waiting if product.to_terms().valid_from <= day_of(now)]
    for product in due:
        _go_live(session, product, "start", SYSTEM, now=now, note="its day has come", state="live")
    return len(due)


def _go_live(
    session: Session, product: Product, step: str, hands: Hands, *, now: datetime, note: str, state: str
) -> Product:
    before = session.scalars(select(Product).where(Product.code == product.code, Product.state == "live")).first()
    if before is not None:
        _supersede(session, before, product, hands, now=now)
    product.state, product.published_at = state, now
    return _record_step(session, product, step, hands, now=now, note=note)


def _supersede(session: Session, former: Product, by: Product, hands: Hands, *, now: datetime) -> None:
    former.state = "retired"
    _record_step(session, former, "retire", hands, now=now, note=f"superseded by version {by.version}")


def retire(session: Session, product: Product, *, hands: Hands, now: datetime, note: str = "") -> Product:
    """Take a version off sale, or drop one that was being prepared. Requests under it go on as they are."""
    if product.state == "retired":
        return product
    with refusing():
        product.state = lifecycle.after(product.state, "retire")
    return _record_step(session, product, "retire", hands, now=now, note=note)


def count(
    session: Session,
    product: Product,
    firms: FirmCounts,
    *,
    client_id: str,
    hands: Hands,
    now: datetime,
) -> dict[str, object]:
    """Return how many firms of the last screening a version is for, as `firms` counts them, and keep the answer.

    The same terms and screening are answered from what was kept. With free choice of rules, counts could be compared
    with each other until they speak of one firm; so besides being given in tens they are few a day, and each is
    noted as a question to the screening, of which there are only so many whichever way they are asked.

    Raises
    ------
    TooManyRequests
        The institution had its counts of the day, or its questions of the screening.
    """
    # One count of an institution at a time, or many at once would each be the day's last.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(product.institution_id), _COUNTING))))
    answer = firms.count(product.to_terms())
    if not answer["available"]:
        return answer
    day = start_of_day(day_of(now))
    counted = session.scalars(
        select(ProductStep)
        .where(ProductStep.institution_id == product.institution_id, ProductStep.step == "count")
        .order_by(ProductStep.id)
    ).all()
    for one in counted:
        earlier: dict[str, object] = one.detail.get("counted", {})
        same = one.product_id == product.id and one.terms_sha256 == product.terms_sha256
        if same and (earlier.get("as_of"), earlier.get("model_id")) == (answer.get("as_of"), answer.get("model_id")):
            return earlier
    if sum(one.at >= day for one in counted) >= lifecycle.COUNTS_A_DAY:
        raise TooManyRequests(f"at most {lifecycle.COUNTS_A_DAY} counts a day", headers={"Retry-After": "3600"})
    firms.note(
        session, product.institution_id, client_id, terms=product.to_terms(), screening=answer["screening"], now=now
    )
    _note(session, product, "count", hands, now=now, counted=answer)
    return answer


def own(session: Session, institution_id: UUID, code: str, version: int, *, lock: bool = False) -> Product:
    """Return a version of the institution's own product.

    Raises
    ------
    NotFound
        There is none, or it is another's: the two look the same.
    """
    if lock:
        take_turns(session)
    query = select(Product).where(
        Product.code == code, Product.version == version, Product.institution_id == institution_id
    )
    product = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if product is None:
        raise NotFound
    return product


def steps_of(session: Session, product: Product) -> Sequence[ProductStep]:
    """Return what was done to a version, oldest first."""
    return session.scalars(
        select(ProductStep).where(ProductStep.product_id == product.id).order_by(ProductStep.id)
    ).all()


def findings_of(product: Product) -> list[ProductFinding]:
    """Return what the rule checker says of a version today."""
    return check_product(product.to_terms(), KNOWN)


def _refuse_errors(product: Product) -> None:
    wrong = [finding for finding in findings_of(product) if finding.severity == "error"]
    if wrong:
        said = "; ".join(finding.text_en for finding in wrong)
        raise Conflict(said, reason="findings", findings=[asdict(finding) for finding in wrong])


def _writers(session: Session, product: Product) -> list[Hands]:
    written = [one for one in steps_of(session, product) if one.step == "write"]
    return [Hands(product.written_by), *(Hands(one.actor, frozenset(one.detail.get("keys", ()))) for one in written)]


@contextmanager
def refusing() -> Iterator[None]:
    """Answer a step that the life of a version forbids with 409, the reason and the steps there are."""
    try:
        yield
    except StepNotAllowed as refused:
        raise Conflict(str(refused), reason=refused.reason, allowed=list(refused.allowed)) from None


def _record_step(session: Session, product: Product, step: str, hands: Hands, *, now: datetime, note: str) -> Product:
    # A version that went live takes no further change, so that all of it must be written at once.
    with session.no_autoflush:
        (product.revision,) = next_revisions(session, 1)
    product.changed_at = now
    session.flush()
    _note(session, product, step, hands, now=now, note=note)
    return product


def _note(
    session: Session,
    product: Product,
    step: str,
    hands: Hands,
    *,
    now: datetime,
    note: str = "",
    counted: dict[str, object] | None = None,
) -> None:
    detail = StepDetail(keys=sorted(hands.marks))
    if counted is not None:
        detail["counted"] = counted
    session.add(
        ProductStep(
            product_id=product.id,
            institution_id=product.institution_id,
            at=now,
            step=step,
            actor=hands.actor,
            terms_sha256=product.terms_sha256,
            note=note,
            detail=detail,
        )
    )
    session.flush()
    kind, _, name = hands.actor.partition(":")
    audit.record(
        session,
        action=f"product.{step}",
        result="done",
        actor=hands.actor,
        now=now,
        institution_id=product.institution_id,
        client_id=name if kind == "bank" else None,
        detail={
            "product": product.code,
            "version": product.version,
            "state": product.state,
            "terms_sha256": product.terms_sha256,
        },
    )
