"""The demo, step by step: what banks, a firm and the platform do, over real HTTP and real pages."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from creditlink.engine.vocabulary import GRADES
from creditlink.sandbox.platform.credentials import first_of_each_kind
from creditlink.sandbox.platform.stack import Stack
from creditlink.sandbox.walk.bodies import ProfileBody
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
        """Walk a healthy firm through everything, to money repaid; then the other ways a consent can go."""
        firms = first_of_each_kind(self._stage.stack.credentials.firms)
        person = self._stage.person(firms["healthy"])
        case, profile = self._consent.walk_healthy(firms["healthy"], person)
        FinancingWalk(self._stage, firms["healthy"], person).to_the_end()
        self._consent.revoke(person, case, profile)
        self._consent.walk_distressed(firms["distressed"])
        self._consent.walk_absent(firms["growing"])

    def real_firms(self, *, limit: int | None, out: Path | None) -> None:
        """Profile firms whose tax records are real invoices; show three in full and count the grades."""
        stage = self._stage
        firms = [firm for firm in stage.stack.credentials.firms if firm.kind == "real"][:limit]
        stage.heading(f"{len(firms)} firms whose tax records are real VAT invoices")
        person = stage.person(firms[0])
        profiles: list[tuple[str, ProfileBody]] = []  # name of the firm, its profile
        columns = (TextColumn("profiling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=stage.console, transient=True) as progress:
            task = progress.add_task("firms", total=len(firms))
            for firm in firms:
                case = self._consent.ask(firm, person, required=["tax"], optional=[], quiet=True)
                profiles.append((firm.name, self._consent.profile_of(case)))
                progress.advance(task)
        if out is not None:
            lines = [json.dumps({"firm": name, **profile}, ensure_ascii=False) for name, profile in profiles]
            out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            stage.step(f"every profile is in {out}")
        counts = Counter(profile["grade"] or "not scorable" for _, profile in profiles)
        table = Table("grade", "firms", title=f"Grades of {len(profiles)} real firms", title_justify="left")
        for grade in (*GRADES, "not scorable"):
            table.add_row(grade, str(counts.get(grade, 0)))
        stage.console.print(table)
        scored = sorted((one for one in profiles if one[1]["grade"]), key=lambda one: -one[1]["points"])
        for name, profile in (scored[0], scored[len(scored) // 2], scored[-1]) if scored else ():
            stage.heading(name)
            show_profile(stage.console, profile)
