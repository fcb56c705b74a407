"""Sets the clock of a Python process off by GAMEDAY_CLOCK_SECONDS: found by PYTHONPATH, read before anything else."""

import os
import time
from datetime import timedelta

_seconds = float(os.environ.get("GAMEDAY_CLOCK_SECONDS", "0"))
if _seconds:
    from procrastinate import utils as queue_clock

    from creditlink.kit import clock

    _true, _time, _queue = clock.wall_clock, time.time, queue_clock.utcnow
    clock.wall_clock = lambda: _true() + timedelta(seconds=_seconds)
    time.time = lambda: _time() + _seconds
    queue_clock.utcnow = lambda: _queue() + timedelta(seconds=_seconds)
