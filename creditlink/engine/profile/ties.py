"""What ties a firm to others as its profile tells it: ways to revoked firms and its own guarantees, in words. Pure.

A profile keeps the ties it was told, so that a replay gives the same bytes however the graph has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

TieName = Literal["same_representative", "same_shareholder", "same_address", "held_by", "holds", "same_holder"]

FLAG = "linked_struck_off"
"""The indicator that the direct ways explain: same representative, or same address."""

_EXPLAINING = ("same_representative", "same_address")


class ToldStep(TypedDict):
    """One step of a way: what the firm before it and `firm` have in common."""

    tie: TieName
    through: str | None  # the person, address or holder as published; None: a natural shareholder
    firm: str
    uscc: str


class ToldWay(TypedDict):
    """The way to a firm whose licence was revoked."""

    steps: list[ToldStep]
    revoked_on: str | None


class ToldGuarantees(TypedDict):
    """A firm's own guarantees, where it granted the category that they belong to."""

    given: int
    given_fen: int  # of those whose amount is known
    unknown: int  # whose amount is not
    circles: list[int]  # of each circle that the firm is in: how many firms


class ToldRelations(TypedDict):
    """What a profile is told of its firm's ties."""

    firm: str
    ways: list[ToldWay]
    is_cut: bool
    guarantees: ToldGuarantees | None  # None: the category was not granted


def relations_member(told: ToldRelations, *, paid_in_fen: int | None, registered_fen: int | None) -> dict[str, object]:
    """Return what stands beside the score: each way with its words, and notices about the firm's own guarantees.

    Parameters
    ----------
    paid_in_fen, registered_fen : the capital that guarantees are compared with: paid in, or else registered.
    """
    return {
        "ways_to_revoked": [
            {**way, "text_zh": way_words(told["firm"], way)[0], "text_en": way_words(told["firm"], way)[1]}
            for way in told["ways"]
        ],
        "is_cut": told["is_cut"],
        "guarantees": told["guarantees"],
        "notices": _notices(told["guarantees"], paid_in_fen, registered_fen),
    }


def explanations(told: ToldRelations) -> dict[str, tuple[str, str]]:
    """Return what is added to the reason of an indicator: which ways set the flag, in zh and en."""
    direct = [w for w in told["ways"] if len(w["steps"]) == 1 and w["steps"][0]["tie"] in _EXPLAINING]
    if not direct:
        return {
            FLAG: (
                "该关联由登记机关提供，现有登记信息未显示具体路径。",
                "The registrar reported this link; what is registered here does not show the path.",
            )
        }
    words = [way_words(told["firm"], way) for way in direct]
    return {FLAG: ("".join(zh for zh, _ in words), " ".join(en for _, en in words))}


def way_words(firm: str, way: ToldWay) -> tuple[str, str]:
    """Return a way in zh and en: each tie by what the two firms have in common, and when the last was struck off."""
    zh, en, before = list[str](), list[str](), firm
    for step in way["steps"]:
        pair = _TIES[step["tie"]]
        through = step["through"] or ""
        values: Mapping[str, str] = {"before": before, "firm": step["firm"], "through": through}
        zh.append(pair[0].format_map(values))
        en.append(pair[1].format_map(values))
        before = step["firm"]
    day = way["revoked_on"]
    zh.append(f"{before}{f'于{day}' if day else ''}被吊销营业执照。")
    last = f"which was struck off{f' on {day}' if day else ''}."
    return "；".join(zh), f"{'; '.join(en)}, {last}"


_TIES: dict[TieName, tuple[str, str]] = {
    "same_representative": (
        "{before}与{firm}的法定代表人同为{through}",
        "{before} shares its legal representative {through} with {firm}",
    ),
    "same_shareholder": (
        "{before}与{firm}有同一自然人股东，持股均不低于25%",
        "one natural person holds at least 25 % of both {before} and {firm}",
    ),
    "same_address": (
        "{before}与{firm}登记在同一地址（{through}）",
        "{before} is registered at the same address ({through}) as {firm}",
    ),
    "held_by": ("{firm}持有{before}不低于25%的股权", "{before} is held, by at least 25 %, by {firm}"),
    "holds": ("{before}持有{firm}不低于25%的股权", "{before} holds at least 25 % of {firm}"),
    "same_holder": (
        "{through}同时持有{before}和{firm}不低于25%的股权",
        "{through} holds at least 25 % of both {before} and {firm}",
    ),
}


def _notices(given: ToldGuarantees | None, paid_in_fen: int | None, registered_fen: int | None) -> list[dict[str, str]]:
    """Return notices about the firm's own guarantees; they never change the score."""
    if given is None:
        return []
    found = list[dict[str, str]]()
    capital, of_zh, of_en = (
        (paid_in_fen, "实缴资本", "paid-in capital")
        if paid_in_fen is not None
        else (registered_fen, "注册资本", "registered capital")
    )
    if capital is not None and given["given_fen"] > capital:
        yuan, own = f"{given['given_fen'] / 1_000_000:,.2f}", f"{capital / 1_000_000:,.2f}"
        found.append(
            {
                "notice": "guarantees_over_capital",
                "text_zh": f"对外担保{yuan}万元，超过{of_zh}{own}万元。",
                "text_en": f"It guarantees for CNY {given['given_fen'] / 100:,.0f}, more than its {of_en} of "
                f"CNY {capital / 100:,.0f}.",
            }
        )
    found += [
        {
            "notice": "guarantee_circle",
            "text_zh": f"本企业处于{size}家企业的互保圈中。",
            "text_en": f"It is in a circle of {size} firms that guarantee for one another.",
        }
        for size in given["circles"]
    ]
    return found
