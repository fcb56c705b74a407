"""What a thief, a forger or a nosy recipient tries with a presentation; each is refused, or finds nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey
from openvc.keys import P256SigningKey

from creditlink.cards import signing
from creditlink.cards.rules import checking, kinds
from creditlink.cards.rules.facts import CATALOGUE, Stated
from creditlink.cards.signing import CardTerms, HolderKeyRefused
from creditlink.kit import keyring

pytestmark = pytest.mark.pure
SECRET, ISSUER = "s" * 40, "http://127.0.0.1:5000"
NOW = datetime.now(UTC).replace(microsecond=0)
KEYS, SERVER = keyring.public_keys(SECRET), keyring.signing_key(SECRET)
FACTS = {
    "name": Stated("佛山某某有限公司", date(2026, 12, 1)),
    "uscc": Stated("91440604MA4UXC1234", date(2026, 12, 1)),
    "grade_band": Stated("B", date(2026, 11, 30)),
    "no_penalties": Stated("no", date(2026, 11, 30)),
}


def terms(**more):
    values = {"issuer": ISSUER, "list_id": "l1", "place": 7, "issued_at": NOW, "expires_at": NOW + timedelta(days=90)}
    return CardTerms(**values | more)


HOLDER = signing.new_holder()
CARD = signing.issued(FACTS, terms(), signing.public_half(HOLDER), secret=SECRET)


def present(*names, card=CARD, holder=HOLDER, audience="某房东", days=30, now=NOW):
    part = signing.chosen(card, names or ("grade_band",))
    return signing.presented(part, holder, audience=audience, now=now, good_until=now + timedelta(days=days))


def check(text, *, now=NOW, status="valid", **more):
    return checking.check(text, KEYS, issuer=ISSUER, status_of=lambda place: status, now=now, **more)


def refused(text, **more):
    found = check(text, **more)
    assert found.verdict == "refused", found
    assert found.facts == ()
    return found.reason


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def said(part):
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def by_hand(header, claims, private):
    """A compact JWS with any header, which no library would make."""
    signing_input = f"{b64(header)}.{b64(claims)}"
    return f"{signing_input}.{b64(P256SigningKey(private, 'k').sign(signing_input.encode()))}"


def bound(part, *, holder=HOLDER, typ="kb+jwt", **claims):
    """A holder's proof over `part`, with claims of one's own."""
    values = {
        "iat": int(NOW.timestamp()), "exp": int((NOW + timedelta(days=1)).timestamp()), "aud": "某房东", "nonce": "n",
        "sd_hash": b64(hashlib.sha256(part.encode()).digest()),
    } | claims  # fmt: skip
    values = {name: value for name, value in values.items() if value is not ...}
    return part + by_hand({"alg": "ES256", "typ": typ}, values, holder.private_key)


class TestWhatIsNotShownIsNotFound:
    def test_neither_names_nor_values_of_other_facts_are_in_it(self):
        text = present("grade_band")
        plain = text + "".join(str(said(one)) for part in text.split("~") for one in part.split(".")[:2] if one)
        for secret in ("佛山某某", "91440604MA4UXC1234", "no_penalties", "uscc", '"name"'):
            assert secret not in plain

    def test_they_cannot_be_guessed_from_their_digests(self):
        """Every fact, value and day of the catalogue is tried without the salt: none gives a digest of the card."""
        digests = set(said(present("grade_band").split("~")[0].split(".")[1])["_sd"])
        for fact in CATALOGUE:
            for value in (*fact.values, FACTS[fact.name].value if fact.name in FACTS else "x"):
                for on in ("2026-11-30", "2026-12-01"):
                    for salt in ("", "0", None):
                        guess = b64(
                            json.dumps([salt, fact.name, {"value": value, "on": on}], separators=(",", ":")).encode()
                        )
                        assert b64(hashlib.sha256(guess.encode()).digest()) not in digests

    def test_salts_are_long_and_never_the_same(self):
        salts = []
        for _ in range(20):
            card = signing.issued(FACTS, terms(), signing.public_half(HOLDER), secret=SECRET)
            salts += [said(one)[0] for one in card.split("~")[1:-1]]
        assert len(set(salts)) == len(salts) == 20 * len(FACTS)
        assert min(len(base64.urlsafe_b64decode(one + "==")) for one in salts) >= 16

    def test_how_many_facts_there_are_is_not_told(self):
        few = signing.issued({"name": FACTS["name"]}, terms(), signing.public_half(HOLDER), secret=SECRET)
        counts = {len(said(card.split("~")[0].split(".")[1])["_sd"]) for card in (CARD, few)}
        assert counts == {signing.DIGESTS}
        assert len(CATALOGUE) <= signing.DIGESTS

    def test_nothing_but_facts_is_in_the_clear(self):
        claims = said(CARD.split("~")[0].split(".")[1])
        assert set(claims) == {"iss", "iat", "exp", "vct", "vct#integrity", "status", "cnf", "_sd", "_sd_alg"}
        assert set(claims["cnf"]["jwk"]) == {"kty", "crv", "x", "y"}


class TestForging:
    def test_a_good_one_is_good(self):
        found = check(present("grade_band", "no_penalties"), audience="某房东")
        assert found.verdict == "valid"
        assert [(one.name, one.value, one.on) for one in found.facts] == [
            ("grade_band", "B", "2026-11-30"), ("no_penalties", "no", "2026-11-30"),
        ]  # fmt: skip

    def test_a_fact_of_another_card_is_refused(self):
        other = signing.issued(FACTS | {"grade_band": Stated("A", date(2026, 11, 30))}, terms(place=8),
                               signing.public_half(HOLDER), secret=SECRET)  # fmt: skip
        head, mine = signing.chosen(CARD, ["name"]).split("~")[:2]
        theirs = signing.chosen(other, ["grade_band"]).split("~")[1]
        assert refused(bound(f"{head}~{mine}~{theirs}~")) == "not_genuine"
        assert refused(bound(f"{head}~{theirs}~")) == "not_genuine"

    def test_a_changed_fact_is_refused(self):
        head, one = signing.chosen(CARD, ["no_penalties"]).split("~")[:2]
        better = said(one)
        better[2]["value"] = "yes"
        assert refused(bound(f"{head}~{b64(better)}~")) == "not_genuine"
        renamed = [said(one)[0], "no_enforcement", said(one)[2]]
        assert refused(bound(f"{head}~{b64(renamed)}~")) == "not_genuine"

    def test_a_fact_said_twice_is_refused(self):
        head, one = signing.chosen(CARD, ["no_penalties"]).split("~")[:2]
        assert refused(bound(f"{head}~{one}~{one}~")) == "not_genuine"

    def test_the_order_of_facts_is_the_holders(self):
        head, one, two = signing.chosen(CARD, ["grade_band", "no_penalties"]).split("~")[:3]
        assert check(bound(f"{head}~{two}~{one}~")).verdict == "valid"
        kept = present("grade_band", "no_penalties").split("~")
        kept[1], kept[2] = kept[2], kept[1]
        assert refused("~".join(kept)) == "not_genuine"  # but not under the proof that was made for another order

    def test_a_fact_taken_away_breaks_the_holders_proof(self):
        parts = present("grade_band", "no_penalties").split("~")
        del parts[2]
        assert refused("~".join(parts)) == "not_genuine"

    def test_the_signed_part_cannot_be_changed(self):
        head, *rest = present().split("~")
        first, claims, signature = head.split(".")
        longer = said(claims) | {"exp": int((NOW + timedelta(days=900)).timestamp())}
        assert refused("~".join([f"{first}.{b64(longer)}.{signature}", *rest])) == "not_genuine"
        flipped = signature[:-2] + ("AA" if signature[-2:] != "AA" else "BB")
        assert refused("~".join([f"{first}.{claims}.{flipped}", *rest])) == "not_genuine"

    @pytest.mark.parametrize("algorithm", ["none", "None", "HS256", None, ["ES256"], {"a": 1}])
    def test_an_unsigned_or_otherwise_signed_one_is_refused(self, algorithm):
        head, *rest = present().split("~")
        first, claims, signature = head.split(".")
        header = said(first) | {"alg": algorithm}
        for last in ("", signature):
            assert refused("~".join([f"{b64(header)}.{claims}.{last}", *rest])) == "not_genuine"

    def test_our_public_key_is_no_shared_secret(self):
        head, *rest = present().split("~")
        first, claims, _ = head.split(".")
        public = json.dumps(KEYS["keys"][0]).encode()
        forged = jws.serialize_compact(
            said(first) | {"alg": "HS256"}, base64.urlsafe_b64decode(claims + "=="), OctKey.import_key(public),
            algorithms=["HS256"],
        )  # fmt: skip
        assert refused("~".join([forged, *rest])) == "not_genuine"

    def test_a_key_of_ones_own_in_the_header_is_not_looked_at(self):
        mine = ECKey.generate_key("P-256")
        claims = said(CARD.split("~")[0].split(".")[1])
        for header in (
            {"jwk": mine.as_dict(private=False)}, {"kid": KEYS["keys"][0]["kid"]}, {"kid": "mine"}, {"x5c": ["AA=="]},
        ):  # fmt: skip
            forged = jws.serialize_compact(
                {"alg": "ES256", "typ": "dc+sd-jwt", **header}, json.dumps(claims), mine, algorithms=["ES256"]
            )
            assert refused(bound(forged + "~")) == "not_genuine"

    @pytest.mark.parametrize("typ", ["jwt", "vc+sd-jwt", "consent-receipt+jws", "statuslist+jwt", "DC+SD-JWT", None, 1])
    def test_another_kind_of_document_of_ours_is_no_card(self, typ):
        claims = said(CARD.split("~")[0].split(".")[1])
        signed = by_hand({"alg": "ES256", "typ": typ, "kid": SERVER.kid}, claims, SERVER.private_key)
        assert refused(bound(signed + "~")) in ("not_genuine", "another_kind")

    def test_a_type_or_an_issuer_of_ones_own_is_named(self):
        claims = said(CARD.split("~")[0].split(".")[1])
        other_type = keyring.sign(claims | {"vct": "http://x.test/t"}, typ="dc+sd-jwt", secret=SECRET)
        assert refused(bound(other_type + "~")) == "another_kind"
        other_issuer = keyring.sign(claims | {"iss": "http://x.test"}, typ="dc+sd-jwt", secret=SECRET)
        assert refused(bound(other_issuer + "~")) == "another_issuer"
        for missing in ("iss", "vct"):
            less = {name: value for name, value in claims.items() if name != missing}
            assert check(bound(keyring.sign(less, typ="dc+sd-jwt", secret=SECRET) + "~")).verdict == "refused"

    def test_a_critical_header_that_we_do_not_know_is_refused(self):
        claims = said(CARD.split("~")[0].split(".")[1])
        header = {"alg": "ES256", "typ": "dc+sd-jwt", "kid": SERVER.kid, "crit": ["b64"], "b64": True}
        assert refused(bound(by_hand(header, claims, SERVER.private_key) + "~")) == "not_genuine"


class TestTheHoldersProof:
    def test_a_copy_without_it_is_refused(self):
        assert refused(signing.chosen(CARD, ["grade_band"])) == "a_copy"
        assert refused(CARD) == "a_copy"

    def test_somebody_elses_proof_is_refused(self):
        assert refused(present(holder=signing.new_holder())) == "not_genuine"

    def test_the_proof_of_another_presentation_is_refused(self):
        proof = present("name").rpartition("~")[2]
        assert refused(signing.chosen(CARD, ["grade_band"]) + proof) == "not_genuine"

    def test_for_somebody_else_it_is_refused(self):
        assert refused(present(), audience="另一房东") == "not_for_you"
        assert refused(present(), nonce="never asked") == "not_for_you"
        text = bound(signing.chosen(CARD, ["grade_band"]), nonce="asked")
        assert check(text, audience="某房东", nonce="asked").verdict == "valid"
        assert refused(text, audience="某房东", nonce="other") == "not_for_you"

    def test_it_ends_when_it_says(self):
        text = present(days=3)
        assert check(text, now=NOW + timedelta(days=3, seconds=-1)).verdict == "valid"
        assert check(text, now=NOW + timedelta(days=3)).verdict == "ended"

    def test_one_that_names_no_end_is_fresh_for_an_hour(self):
        text = bound(signing.chosen(CARD, ["grade_band"]), exp=...)
        assert check(text).verdict == "valid"
        assert check(text, now=NOW + timedelta(hours=1)).verdict == "ended"

    def test_one_from_the_future_is_refused(self):
        assert refused(bound(signing.chosen(CARD, ["grade_band"]), iat=int(NOW.timestamp()) + 3600)) == "not_yet"

    @pytest.mark.parametrize(
        "claims",
        [
            {"iat": ...}, {"iat": "now"}, {"iat": None}, {"iat": True}, {"iat": 1e300}, {"iat": -1e300},
            {"exp": "soon"}, {"exp": None}, {"aud": ...}, {"aud": ["某房东"]}, {"aud": 1}, {"sd_hash": ...},
            {"sd_hash": "x"},
        ],
    )  # fmt: skip
    def test_one_that_lacks_something_is_refused(self, claims):
        refused(bound(signing.chosen(CARD, ["grade_band"]), **claims))

    @pytest.mark.parametrize("typ", ["jwt", "dc+sd-jwt", None])
    def test_another_kind_of_document_of_the_holder_is_none(self, typ):
        refused(bound(signing.chosen(CARD, ["grade_band"]), typ=typ))

    def test_what_it_says_is_shown_only_as_text_that_can_be_shown(self):
        part = signing.chosen(CARD, ["grade_band"])
        found = check(bound(part, aud="a\ud800\0" + "x" * 900))
        assert found.verdict == "valid"
        assert len(found.audience) == checking.LONGEST_AUDIENCE
        found.audience.encode()
        assert "\0" not in found.audience


class TestTime:
    def test_a_card_ends(self):
        text = present(days=900)
        assert check(text, now=NOW + timedelta(days=90, seconds=-1)).verdict == "valid"
        assert check(text, now=NOW + timedelta(days=90)).verdict == "expired"

    def test_a_card_without_an_end_is_over(self):
        claims = said(CARD.split("~")[0].split(".")[1])
        del claims["exp"]
        assert check(bound(keyring.sign(claims, typ="dc+sd-jwt", secret=SECRET) + "~")).verdict == "expired"

    @pytest.mark.parametrize(
        ("status", "verdict"),
        [("valid", "valid"), ("revoked", "revoked"), ("suspended", "suspended"), (None, "unknown")],
    )
    def test_its_status_counts(self, status, verdict):
        assert check(present(), status=status).verdict == verdict

    def test_a_card_that_names_no_list_is_never_simply_good(self):
        claims = said(CARD.split("~")[0].split(".")[1])
        for status in (..., {}, {"status_list": {"idx": "7", "uri": "x"}}, {"status_list": {"idx": -1, "uri": "x"}}):
            changed = {name: value for name, value in claims.items() if name != "status"}
            changed |= {} if status is ... else {"status": status}
            text = bound(keyring.sign(changed, typ="dc+sd-jwt", secret=SECRET) + "~")
            assert check(text).verdict == "unknown", status


@pytest.mark.parametrize(
    "text",
    [
        "", " \n", "~", "~~", "a~b~c", "a.b.c~", "..~", "x" * 70_000, "~" * 70_000, "~" * 10_000, "\0", "\ud800~x~y",
        "信用名片~", "ÿ", "\ufeff", "{}", "[]", "null~null~null", present().replace("~", "~\0", 1),
        present().replace("~", "～"), present()[:-40], present() + "~", "~" + present(), present() + present(),
        b64({"alg": "ES256"}) + "." + b64([1]) + ".AA~" + b64(["s"]) + "~a.b.c",
        b64(b"[" * 50_000) + "." + b64(b"[" * 20_000) + ".AA~~a.b.c",
        "=".join(present().split("~")), "eyJ", "http://127.0.0.1:5000/cards/clk_x",
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_nothing_fails(text):
    refused(text)


def test_around_a_good_one_may_be_white_space_and_a_mark():
    assert check(f"\ufeff \r\n{present()}\n\n").verdict == "valid"


class TestWalletKeys:
    def test_a_public_key_is_taken_as_that(self):
        key = ECKey.generate_key("P-256")
        public = key.as_dict(private=False)
        assert signing.wallet_key(json.dumps(public | {"use": "sig", "kid": "a", "x5u": "http://x.test"})) == {
            name: public[name] for name in ("kty", "crv", "x", "y")
        }

    @pytest.mark.parametrize(
        "text",
        [
            "", "x", "[]", "null", "{}", '{"kty": "EC", "crv": "P-256"}', '{"kty": "OKP", "crv": "Ed25519", "x": "AA"}',
            json.dumps(ECKey.generate_key("P-256").as_dict(private=True)),
            json.dumps(ECKey.generate_key("P-384").as_dict(private=False)),
            json.dumps({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
            json.dumps({"kty": "EC", "crv": "P-256", "x": "\ud800", "y": 1}), "[" * 100_000,
        ],
    )  # fmt: skip
    def test_anything_else_is_refused(self, text):
        with pytest.raises(HolderKeyRefused):
            signing.wallet_key(text)


def test_the_type_is_the_one_whose_digest_is_in_the_card():
    claims = said(CARD.split("~")[0].split(".")[1])
    digest = base64.b64encode(hashlib.sha256(kinds.type_metadata(ISSUER)).digest()).decode()
    assert claims["vct#integrity"] == f"sha256-{digest}"
    document = json.loads(kinds.type_metadata(ISSUER))
    assert document["vct"] == claims["vct"] == f"{ISSUER}/cards/types/credit-card-1"
    assert [one["path"] for one in document["claims"]] == [[fact.name] for fact in CATALOGUE]
    assert {one["sd"] for one in document["claims"]} == {"always"}
