"""The demo, step by step: what banks, a firm and the platform do, over real HTTP and real pages."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from creditlink.engine.vocabulary import GRADES
from creditlink.sandbox.platform.stack import Stack
from creditlink.sandbox.walk.consent import ConsentWalk
from creditlink.sandbox.walk.display import show_profile
from creditlink.sandbox.walk.financing import FinancingWalk
from creditlink.sandbox.walk.stage import DemoStage, WalkFailed

__all__ = ["Walk", "WalkFailed"]


class Walk:
    """One run of the demo."""

    def __init__(self, console: Console, stack: Stack, *, began: float) -> None:
        self._stage = DemoStage(console, stack, began=began)
        self._consent = ConsentWalk(self._stage)

    def close(self) -> None:
        """Let everybody hang up."""
        self._stage.close()

    def synthetic_firms(self) -> None:
        """Walk a healthy firm through everything, to money repaid; then what else a consent can meet with."""
        firms = {firm.kind: firm for firm in self._stage.stack.credentials.firms}
        person = self._stage.person(firms["healthy"])
        case, profile = self._consent.healthy(firms["healthy"], person)
        FinancingWalk(self._stage, firms["healthy"], person).to_the_end()
        self._consent.taken_back(person, case, profile)
        self._consent.distressed(firms["distressed"])
        self._consent.away(firms["growing"])

    def real_firms(self, *, limit: int | None, out: Path | None) -> None:
        """Profile firms whose tax records are real invoices; show three in full and count the grades."""
        stage = self._stage
        firms = [firm for firm in stage.stack.credentials.firms if firm.kind == "real"][:limit]
        stage.heading(f"{len(firms)} firms whose tax records are real VAT invoices")
        person = stage.person(firms[0])
        profiles: list[dict[str, Any]] = []
        columns = (TextColumn("profiling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=stage.console, transient=True) as progress:
            task = progress.add_task("firms", total=len(firms))
            for firm in firms:
                case = self._consent.consented(firm, person, required=["tax"], optional=[], quiet=True)
                profiles.append({"firm": firm.name, **self._consent.profiled(case)})
                progress.advance(task)
        if out is not None:
            out.write_text("".join(json.dumps(p, ensure_ascii=False) + "\n" for p in profiles), encoding="utf-8")
            stage.step(f"every profile is in {out}")
        counts = Counter(profile["grade"] or "not scorable" for profile in profiles)
        table = Table("grade", "firms", title=f"Grades of {len(profiles)} real firms", title_justify="left")
        for grade in (*GRADES, "not scorable"):
            table.add_row(grade, str(counts.get(grade, 0)))
        stage.console.print(table)
        scored = sorted((p for p in profiles if p["grade"]), key=lambda p: -p["points"])
        for profile in (scored[0], scored[len(scored) // 2], scored[-1]) if scored else ():
            stage.heading(profile["firm"])
            show_profile(stage.console, profile)
