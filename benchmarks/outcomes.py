"""How long a lender's file of outcomes takes as it grows: all draws of one revolving line, the worst case.

    python benchmarks/outcomes.py [--draws N ...] [--json]

Each size gets a loan of its own. The time is that of reading the file and recording its lines in portions, as the API
does; the last column is the seconds for a thousand lines, which must not grow with the file. Without DATABASE_URL an
embedded server in a temporary folder is used. The loan is put there with the database's triggers off.
"""

import argparse
import atexit
import json
import os
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text

from creditlink.financing.loans import reporting
from creditlink.financing.tables import Application, FinancingRequest, Offer
from creditlink.institutions.tables import Institution
from creditlink.kit.files import textfile
from creditlink.kit.postgres import db, embedded, schema


def lent(database, now):
    """Return the lender's id and the wire id of a revolving line that it signed."""
    lender, firm = uuid4(), uuid4()
    request = FinancingRequest(
        id=uuid4(), enterprise_id=firm, asked_by=uuid4(), amount_fen=10**12, term_months=12, use="working_capital",
        collateral="none", version=1, made_at=now, changed_at=now, expires_at=now + timedelta(days=1),
    )  # fmt: skip
    terms = {"amount_fen": 10**12, "repayment": "revolving"}
    loan = Application(
        id=uuid4(), request_id=request.id, enterprise_id=firm, institution_id=lender, client_id="bench",
        consent_id=uuid4(), product_code="BENCH", product_version=1, state="signed", made_at=now, changed_at=now,
        answer_due_at=now + timedelta(days=1), decline_codes=[], decline_note="", decline_weighed=[],
    )  # fmt: skip
    bank = Institution(
        id=lender, code=f"B{lender.hex[:8]}", name_zh="甲", name_en="A", kind="bank", pairwise_salt="s", created_at=now
    )
    with database.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.add_all([bank, request, loan])
        session.flush()
        session.add(
            Offer(
                application_id=loan.id,
                enterprise_id=firm,
                institution_id=lender,
                revision=1,
                terms=terms,
                sha256="",
                made_at=now,
                valid_until=now + timedelta(days=1),
            )
        )
    return lender, loan.wire_id


def measure(database, draws):
    """Return the seconds for a file of so many draws of one loan."""
    now = datetime.now(UTC)
    lender, loan = lent(database, now)
    rows = [f"{loan},draw,{date(2026, 1, 5)},100,,r{n}" for n in range(draws)]
    body = "\n".join(["application_id,kind,on,amount_fen,days_past_due,reference", *rows]).encode()
    began = time.perf_counter()
    taken = reporting.OutcomeReport()
    for lines in reporting.portions(textfile.decode(body), form="csv"):
        with database.transaction("api") as session:
            taken += reporting.take_lines(session, lender, lines, actor="bank:bench", now=datetime.now(UTC))
    if taken.recorded != draws:
        raise SystemExit(f"{taken.recorded} of {draws} recorded: {taken.errors[:1]}")
    return time.perf_counter() - began


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, nargs="+", default=[300, 600, 1200], help="default 300 600 1200")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    if min(asked.draws) < 1:
        parser.error("--draws must be at least 1")
    folder = tempfile.TemporaryDirectory(prefix="creditlink-bench-")
    atexit.register(folder.cleanup)  # after the server in it has ended
    server = os.environ.get("DATABASE_URL") or embedded.start(Path(folder.name) / "pg")
    database = db.Database(db.ensure_database(server, f"bench_outcomes_{os.getpid()}"))
    schema.upgrade(database)
    measure(database, 50)  # what is done once: prepared statements, compiled queries
    found = {draws: measure(database, draws) for draws in asked.draws}
    database.close()
    if asked.json:
        sys.stdout.write(json.dumps({str(draws): round(seconds, 2) for draws, seconds in found.items()}) + "\n")
        return
    print(f"{'draws':>8} {'seconds':>9} {'per 1,000':>10}")
    for draws, seconds in found.items():
        print(f"{draws:>8,} {seconds:>9.1f} {seconds / draws * 1000:>10.2f}")


if __name__ == "__main__":
    main()
