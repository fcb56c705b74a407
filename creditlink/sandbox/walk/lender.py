"""A demo bank that works on an application: takes it in, reads the profile, offers or declines, lends, reports."""

from __future__ import annotations

from datetime import timedelta

from creditlink.kit.clock import day_of, utc_now
from creditlink.sandbox.banks.desk import BankEvent
from creditlink.sandbox.banks.officer import BankAnswer, Officer
from creditlink.sandbox.walk.bodies import (
    ApplicationBody,
    DeclineReasonBody,
    MatchesBody,
    OfferAnswer,
    OutcomeFileBody,
    ProfileBody,
)
from creditlink.sandbox.walk.consent import compute_profile
from creditlink.sandbox.walk.stage import DemoStage

OFFER_DAYS = 7


class Lender:
    """One application at one bank, from the webhook that announces it."""

    case: str  # this and the profile from `review` on
    profile: ProfileBody
    offer: OfferAnswer  # from `make_offer` on

    def __init__(self, stage: DemoStage, officer: Officer, event: BankEvent) -> None:
        self._stage = stage
        self.officer = officer
        self.institution = officer.institution
        self.application = str(event["data"]["application_id"])

    def act(self, step: str = "", body: dict[str, object] | None = None, **headers: str) -> BankAnswer:
        """Do one step on the application, or read it where no step is named; return the answer, whatever it is."""
        path = f"/v1/financing/applications/{self.application}" + (f"/{step}" if step else "")
        return self.officer.own("POST" if step else "GET", path, json=body, headers=headers)

    def do(self, step: str = "", body: dict[str, object] | None = None, **headers: str) -> ApplicationBody:
        """Do one step, which must be allowed; return the application after it."""
        answer = self.act(step, body, **headers)
        self._stage.must(answer.status == 200, f"{self.institution}: {step or 'reading'} is allowed", answer)
        application: ApplicationBody = answer.body
        return application

    def review(self) -> None:
        """Take the application in, and compute the firm's profile under the consent that came with it."""
        request = self.do("receipt")["request"]
        self.case = self.officer.pick_up(self.application)
        self.do("review")
        self.profile = compute_profile(
            self._stage, self.officer, self.case, amount_fen=request["amount_fen"], term_months=request["term_months"],
            quiet=True,
        )  # fmt: skip

    def make_offer(self) -> OfferAnswer:
        """Offer what the product comes to for this firm, at most what it asks for."""
        application = self.do()
        path = f"/v1/profiles/{self.profile['id']}/matches?product={application['product']['code']}"
        matches: MatchesBody = self.officer.call(self.case, "GET", path).body
        (product,) = matches["products"]
        request, priced = application["request"], product["offer"]
        terms: dict[str, object] = {
            "amount_fen": min(request["amount_fen"], priced.get("limit_fen") or request["amount_fen"]),
            "term_months": request["term_months"],
            "rate_bps": round(priced["rate_bps"]),
            "valid_until": (utc_now() + timedelta(days=OFFER_DAYS)).isoformat(timespec="seconds"),
        }
        key = {"Idempotency-Key": f"offer-{self.application}"}
        self.offer = self.do("offers", terms, **key)["offer"]
        again = self.do("offers", terms, **key)["offer"]
        self._stage.must(again == self.offer, "the same key makes one offer", again)
        if request["term_months"] == priced["term_months"]:
            one_cost = self.offer["yearly_cost_bps"] == priced["yearly_cost_bps"]
            self._stage.must(one_cost, "an offer as the product says costs what the match said", self.offer)
        return self.offer

    def unsupported_reason(self) -> DeclineReasonBody:
        """Return a reason for a decline that the explanation contradicts: it is about what helps the firm."""
        helps = {row["code"] for row in self.profile["strengths"]}
        known: list[DeclineReasonBody] = self.officer.own("GET", "/v1/decline-reasons").body["items"]
        return next((one for one in known if helps & set(one["reason_codes"])), known[0])

    def report(self, kind: str, **more: object) -> BankAnswer:
        """Report one thing that happened to the loan today."""
        return self.act("outcomes", {"kind": kind, "on": day_of(utc_now()).isoformat()} | more)

    def report_file(self, rows: list[tuple[str, ...]]) -> OutcomeFileBody:
        """Send a CSV file of outcomes of this application; return what became of its lines."""
        header = "application_id,kind,on,amount_fen,days_past_due,reference"
        text = "\n".join([header, *(",".join((self.application, *row)) for row in rows)]) + "\n"
        answer = self.officer.own("POST", "/v1/financing/outcomes", text=text, headers={"Content-Type": "text/csv"})
        self._stage.must(answer.status == 200, "the file is taken", answer)
        report: OutcomeFileBody = answer.body
        return report
