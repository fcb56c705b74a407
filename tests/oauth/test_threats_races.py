"""Threats that are races: who is first, and whether anybody can be kept waiting."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import ConsentRefused
from creditlink.kit.postgres import db
from tests.oauth import flow

READERS, READS, HELD = 15, 60, 0.05


@pytest.mark.parametrize("change", ["revoke", "pause"])
def test_a_bank_that_keeps_reading_cannot_hold_up_the_firm(bank, authorized, empty_database, change):
    """Readers overlap without a gap; the change goes through long before they have had enough."""
    authorization = authorized(bank)
    consent_id = flow.consent_of(authorization)
    with empty_database.transaction("owner") as session:
        institution = session.get_one(Consent, consent_id).institution_id
    whole = authorization.answer["authorization_details"]
    access = SimpleNamespace(institution_id=institution, consent_id=consent_id, authorization_details=whole)
    reading, refused = threading.Semaphore(0), []
    hold = threading.Event()  # never set: waiting on it is the time that a profile takes to build

    def read_on_and_on():
        for _ in range(READS):
            try:
                with db.transaction("api") as session:
                    consents.live_consent(session, consent_id, access=access, action="profile", now=utc_now())
                    reading.release()
                    hold.wait(HELD)
            except ConsentRefused as error:
                refused.append(error.extra["reason"])
                return

    readers = [threading.Thread(target=read_on_and_on) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    for _ in range(2 * READERS):
        reading.acquire()
    flow.change_consent(authorization, change)
    for reader in readers:
        reader.join()
    assert refused == [{"revoke": "revoked", "pause": "paused"}[change]] * READERS
