"""A model that the watch froze for a purpose: a person looks at every decision, and the profile says why. Pure.

PD and points stay as they are: what drifted may be the firms and not the model. What ends is that they decide alone.
docs/adr/0061-watch-in-operation.md
"""

from __future__ import annotations

from typing import TypedDict

CODE = "H04"
LABEL_ZH = "模型输入出现异常变动,须人工复核"
LABEL_EN = "The model is under watch: a person must review the decision"


class FrozenInputs(TypedDict):
    """Since when the model was frozen for the purpose, as a stored profile names it."""

    since: str  # the day in Asia/Shanghai
    model_id: str


def review(frozen: FrozenInputs) -> dict[str, object]:
    """Return why a person must review it, in the form of the other reasons for human review."""
    since = frozen["since"]
    return {
        "code": CODE,
        "category": None,
        "subject": "model",
        "observed": since,
        "label_zh": LABEL_ZH,
        "label_en": LABEL_EN,
        "text_zh": f"自{since}起，本模型的输入或评分分布与训练时明显不同，在查明原因之前，每项结果均须人工复核。",
        "text_en": f"Since {since} what goes into the model, or its scores, differ clearly from where it was trained; "
        "until the cause is known a person reviews every result.",
    }
