"""A small catalogue for the tests of reasons: what reasons need to know, and no more."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plain:
    name: str
    category: str
    dimension: str
    unit: str
    direction: int
    reason_code: str
    also: tuple[str, ...] = ()
    actionable: bool = True
    window: int = 12

    @property
    def label_zh(self):
        return f"指标{self.name}"

    @property
    def label_en(self):
        return f"Indicator {self.name}"

    @property
    def categories(self):
        return (self.category, *self.also)


CATALOGUE = {
    indicator.name: indicator
    for indicator in (
        Plain("sales", "tax", "tax", "fen", -1, "R001"),
        Plain("sales_growth", "tax", "tax", "ratio", -1, "R002"),
        Plain("headcount", "social_security", "employment", "people", -1, "R003"),
        Plain("late", "utility", "energy", "count", 1, "R004"),
        Plain("usage", "utility", "energy", "kg", 0, "R005", actionable=False),
        Plain("sales_per_head", "tax", "consistency", "fen", 0, "R006", also=("social_security",)),
        Plain("age", "registration", "standing", "months", -1, "R007"),
    )
}
NAMES = tuple(CATALOGUE)
GROUPS = {"sales_all": ("sales", "sales_growth", "not_in_this_model")}
DIRECTIONS = "(" + ",".join(str(indicator.direction) for indicator in CATALOGUE.values()) + ")"
