"""How much of a product's quota is committed: taken when an offer is accepted, given back when nothing comes of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, cast, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.kit.errors import Conflict
from creditlink.products.tables import Product, ProductCommitment


def take(session: Session, code: str, amount_fen: int) -> None:
    """Commit an amount under a product; the quota is that of its newest published version, for all versions together.

    The product's row is locked until the transaction ends, so that two acceptances never take the same money.

    Raises
    ------
    Conflict
        The quota does not cover it; the caller's transaction must be rolled back.
    """
    added = (
        insert(ProductCommitment)
        .values(code=code, committed_fen=amount_fen)
        .on_conflict_do_update(
            index_elements=[ProductCommitment.code],
            set_={"committed_fen": ProductCommitment.committed_fen + amount_fen},
        )
        .returning(ProductCommitment.committed_fen)
    )
    committed = session.scalars(added).one()
    quota = session.scalar(
        select(cast(Product.terms["quota_fen"].astext, BigInteger))
        .where(Product.code == code, Product.published_at.is_not(None))
        .order_by(Product.version.desc())
        .limit(1)
    )
    if quota is not None and committed > quota:
        raise Conflict(f"product {code}: its quota does not cover the amount any more", reason="quota")


def give_back(session: Session, code: str, amount_fen: int) -> None:
    """Free an amount that `take` committed."""
    session.execute(
        update(ProductCommitment)
        .where(ProductCommitment.code == code)
        .values(committed_fen=ProductCommitment.committed_fen - amount_fen)
    )
