"""What is wrong with `authorization_details`: every fault of one request at once. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Checked = TypeVar("Checked")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where in the array, as a JSON pointer, and what it must be."""

    pointer: str
    detail: str
    attribute: str | None = None  # where a fair-use limit is exceeded: which

    def as_json(self) -> dict[str, str]:
        """Return the fault as it is on the wire."""
        body = {"pointer": self.pointer, "detail": self.detail}
        return body if self.attribute is None else {**body, "attribute": self.attribute}


class DetailsRefused(Exception):
    """The details cannot be accepted.

    `description` is fit for `error_description`: it names the member and what it must be, and repeats nothing of what
    was sent, since that would end up in the logs and pages of others.
    """

    def __init__(
        self,
        error: str,
        description: str,
        index: int | None = None,
        attribute: str | None = None,
        member: str | None = None,
    ) -> None:
        where = "" if index is None else f" at index {index}"
        self.error = error
        self.index = index
        self.attribute = attribute
        self.status = 400 if attribute is None else 412
        self.description = f"authorization_details{where}: {description}"
        place = "" if index is None else "/".join(["", str(index), *filter(None, [attribute or member])])
        self.faults: tuple[Fault, ...] = (Fault(place, description, attribute),)
        super().__init__(self.description)


class DetailFaults:
    """What is wrong with the members of one object, in the order of the checks."""

    def __init__(self) -> None:
        self._found: list[DetailsRefused] = []

    def note(self, refused: DetailsRefused) -> None:
        """Note a fault, and go on."""
        self._found.append(refused)

    def tried(self, check: Callable[[], Checked], otherwise: Checked) -> Checked:
        """Return what a check gives; where it refuses, note why and go on with another value."""
        try:
            return check()
        except DetailsRefused as refused:
            self.note(refused)
            return otherwise

    def refuse(self) -> None:
        """Raise the first fault, with all of them in it, if there is any."""
        if self._found:
            first = self._found[0]
            first.faults = tuple(fault for refused in self._found for fault in refused.faults)
            raise first
