"""The demo's first part: consent, pull, profile, explanation, products; data withheld; a firm that is away."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from creditlink.engine.vocabulary import SUPPLIES
from creditlink.sandbox.banks.desk import CaseBody
from creditlink.sandbox.banks.officer import BankAnswer, Officer
from creditlink.sandbox.people.browser import PageError
from creditlink.sandbox.people.representative import Representative
from creditlink.sandbox.platform.credentials import FirmLogin
from creditlink.sandbox.walk.bodies import ExplanationBody, MatchesBody, ProfileBody, RelationsBody
from creditlink.sandbox.walk.display import explanation_in_words, group_in_words, show_products, show_profile
from creditlink.sandbox.walk.stage import DemoStage, WalkFailed

_PROFILE_SECONDS = 90
_ANSWERED = ("delivered", "partial", "no_record")
_FEWEST_SOURCES = 6
_GROUP = 3
"""Firms of the scripted group, and of the scripted circle of guarantees."""
_SMALLER = ("housing_fund", "contract", "intellectual_property", "logistics", "import_export")
"""What the smaller offices hold and a firm may leave out."""


class ConsentWalk:
    """What one bank does with a firm's consent, from asking for it to its withdrawal."""

    def __init__(self, stage: DemoStage) -> None:
        self._stage = stage
        self._officer = next(iter(stage.officers.values()))

    def walk_healthy(self, firm: FirmLogin, person: Representative) -> tuple[str, ProfileBody]:
        """Walk a firm that grants everything; return the bank's case and the profile."""
        self._stage.heading(f"A bank asks {firm.name} for consent")
        case = self.ask(firm, person, required=["tax", "social_security"], optional=[*SUPPLIES, *_SMALLER])
        profile = compute_profile(self._stage, self._officer, case)
        show_profile(self._stage.console, profile)
        self._sources(profile)
        self._relations(case)
        self._explain(case, profile)
        self._match(case, profile)
        return case, profile

    def revoke(self, person: Representative, case: str, profile: ProfileBody) -> None:
        """Let the firm revoke its consent: from then on nothing is read or refreshed, and a webhook tells the bank."""
        stage = self._stage
        stage.heading("The firm takes its consent back")
        person.revoke(profile["consent_id"])
        stage.step("the firm revoked the consent on its page, two clicks from home")
        again = self._officer.call(case, "GET", f"/v1/profiles/{profile['id']}")
        stage.must(again.status in (401, 403), "the next read is refused", again)
        stage.step(
            f"the bank's next read: {again.status} {again.body.get('title', '')} ({again.body.get('reason', '')})"
        )
        renewed = self._officer.refresh(case)
        stage.must(renewed["status"] == 400, "no new token after revocation", renewed)
        refusal = renewed.get("body")
        error = refusal.get("error") if isinstance(refusal, dict) else refusal
        stage.step(f"the bank's next token request: {renewed['status']} {error}")
        event = stage.event(self._officer, "consent.revoked", consent_id=profile["consent_id"])
        stage.step(
            f"the bank was told by a signed webhook, {event['webhook_id']}: {event['type']} {event['data']['reason']}"
        )

    def walk_distressed(self, firm: FirmLogin) -> None:
        """Walk a firm that withholds a category while a source that the bank requires is down."""
        stage = self._stage
        stage.heading(f"A second firm, {firm.name}: one category withheld, one office down")
        self._fault("social_security", firm.uscc, "http500", times=1000)
        person = stage.person(firm, "zh")
        case = self.ask(firm, person, required=["tax", "social_security"], optional=[*SUPPLIES], without=("gas",))
        refused = request_profile(self._officer, case, {})
        stage.must(refused.status == 409, "a required category that is down gives no profile", refused)
        stage.step(f"409, and no use is spent: {refused.body.get('detail')}")
        profile = compute_profile(stage, self._officer, case, accept_partial=["social_security"])
        stage.must(profile["partial"] is not None, "what was accepted by name is marked", profile)
        show_profile(stage.console, profile)
        stage.must(bool(profile["relations"]["ways_to_revoked"]), "the way to a struck-off firm is told", profile)
        stage.step("what was not granted and which office was down is said, category by category, never guessed")
        self._fault("social_security", firm.uscc, None)
        # Without it the office would soon be asked again, and its answer would serve the next demo on this database.
        person.revoke(profile["consent_id"])

    def walk_absent(self, firm: FirmLogin) -> None:
        """Walk a firm that is away when the bank asks."""
        stage = self._stage
        stage.heading(f"A third firm, {firm.name}, is away: the request waits in its inbox")
        case, interval = self._officer.ask_in_inbox(firm.uscc, required=["tax"], optional=[], message="0042")
        first = self._officer.poll(case)
        stage.must(first["state"] == "asked", "nothing before the firm answers", first)
        asked_at = time.monotonic()
        stage.step("the bank polled: authorization_pending")
        stage.person(firm).answer_inbox(having="0042")
        stage.step("the firm signed in, found the request with the bank's reference 0042, and approved")
        time.sleep(max(0.0, asked_at + interval + 0.2 - time.monotonic()))  # the pace that the platform asks for
        second = self._officer.poll(case)
        stage.must(second["state"] == "granted", "the next poll brings the tokens", second)
        stage.step("the bank polled again and got its tokens, once")

    def ask(
        self,
        firm: FirmLogin,
        person: Representative,
        *,
        required: list[str],
        optional: list[str],
        without: tuple[str, ...] = (),
        quiet: bool = False,
    ) -> str:
        """Ask a firm and let it decide; return the bank's case.

        Raises
        ------
        WalkFailed
            The bank could not ask, the firm could not decide, or no tokens came.
        """
        stage = self._stage
        try:
            opened = self._officer.ask(firm.uscc, required=required, optional=optional)
        except httpx.HTTPStatusError as error:
            raise WalkFailed(f"the bank could not ask: {error.response.text}") from None
        if not quiet:
            stage.step(f"{self._officer.institution} pushed its request and got an address for the firm's browser")
        try:
            said = person.decide(opened["send_the_firm_to"], without=without)
        except PageError as error:
            raise WalkFailed(f"the firm could not decide: {error}") from None
        if not quiet:
            stage.step("the firm signed in and read: " + said[:150] + " …")
        case = self._officer.case(opened["case"])
        stage.must(case["state"] == "granted", "the firm approves and the bank gets its tokens", case)
        if not quiet:
            granted = _granted_categories(case)
            stage.step(f"the firm approved {', '.join(granted)}; the bank exchanged the code for DPoP-bound tokens")
        return opened["case"]

    def profile_of(self, case: str) -> ProfileBody:
        """Compute a profile without printing its steps."""
        return compute_profile(self._stage, self._officer, case, quiet=True)

    def _sources(self, profile: ProfileBody) -> None:
        """Say which offices were asked and answered."""
        answered = sorted({str(row["source"]) for row in profile["coverage"].values() if row["status"] in _ANSWERED})
        self._stage.must(len(answered) >= _FEWEST_SOURCES, f"{_FEWEST_SOURCES} sources answer", profile["coverage"])
        self._stage.step(f"{len(answered)} sources answered: {', '.join(answered)}")

    def _relations(self, case: str) -> None:
        """Read the firm's group and the circle of guarantees that it is in."""
        answer = self._officer.call(case, "GET", "/v1/relations")
        self._stage.must(answer.status == 200, "the relations are read", answer)
        relations: RelationsBody = answer.body
        guarantees = relations["guarantees"]
        self._stage.must(len(relations["group"]) >= _GROUP, "the firm has a group", relations)
        self._stage.must(guarantees is not None and guarantees["circles"] == [_GROUP], "it is in a circle", relations)
        self._stage.step(group_in_words(relations))

    def _explain(self, case: str, profile: ProfileBody) -> None:
        answer = self._officer.call(case, "GET", f"/v1/profiles/{profile['id']}/explanation")
        self._stage.must(answer.status == 200, "the explanation is read", answer)
        body: ExplanationBody = answer.body
        total = body["base_value"] + sum(row["contribution"] for row in body["indicators"])
        self._stage.must(abs(total - body["margin"]) < 1e-6, "base + contributions = margin", body)
        self._stage.step(explanation_in_words(body))

    def _match(self, case: str, profile: ProfileBody) -> None:
        answer = self._officer.call(case, "GET", f"/v1/profiles/{profile['id']}/matches")
        self._stage.must(answer.status == 200, "the matches are read", answer)
        matches: MatchesBody = answer.body
        self._stage.step("products: " + ", ".join(f"{n} {state}" for state, n in matches["counts"].items()))
        show_products(self._stage.console, matches)

    def _fault(self, bureau: str, uscc: str, mode: str | None, times: int = 1) -> None:
        url = self._stage.stack.bureau_urls[bureau] + "/_faults"
        if mode is None:
            httpx.delete(url, trust_env=False).raise_for_status()
        else:
            httpx.post(url, json={"uscc": uscc, "mode": mode, "times": times}, trust_env=False).raise_for_status()


def _granted_categories(case: CaseBody) -> list[str]:
    """Return the categories that a case's consent opens."""
    details = case["granted"]["authorization_details"]
    return list(details[0]["categories"]) if isinstance(details, list) else []


def compute_profile(
    stage: DemoStage,
    officer: Officer,
    case: str,
    *,
    amount_fen: int = 100_000_000,
    term_months: int = 12,
    accept_partial: list[str] | None = None,
    quiet: bool = False,
) -> ProfileBody:
    """Let a bank compute a profile under a case's consent, and wait for it.

    Raises
    ------
    WalkFailed
        The profile did not come in time, or was refused.
    """
    body: dict[str, object] = {"amount_fen": amount_fen, "term_months": term_months}
    body |= {"accept_partial": accept_partial} if accept_partial else {}

    def say_pending() -> None:
        if not quiet:
            stage.step("202: the records are being pulled from the offices")

    answer = request_profile(officer, case, body, say_pending)
    stage.must(answer.status == 201, "the profile is computed", answer)
    if not quiet:
        stage.step(f"201: records pulled and profile computed; that request took {answer.seconds * 1e3:.0f} ms")
    profile: ProfileBody = answer.body
    return profile


def request_profile(
    officer: Officer, case: str, body: dict[str, object], say_pending: Callable[[], None] = lambda: None
) -> BankAnswer:
    """Ask for a profile until the sources have answered or the time is over; return the last answer."""
    deadline = time.monotonic() + _PROFILE_SECONDS
    while True:
        answer = officer.call(case, "POST", "/v1/profiles", json=body, headers={"Prefer": "wait=20"})
        if answer.status != 202 or time.monotonic() > deadline:
            return answer
        say_pending()
