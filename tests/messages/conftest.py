"""Running what is queued on messages, without a worker."""

import json

from sqlalchemy import text

from creditlink.kit.postgres import db
from creditlink.messages import tasks


def run_all(settings, *, rounds=3):
    """Run the queued jobs of this slice as a worker would, also those that they queue; later tries are left."""
    names = {"messages.sort": tasks.sort, "messages.send": tasks.send}
    for _ in range(rounds):
        with db.transaction("owner") as session:
            taken = session.execute(
                text("DELETE FROM procrastinate_jobs WHERE task_name LIKE 'messages.%'"
                     " AND (scheduled_at IS NULL OR scheduled_at <= now()) RETURNING id, task_name, args")
            ).all()  # fmt: skip
        for _, name, args in sorted(taken):
            names[name].func(**(json.loads(args) if isinstance(args, str) else args))
