"""Products in the database: loaded from the seed, read as the book of a day, shown to the public."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from sqlalchemy import BigInteger, Text, cast, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import ProductBook, compile_book
from creditlink.engine.matching.offers.cost import fee_fen
from creditlink.engine.matching.products.subjects import known_subjects
from creditlink.engine.matching.products.terms import ProductInvalid, ProductTerms
from creditlink.engine.matching.settings import MatchingSettings, MatchingSettingsInvalid
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.processes import runtime
from creditlink.kit.processes.runtime import Memory
from creditlink.kit.settings import SettingError, Settings
from creditlink.products.files.seed import load_seed
from creditlink.products.files.settings import load_settings
from creditlink.products.files.templates import SeedInvalid
from creditlink.products.tables import Product, ProductCommitment

KNOWN = known_subjects(BY_NAME)
"""Every subject that a rule may name."""
SEED_WRITER, SEED_CHECKER = "seed", "seed-check"
_LOCK = 0x70726F64  # "prod": one writer of revisions at a time


def load_products(session: Session, settings: Settings, *, now: datetime) -> int:
    """Publish the products of `config/products.toml`; return how many were added or changed.

    Doing it again changes nothing. A product whose terms differ from its last version becomes a further
    version, and the one before is retired, once the new one's first day has come.
    What a lender wrote or retired since is left alone. The institutions must be registered already.

    Raises
    ------
    SettingError
        The file is wrong, a rule speaks of an unknown indicator, or an institution is not registered.
    """
    path = settings.config_dir / "products.toml"
    try:
        _, products = load_seed(path)
        compile_book(products, BY_NAME, matching_settings(settings.config_dir))
    except (SeedInvalid, ProductInvalid, ValueError) as error:
        raise SettingError(f"configuration file {path.name}: {error}") from error
    ids = {row.code: row.id for row in session.execute(select(Institution.code, Institution.id))}
    take_turns(session)
    stored = session.scalars(select(Product).order_by(Product.code, Product.version)).all()
    last = {row.code: row for row in stored}
    standing_now = {row.code: row for row in stored if row.state == "live"}
    revisions = iter(next_revisions(session, 3 * len(products)))
    rows = []
    for terms in products:
        if terms.institution_code not in ids:
            raise SettingError(
                f"configuration file {path.name}: product {terms.code!r}: field 'institution_code': "
                f"value {terms.institution_code!r}: is not a registered institution"
            )
        stored_last, version = last.get(terms.code), terms.version
        starts_later = terms.valid_from > day_of(now)
        if stored_last is not None:
            # Retired, or a version of the lender's own.
            if stored_last.written_by != SEED_WRITER or stored_last.state not in ("scheduled", "live"):
                continue
            if replace(terms, version=stored_last.version) == stored_last.to_terms():
                continue
            live = standing_now.get(terms.code)
            for former in (stored_last, live if live is not stored_last else None):
                if former is not None and (former.state == "scheduled" or not starts_later):
                    former.state, former.changed_at, former.revision = "retired", now, next(revisions)
            version = stored_last.version + 1
        rows.append(
            _row(
                replace(terms, version=version),
                ids[terms.institution_code],
                revision=next(revisions),
                now=now,
                state="scheduled" if starts_later else "live",
            )
        )
    # What is retired goes first: two versions of a product are never live together.
    session.flush()
    session.add_all(rows)
    session.flush()
    return len(rows)


def _row(terms: ProductTerms, institution_id: UUID, *, revision: int, now: datetime, state: str) -> Product:
    plain = terms.to_dict()
    return Product(
        institution_id=institution_id,
        code=terms.code,
        version=terms.version,
        state=state,
        terms=plain,
        terms_sha256=terms_sha256(plain),
        revision=revision,
        written_by=SEED_WRITER,
        checked_by=SEED_CHECKER,
        created_at=now,
        changed_at=now,
        published_at=None if state == "scheduled" else now,
    )


def take_turns(session: Session) -> None:
    """Let nobody else give out revisions until this transaction ends: who has seen n has then seen all up to n."""
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def next_revisions(session: Session, count: int) -> list[int]:
    """Return the next revisions, ascending; gaps are harmless. The caller holds `take_turns`."""
    numbers = select(func.nextval("product_revisions")).select_from(func.generate_series(1, count).alias())
    return sorted(session.scalars(numbers))


def terms_sha256(plain: dict[str, object]) -> str:
    """Return the hash of a product's open form, whatever the order of its members."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Listing:
    """The live products of a day with their institutions' names, as the public sees them."""

    revision: str  # changes whenever anything here does; the base of ETags
    book: ProductBook
    institutions: dict[str, tuple[str, str]]  # code -> name_zh, name_en
    by_code: dict[str, ProductTerms]


def live_book(session: Session, settings: Settings, *, on: date | None = None) -> ProductBook:
    """Return the products offered on a day (today by default), compiled; kept until any product changes."""
    return listing(session, settings, on=on).book


def listing(session: Session, settings: Settings, *, on: date | None = None) -> Listing:
    """Return the live products of active institutions offered on a day; kept until any of that changes.

    A product whose quota does not even cover its smallest amount any more is not offered.
    """
    day = on or day_of(utc_now())
    now = standing(session)
    url = str(session.get_bind().engine.url)
    # A day, a change or a suspension starts a new entry; a handful of days is all that is ever asked for.
    return (
        runtime.process()
        .get_or_make(Listings, Listings)
        .get((url, now, day, str(settings.config_dir)), lambda: _read_listing(session, settings, day, now))
    )


@dataclass(frozen=True, slots=True)
class CatalogueStanding:
    """The state of the whole catalogue: what decides, besides the day, which products are offered."""

    revision: int  # of the last change that the public saw
    suspended: tuple[str, ...]  # institutions that lend nothing at the moment
    exhausted: tuple[str, ...]  # products whose quota is used up

    def digest(self, *more: str) -> str:
        """Return a text that changes whenever this, or `more`, does."""
        parts = [str(self.revision), ",".join(self.suspended), ",".join(self.exhausted), *more]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def standing(session: Session) -> CatalogueStanding:
    """Return the state of the catalogue in this transaction."""
    revision, suspended, exhausted = session.execute(_STANDING).one()
    return CatalogueStanding(revision or 0, tuple(suspended), tuple(exhausted))


_STANDING = select(
    select(func.max(Product.revision))
    .where(or_(Product.published_at.is_not(None), Product.state == "scheduled"))
    .scalar_subquery(),
    func.array(
        select(Institution.code).where(Institution.status != "active").order_by(Institution.code).scalar_subquery(),
        type_=ARRAY(Text),
    ),
    func.array(
        select(Product.code)
        .join(ProductCommitment, ProductCommitment.code == Product.code)
        .where(
            Product.state == "live",
            cast(Product.terms["quota_fen"].astext, BigInteger) - ProductCommitment.committed_fen
            < cast(Product.terms["amount_min_fen"].astext, BigInteger),
        )
        .order_by(Product.code)
        .scalar_subquery(),
        type_=ARRAY(Text),
    ),
)


class Listings(Memory[tuple[str, CatalogueStanding, date, str], Listing]):
    """Listings of the last days and changes, by database, standing, day and configuration."""


def _read_listing(session: Session, settings: Settings, day: date, now: CatalogueStanding) -> Listing:
    rows = session.execute(
        select(Product, Institution.code, Institution.name_zh, Institution.name_en)
        .join(Institution, Institution.id == Product.institution_id)
        .where(
            Product.state.in_(("scheduled", "live")),
            Institution.status == "active",
            Product.code.not_in(now.exhausted),
        )
        .order_by(Product.code, Product.version)
    ).all()
    # The newest version whose day has come, whether or not the worker has put it on sale yet.
    begun = {}
    for row in rows:
        terms = row.Product.to_terms()
        if row.Product.state == "live" or terms.valid_from <= day:
            begun[terms.code] = terms
    book = compile_book(list(begun.values()), BY_NAME, matching_settings(settings.config_dir), on=day)
    names = {row.code: (row.name_zh, row.name_en) for row in rows}
    revision = f"{now.revision}-{day.isoformat()}-{now.digest()[:8]}"
    return Listing(revision, book, names, {terms.code: terms for terms in book.products})


def changes(session: Session, *, since: int, limit: int) -> tuple[list[tuple[Product, Institution]], bool]:
    """Return the published versions that changed after revision `since`, oldest change first, and whether more did."""
    rows = session.execute(
        select(Product, Institution)
        .join(Institution, Institution.id == Product.institution_id)
        .where(Product.published_at.is_not(None), Product.revision > since)
        .order_by(Product.revision)
        .limit(limit + 1)
    ).all()
    return [(product, lender) for product, lender in rows[:limit]], len(rows) > limit


@dataclass(frozen=True, slots=True)
class InheritedTerms:
    """What an offer takes over from the product that was applied for; the defaults are for a product not stored."""

    repayment: str = "equal_instalment"
    subsidy_bps: int = 0
    fee_fen: int = 0


def inherited(session: Session, code: str, version: int, *, amount_fen: int) -> InheritedTerms:
    """Return what an offer of an amount takes over from the version of the product that was applied for."""
    product = session.scalar(select(Product).where(Product.code == code, Product.version == version))
    if product is None:
        return InheritedTerms()
    terms = product.to_terms()
    return InheritedTerms(terms.repayment, terms.subsidy_bps, fee_fen(amount_fen, terms.fees_bps))


def book_of(session: Session, settings: Settings, versions: Sequence[tuple[str, int]]) -> ProductBook:
    """Return the book of exactly these (code, version) pairs, in their order: what a past profile was matched to.

    Raises
    ------
    LookupError
        A version is not stored; the message names it.
    """
    wanted = tuple((code, version) for code, version in versions)
    key = (str(session.get_bind().engine.url), str(settings.config_dir), wanted)
    return runtime.process().get_or_make(Books, Books).get(key, lambda: _read_book(session, settings, wanted))


class Books(Memory[tuple[str, str, tuple[tuple[str, int], ...]], ProductBook]):
    """Books of past profiles: a version that was published never changes, so that a book of versions never does."""


def _read_book(session: Session, settings: Settings, wanted: Sequence[tuple[str, int]]) -> ProductBook:
    rows = session.scalars(select(Product).where(tuple_(Product.code, Product.version).in_(wanted))) if wanted else ()
    found = {(row.code, row.version): row.to_terms() for row in rows}
    for code, version in wanted:
        if (code, version) not in found:
            raise LookupError(f"product {code!r}: field 'version': value {version}: is not stored")
    return compile_book([found[one] for one in wanted], BY_NAME, matching_settings(settings.config_dir))


@lru_cache(maxsize=8)
def matching_settings(config_dir: Path) -> MatchingSettings:
    """Return the settings of `config/matching.toml`, read once per process.

    Raises
    ------
    SettingError
        The file is wrong.
    """
    try:
        return load_settings(config_dir / "matching.toml")
    except (MatchingSettingsInvalid, OSError) as error:
        raise SettingError(f"configuration file matching.toml: {error}") from error
