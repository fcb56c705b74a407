"""The developer's overview, the scripted firms, and the examples."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.institutions.service import RegistrationRefused, check_redirect_uri
from creditlink.portal.developers import examples as shown_examples
from creditlink.portal.developers import script
from creditlink.portal.developers.pages.own_client import entries_of, kids_of, store
from creditlink.portal.developers.pages.site import AtBench, blueprint, developer_signed_in
from creditlink.portal.developers.tables import DeveloperRequest
from creditlink.portal.site import page, see_other, settings

MOST_ADDRESSES = 3


@blueprint.get("/")
@developer_signed_in
def bench(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """Show the client, and what is to be done first."""
    return _overview(session, here)


@blueprint.post("/addresses")
@developer_signed_in
def set_addresses(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """Replace where a browser may be sent back to."""
    given = list(dict.fromkeys(flask.request.form.get("addresses", "").split()))
    try:
        if not 1 <= len(given) <= MOST_ADDRESSES:
            raise RegistrationRefused(f"give 1 to {MOST_ADDRESSES} addresses")
        for address in given:
            check_redirect_uri(address)
    except RegistrationRefused as refused:
        why = gettext("These addresses cannot be used: %(why)s", why=str(refused))
        return _overview(session, here, error=why, addresses="\n".join(given)[:6000])
    store(session, here, now, jwks=here.client.jwks, jwks_uri=here.client.jwks_uri, addresses=given)
    return see_other(flask.url_for("developers.bench"))


def _overview(
    session: Session, here: AtBench, *, error: str | None = None, addresses: str | None = None
) -> ResponseReturnValue:
    newest = select(DeveloperRequest).order_by(DeveloperRequest.id.desc()).limit(1)
    return page(
        "developers/bench.html",
        status=422 if error else 200,
        client=here.client,
        issuer=settings().issuer,
        has_key=bool(kids_of(here.client)) or here.client.jwks_uri is not None,
        has_asked=session.scalar(newest) is not None,
        addresses="\n".join(here.client.redirect_uris) if addresses is None else addresses,
        error=error,
    )


@blueprint.get("/firms")
@developer_signed_in
def firms(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """Show who the scripted firms are and what comes of asking each."""
    return page("developers/firms.html", firms=script.FIRMS, required=script.REQUIRED, optional=script.OPTIONAL)


@blueprint.get("/examples")
@developer_signed_in
def examples(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """Show the first language's example."""
    return see_other(flask.url_for("developers.example", language=shown_examples.LANGUAGES[0].slug))


@blueprint.get("/examples/<language>")
@developer_signed_in
def example(session: Session, here: AtBench, now: datetime, language: str) -> ResponseReturnValue:
    """Show one language's example, step by step, with the developer's own ids in it."""
    chosen = shown_examples.named(language)
    return page(
        "developers/example.html",
        chosen=chosen,
        languages=shown_examples.LANGUAGES,
        steps=shown_examples.steps(_written(chosen, here)),
        titles=shown_examples.titles(),
        has_key=bool(kids_of(here.client)),
    )


@blueprint.get("/examples/<language>/file")
@developer_signed_in
def example_file(session: Session, here: AtBench, now: datetime, language: str) -> ResponseReturnValue:
    """Give the whole example as one file that runs."""
    chosen = shown_examples.named(language)
    response = flask.Response(_written(chosen, here), content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{chosen.file}"'
    return response


def _written(chosen: shown_examples.ExampleLanguage, here: AtBench) -> str:
    entries = entries_of(here.client)
    return shown_examples.written(
        chosen,
        {
            "CLIENT_ID": here.client.client_id,
            "ISSUER": settings().issuer,
            "KID": str(entries[-1].get("kid")) if entries else "YOUR-KID",
            "REDIRECT_URI": here.client.redirect_uris[0],
            "USCC": script.FIRMS[0].uscc,
        },
    )
