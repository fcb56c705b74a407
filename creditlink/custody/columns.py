"""Every column in which something is sealed, and for what purpose: what is sealed anew, and what a drill opens."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Table

from creditlink.cards.sealing import SEALED as CARDS
from creditlink.decisions.archive import SEALED as DECISIONS
from creditlink.desk.asking import SEALED as DESK_REQUESTS
from creditlink.desk.wire.opening import SEALED as DESK_KEYS
from creditlink.disputes.files import SEALED as EVIDENCE
from creditlink.enterprises.accounts import SEALED as TOTP
from creditlink.financing.requests.papers.documents import SEALED as DOCUMENTS
from creditlink.financing.requests.papers.receivables import SEALED as RECEIVABLES
from creditlink.kit.postgres.db import Base
from creditlink.messages.service import SEALED as LETTERS
from creditlink.notifications.endpoints import SEALED as WEBHOOKS
from creditlink.reports.service import SEALED as REPORTS


@dataclass(frozen=True)
class SealedColumn:
    """One column of texts or bytes that a box of `purpose` has sealed; null where there is nothing any more."""

    table_name: str
    column_name: str
    purpose: str

    @property
    def name(self) -> str:
        """Return it as `table.column`."""
        return f"{self.table_name}.{self.column_name}"

    @property
    def table(self) -> Table:
        """Return the table."""
        return Base.metadata.tables[self.table_name]

    @property
    def column(self) -> Column[bytes | str]:
        """Return the column."""
        return self.table.c[self.column_name]


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
    SealedColumn("report_contents", "sealed", REPORTS),
    SealedColumn("webhook_secrets", "sealed", WEBHOOKS),
)
PURPOSES = tuple(sorted({one.purpose for one in SEALED_COLUMNS}))
