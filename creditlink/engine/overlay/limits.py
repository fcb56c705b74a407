"""How far an overlay may go, and what it may not be about: `config/overlay.toml`, checked. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class OverlayLimits:
    """The most that an overlay may move, and words of attributes that no decision on a firm may rest on."""

    most_grades: int
    most_log_odds: float
    protected: tuple[str, ...]

    def protected_in(self, text: str) -> str | None:
        """Return the protected word that a name or a label has in it, if there is one."""
        folded = unicodedata.normalize("NFKC", text).casefold()
        words = set(re.split(r"[\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", unicodedata.normalize("NFKC", text))))
        words = {word.casefold() for word in words} | {re.sub(r"[\W_]+", " ", folded).strip()}
        for word in self.protected:
            # Chinese has no gaps between words; an English word within another is another word.
            if (
                word in folded
                if not word.isascii()
                else word in words or f" {word} " in f" {' '.join(_split(folded))} "
            ):
                return word
        return None


def _split(folded: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", folded) if word]


def parse(raw: Mapping[str, object]) -> OverlayLimits:
    """Return the limits of a parsed `overlay.toml`.

    Raises
    ------
    ValueError
        A member is absent, unknown or out of range.
    """
    if unknown := raw.keys() - {"most_grades", "most_log_odds", "protected", "version"}:
        raise ValueError(f"{min(unknown)}: not a setting")
    grades, log_odds, words = (raw.get(name) for name in ("most_grades", "most_log_odds", "protected"))
    if not isinstance(grades, int) or isinstance(grades, bool) or not 1 <= grades <= 5:
        raise ValueError(f"most_grades: {grades!r} is not a whole number of 1 to 5")
    if not isinstance(log_odds, float) or not 0 < log_odds <= 5:
        raise ValueError(f"most_log_odds: {log_odds!r} is not above 0 and at most 5")
    if not isinstance(words, list) or not words or not all(isinstance(one, str) and one.strip() for one in words):
        raise ValueError("protected: a list of words is expected")
    return OverlayLimits(grades, log_odds, tuple(unicodedata.normalize("NFKC", one).casefold() for one in words))
