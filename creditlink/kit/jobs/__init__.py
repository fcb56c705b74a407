"""Background work: one PostgreSQL-backed queue, jobs deferred in the caller's transaction.

The tables of the slices are the truth, and the queue is a hint: each slice has a sweep that requeues whatever
lost its job, so that no crash leaves anything waiting for ever.
"""

from creditlink.kit.jobs.items import SweepTally, each
from creditlink.kit.jobs.queue import AGAIN, DEAD_AFTER_SECONDS, app, defer

__all__ = ["AGAIN", "DEAD_AFTER_SECONDS", "SweepTally", "app", "defer", "each"]
