"""XML: a table's rows, or the invoice of an OFD file. Pure.

An OFD invoice carries its data as an attached document `original_invoice.xml`; the fully digital invoice as a document
`EInvoice`. Both say each fact once, in an element without children.
Source: GB/T 33190-2016 for the package; the two schemas of electronic invoices of 2019 and 2021 for the names.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from creditlink.records.connectors.wire import Failure, Passing
from creditlink.records.connectors.xml import xml_root
from creditlink.uploads.reading.layouts import OWNER, known_name
from creditlink.uploads.reading.refusal import FileRefused

_FEWEST = 4
"""An element with so many children that are columns is a row."""
_MOST_DEPTH = 50

_INVOICE = {
    "InvoiceCode": "fpdm",
    "InvoiceNo": "fphm",
    "InvoiceNumber": "sdfphm",
    "IssueDate": "kprq",
    "IssueTime": "kprq",
    "SellerTaxID": "xfsbh",
    "SellerIdNum": "xfsbh",
    "SellerName": "xfmc",
    "BuyerTaxID": "gfsbh",
    "BuyerIdNum": "gfsbh",
    "BuyerName": "gfmc",
    "TaxExclusiveTotalAmount": "je",
    "TotalAmWithoutTax": "je",
    "TaxTotalAmount": "se",
    "TotalTaxAm": "se",
    "TaxInclusiveTotalAmount": "jshj",
    "TotalTax-includedAmount": "jshj",
}
"""Element of an electronic invoice -> column of the list of invoices."""


def is_invoice(name: str) -> bool:
    """Return whether a part of an OFD package is the invoice as data."""
    return name.rsplit("/", 1)[-1].lower() in ("original_invoice.xml", "einvoice.xml")


def invoice_of(text: str) -> dict[str, str]:
    """Return the one invoice of a document as a row of the list; that it is void, no such document can say.

    Raises
    ------
    FileRefused
        It is not XML, or declares a document type.
    """
    row = {"fpzt": "正常"}
    for element in _leaves(_root(text)):
        column = _INVOICE.get(_local(element))
        if column is not None and column not in row:
            row[column] = (element.text or "").strip()
    return row


def rows_of(text: str) -> list[tuple[str, ...]]:
    """Return the table in a document: a header of columns, then the rows; before it, a row with its owner.

    Raises
    ------
    FileRefused
        It is not XML, or declares a document type.
    """
    root = _root(text)
    if any(_local(element) in ("eInvoice", "EInvoice") for element in (root, *root)):
        return with_header([invoice_of(text)])
    rows, owner = [], ""
    for element in root.iter():
        children = {name: (child.text or "").strip() for child in element if (name := known_name(_local(child)))}
        if len(children) >= _FEWEST:
            rows.append(children)
        elif OWNER in children:
            owner = owner or children[OWNER]
    if owner:
        rows = [{OWNER: owner} | row for row in rows]
    return with_header(rows)


def with_header(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    """Return rows by column as a table with a header."""
    header = tuple(dict.fromkeys(name for row in rows for name in row))
    return [header, *(tuple(row.get(name, "") for name in header) for row in rows)]


def _root(text: str) -> Element:
    try:
        root = xml_root(text.encode("utf-8", "replace"))
    except Passing:
        raise FileRefused("damaged", "not well-formed XML") from None
    except Failure:
        raise FileRefused("document_type") from None
    if _depth(root) > _MOST_DEPTH:
        raise FileRefused("damaged", "XML nested too deeply")
    return root


def _depth(root: Element) -> int:
    level, depth = [root], 0
    while level and depth <= _MOST_DEPTH:
        level, depth = [child for element in level for child in element], depth + 1
    return depth


def _leaves(root: Element) -> list[Element]:
    return [element for element in root.iter() if len(element) == 0]


def _local(element: Element) -> str:
    return element.tag.rsplit("}", 1)[-1]
