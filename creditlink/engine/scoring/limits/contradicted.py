"""A firm's own records that an office contradicts: a person must look, and the profile says why. Pure.

PD and points follow from the facts that were used, which an office's always are where there are any. What the firm
said beside them changes none of it. docs/adr/0050-uploads-of-the-firm.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from creditlink.engine.scoring.settings import ContradictedSettings


class ContradictionJson(TypedDict):
    """A file of the firm's that an office contradicts, as a stored profile names it."""

    category: str
    uploaded_on: str
    periods: int  # of which the office says something else, or nothing


@dataclass(frozen=True)
class Contradicted:
    """The files that an office contradicts by more than may be overlooked."""

    files: Sequence[ContradictionJson]
    settings: ContradictedSettings

    def review(self) -> list[dict[str, object]]:
        """Return why a person must review it, in the form of the other reasons for human review."""
        return [
            {
                "code": self.settings.code,
                "category": one["category"],
                "subject": f"coverage.{one['category']}.uploads",
                "observed": one["uploaded_on"],
                "label_zh": self.settings.label_zh,
                "label_en": self.settings.label_en,
                "text_zh": f"企业于{one['uploaded_on']}上传的文件与主管机关的数据不一致，涉及{one['periods']}个期间。",
                "text_en": f"The file that the firm uploaded on {one['uploaded_on']} does not agree with its office in "
                f"{one['periods']} period{'' if one['periods'] == 1 else 's'}.",
            }
            for one in self.files
        ]
