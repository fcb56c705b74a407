"""The demo's stage: who is on it, and what it prints of each step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console

from creditlink.sandbox.banks.desk import BankEvent
from creditlink.sandbox.banks.officer import Officer
from creditlink.sandbox.people.representative import Representative
from creditlink.sandbox.platform.credentials import FirmLogin
from creditlink.sandbox.platform.stack import Stack

_WAIT_SECONDS = 20
Found = TypeVar("Found")


class WalkFailed(Exception):
    """A step did not go as promised."""


class DemoStage:
    """One run of the demo; every step is printed with the seconds since the start."""

    def __init__(self, console: Console, stack: Stack, *, began: float) -> None:
        self.console = console
        self.stack = stack
        self._began = began
        self.officers = {
            bank.institution: Officer(bank.institution, url)
            for bank, url in zip(stack.credentials.banks, stack.bank_urls, strict=True)
        }
        self._people: list[Representative] = []

    def close(self) -> None:
        """Let everybody hang up."""
        for officer in self.officers.values():
            officer.close()
        for person in self._people:
            person.close()

    def person(self, firm: FirmLogin, language: str = "en") -> Representative:
        """Let somebody who acts for a firm open a browser."""
        self._people.append(Representative(firm, self.stack.issuer, language=language))
        return self._people[-1]

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.console.print(f"\n[bold cyan]{text}[/]")

    def step(self, text: str) -> None:
        """Print one step."""
        self.console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/]  {text}")

    def must(self, kept: bool, promise: str, seen: object) -> None:
        """Go on only if the step went as promised.

        Raises
        ------
        WalkFailed
            It did not; the message says what was seen instead.
        """
        if not kept:
            raise WalkFailed(f"expected: {promise}; got {str(seen)[:1500]}")

    def event(self, officer: Officer, type_: str, **data: object) -> BankEvent:
        """Wait until a bank gets an event by webhook; return it.

        Raises
        ------
        WalkFailed
            The event did not come in time.
        """
        return self.wait_for(
            lambda: officer.event(type_, **data),
            f"{officer.institution} hears of {type_}",
            lambda: [event["type"] for event in officer.events()],
        )

    def wait_for(self, look: Callable[[], Found | None], promise: str, seen: Callable[[], object]) -> Found:
        """Look again and again until there is something; return it.

        Raises
        ------
        WalkFailed
            There was nothing in time; the message says what was seen instead.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        while (found := look()) is None:
            if time.monotonic() >= deadline:
                self.must(False, f"{promise} within {_WAIT_SECONDS} s", seen())
            time.sleep(0.1)
        return found
