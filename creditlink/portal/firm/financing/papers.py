"""What a firm hands in with a request, as the page shows it: documents, and receivables with where else they are."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from creditlink.financing import configuration
from creditlink.financing.configuration import PaperBounds
from creditlink.financing.requests.papers import documents, receivables
from creditlink.financing.requests.papers.receivables import OfferedReceivable
from creditlink.financing.requests.papers.tables import ABOUT, RECEIVABLES, FinancingDocument
from creditlink.financing.tables import FinancingRequest
from creditlink.kit.files.documents import SCANS, SERVED
from creditlink.portal.firm.financing.words import label
from creditlink.portal.site import settings


@dataclass(frozen=True)
class DocumentShown:
    """A document in words."""

    row: FinancingDocument
    about: str
    scan: str
    may_open: bool


@dataclass(frozen=True)
class PapersShown:
    """All that was handed in with a request, and what may be."""

    documents: list[DocumentShown]
    receivables: list[OfferedReceivable]
    kinds: dict[str, str]  # of documents
    known_by: dict[str, str]  # of receivables
    bounds: PaperBounds


def shown_papers(session: Session, request: FinancingRequest) -> PapersShown:
    """Return the papers of a request."""
    return PapersShown(
        [
            DocumentShown(row, label(ABOUT[row.about]), label(SCANS[row.scan]), row.scan in SERVED)
            for row in documents.of_request(session, request.id)
        ],
        receivables.offered(session, request.id),
        {about: label(words) for about, words in ABOUT.items()},
        {kind: label(words) for kind, words in RECEIVABLES.items()},
        bounds(),
    )


def bounds() -> PaperBounds:
    """Return how many documents a request may have, and how large."""
    return configuration.papers(settings().config_dir)
