"""The institution's monthly statement: calls and profiles by client, and the same lines as a file."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import cast
from urllib.parse import quote

import flask
import polars as pl
from flask.typing import ResponseReturnValue

from creditlink.desk.site import LenderHere, at_desk, blueprint, show
from creditlink.desk.wire.sending import api_of
from creditlink.kit.clock import add_months, day_of, month_start
from creditlink.kit.files.csvexport import csv_of

_MONTHS = 12
_COLUMNS = {"day": pl.String, "client_id": pl.String, "unit": pl.String, "what": pl.String, "units": pl.Int64}


@blueprint.get("/statement")
@at_desk("desk_admin")
def statement(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show a month, this one unless another is asked for; or hand its lines out as CSV."""
    this_month = month_start(day_of(now))
    month = flask.request.args.get("month") or f"{this_month:%Y-%m}"
    found = api_of(here.actor).own("GET", f"/v1/statements/{quote(month, safe='')}", noted=False)
    lines = cast("list[dict[str, object]]", found["lines"])
    if flask.request.args.get("file") == "csv":
        body = csv_of(pl.DataFrame(lines, schema=_COLUMNS))
        answer = flask.Response(body, content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="statement-{found["month"]}.csv"'
        return answer
    sums: Counter[tuple[str, str, str]] = Counter()
    for line in lines:
        sums[str(line["client_id"]), str(line["unit"]), str(line["what"])] += int(str(line["units"]))
    months = [f"{add_months(this_month, -back):%Y-%m}" for back in range(_MONTHS)]
    return show(
        "technical/statement.html", statement=found, sums=sorted(sums.items()), months=months,
        institution=here.institution_name,
    )  # fmt: skip
