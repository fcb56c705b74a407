"""The client's keys: registered by text, file or address, several at a time, and ended one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from creditlink.institutions import targets
from creditlink.kit.errors import NotFound
from creditlink.portal.developers import findings
from creditlink.portal.developers.findings import Checked, KeyFinding
from creditlink.portal.developers.pages.own_client import entries_of, kids_of, store
from creditlink.portal.developers.pages.site import AtBench, blueprint, developer_signed_in, unless_developer
from creditlink.portal.site import page, see_other


@blueprint.get("/keys")
@developer_signed_in
def keys(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """Show the client's keys, and the ways to add one."""
    return _keys(here)


@blueprint.post("/keys")
@developer_signed_in
def add_keys(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """Register the public keys in the form or its file beside those that are there, so that a change has no gap.

    What is wrong is told by its member. Nothing that was sent comes back in the page: it may hold a private key.
    """
    file = flask.request.files.get("file")
    sent = file.read(findings.LONGEST + 1).decode("utf-8", "replace") if file and file.filename else ""
    checked = findings.check(sent or flask.request.form.get("key", ""), kids_of(here.client))
    if checked.findings:
        return _keys(here, checked.findings)
    kept = entries_of(here.client)
    store(session, here, now, jwks={"keys": [*kept, *checked.keys]}, jwks_uri=None)
    return see_other(flask.url_for("developers.keys"))


@blueprint.post("/keys/address")
def set_key_address() -> ResponseReturnValue:
    """Take the keys from an address from now on; the document there is looked at first, outside any transaction."""
    elsewhere = unless_developer()
    if elsewhere is not None:
        return elsewhere
    address = flask.request.form.get("jwks_uri", "").strip()
    checked = _fetched(address)

    @developer_signed_in
    def finish(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
        if checked.findings:
            return _keys(here, checked.findings, address=address[:2000])
        store(session, here, now, jwks=None, jwks_uri=address)
        return see_other(flask.url_for("developers.keys"))

    return finish()


@blueprint.post("/keys/end")
@developer_signed_in
def end_key(session: Session, here: AtBench, now: datetime) -> ResponseReturnValue:
    """End one key, or the address: what is signed with it is refused from the next request on."""
    kid = flask.request.form.get("kid", "")
    if here.client.jwks_uri is not None and not kid:
        left: Sequence[Mapping[str, object]] = []
    else:
        left = [one for one in entries_of(here.client) if one.get("kid") != kid]
        if len(left) == len(entries_of(here.client)):
            raise NotFound
    store(session, here, now, jwks={"keys": left}, jwks_uri=None)
    return see_other(flask.url_for("developers.keys"))


def _keys(here: AtBench, wrong: Sequence[KeyFinding] = (), *, address: str = "") -> ResponseReturnValue:
    flask.g.has_script = True
    return page(
        "developers/keys.html",
        status=422 if wrong else 200,
        keys=entries_of(here.client),
        jwks_uri=here.client.jwks_uri,
        since=here.client.updated_at,
        most=findings.MOST_KEYS,
        wrong=wrong,
        has_private=any(one.rule in ("private", "private_pem") for one in wrong),
        address=address,
    )


def _fetched(address: str) -> Checked:
    """Return what is wrong with the keys at an address, or with the address itself."""
    try:
        return findings.check_document(targets.fetch_json(address))
    except targets.TargetRefused as refused:
        return Checked((), (KeyFinding("jwks_uri", "address", str(refused)),))
