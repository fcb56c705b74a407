"""The demo's second part: a request for financing at four banks, from what the firm needs to money repaid."""

from __future__ import annotations

from collections import Counter

from rich.table import Table

from creditlink.financing.applications.events import WEBHOOKS
from creditlink.kit.clock import day_of, month_start, utc_now
from creditlink.sandbox.people.browser import PageError
from creditlink.sandbox.people.representative import Representative
from creditlink.sandbox.platform.credentials import FirmLogin
from creditlink.sandbox.walk.bodies import ApplicationBody, DisagreementBody, FunnelBody
from creditlink.sandbox.walk.display import yuan
from creditlink.sandbox.walk.lender import Lender
from creditlink.sandbox.walk.stage import DemoStage, WalkFailed

AMOUNT_WAN, TERM_MONTHS = 50, 12
ASKED_AT_ONCE = 3


class FinancingWalk:
    """One request: three banks are asked, one declines, a fourth is next best; of three offers one is accepted."""

    def __init__(self, stage: DemoStage, firm: FirmLogin, person: Representative) -> None:
        self._stage = stage
        self._firm = firm
        self._person = person
        self._request = ""
        self._lenders: list[Lender] = []

    def to_the_end(self) -> None:
        """Walk the whole life of the request."""
        self._stage.heading(f"{self._firm.name} asks for {AMOUNT_WAN}0,000 yuan over {TERM_MONTHS} months")
        try:
            self._ask()
            *willing, unwilling = self._lenders
            self._offer(willing)
            self._sign_too_early(willing[0])
            self._decline(unwilling)
            self._refer()
            winner = self._accept([*willing, self._lenders[-1]])
        except PageError as error:
            raise WalkFailed(f"the firm could not go on: {error}") from None
        self._lend(winner)
        self._repay(winner)
        self._show_reports(winner, unwilling)

    def _ask(self) -> None:
        self._request = self._person.ask_for(amount_wan=AMOUNT_WAN, term_months=TERM_MONTHS)
        best = best_by_lender(self._person.products())
        self._stage.must(len(best) > ASKED_AT_ONCE, "products of more than three lenders are proposed", best)
        self._stage.step(f"it saw what it could get from {len(best)} lenders here, before any of them learned of it")
        self._apply(dict(list(best.items())[:ASKED_AT_ONCE]))

    def _apply(self, chosen: dict[str, str]) -> None:
        """Choose products; each lender hears of its application, takes it in and reads the firm's profile."""
        said = self._person.choose(self._request, list(chosen.values()))
        promise = said[said.index("Each lender gets") :].split(". ")[0]
        self._stage.step(f"it chose {', '.join(chosen.values())} and read: “{promise}”")
        known = {lender.application for lender in self._lenders}
        for institution in chosen:
            officer = self._stage.officers[institution]
            self._stage.event(officer, "financing.applied")
            events = [one for one in officer.events() if one["type"] == "financing.applied"]
            fresh = [one for one in events if one["data"]["application_id"] not in known]
            lender = Lender(self._stage, officer, fresh[-1])
            lender.review()
            self._lenders.append(lender)
        consents = {lender.profile["consent_id"] for lender in self._lenders}
        self._stage.must(len(consents) == len(self._lenders), "each lender has a consent of its own", consents)
        grades = ", ".join(f"{one.institution} {one.profile['grade']}" for one in self._lenders[-len(chosen) :])
        self._stage.step(f"told by webhook, each read its own consent's profile (grade: {grades})")

    def _offer(self, lenders: list[Lender]) -> None:
        for lender in lenders:
            offer = lender.make_offer()
            self._stage.step(
                f"{lender.institution} offered {yuan(offer['amount_fen'])} at {offer['rate_bps'] / 100:.2f} %,"
                f" frozen under {offer['sha256'][:12]}…; the same request again made no second one"
            )

    def _sign_too_early(self, lender: Lender) -> None:
        early = lender.act("signature", {"offer_sha256": lender.offer["sha256"]})
        self._stage.must(early.status == 409, "nothing is signed before the firm accepts", early)
        self._stage.step(f"{lender.institution} tried to sign at once: 409, its allowed steps: {early.body['allowed']}")

    def _decline(self, lender: Lender) -> None:
        reason = lender.unsupported_reason()
        application = lender.do("decline", {"reasons": [reason["code"]], "note": "We look at this more strictly."})
        (weighed,) = application["declined_for"]
        self._stage.step(
            f"{lender.institution} declined: {reason['code']} “{reason['label_en']}”; beside the explanation that it"
            f" had: {weighed['agreement']}"
        )
        refused = lender.officer.call(lender.case, "GET", f"/v1/profiles/{lender.profile['id']}")
        self._stage.must(refused.status in (401, 403), "who declined reads nothing more", refused)
        self._stage.step(f"with that its consent ended; its next read: {refused.status} ({refused.body['reason']})")

    def _refer(self) -> None:
        self._person.browser.open(self._request)
        page = self._person.browser.text
        self._stage.must("Next best" in page, "the firm is shown the next best", page)
        asked = {lender.institution for lender in self._lenders}
        best = {at: code for at, code in best_by_lender(self._person.products()).items() if at not in asked}
        institution = next(iter(best))
        self._stage.step(f"the firm read why, was shown the next best, and refers itself to {institution}")
        self._apply({institution: best[institution]})
        self._offer(self._lenders[-1:])

    def _accept(self, willing: list[Lender]) -> Lender:
        table = Table(title="Three offers, as the firm sees them side by side", title_justify="left")
        for name in ("lender", "amount", "rate", "fee", "yearly cost", "total cost"):
            table.add_column(name, justify="left" if name == "lender" else "right")
        for one in willing:
            offer = one.offer
            table.add_row(
                one.institution, f"{yuan(offer['amount_fen'])}", f"{offer['rate_bps'] / 100:.2f} %",
                f"{yuan(offer['fee_fen'])}", f"{offer['yearly_cost_bps'] / 100:.2f} %",
                f"{yuan(offer['total_cost_fen'])}",
            )  # fmt: skip
        self._stage.console.print(table)
        winner = min(willing, key=lambda one: (one.offer["yearly_cost_bps"], one.institution))
        self._person.accept(self._request, winner.application)
        self._stage.event(winner.officer, "financing.accepted", application_id=winner.application)
        losers = [one for one in willing if one is not winner]
        for one in losers:
            self._stage.event(one.officer, "financing.lapsed", application_id=one.application)
            self._stage.must(one.do()["state"] == "lapsed", "the others' offers lapse", one.application)
        names = " and ".join(one.institution for one in losers)
        self._stage.step(f"it accepted {winner.institution}'s; those of {names} lapsed, their consents ended, all told")
        return winner

    def _lend(self, winner: Lender) -> None:
        amount = winner.offer["amount_fen"]
        winner.do("signature", {"offer_sha256": winner.offer["sha256"]})
        part = amount * 3 // 5
        for reference, drawn in (("first", part), ("second", amount - part)):
            answer = winner.report("draw", amount_fen=drawn, reference=reference)
            self._stage.must(answer.status == 200, "it is drawn in parts", answer)
        beyond = winner.report("draw", amount_fen=1, reference="third")
        is_revolving = winner.offer["repayment"] == "revolving"
        promise = "a revolving line is drawn again" if is_revolving else "nothing beyond the offer is drawn"
        self._stage.must(beyond.status == (200 if is_revolving else 409), promise, beyond)
        self._stage.step(f"signed on the accepted hash, drawn twice; one fen more: {beyond.status}, as {promise}")

    def _repay(self, winner: Lender) -> None:
        now = utc_now()
        month = month_start(day_of(now)).isoformat()
        first = winner.report("repayment", on=month, amount_fen=winner.offer["amount_fen"] // 2, days_past_due=3)
        self._stage.must(first.status == 200 and first.body["state"] == "repaying", "repayments are reported", first)
        taken = winner.report_file(
            [
                ("repayment", month, "100", "0", ""),  # a correction of what was reported one by one
                ("repayment", month, "100", "soon", ""),
                ("closure", day_of(now).isoformat(), "", "", ""),
            ]
        )
        (wrong,) = taken["errors"]
        self._stage.must(taken["recorded"] == 2, "the good rows are in", taken)
        self._stage.step(
            f"outcomes one by one and as a file: {taken['recorded']} rows in; line {wrong['line']}, {wrong['field']} ="
            f" {wrong['value']!r}: {wrong['problem']}"
        )
        application = winner.do()
        self._stage.must(application["state"] == "closed", "the loan is closed", application)
        life = " → ".join(dict.fromkeys(one["to_state"] for one in application["history"]))
        self._stage.step(f"the whole life, as {winner.institution} reads it: {life}")
        self._check_webhooks(winner, application)

    def _check_webhooks(self, lender: Lender, application: ApplicationBody) -> None:
        """Check that its lender got every step of an application by webhook, each once."""
        happened = Counter(one["event"] for one in application["history"])

        def all_sent() -> Counter[str] | None:
            # Two draws are one kind of event: each has arrived only when as many have.
            return found if (found := self._events_at(lender)).total() >= happened.total() else None

        sent = self._stage.wait_for(all_sent, "each step is told", lambda: (self._events_at(lender), happened))
        self._stage.must(sent == happened, "each step is told once", (sent, happened))
        self._stage.step(f"each of its {happened.total()} steps was a signed webhook, once")

    def _events_at(self, lender: Lender) -> Counter[str]:
        """Return how often the lender got each step of its application by webhook."""
        return Counter(
            str(one["data"]["event"])
            for one in lender.officer.events()
            if one["data"].get("application_id") == lender.application
            and one["type"] == f"financing.{WEBHOOKS[str(one['data']['event'])]}"
        )

    def _show_reports(self, winner: Lender, unwilling: Lender) -> None:
        report: DisagreementBody = unwilling.officer.own("GET", "/v1/financing/disagreements").body
        (row, *_) = report["by_reason"]
        agreements = ", ".join(f"{how} {count}×" for how, count in row["agreements"].items())
        self._stage.step(f"{unwilling.institution}'s disagreement report: {row['code']} {agreements}")
        funnel: FunnelBody = winner.officer.own("GET", "/v1/financing/funnel").body
        text = f"{len(funnel['rows'])} rows" if funnel["rows"] else "nothing is told: fewer than ten firms have asked"
        self._stage.step(f"the public funnel: {text}")


def best_by_lender(codes: list[str]) -> dict[str, str]:
    """Return institution -> its best product, in the order of the page; a code begins with its institution's."""
    best: dict[str, str] = {}
    for code in codes:
        best.setdefault(code.partition("-")[0], code)
    return best
