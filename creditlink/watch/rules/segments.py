"""How firms are cut into parts for the watch: by what the register says of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

FEWEST = 50
"""Parts of fewer firms where a model was trained have no reference of their own."""


def parts_of(registration: Mapping[str, object]) -> tuple[str, ...]:
    """Return the parts of a firm: the section of its industry, its city, its form."""
    industry, region = str(registration.get("industry") or ""), str(registration.get("region") or "")
    form = str(registration.get("entity_type") or "")
    named = {"industry": industry[:1], "region": region[:4], "entity_type": form}
    return tuple(f"{by}:{part}" for by, part in named.items() if part)
