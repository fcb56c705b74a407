"""Ids on the wire have one spelling each."""

from uuid import UUID, uuid4

import pytest

from creditlink.kit import ids
from creditlink.kit.errors import NotFound

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


class TestPairwise:
    """What several institutions see, each sees under its own id; and we find it again."""

    OURS, THEIRS = "a" * 32, "b" * 32

    def test_an_id_is_found_again_by_whom_it_was_made_for(self):
        value = uuid4()
        ours = ids.pairwise_external("fin", self.OURS, value)
        assert ids.pairwise_internal("fin", self.OURS, ours) == value
        assert ours != ids.pairwise_external("fin", self.THEIRS, value) != ids.external("fin", value)

    def test_another_institutions_id_stands_for_nothing(self):
        value = uuid4()
        ours = ids.pairwise_external("fin", self.OURS, value)
        assert ids.pairwise_internal("fin", self.THEIRS, ours) != value

    @pytest.mark.parametrize("text", ["", "fin_", "fin_x", "cns_" + "0" * 32, "fin_" + "0" * 31, "fin_" + "０" * 32])
    def test_what_is_no_id_is_not_found(self, text):
        with pytest.raises(NotFound):
            ids.pairwise_internal("fin", self.OURS, text)

    def test_a_digest_is_keyed_and_repeatable(self):
        digest = "0" * 64
        assert ids.pairwise_digest(self.OURS, digest) == ids.pairwise_digest(self.OURS, digest)
        assert len({digest, ids.pairwise_digest(self.OURS, digest), ids.pairwise_digest(self.THEIRS, digest)}) == 3
