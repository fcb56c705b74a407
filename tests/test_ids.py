"""Ids on the wire have one spelling each."""

from uuid import UUID

import pytest

from creditlink import ids
from creditlink.errors import NotFound

KNOWN = UUID("0123456789abcdef0123456789abcdef")


@pytest.mark.pure
def test_there_and_back():
    assert ids.internal("cns", ids.external("cns", KNOWN)) == KNOWN


@pytest.mark.pure
@pytest.mark.parametrize(
    "digits",
    [
        "",
        "0" * 31,
        "0" * 33,
        KNOWN.hex.upper(),
        "\uff11" * 32,
        "+" + "0" * 31,
        "0_" * 15 + "00",
        " " + "0" * 31,
        "0" * 32 + "\n",
    ],
    ids=ascii,
)
def test_other_spellings_name_nothing(digits):
    with pytest.raises(NotFound):
        ids.internal("cns", f"cns_{digits}")
    with pytest.raises(NotFound):
        ids.internal("prf", ids.external("cns", KNOWN))
