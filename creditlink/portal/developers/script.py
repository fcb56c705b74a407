"""The sandbox's scripted firms: who they are, what they do, and what a bank then sees. Pure.

The sandbox registers them and writes their records; the developers' pages document them; a test drives each one and
holds what is said here to what happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from creditlink.kit import uscc as uscc_rules

Answer = Literal["grants", "grants_part", "declines", "silent"]
AfterProfile = Literal["nothing", "pauses", "withdraws"]
Records = Literal["steady", "listed", "thin", "quarterly", "none"]

REQUIRED = ("tax",)
OPTIONAL = ("social_security", "electricity")
"""What the outcomes below are for: these categories asked for, the second row as optional."""

DOWN = "electricity"
"""The office that is down for a firm with `is_down`."""


@dataclass(frozen=True)
class Outcome:
    """What a bank sees of a firm."""

    poll: str  # `tokens`, or the OAuth error of the token endpoint
    profile: int | None = None  # the status of POST /v1/profiles
    problem: str | None = None  # the slug where it is refused
    state: str = "scored"  # of the profile
    grades: tuple[str, ...] = ()  # the grade is one of these
    knock_outs: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()  # codes among its adverse reasons
    coverage: tuple[tuple[str, str], ...] = ()  # category -> its status in the profile
    later: str | None = None  # the reason with which the next read is refused


@dataclass(frozen=True)
class ScriptedFirm:
    """One firm, its representative's login, and its script."""

    slug: str
    name: str
    name_en: str
    serial: int
    answer: Answer
    records: Records
    expected: Outcome
    after_profile: AfterProfile = "nothing"
    is_down: bool = False

    @property
    def uscc(self) -> str:
        """The firm's code: the same in every sandbox."""
        body = f"91440606MADEM{self.serial:04d}"
        return body + uscc_rules.check_value(body)

    @property
    def login(self) -> str:
        """Who signs in for the firm at the pages."""
        return f"scripted-{self.slug}"


_FULL = (("tax", "delivered"), ("social_security", "delivered"), ("electricity", "delivered"))
_GOOD = ("A+", "A")
_NOTHING = (("tax", "no_record"), ("social_security", "no_record"), ("electricity", "no_record"))

FIRMS = (
    ScriptedFirm(
        "grants-all", "佛山沙箱稳健五金有限公司", "Sandbox Steady Hardware Co., Ltd.", 1, "grants", "steady",
        Outcome("tokens", 201, grades=_GOOD, coverage=_FULL),
    ),
    ScriptedFirm(
        "grants-part", "佛山沙箱慎选塑料有限公司", "Sandbox Choosy Plastics Co., Ltd.", 2, "grants_part", "steady",
        Outcome("tokens", 201, grades=_GOOD,
                coverage=(("tax", "delivered"), ("social_security", "not_granted"), ("electricity", "not_granted"))),
    ),
    ScriptedFirm(
        "declines", "佛山沙箱婉拒家具有限公司", "Sandbox Declining Furniture Co., Ltd.", 3, "declines", "steady",
        Outcome("access_denied"),
    ),
    ScriptedFirm(
        "silent", "佛山沙箱未答陶瓷有限公司", "Sandbox Silent Ceramics Co., Ltd.", 4, "silent", "steady",
        Outcome("authorization_pending"),
    ),
    ScriptedFirm(
        "source-down", "佛山沙箱断线纺织有限公司", "Sandbox Offline Textiles Co., Ltd.", 5, "grants", "steady",
        Outcome("tokens", 201, grades=_GOOD,
                coverage=(("tax", "delivered"), ("social_security", "delivered"), ("electricity", "source_down"))),
        is_down=True,
    ),
    ScriptedFirm(
        "knocked-out", "佛山沙箱失信建材有限公司", "Sandbox Blacklisted Materials Co., Ltd.", 6, "grants", "listed",
        Outcome("tokens", 201, grades=_GOOD, knock_outs=("K01",), coverage=_FULL),
    ),
    ScriptedFirm(
        "thin", "佛山沙箱新设电子有限公司", "Sandbox Newly Founded Electronics Co., Ltd.", 7, "grants", "thin",
        # Five months are enough for a score; that the firm is young costs it points.
        Outcome("tokens", 201, grades=("A+", "A", "B"), reasons=("R111",), coverage=_FULL),
    ),
    ScriptedFirm(
        "quarterly", "佛山沙箱季报餐饮有限公司", "Sandbox Quarterly Catering Co., Ltd.", 8, "grants", "quarterly",
        Outcome("tokens", 201, grades=_GOOD, coverage=_FULL),
    ),
    ScriptedFirm(
        "no-record", "佛山沙箱无档商贸有限公司", "Sandbox Unknown Trading Co., Ltd.", 9, "grants", "none",
        Outcome("tokens", 201, state="not_scorable", coverage=_NOTHING),
    ),
    ScriptedFirm(
        "pauses", "佛山沙箱暂停物流有限公司", "Sandbox Pausing Logistics Co., Ltd.", 10, "grants", "steady",
        Outcome("tokens", 201, grades=_GOOD, coverage=_FULL, later="paused"), after_profile="pauses",
    ),
    ScriptedFirm(
        "withdraws", "佛山沙箱撤回印刷有限公司", "Sandbox Withdrawing Printing Co., Ltd.", 11, "grants", "steady",
        Outcome("tokens", 201, grades=_GOOD, coverage=_FULL, later="revoked"), after_profile="withdraws",
    ),
)  # fmt: skip
BY_USCC = {firm.uscc: firm for firm in FIRMS}
