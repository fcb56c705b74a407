"""`creditlink products …`: files of products checked, and a lender's products taken through their life."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.cli.acting import named, person_for
from creditlink.cli.output import print_json
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.products.checker import ProductFinding, check_product
from creditlink.engine.matching.products.terms import ProductInvalid, ProductTerms
from creditlink.institutions import service as institutions
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.files.textfile import read_file
from creditlink.kit.processes.process import start
from creditlink.kit.settings import load_settings
from creditlink.products import service
from creditlink.products.catalogue import lifecycle, publishing
from creditlink.products.catalogue.lifecycle import Hands
from creditlink.products.files.price_response import PriceResponseInvalid, parse
from creditlink.products.files.product_file import FORMS, ProductFile, read_products
from creditlink.products.tables import Product
from creditlink.screening.city.results import Results, ResultsUnusable
from creditlink.screening.city.storage import StorageError
from creditlink.screening.qualify import qualify

_SHORTEST = 12

_note = click.option("--note", default="", help="Why; kept with the step.")
_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def products() -> None:
    """Check files of products, and take a lender's products through their life.

    draft → checked → live → retired. Lenders do this over /v1/catalogue with two clients; an operator does it for a
    lender without software. Who wrote a version cannot check it.

    \b
    creditlink products validate products.json
    creditlink products write products.json --as lin
    creditlink products show LJB-TAX 2
    creditlink products check LJB-TAX 2 --sha256 9f2c41d07a55 --as wu
    creditlink products publish LJB-TAX 2 --as lin
    creditlink products retire LJB-TAX 2 --as lin --note "the programme is over"
    """


@products.command()
@_file
@click.option("--screening", metavar="DIR", help="A finished screening to count firms in. Default: var/screening.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def validate(file: Path, screening: str | None, as_json: bool) -> None:
    """Check a file of products (.json, .ndjson, .toml) without storing anything; no database is needed.

    Every wrong row is named by line, field and value, and the good ones are listed with what the rule checker says:
    rules that contradict, that no firm can pass, that repeat each other, and how many firms of the last screening
    qualify. Ends with status 1 where anything forbids publishing.

    \b
    creditlink products validate products.ndjson --screening var/screening
    """
    read = _read(file)
    good = [(line, terms, check_product(terms, service.KNOWN)) for line, terms in read.products]
    counts, uncounted = _counts([terms for _, terms in read.products], screening)
    rows = [_Valid(line, terms, findings, counts.get(terms.code)) for line, terms, findings in good]
    if as_json:
        wrong = [row.to_dict() for row in read.wrong]
        print_json({"products": [row.to_dict() for row in rows], "wrong": wrong, "not_counted": uncounted}, indent=None)
    else:
        for wrong_row in read.wrong:
            click.echo(f"{file.name} {wrong_row}")
        for row in rows:
            _print(row)
        click.echo(f"{len(rows)} products are well-formed, {len(read.wrong)} things are wrong")
        if uncounted:
            click.echo(f"firms not counted: {uncounted}")
    if read.wrong or any(finding.severity == "error" for _, _, findings in good for finding in findings):
        raise click.exceptions.Exit(1)


@dataclass(frozen=True)
class _Valid:
    """A well-formed product of a file, and what the rule checker says of it."""

    line: int
    terms: ProductTerms
    findings: Sequence[ProductFinding]
    firms: Mapping[str, int] | None  # of the last screening: qualify, population

    def to_dict(self) -> dict[str, object]:
        """Return it as printed."""
        plain: dict[str, object] = {
            "line": self.line,
            "product": self.terms.code,
            "version": self.terms.version,
            "findings": [asdict(finding) for finding in self.findings],
        }
        return plain if self.firms is None else plain | {"firms": self.firms}


def _print(row: _Valid) -> None:
    firms = row.firms
    qualifying = "" if firms is None else f": {firms['qualify']:,} of {firms['population']:,} firms qualify"
    click.echo(f"line {row.line}: {row.terms.code} version {row.terms.version}{qualifying}")
    for finding in row.findings:
        click.echo(f"  {finding.severity} ({finding.code}): {finding.text_en} | {finding.text_zh}")


def _read(file: Path) -> ProductFile:
    form = FORMS.get(file.suffix.lower())
    if form is None:
        raise click.ClickException(f"{file.name}: a name must end in {', '.join(FORMS)}")
    return read_products(read_file(file), form, service.KNOWN, name=file.name)


def _counts(terms: Sequence[ProductTerms], address: str | None) -> tuple[dict[str, dict[str, int]], str | None]:
    """Return product -> its counts in a screening; or why there are none."""
    folder = address or str(load_settings().var_dir / "screening")
    try:
        results = Results(folder)
    except (ResultsUnusable, StorageError) as error:
        return {}, str(error) if address else "there is no finished screening; name one with --screening"
    found, left_out = {}, []
    for one in track(terms, "counting firms", console=Console(stderr=True), transient=True):
        try:
            counts = qualify(results, one, BY_NAME)
        except ProductInvalid as error:
            left_out.append(str(error))
            continue
        found[one.code] = {
            "population": counts.population,
            "qualify": counts.qualify,
            "undetermined": counts.undetermined,
        }
    return found, "; ".join(left_out) or None


@contextmanager
def _transaction() -> Iterator[Session]:
    """Open the operator's transaction; a refusal ends the command with one line and undoes everything."""
    _, database = start("owner")
    try:
        with database.transaction("owner") as session:
            yield session
    except NotFound:
        raise click.ClickException("there is no such version") from None
    except (RegistrationRefused, Conflict, ProductInvalid) as refused:
        raise click.ClickException(str(refused)) from None


@products.command("list")
@click.option("--institution", "lender", metavar="CODE", help="Only of this institution.")
@click.option("--state", type=click.Choice(list(lifecycle.STATES)), help="Only in this state.")
def list_products(lender: str | None, state: str | None) -> None:
    """List versions of products as JSON, in order of code and version."""
    query = select(Product).order_by(Product.code, Product.version)
    with _transaction() as session:
        if lender is not None:
            query = query.where(Product.institution_id == institutions.institution_of(session, lender).id)
        if state is not None:
            query = query.where(Product.state == state)
        print_json([_summary(product) for product in session.scalars(query)])


@products.command()
@click.argument("code")
@click.argument("version", type=int)
def show(code: str, version: int) -> None:
    """Show a version: its terms, what the rule checker says, and what was done to it."""
    with _transaction() as session:
        product = _product(session, code, version)
        steps = publishing.steps_of(session, product)
        print_json(
            _summary(product)
            | {
                "terms": product.terms,
                "findings": [asdict(finding) for finding in publishing.findings_of(product)],
                "steps": [{name: getattr(one, name) for name in ("at", "step", "actor", "note")} for one in steps],
            }
        )


@products.command()
@_file
@named
@_note
def write(file: Path, who: str | None, note: str) -> None:
    """Write the products of a file as drafts: each a new product, or the next version of one. All or none."""
    read = _read(file)
    if read.wrong:
        raise click.ClickException("\n".join(f"{file.name} {row}" for row in read.wrong))
    with _transaction() as session:
        lenders = {one.code: one for one in session.scalars(select(Institution))}
        summaries = []
        for line, terms in read.products:
            lender = lenders.get(terms.institution_code)
            if lender is None:
                where = f"{file.name} line {line}: product {terms.code!r}: field 'institution_code'"
                raise RegistrationRefused(f"{where}: value {terms.institution_code!r}: is not registered")
            plain = {name: value for name, value in terms.to_dict().items() if name != "version"}
            product = publishing.write(session, lender, plain, hands=_hands(session, who), now=utc_now(), note=note)
            summaries.append(_summary(product))
        print_json(summaries)


@products.command()
@click.argument("code")
@click.argument("version", type=int)
@click.option("--sha256", required=True, help="Hash of the terms you read, as `show` prints it; 12 digits are enough.")
@named
@_note
def check(code: str, version: int, sha256: str, who: str | None, note: str) -> None:
    """Confirm a draft that somebody else wrote, exactly as you read it."""
    with _transaction() as session:
        product = _product(session, code, version)
        whole = product.terms_sha256 if len(sha256) >= _SHORTEST and product.terms_sha256.startswith(sha256) else sha256
        print_json(
            _summary(
                publishing.check(
                    session, product, terms_sha256=whole, hands=_hands(session, who), now=utc_now(), note=note
                )
            )
        )


@products.command()
@click.argument("code")
@click.argument("version", type=int)
@named
@_note
def publish(code: str, version: int, who: str | None, note: str) -> None:
    """Put a checked version on sale; the live version of the product is retired with it."""
    with _transaction() as session:
        product = _product(session, code, version)
        print_json(_summary(publishing.publish(session, product, hands=_hands(session, who), now=utc_now(), note=note)))


@products.command()
@click.argument("code")
@click.argument("version", type=int)
@named
@_note
def retire(code: str, version: int, who: str | None, note: str) -> None:
    """Take a version off sale, or drop one that is being prepared; there is no way back."""
    with _transaction() as session:
        product = _product(session, code, version)
        print_json(_summary(publishing.retire(session, product, hands=_hands(session, who), now=utc_now(), note=note)))


def _product(session: Session, code: str, version: int) -> Product:
    lender = session.scalar(select(Product.institution_id).where(Product.code == code, Product.version == version))
    if lender is None:
        raise NotFound
    return publishing.own(session, lender, code, version, lock=True)


def _hands(session: Session, who: str | None) -> Hands:
    """Return the hands of the member of staff who takes the step; who writes cannot check."""
    return Hands(f"operator:{person_for(session, who, 'operator', now=utc_now()).login}")


def _summary(product: Product) -> dict[str, object]:
    names = ("code", "version", "state", "terms_sha256", "written_by", "checked_by", "changed_at", "published_at")
    return {name: getattr(product, name) for name in names}


@products.command("price-response")
@_file
@click.option(
    "--break-even",
    "break_even",
    type=float,
    multiple=True,
    default=(300, 500, 800),
    show_default=True,
    help="Basis points.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def price_response(file: Path, break_even: tuple[float, ...], as_json: bool) -> None:
    """Check a measured price-response curve, and show the rate that brings most at some break-even rates.

    The file has the columns annual_rate, churn_A, churn_B, churn_C: the share of firms that goes elsewhere at a yearly
    rate, for the best, the middle and the other grades. In config/price_response.csv it enters every suggested price.

    \b
    creditlink products price-response var/rate_churn.csv --break-even 420
    """
    try:
        curves = parse(read_file(file), source=file.name)
    except (OSError, PriceResponseInvalid) as error:
        raise click.ClickException(str(error)) from error
    even, rows = np.array(break_even, dtype=np.float64), []
    for group, curve in curves.items():
        low, high = (np.full(len(even), rate) for rate in (curve.rates_bps[0], curve.rates_bps[-1]))
        best = curve.best_rate_bps(even, low, high)
        rows += [(group, *row) for row in zip(even.tolist(), best.tolist(), curve.churn_at(best).tolist(), strict=True)]
    if as_json:
        names = ("group", "break_even_bps", "best_rate_bps", "churn")
        print_json([dict(zip(names, row, strict=True)) for row in rows], indent=None)
        return
    table = Table("grades", "break-even", "best rate", "go elsewhere")
    for group, least, rate, churn in rows:
        table.add_row(group, f"{least / 100:.2f}%", f"{rate / 100:.2f}%", f"{churn:.0%}")
    Console().print(table)
