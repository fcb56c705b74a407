"""Who can sign in to a sandbox, and its file: what the processes of demo banks read, and so without the platform."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FirmLogin:
    """A person who may act for a firm of the sandbox."""

    login: str
    password: str
    uscc: str
    name: str
    kind: str  # the generator's, for the reader of the demo; never an input to scoring


@dataclass(frozen=True)
class SandboxStaff:
    """A member of the sandbox's staff: signs in at the pages, or signs commands with a key."""

    login: str
    password: str
    totp_secret: str
    roles: list[str]
    key_file: str


@dataclass(frozen=True)
class DeskLogin:
    """A person who works at a demo bank's desk of pages."""

    login: str
    password: str
    totp_secret: str
    roles: list[str]
    institution: str


@dataclass(frozen=True)
class BankClient:
    """A registered demo bank: what its own process needs."""

    institution: str
    client_id: str
    redirect_uri: str
    port: int
    key_file: str
    webhook_secret: str


@dataclass
class Credentials:
    """Everything that a developer needs to use the sandbox; written to `credentials.json`."""

    issuer: str
    firms: list[FirmLogin] = field(default_factory=list)
    banks: list[BankClient] = field(default_factory=list)
    staff: list[SandboxStaff] = field(default_factory=list)
    desk: list[DeskLogin] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write them, readable by this user only."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Credentials:
        """Read what `save` wrote."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            raw["issuer"],
            [FirmLogin(**f) for f in raw["firms"]],
            [BankClient(**b) for b in raw["banks"]],
            [SandboxStaff(**s) for s in raw.get("staff", ())],
            [DeskLogin(**d) for d in raw.get("desk", ())],
        )


def first_of_each_kind(firms: Sequence[FirmLogin]) -> dict[str, FirmLogin]:
    """Return the firms that the sandbox's script is about, by kind."""
    return {firm.kind: firm for firm in reversed(firms)}
