"""The whole document: what the routes say, the protocol beside them, and what is true of every operation."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import cast

import flask

from creditlink.web.contract import headers, problems, schemas, security, webhooks
from creditlink.web.contract.nodes import Node, held, node, operations_of

_ARGUMENT = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


def completed(app: flask.Flask, document: Node) -> Node:
    """Return the document of an application's routes, completed in place."""
    _name(app, document)
    _add_protocol(document)
    security.secure(document)
    problems.complete(document)
    headers.describe(document)
    webhooks.add(document)
    schemas.complete(document)
    return document


def _name(app: flask.Flask, document: Node) -> None:
    """Give every operation its id: the name of its view, as generated clients will call it."""
    views = {
        (method.lower(), _ARGUMENT.sub(r"{\1}", rule.rule)): app.view_functions[rule.endpoint].__name__
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    for method, path, operation in operations_of(document):
        first, *rest = views[method, path].split("_")
        operation["operationId"] = first + "".join(word.title() for word in rest)


def _add_protocol(document: Node) -> None:
    """Add the addresses that are not of the API's own kind: the authorization server's, cards', health."""
    text = resources.files(__package__).joinpath("protocol.json").read_text(encoding="utf-8")
    protocol = cast(Node, json.loads(text))
    cast(list[object], document["tags"]).extend(cast(list[object], protocol["tags"]))
    held(document, "paths").update(node(protocol, "paths"))
    held(held(document, "components"), "schemas").update(node(protocol, "schemas"))
