"""The seed: institutions and product templates in one compact file, expanded deterministically.

A template lists options; which option a product of an institution gets is decided by a digest of the
file's seed, the institution, the template and the field. The same file gives the same products on every
machine, and a template changed leaves the products of all others as they were.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Any

from creditlink.products.terms import INSTITUTION_KINDS, Flaw, ProductInvalid, ProductTerms, parse_product

_WAN_FEN = 1_000_000  # 10,000 yuan in fen
_INSTITUTION_FIELDS = ("code", "kind", "short_zh", "name_zh", "short_en", "name_en", "regions", "scale")
_TEMPLATE_FIELDS = (
    *("key", "kind", "institutions", "share", "names_zh", "names_en", "amount_min_wan", "amount_max_wan"),
    *("terms", "rate_min", "rate_spread", "repayment", "guarantee", "risk_share", "subsidy", "fees"),
    *("quota_wan", "categories", "tags", "local", "rules", "optional", "valid"),
)
_TEMPLATE_NEEDS = (
    *("key", "kind", "institutions", "names_zh", "names_en", "amount_min_wan", "amount_max_wan"),
    *("terms", "rate_min", "rate_spread", "rules"),
)


class SeedInvalid(ValueError):
    """The seed file is wrong; the message names the file, the line, the field and the value."""


@dataclass(frozen=True, slots=True)
class SeedInstitution:
    """An institution of the seed. `regions` are the GB/T 2260 prefixes it lends in; none: everywhere."""

    code: str
    kind: str
    short_zh: str
    name_zh: str
    short_en: str
    name_en: str
    regions: tuple[str, ...]
    scale: float  # multiplies the amounts of the templates


def load_seed(path: Path, *, rounds: int = 1) -> tuple[list[SeedInstitution], list[ProductTerms]]:
    """Return the institutions and products of a seed file.

    Parameters
    ----------
    rounds : how many times every template is expanded for an institution, with other options each time;
        for tests of size.

    Raises
    ------
    SeedInvalid
        The file is not TOML, or an institution or template is wrong.
    ProductInvalid
        A product of the file, or one that a template makes, is wrong; `line` is where it begins.
    """
    text = path.read_text("utf-8")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SeedInvalid(f"{path.name}: not TOML: {error}") from error
    if strange := sorted(set(raw) - {"seed", "valid_from", "institutions", "templates", "products"}):
        raise SeedInvalid(f"{path.name}: field {strange[0]!r}: is not part of a seed")
    if not isinstance(raw.get("seed"), str) or not isinstance(raw.get("valid_from"), date):
        raise SeedInvalid(f"{path.name}: fields 'seed' (text) and 'valid_from' (date) are needed")
    lines = {name: _lines_of(text, name, len(raw.get(name, []))) for name in ("institutions", "templates", "products")}
    institutions = [
        _institution(one, f"{path.name} line {lines['institutions'][i]}")
        for i, one in enumerate(raw.get("institutions", []))
    ]
    _no_repeats([one.code for one in institutions], lines["institutions"], path.name)
    products: list[ProductTerms] = []
    for i, template in enumerate(raw.get("templates", [])):
        line = lines["templates"][i]
        _check_template(template, f"{path.name} line {line}")
        for lender in institutions:
            for number in range(rounds):
                pick = _Pick(raw["seed"], lender.code, template["key"], str(number))
                if lender.kind in template["institutions"] and pick.happens("share", template.get("share", 1)):
                    plain = _expand(template, lender, pick, raw["valid_from"], number)
                    products.append(parse_product(plain, line=line))
    kinds = {lender.code: lender.kind for lender in institutions}
    for i, one in enumerate(raw.get("products", [])):
        terms = parse_product(one, line=lines["products"][i])
        if kinds.get(terms.institution_code) != terms.institution_kind:
            flaw = Flaw("institution_code", terms.institution_code, "is not an institution of that kind here")
            raise ProductInvalid(terms.code, [flaw], lines["products"][i])
        products.append(terms)
    return institutions, products


class _Pick:
    """Chooses among options by digest, so that no choice depends on the order of any other."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def number(self, field: str) -> int:
        digest = blake2b("|".join((*self._keys, field)).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big")

    def of(self, field: str, options: Sequence[Any]) -> Any:
        return options[self.number(field) % len(options)]

    def happens(self, field: str, share: float) -> bool:
        return self.number(field) < share * 2**64


def _expand(
    template: Mapping[str, Any], lender: SeedInstitution, pick: _Pick, valid_from: date, number: int
) -> dict[str, Any]:
    least, most = pick.of("amount_min", template["amount_min_wan"]), pick.of("amount_max", template["amount_max_wan"])
    most_fen = max(round(most * lender.scale), least) * _WAN_FEN
    terms = pick.of("terms", template["terms"])
    rate = pick.of("rate_min", template["rate_min"])
    regions = lender.regions if template.get("local", True) else ()
    rules = [_rule(rule, pick, str(i)) for i, rule in enumerate(template["rules"])]
    rules += [
        _rule(rule, pick, f"optional {i}")
        for i, rule in enumerate(template.get("optional", []))
        if pick.happens(f"optional {i}", 0.4)
    ]
    if regions:
        rules.append({"subject": "registration.region", "operator": "in", "limit": list(regions)})
    name = pick.number("name")
    guarantee = pick.of("guarantee", template.get("guarantee", ["none"]))
    plain = {
        "code": f"{lender.code}-{template['key']}" + (f"-{number + 1}" if number else ""),
        "institution_code": lender.code,
        "institution_kind": lender.kind,
        "name_zh": f"{lender.short_zh}{template['names_zh'][name % len(template['names_zh'])]}",
        "name_en": f"{lender.short_en} {template['names_en'][name % len(template['names_en'])]}",
        "kind": template["kind"],
        "amount_min_fen": round(least * _WAN_FEN),
        "amount_max_fen": round(most_fen),
        "term_months_min": terms[0],
        "term_months_max": terms[1],
        "rate_bps_min": rate,
        "rate_bps_max": rate + pick.of("rate_spread", template["rate_spread"]),
        "fees_bps": pick.of("fees", template.get("fees", [0])),
        "repayment": pick.of("repayment", template.get("repayment", ["bullet"])),
        "guarantee": guarantee,
        "risk_share_bps": 0 if guarantee == "none" else pick.of("risk_share", template.get("risk_share", [0])),
        "subsidy_bps": pick.of("subsidy", template.get("subsidy", [0])),
        "tags": template.get("tags", []),
        "valid_from": valid_from,
        "required_categories": template.get("categories", []),
        "rules": rules,
    }
    if "quota_wan" in template:
        plain["quota_fen"] = pick.of("quota", template["quota_wan"]) * _WAN_FEN
    if "valid" in template:
        plain["valid_from"], plain["valid_until"] = template["valid"]
    return plain


def _rule(rule: Sequence[Any], pick: _Pick, key: str) -> dict[str, Any]:
    subject, operator, options = rule
    return {"subject": subject, "operator": operator, "limit": pick.of(f"rule {key}", options)}


def _institution(raw: Mapping[str, Any], where: str) -> SeedInstitution:
    _fields(raw, _INSTITUTION_FIELDS, _INSTITUTION_FIELDS[:6], where)
    if raw["kind"] not in INSTITUTION_KINDS:
        raise SeedInvalid(
            f"{where}: institution {raw['code']!r}: field 'kind': value {raw['kind']!r}: "
            f"must be one of {', '.join(INSTITUTION_KINDS)}"
        )
    code, kind, short_zh, name_zh, short_en, name_en = (str(raw[name]) for name in _INSTITUTION_FIELDS[:6])
    regions, scale = tuple(raw.get("regions", ())), float(raw.get("scale", 1))
    return SeedInstitution(code, kind, short_zh, name_zh, short_en, name_en, regions, scale)


def _check_template(raw: Mapping[str, Any], where: str) -> None:
    _fields(raw, _TEMPLATE_FIELDS, _TEMPLATE_NEEDS, where)
    for name in ("names_zh", "amount_min_wan", "amount_max_wan", "terms", "rate_min", "rate_spread"):
        if not isinstance(raw[name], list) or not raw[name]:
            raise SeedInvalid(f"{where}: field {name!r}: value {raw[name]!r}: must list at least one option")
    if len(raw["names_zh"]) != len(raw["names_en"]):
        raise SeedInvalid(f"{where}: field 'names_en': value {raw['names_en']!r}: must match names_zh one to one")
    for rule in [*raw["rules"], *raw.get("optional", [])]:
        if not isinstance(rule, list) or len(rule) != 3 or not isinstance(rule[2], list) or not rule[2]:
            raise SeedInvalid(f"{where}: field 'rules': value {rule!r}: must be [subject, operator, [limits]]")


def _fields(raw: Mapping[str, Any], known: Sequence[str], needed: Sequence[str], where: str) -> None:
    for name in raw:
        if name not in known:
            raise SeedInvalid(f"{where}: field {name!r}: value {raw[name]!r}: is not a field here")
    for name in needed:
        if name not in raw:
            raise SeedInvalid(f"{where}: field {name!r}: is missing")


def _lines_of(text: str, table: str, count: int) -> list[int]:
    """Return the line each of `count` entries begins at, which TOML parsers do not keep.

    Entries are `[[table]]` sections, or inline tables one a line after `table = [`.
    """
    lines = list(enumerate(text.splitlines(), 1))
    found = [number for number, line in lines if re.match(rf"\s*\[\[\s*{table}\s*\]\]", line)]
    opening = next((number for number, line in lines if re.match(rf"{table}\s*=\s*\[", line)), 0)
    if not found and opening:
        found = [number for number, line in lines if number > opening and re.match(r"\s*\{", line)]
    return found[:count] if len(found) >= count else [opening or 1] * count


def _no_repeats(codes: Sequence[str], lines: Sequence[int], file: str) -> None:
    for i, code in enumerate(codes):
        if code in codes[:i]:
            raise SeedInvalid(f"{file} line {lines[i]}: field 'code': value {code!r}: appears twice")
