"""Loads of the registry, as a command or a worker takes them."""

from __future__ import annotations

import pytest

from creditlink.enterprises.registry import loads
from creditlink.enterprises.registry.feed_file import FeedRow
from creditlink.enterprises.registry.tables import RegistryLoad
from creditlink.kit.postgres import db
from tests.factories import NOW

SECRET = "s" * 40


@pytest.fixture
def load(empty_database):
    """Hand rows (dicts) in as the operator's client, take them as a worker; return the load as the operator sees it."""

    def run(*rows, kind="incremental", now=NOW, **opening):
        with handing_in() as session:
            opened = loads.open_load(session, loads.Opening("reg", kind, **opening), actor="test", now=now)
            loads.stage(session, opened, [FeedRow(line, dict(row)) for line, row in enumerate(rows, 1)])
            loads.mark_ready(opened, now)
        return take(opened.id, now=now)

    return run


def handing_in():
    """Open a transaction as the operator's client has one."""
    return db.transaction("api", viewer=db.Viewer(actor="operator"))


def take(load_id, *, now=NOW, most=loads.BATCH):
    while True:
        with db.transaction("worker") as session:
            one = session.get_one(RegistryLoad, load_id)
            if not loads.take_batch(session, one, secret=SECRET, now=now, most=most):
                loads.finish(session, one, now=now)
                return loads.as_json(session, one) | {"refused": loads.refused_rows(session, one)}
