"""A demo bank with an application before it: takes it in, reads the profile, offers or declines, lends, reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from creditlink.kit.clock import day_of, utc_now
from creditlink.sandbox.banks.officer import BankAnswer, Officer
from creditlink.sandbox.walk.consent import profiled
from creditlink.sandbox.walk.stage import DemoStage

OFFER_DAYS = 7


class Lender:
    """One application at one bank, from the webhook that told of it."""

    def __init__(self, stage: DemoStage, officer: Officer, told: dict[str, Any]) -> None:
        self._stage = stage
        self.officer = officer
        self.institution = officer.institution
        self.application: str = told["data"]["application_id"]
        self.case = ""
        self.profile: dict[str, Any] = {}
        self.offer: dict[str, Any] = {}

    def act(self, step: str = "", body: dict[str, Any] | None = None, **headers: str) -> BankAnswer:
        """Do one step on the application, without a step read it; the answer is returned whatever it is."""
        path = f"/v1/financing/applications/{self.application}" + (f"/{step}" if step else "")
        wanted: dict[str, Any] = {"headers": headers} | ({} if body is None else {"json": body})
        return self.officer.own("POST" if step else "GET", path, **wanted)

    def done(self, step: str = "", body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        """Do one step, which must be allowed; return how the application stands."""
        answer = self.act(step, body, **headers)
        self._stage.must(answer.status == 200, f"{self.institution}: {step or 'reading'} is allowed", answer)
        standing: dict[str, Any] = answer.body
        return standing

    def review(self) -> None:
        """Take the application in, and compute the firm's profile under the consent that came with it."""
        request = self.done("receipt")["request"]
        self.case = self.officer.pick_up(self.application)
        self.done("review")
        self.profile = profiled(
            self._stage, self.officer, self.case, amount_fen=request["amount_fen"], term_months=request["term_months"],
            quiet=True,
        )  # fmt: skip

    def make_offer(self) -> dict[str, Any]:
        """Offer what the product comes to for this firm, at most what it asks for."""
        standing = self.done()
        matches = self.officer.call(self.case, "GET", f"/v1/profiles/{self.profile['id']}/matches").body
        product = next(row for row in matches["products"] if row["product"] == standing["product"]["code"])
        asked, priced = standing["request"], product["offer"]
        amount = min(asked["amount_fen"], priced["limit_fen"] or asked["amount_fen"])
        terms = {
            "amount_fen": amount,
            "term_months": asked["term_months"],
            "rate_bps": round(priced["rate_bps"]),
            "valid_until": (utc_now() + timedelta(days=OFFER_DAYS)).isoformat(timespec="seconds"),
        }
        key = {"Idempotency-Key": f"offer-{self.application}"}
        self.offer = self.done("offers", terms, **key)["offer"]
        again = self.done("offers", terms, **key)["offer"]
        self._stage.must(again == self.offer, "the same key makes one offer", again)
        if terms["term_months"] == priced["term_months"]:
            one_cost = self.offer["yearly_cost_bps"] == priced["yearly_cost_bps"]
            self._stage.must(one_cost, "an offer as the product says costs what the match said", self.offer)
        return self.offer

    def reason_against(self) -> dict[str, Any]:
        """Return a typed reason that the explanation does not bear out: it speaks of what helps the firm."""
        helps = {row["code"] for row in self.profile["strengths"]}
        known: list[dict[str, Any]] = self.officer.own("GET", "/v1/decline-reasons").body["items"]
        return next((one for one in known if helps & set(one["reason_codes"])), known[0])

    def report(self, kind: str, **more: Any) -> BankAnswer:
        """Report one thing that became of the loan today."""
        body = {"kind": kind, "on": day_of(utc_now()).isoformat()} | more
        return self.act("outcomes", body)

    def report_file(self, rows: list[tuple[str, ...]]) -> dict[str, Any]:
        """Send a CSV file of outcomes of this application; return what became of its lines."""
        header = "application_id,kind,on,amount_fen,days_past_due,reference"
        text = "\n".join([header, *(",".join((self.application, *row)) for row in rows)]) + "\n"
        answer = self.officer.own("POST", "/v1/financing/outcomes", text=text, headers={"Content-Type": "text/csv"})
        self._stage.must(answer.status == 200, "the file is taken", answer)
        taken: dict[str, Any] = answer.body
        return taken
