"""The copy-paste examples: one file that runs in each language, cut into the steps that the page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from flask_babel import gettext

from creditlink.kit.errors import NotFound

FOLDER = Path(__file__).parent / "walks"
_STEP = re.compile(r"^ *(?:#|//) === (\w+)\n", re.MULTILINE)
_PLACE = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True)
class ExampleLanguage:
    """A language, the file that a developer saves, and how to run it."""

    slug: str
    name: str
    file: str
    needs: str
    run: str

    @property
    def source(self) -> Path:
        """Where the text is kept."""
        return FOLDER / f"{self.file}.txt"


LANGUAGES = (
    ExampleLanguage("curl", "curl", "creditlink.sh", "bash, curl, openssl", "bash creditlink.sh"),
    ExampleLanguage("python", "Python", "creditlink.py", "pip install httpx joserfc", "python creditlink.py"),
    ExampleLanguage(
        "typescript", "TypeScript", "creditlink.ts", "Node.js 22.6", "node --experimental-strip-types creditlink.ts",
    ),
    ExampleLanguage("java", "Java", "CreditLink.java", "Java 17", "java CreditLink.java"),
)  # fmt: skip


def named(slug: str) -> ExampleLanguage:
    """Return a language.

    Raises
    ------
    NotFound
        There is none of this name.
    """
    for one in LANGUAGES:
        if one.slug == slug:
            return one
    raise NotFound


def written(language: ExampleLanguage, values: Mapping[str, str]) -> str:
    """Return the whole example with the developer's own values in it."""
    return _PLACE.sub(lambda found: values[found[1]], language.source.read_text(encoding="utf-8"))


def steps(text: str) -> list[tuple[str, str]]:
    """Return the steps of an example: a name, and the text to copy."""
    parts = _STEP.split(text)
    return [(name, dedent(body).strip("\n")) for name, body in zip(parts[1::2], parts[2::2], strict=True)]


def titles() -> dict[str, str]:
    """Return what each step does, in words."""
    return {
        "setup": gettext("Your client, its key, and what every request carries: an assertion and a proof"),
        "inbox": gettext("Ask a firm in its inbox, and poll for the answer"),
        "profile": gettext("Compute its credit profile"),
        "matches": gettext("Read the matching products"),
        "browser": gettext("Or ask through the firm's browser: push the request, exchange the code"),
        "webhook": gettext("Check that a webhook is ours"),
        "run": gettext("Run it"),
    }
