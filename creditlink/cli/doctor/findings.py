"""What the doctor found, and how strong a secret is. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["error", "warning"]

_LEAST_BITS = 96.0
_NAMED = re.compile(r"setting (?P<name>[\w.]+)")
_VARIABLES = re.compile(r"\b(?:CREDITLINK_[A-Z0-9_]+|DATABASE(?:_API)?_URL)\b")
_FILE = re.compile(r"(?:configuration file |in )(?P<file>[\w.-]+\.(?:toml|csv))")


@dataclass(frozen=True)
class DoctorFinding:
    """One thing that is missing or weak. An error keeps the platform from working or protecting; a warning does not."""

    level: Level
    code: str  # what is wrong, in one word that stays the same
    what: str
    mend: str  # the command, or the setting


def error(code: str, what: str, mend: str) -> DoctorFinding:
    """Return a finding that must be mended."""
    return DoctorFinding("error", code, what, mend)


def warning(code: str, what: str, mend: str) -> DoctorFinding:
    """Return a finding that somebody should have decided."""
    return DoctorFinding("warning", code, what, mend)


def without(findings: Iterable[DoctorFinding], accepted: Iterable[str]) -> list[DoctorFinding]:
    """Return the findings but for warnings that somebody has accepted, errors first."""
    known = set(accepted)
    left = [one for one in findings if one.level == "error" or one.code not in known]
    return sorted(left, key=lambda one: one.level != "error")


def as_json(findings: Iterable[DoctorFinding]) -> dict[str, object]:
    """Return the answer for programs."""
    listed = list(findings)
    return {
        "status": "ill" if any(one.level == "error" for one in listed) else "well",
        "findings": [asdict(one) for one in listed],
    }


def mend_of(fault: str) -> str:
    """Return what mends a wrong setting, from the message that names it."""
    variables = list(dict.fromkeys(_VARIABLES.findall(fault)))
    if fault.startswith("unknown variable"):
        return f"remove {variables[0]} from the environment, or spell it right"
    if variables:
        return f"set {', '.join(variables)}"
    if file := _FILE.search(fault):
        return f"correct {file['file']} in the configuration folder"
    if named := _NAMED.search(fault):
        return f"set CREDITLINK_{named['name'].upper()}, or {named['name']} in a file of the configuration folder"
    return "correct what it names"


def weakness_of(secret: str) -> str | None:
    """Return why somebody could guess a secret, or None.

    Counted is the entropy of its characters as they occur, for each run of three that it did not have before: a random
    text of 32 characters has far more than 96 bits, one that repeats itself has not.
    """
    counted = Counter(secret)
    each = -sum(n / len(secret) * math.log2(n / len(secret)) for n in counted.values()) if secret else 0.0
    bits = each * len({secret[at : at + 3] for at in range(len(secret) - 2)})
    if bits < _LEAST_BITS:
        return f"can be guessed: it has {bits:.0f} bits by the characters it is made of, {_LEAST_BITS:.0f} are wanted"
    return None
