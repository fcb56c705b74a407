"""The offices' names as the operator's pages say them."""

from __future__ import annotations

from collections.abc import Callable

from flask_babel import gettext

from creditlink.portal.site import blueprint


def office_name(name: str) -> str:
    """Return an office's name in the language of the page; one that is not known keeps its own."""
    words: dict[str, str] = {
        "tax": gettext("Tax office"),
        "social_security": gettext("Social security"),
        "electricity": gettext("Electricity"),
        "water": gettext("Water"),
        "gas": gettext("Gas"),
        "public_credit": gettext("Public credit"),
        "housing_fund": gettext("Housing fund"),
        "import_export": gettext("Customs"),
        "contract": gettext("Contracts"),
        "logistics": gettext("Logistics"),
        "intellectual_property": gettext("Intellectual property"),
        "registry": gettext("Registrar of firms"),
    }
    return words.get(name, name)


@blueprint.context_processor
def _for_templates() -> dict[str, Callable[[str], str]]:
    return {"office": office_name}
