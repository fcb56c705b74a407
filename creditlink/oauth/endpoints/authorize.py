"""The authorization endpoint: takes nothing but a pushed request, and sends the browser to the consent page."""

from __future__ import annotations

from datetime import datetime

import flask
from sqlalchemy.orm import Session

from creditlink.access.errors import OAuth2Error
from creditlink.access.opaque import REQUEST_URI
from creditlink.oauth.requests import single_values
from creditlink.oauth.service import PendingGone, open_request

CONSENT_PAGE = "/portal/authorize/"

# This page repeats nothing of the request and redirects nobody: we do not know the sender.
_PAGE = """<!doctype html>
<html lang="zh">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>授权请求无效 · Request not valid</title>
<main style="max-width: 36rem; margin: 15vh auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif">
<h1 style="font-size: 1.3rem">授权请求已失效</h1>
<p>该授权请求不存在、已过期或已处理。没有任何数据被共享。请回到银行页面重新发起。</p>
<h1 style="font-size: 1.3rem" lang="en">This request is no longer valid</h1>
<p lang="en">It does not exist, has expired, or was decided already. No data was shared.
Go back to your bank and start again.</p>
</main>
</html>
"""


def answer(session: Session, request: flask.Request, *, now: datetime) -> flask.Response:
    """Answer 303 to the consent page, or a page saying that there is no such request.

    Parameters other than `client_id` and `request_uri` are ignored: what counts was pushed.
    """
    try:
        parameters = single_values(request.args)
        client_id, request_uri = parameters.get("client_id", ""), parameters.get("request_uri", "")
        if not client_id or not request_uri.startswith(REQUEST_URI):
            raise PendingGone
        handle = open_request(session, client_id=client_id, request_uri=request_uri, now=now)
    except (PendingGone, OAuth2Error):
        return no_such_request()
    return flask.Response(status=303, headers={"Location": CONSENT_PAGE + handle})


def no_such_request() -> flask.Response:
    """Return the page that says so."""
    return flask.Response(_PAGE, status=400, content_type="text/html; charset=utf-8")
