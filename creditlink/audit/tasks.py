"""Queued work: anchoring the evidence every hour, and having the newest anchor time-stamped."""

from __future__ import annotations

import structlog

from creditlink.audit import anchors, stamps
from creditlink.audit.places import open_place
from creditlink.kit import jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

log = structlog.get_logger()


@jobs.app.periodic(cron="7 * * * *", periodic_id="audit.anchor")
@jobs.app.task(name="audit.anchor", queue="system", lock="audit.anchor", queueing_lock="audit.anchor")
def anchor_heads(timestamp: int) -> None:
    """Write the heads that moved to the place of the anchors, and log which chains are shorter than last time."""
    settings = runtime.part(Settings)
    with db.transaction("worker") as session:
        back = anchors.rewound_chains(session)
    if back:
        log.error("evidence_rewound", chains=[str(chain_id) for chain_id in back])
    try:
        written = anchors.anchor(
            lambda: db.transaction("worker"),
            open_place(settings.anchors_place),
            issuer=settings.issuer,
            secret=settings.secret_key,
            now=utc_now(),
        )
    except Exception as error:
        # Said by name: the age of the last anchor, and the dead letter of the job, are what alerts are made of.
        log.error("evidence_not_anchored", place=settings.anchors_place, error=type(error).__name__)
        raise
    if written:
        last = written[-1]
        log.info(
            "evidence_anchored", anchor=last.number, sha256=last.sha256, heads=sum(len(one.heads) for one in written)
        )
    _stamp(settings)


@jobs.app.periodic(cron="2-59/10 * * * *", periodic_id="audit.stamp")
@jobs.app.task(name="audit.stamp", queue="system", lock="audit.anchor", queueing_lock="audit.stamp")
def stamp_newest(timestamp: int) -> None:
    """Ask again for the time stamp that the newest anchor lacks because the authority was away."""
    _stamp(runtime.part(Settings))


def _stamp(settings: Settings) -> None:
    """Have the newest anchor stamped; an authority that is away is logged, and fails no job."""
    authority = stamps.authority_of(settings)
    if authority is None:
        return
    place = open_place(settings.anchors_place)
    try:
        stamp = stamps.stamp_newest(lambda: db.transaction("worker"), place, authority)
    except stamps.NotStamped as error:
        log.warning("evidence_not_stamped", reason=str(error), again_within_seconds=600)
        return
    if stamp is not None:
        log.info("evidence_stamped", anchor=stamp.number, at=stamp.at.isoformat())
