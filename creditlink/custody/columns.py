"""Every column in which something is sealed, and for what purpose: what is sealed anew, and what a drill opens."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, LargeBinary, Table, Text, type_coerce

from creditlink.cards.sealing import SEALED as CARDS
from creditlink.decisions.archive import SEALED as DECISIONS
from creditlink.desk.asking import SEALED as DESK_REQUESTS
from creditlink.desk.wire.opening import SEALED as DESK_KEYS
from creditlink.disputes.files import SEALED as EVIDENCE
from creditlink.enterprises.accounts import SEALED as TOTP
from creditlink.financing.requests.papers.documents import SEALED as DOCUMENTS
from creditlink.financing.requests.papers.receivables import SEALED as RECEIVABLES
from creditlink.kit.keyring import Box
from creditlink.kit.postgres.db import Base
from creditlink.kit.postgres.sealed_text import SEALED_MARK
from creditlink.messages.service import SEALED as LETTERS
from creditlink.messages.tables import ADDRESSES
from creditlink.notifications.endpoints import SEALED as WEBHOOKS
from creditlink.reports.service import SEALED as REPORTS


@dataclass(frozen=True)
class SealedColumn:
    """One column of texts or bytes that a box of `purpose` has sealed; null where there is nothing any more."""

    table_name: str
    column_name: str
    purpose: str
    mark: str = ""  # what a value begins with, before the key's id: one without it was written before it was sealed

    @property
    def name(self) -> str:
        """Return it as `table.column`."""
        return f"{self.table_name}.{self.column_name}"

    @property
    def table(self) -> Table:
        """Return the table."""
        return Base.metadata.tables[self.table_name]

    @property
    def stored(self) -> ColumnElement[bytes | str]:
        """Return the column as the database has it, not opened."""
        column = self.table.c[self.column_name]
        return type_coerce(column, LargeBinary() if isinstance(column.type, LargeBinary) else Text())

    def marked(self, sealed: bytes) -> bytes | str:
        """Return what was sealed as the column takes it."""
        return sealed if isinstance(self.stored.type, LargeBinary) else self.mark + sealed.decode()

    def opened(self, value: bytes | str, sealer: Box) -> bytes:
        """Return what a value says; `InvalidToken` where none of the keys sealed it."""
        if isinstance(value, str):
            if not value.startswith(self.mark):
                return value.encode()
            value = value.removeprefix(self.mark)
        return sealer.decrypt(value)


SEALED_COLUMNS = (
    SealedColumn("accounts", "totp_secret", TOTP),
    SealedColumn("card_presentations", "sealed", CARDS),
    SealedColumn("credit_cards", "sealed", CARDS),
    SealedColumn("decision_records", "payload", DECISIONS),
    SealedColumn("desk_clients", "sealed", DESK_KEYS),
    SealedColumn("desk_requests", "sealed", DESK_REQUESTS),
    SealedColumn("dispute_files", "sealed", EVIDENCE),
    SealedColumn("financing_documents", "sealed", DOCUMENTS),
    SealedColumn("financing_receivables", "sealed", RECEIVABLES),
    SealedColumn("message_deliveries", "sealed", LETTERS),
    SealedColumn("person_channels", "address", ADDRESSES, SEALED_MARK),
    SealedColumn("report_contents", "sealed", REPORTS),
    SealedColumn("webhook_secrets", "sealed", WEBHOOKS),
)
PURPOSES = tuple(sorted({one.purpose for one in SEALED_COLUMNS}))
