"""A report as files: the sealed PDF and the JSON, both made from what was signed, whenever they are asked for."""

from __future__ import annotations

from creditlink.kit.keyring import Secret
from creditlink.kit.processes.metrics import REPORTS
from creditlink.reports import signing
from creditlink.reports.service import OpenedReport
from creditlink.reports.typeset import pdf

PDF, JSON = "application/pdf", "application/json"


def pdf_of(whole: OpenedReport, *, secret: Secret) -> bytes:
    """Return the PDF, sealed."""
    digest = whole.report.digest
    with REPORTS.time():
        pages = pdf.pages_of(whole.claims, signed=whole.signed, digest=digest)
    return signing.seal(pages, digest=digest, secret=secret)


def json_of(whole: OpenedReport) -> str:
    """Return the JSON."""
    return signing.json_of(whole.signed, whole.claims)
