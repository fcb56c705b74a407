"""The operator's own transaction: for everybody else there is nothing here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from creditlink.access.guard import current_access
from creditlink.institutions.tables import Institution
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db


@contextmanager
def operator_transaction() -> Iterator[Session]:
    """Open the transaction of a request of the operator's client.

    Raises
    ------
    NotFound
        The caller is a lender: as if there were nothing here.
    """
    with db.transaction(viewer=db.Viewer(actor="operator")) as session:
        if session.get_one(Institution, current_access().institution_id).kind != "operator":
            raise NotFound
        yield session
