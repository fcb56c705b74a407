"""How long the PDF of a report takes: p50 and p95 of whole documents, two years of months in them, zh and en.

    python benchmarks/reports.py [--rounds N] [--json]

From the claims to the sealed file, one after the other, as a process makes them. Ends with 1 beyond the budget.
"""

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, date, datetime, timedelta

from creditlink.consents.agreement.categories import CATEGORIES
from creditlink.engine.scoring.scale import Scale
from creditlink.kit.clock import add_months
from creditlink.reports import signing
from creditlink.reports.content import Maker, MonthlyFact, ProfileTold, claims_of
from creditlink.reports.rules import WantedReport
from creditlink.reports.typeset import pdf

BUDGET_SECONDS = 2.0
SECRET = "k" * 40
MADE = datetime(2026, 12, 1, 2, 3, 4, tzinfo=UTC)


def claims(language, name):
    """Return the claims of a report on a firm whose every section is full."""
    facts = []
    for number in range(24):
        period = add_months(date(2024, 12, 1), number)
        sales = {"taxable_sales_fen": 10**8 + 10**6 * number, "exempt_sales_fen": 0, "paid_fen": 10**6, "months": 1}
        facts += [
            MonthlyFact("vat_declarations", period, "", sales),
            MonthlyFact("payroll_months", period, "", {"headcount": 20 + number}),
            MonthlyFact("meter_months", period, "electricity", {"usage": 9_000.5 + number}),
        ]
    reasons = [
        {"code": f"R{n:03}", "sentence_zh": "连续六个月按期申报增值税，好于同行业同规模企业的中位数。" * 2,
         "sentence_en": "VAT was filed in time for six months, better than the median of its peers. " * 2,
         "points_contribution": 10.5 - n}
        for n in range(4)
    ]  # fmt: skip
    dimensions = [
        {"name": str(n), "label_zh": "税务", "label_en": "Tax", "points_contribution": 20.0 - 9 * n} for n in range(5)
    ]
    summary = {
        "validity": {"valid_until": "2026-12-31T00:00:00+08:00"}, "interval": {"pd_low": 0.01, "pd_high": 0.03},
        "reasons": reasons, "strengths": reasons, "knock_outs": [], "human_review": [], "dimensions": dimensions,
    }  # fmt: skip
    there = {"status": "delivered", "months": 24, "first_month": "2024-12", "last_month": "2026-11"}
    profile = ProfileTold(
        "prf_" + "0" * 32, date(2026, 12, 1), MADE, "scored", "B", 660, 0.0158, summary,
        dict.fromkeys(CATEGORIES, there), {"points_base": 610.0, "points_calibration": 1.0, "points_exact": 660.4},
        [], "model", "a" * 64, "b" * 64,
    )  # fmt: skip
    registration = {
        "uscc": "91440606MA4UQ1234X", "name": name, "industry": "C33", "region": "440606", "entity_type": "company",
        "status": "active", "established_on": date(2015, 3, 2), "registered_capital_fen": 5 * 10**8,
        "legal_representative": "陈镕玥", "address": "佛山市顺德区大良街道永盛路8号",
    }  # fmt: skip
    return claims_of(
        report_id="rpt_" + "1" * 32, issuer="https://creditlink.example",
        address="https://creditlink.example/verify/" + "x" * 43,
        asked=WantedReport("佛山农商银行大良支行", "流动资金贷款", language, 30), maker=Maker("firm", "", "", "cns_1"),
        registration=registration, profile=profile, facts=facts,
        labels={name: (one.text("zh")[0], one.text("en")[0]) for name, one in CATEGORIES.items()}, scale=Scale(),
        months=24, made_at=MADE, valid_until=MADE + timedelta(days=30),
    )  # fmt: skip


def made(language, number):
    """Return the seconds that one report takes, from claims to the sealed file, and the file's bytes."""
    began = time.perf_counter()
    said = claims(language, f"佛山市永盛五金制品有限公司{number}")
    signed = signing.sign(said, secret=SECRET)
    digest = signing.digest_of(signed)
    file = signing.seal(pdf.pages_of(said, signed=signed, digest=digest), digest=digest, secret=SECRET)
    return time.perf_counter() - began, len(file)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print JSON, as it does anyway")
    rounds = parser.parse_args().rounds
    first, _ = made("zh", 0)
    found = {"first_seconds": round(first, 3), "budget_p95_seconds": BUDGET_SECONDS}
    worst = 0.0
    for language in ("zh", "en"):
        runs = [made(language, number) for number in range(rounds)]
        seconds = sorted(one for one, _ in runs)
        p95 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.95))]
        worst = max(worst, p95)
        found[language] = {
            "rounds": rounds,
            "p50_seconds": round(statistics.median(seconds), 4),
            "p95_seconds": round(p95, 4),
            "bytes": round(statistics.median(size for _, size in runs)),
        }
    print(json.dumps(found, indent=2))
    return 0 if worst < BUDGET_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
