"""The demo, step by step: what a bank, a firm and the platform do, over real HTTP and real pages."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from creditlink.money import yuan_text
from creditlink.sandbox.browser import PageError
from creditlink.sandbox.officer import Answer, Officer, Representative
from creditlink.sandbox.seed import FirmLogin
from creditlink.sandbox.stack import Stack

HEARD_WITHIN = 20
GRADES = ("A+", "A", "B", "C", "D", "E")


class WalkFailed(Exception):
    """A step did not go as the main job promises."""


class Walk:
    """One run of the demo; every step is printed with the seconds since the start."""

    def __init__(self, console: Console, stack: Stack, *, began: float) -> None:
        self._console = console
        self._stack = stack
        self._began = began
        self._officer = Officer(stack.bank_urls[0])
        self._bank = stack.credentials.banks[0]
        self._people: list[Representative] = []

    def close(self) -> None:
        """Let everybody hang up."""
        self._officer.close()
        for person in self._people:
            person.close()

    def _person(self, firm: FirmLogin, language: str = "en") -> Representative:
        self._people.append(Representative(firm, self._stack.issuer, language=language))
        return self._people[-1]

    def synthetic_firms(self) -> None:
        """Walk a healthy firm through everything, then a distressed one through partial data."""
        firms = {firm.kind: firm for firm in self._stack.credentials.firms}
        self._healthy(firms["healthy"])
        self._distressed(firms["distressed"])
        self._away(firms["growing"])

    def _away(self, firm: FirmLogin) -> None:
        self._heading(f"A third firm, {firm.name}, is away: the request waits in its inbox")
        case, interval = self._officer.ask_in_inbox(firm.uscc, required=["tax"], optional=[], message="0042")
        first = self._officer.poll(case)
        self._must(first["state"] == "asked", "nothing before the firm answers", first)
        asked_at = time.monotonic()
        self._step("the bank polled: authorization_pending")
        self._person(firm).answer_inbox(having="0042")
        self._step("the firm signed in, found the request with the bank's reference 0042, and approved")
        time.sleep(max(0.0, asked_at + interval + 0.2 - time.monotonic()))  # as the platform told the bank to
        second = self._officer.poll(case)
        self._must(second["state"] == "granted", "the next poll brings the tokens", second)
        self._step("the bank polled again and got its tokens, once")

    def _healthy(self, firm: FirmLogin) -> None:
        self._heading(f"A bank asks {firm.name} for consent")
        person = self._person(firm)
        case = self._consented(firm, person, required=["tax", "social_security"], optional=["utility"])
        profile = self._profiled(case)
        self._show(profile)
        self._show_explanation(case, profile)
        self._show_products(case, profile)
        self._heading("The firm takes its consent back")
        person.revoke(profile["consent_id"])
        self._step("the firm revoked the consent on its page, two clicks from home")
        again = self._officer.call(case, "GET", f"/v1/profiles/{profile['id']}")
        self._must(again.status in (401, 403), "the next read is refused", again)
        self._step(
            f"the bank's next read: {again.status} {again.body.get('title', '')} ({again.body.get('reason', '')})"
        )
        renewed = self._officer.refresh(case)
        self._must(renewed["status"] == 400, "no new token after revocation", renewed)
        self._step(f"the bank's next token request: {renewed['status']} {renewed['body'].get('error')}")
        self._step(self._heard_of("consent.revoked", profile["consent_id"]))

    def _heard_of(self, type_: str, consent_id: str) -> str:
        """Wait until the bank was told; return what it was told, in words."""
        deadline = time.monotonic() + HEARD_WITHIN
        while (event := self._officer.heard(type_, consent_id)) is None:
            self._must(time.monotonic() < deadline, f"the bank hears of it within {HEARD_WITHIN} s", {"type": type_})
            time.sleep(0.1)
        return (
            f"the bank was told by a signed webhook, {event['webhook_id']}: {event['type']} {event['data']['reason']}"
        )

    def _distressed(self, firm: FirmLogin) -> None:
        self._heading(f"A second firm, {firm.name}: one category withheld, one office down")
        self._fault("social_security", firm.uscc, "http500", times=1000)
        person = self._person(firm, "zh")
        case = self._consented(
            firm, person, required=["tax"], optional=["social_security", "utility"], without=("utility",)
        )
        profile = self._profiled(case)
        self._show(profile)
        self._step("what was not granted and which office was down is said, category by category, never guessed")
        self._fault("social_security", firm.uscc, None)

    def real_firms(self, *, limit: int | None, out: Path | None) -> None:
        """Profile firms whose tax records are real invoices; show three in full and count the grades."""
        firms = [firm for firm in self._stack.credentials.firms if firm.kind == "real"][:limit]
        self._heading(f"{len(firms)} firms whose tax records are real VAT invoices")
        person = self._person(firms[0])
        profiles: list[dict[str, Any]] = []
        columns = (TextColumn("profiling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task("firms", total=len(firms))
            for firm in firms:
                case = self._consented(firm, person, required=["tax"], optional=[], quiet=True)
                profile = self._profiled(case, quiet=True)
                profiles.append({"firm": firm.name, **profile})
                progress.advance(task)
        if out is not None:
            out.write_text("".join(json.dumps(p, ensure_ascii=False) + "\n" for p in profiles), encoding="utf-8")
            self._step(f"every profile is in {out}")
        counts = Counter(profile["grade"] or "not scorable" for profile in profiles)
        table = Table("grade", "firms", title=f"Grades of {len(profiles)} real firms", title_justify="left")
        for grade in (*GRADES, "not scorable"):
            table.add_row(grade, str(counts.get(grade, 0)))
        self._console.print(table)
        scored = sorted((p for p in profiles if p["grade"]), key=lambda p: -p["points"])
        for profile in (scored[0], scored[len(scored) // 2], scored[-1]) if scored else ():
            self._heading(profile["firm"])
            self._show(profile)

    def _consented(
        self,
        firm: FirmLogin,
        person: Representative,
        *,
        required: list[str],
        optional: list[str],
        without: tuple[str, ...] = (),
        quiet: bool = False,
    ) -> str:
        try:
            asked = self._officer.ask(firm.uscc, required=required, optional=optional)
        except httpx.HTTPStatusError as error:
            raise WalkFailed(f"the bank could not ask: {error.response.text}") from None
        if not quiet:
            self._step(f"{self._bank.institution} pushed its request and got an address for the firm's browser")
        try:
            said = person.decide(asked["send_the_firm_to"], without=without)
        except PageError as error:
            raise WalkFailed(f"the firm could not decide: {error}") from None
        if not quiet:
            self._step("the firm signed in and read: " + said[:230] + " …")
        case = self._officer.case(asked["case"])
        self._must(case["state"] == "granted", "the firm approves and the bank gets its tokens", case)
        if not quiet:
            granted = case["granted"]["authorization_details"][0]["categories"]
            self._step(f"the firm approved {', '.join(granted)}; the bank exchanged the code for DPoP-bound tokens")
        return str(asked["case"])

    def _profiled(self, case: str, *, quiet: bool = False) -> dict[str, Any]:
        deadline = time.monotonic() + 90
        while True:
            answer = self._officer.call(
                case, "POST", "/v1/profiles", json={"amount_fen": 100_000_000, "term_months": 12},
                headers={"Prefer": "wait=20"},
            )  # fmt: skip
            if answer.status != 202 or time.monotonic() > deadline:
                break
            if not quiet:
                self._step("202: the records are being pulled from the offices")
        self._must(answer.status == 201, "the profile is computed", answer)
        if not quiet:
            self._step(f"201: records pulled and profile computed; that request took {answer.seconds * 1e3:.0f} ms")
        profile: dict[str, Any] = answer.body
        return profile

    def _show(self, profile: dict[str, Any]) -> None:
        if profile["state"] == "scored":
            review = "   [yellow]human review[/]" if profile["human_review"] else ""
            self._console.print(
                f"\n  [bold]grade {profile['grade']}[/]   {profile['points']} points   "
                f"PD in 12 months {profile['pd_12m']:.2%}   model {profile['model']['model_id']}{review}"
            )
        else:
            self._console.print(f"\n  [bold]not scorable[/]: {profile['not_scorable_reason']}")
        for fact in profile["knock_outs"]:
            self._console.print(f"  [red]{fact.get('code')}[/] {fact.get('label_zh')} {fact.get('label_en')}")
        table = Table("dimension", "维度", "points", title="What each dimension adds", title_justify="left")
        for row in profile["dimensions"]:
            table.add_row(row["label_en"], row["label_zh"], f"{row['points_contribution']:+.1f}")
        self._console.print(table)
        for title, rows in (("Reasons", profile["reasons"]), ("Strengths", profile["strengths"])):
            for row in rows:
                self._console.print(f"  [bold]{row['code']}[/] {row['points_contribution']:+.1f}  {row['sentence_en']}")
                self._console.print(f"        {row['sentence_zh']}")
            if not rows:
                self._console.print(f"  {title.lower()}: none")
        table = Table("category", "status", "rows", "months", "kept aside", title="Coverage", title_justify="left")
        for category, row in profile["coverage"].items():
            table.add_row(category, *(str(row.get(k, "")) for k in ("status", "rows", "months", "rejected")))
        self._console.print(table)

    def _show_explanation(self, case: str, profile: dict[str, Any]) -> None:
        answer = self._officer.call(case, "GET", f"/v1/profiles/{profile['id']}/explanation")
        self._must(answer.status == 200, "the explanation is read", answer)
        body = answer.body
        total = body["base_value"] + sum(row["contribution"] for row in body["indicators"])
        points = body["points_base"] + sum(r["points_contribution"] for r in body["indicators"])
        self._must(abs(total - body["margin"]) < 1e-6, "base + contributions = margin", body)
        self._step(
            f"{len(body['indicators'])} exact contributions: base {body['base_value']:+.4f} + Σ = margin"
            f" {body['margin']:+.4f};"
            f" in points {points:.2f} {body['points_calibration']:+.2f} (calibration) = {body['points_exact']:.2f}"
        )

    def _show_products(self, case: str, profile: dict[str, Any]) -> None:
        answer = self._officer.call(case, "GET", f"/v1/profiles/{profile['id']}/matches")
        self._must(answer.status == 200, "the matches are read", answer)
        counts = answer.body["counts"]
        self._step("products: " + ", ".join(f"{n} {state}" for state, n in counts.items()))
        table = Table("product", "institution", "rate", "limit", "rules", title="Best products", title_justify="left")
        for row in [p for p in answer.body["products"] if p["state"] == "eligible"][:5]:
            offer = row["offer"]
            limit = f"¥{yuan_text(offer['limit_fen'])}" if offer.get("limit_fen") else "–"
            passed = sum(rule["outcome"] == "pass" for rule in row["rules"])
            table.add_row(
                f"{row['name_zh']} {row['name_en']}", row["institution"], f"{offer['rate_bps'] / 100:.2f} %", limit,
                f"{passed}/{len(row['rules'])} pass",
            )  # fmt: skip
        self._console.print(table)
        for row in answer.body["near_misses"][:3]:
            self._console.print(f"  near miss: {row['name_en']}: {row['unlock_en']}")

    def _fault(self, bureau: str, uscc: str, mode: str | None, times: int = 1) -> None:
        url = self._stack.bureau_urls[bureau] + "/_faults"
        if mode is None:
            httpx.delete(url, trust_env=False).raise_for_status()
        else:
            httpx.post(url, json={"uscc": uscc, "mode": mode, "times": times}, trust_env=False).raise_for_status()

    def _heading(self, text: str) -> None:
        self._console.print(f"\n[bold cyan]{text}[/]")

    def _step(self, text: str) -> None:
        self._console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/]  {text}")

    def _must(self, held: bool, promise: str, seen: Answer | dict[str, Any]) -> None:
        if not held:
            raise WalkFailed(f"expected: {promise}; got {str(seen)[:1500]}")
