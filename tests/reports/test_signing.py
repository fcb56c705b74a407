"""The two signatures of a report, what they stand against, and the pages: without a database."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import zlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from creditlink.engine.scoring.scale import Scale
from creditlink.kit import keyring
from creditlink.kit.clock import add_months
from creditlink.reports import signing
from creditlink.reports.content import Maker, MonthlyFact, ProfileTold, claims_of
from creditlink.reports.rules import SECTIONS, AskedWrongly, ReportSettings, WantedReport, asked_of, parse, state_at
from creditlink.reports.signing import ReportRefused
from creditlink.reports.typeset import pdf
from creditlink.reports.typeset.document import document_of
from creditlink.reports.typeset.glyphs import visible

pytestmark = pytest.mark.pure
SECRET, OTHER = "k" * 40, "o" * 40
KEYS = keyring.public_keys(SECRET)
MADE = datetime(2026, 12, 1, 2, 3, 4, tzinfo=UTC)
LIMITS = ReportSettings(30, 90, 20, 24)


def facts(months=26):
    first = date(2024, 10, 1)
    for number in range(months):
        period = add_months(first, number)
        yield MonthlyFact(
            "vat_declarations", period, "",
            {"taxable_sales_fen": 10_000_00 * (number + 1), "exempt_sales_fen": 5_00, "paid_fen": 300_00, "months": 1},
        )  # fmt: skip
        yield MonthlyFact("payroll_months", period, "", {"headcount": 20 + number})
        yield MonthlyFact("meter_months", period, "electricity", {"usage": 100.5})
        yield MonthlyFact("meter_months", period, "electricity/2", {"usage": 1.0})
        yield MonthlyFact("meter_months", period, "water", {"usage": 9_999.0})


def reason(code, points):
    return {"code": code, "sentence_zh": "按期申报。", "sentence_en": "Filed in time.", "points_contribution": points}


def told(**values):
    dims = [{"name": "tax", "label_zh": "税务", "label_en": "Tax", "points_contribution": -20.5}]
    summary = {
        "validity": {"valid_until": "2026-12-20T00:00:00+08:00"}, "interval": {"pd_low": 0.008, "pd_high": 0.03},
        "reasons": [reason("R115", -12.5)], "strengths": [reason("R207", 22.0)], "knock_outs": [],
        "human_review": [], "dimensions": dims,
    }  # fmt: skip
    coverage = {
        "tax": {"status": "delivered", "months": 24, "first_month": "2024-12", "last_month": "2026-11"},
        "water": {"status": "not_granted", "months": 0},
    }
    explanation = {"points_base": 610.0, "points_calibration": 1.5, "points_exact": 591.0}
    whole = {
        "wire_id": "prf_" + "0" * 32, "as_of": date(2026, 12, 1), "created_at": MADE, "state": "scored", "grade": "B",
        "points": 591, "pd_12m": 0.0158, "summary": summary, "coverage": coverage, "explanation": explanation,
        "contested": [], "model_id": "m", "model_sha256": "a" * 64, "bundle_sha256": "b" * 64,
    }  # fmt: skip
    return ProfileTold(**whole | values)


def claims(
    language="zh",
    left_out=(),
    *,
    days=30,
    name="佛山市永盛五金制品有限公司",
    profile=None,
    recipient="顺德农商银行",
    of=None,
):
    registration = {
        "uscc": "91440606MA4UQ1234X", "name": name, "industry": "C33", "region": "440606", "entity_type": "company",
        "status": "active", "established_on": date(2015, 3, 2), "registered_capital_fen": 5 * 10**8,
        "paid_in_capital_fen": None, "legal_representative": "陈镕玥", "address": "佛山市顺德区永盛路8号",
    }  # fmt: skip
    return claims_of(
        report_id="rpt_" + "1" * 32, issuer="https://creditlink.example",
        address="https://creditlink.example/verify/" + "x" * 43,
        asked=WantedReport(recipient, "流动资金贷款", language, days, tuple(left_out)),
        maker=Maker("firm", "", "", "cns_1"),
        registration=registration, profile=profile or told(), facts=of or facts(), labels={"tax": ("税务", "Tax")},
        scale=Scale(), months=24, made_at=MADE, valid_until=MADE + timedelta(days=days),
    )  # fmt: skip


def files(secret=SECRET, **values):
    said = claims(**values)
    signed = signing.sign(said, secret=secret)
    digest = signing.digest_of(signed)
    pages = pdf.pages_of(said, signed=signed, digest=digest)
    return said, signed, signing.seal(pages, digest=digest, secret=secret), pages


@pytest.fixture(scope="module")
def made():
    return files()


def raw(text):
    return base64.urlsafe_b64decode(text + b"==")


def attachments(content):
    from pypdf import PdfReader

    return {name: data[0] for name, data in PdfReader(io.BytesIO(content)).attachments.items()}


class TestContent:
    def test_months_are_sums_of_the_facts_of_the_last_two_years(self):
        rows = claims()["months"]
        assert [*[row["month"] for row in rows][:1], rows[-1]["month"]] == ["2024-12", "2026-11"]
        assert rows[0] == {
            "month": "2024-12", "sales": 3_000_000 + 500, "tax": 30_000, "headcount": 22, "electricity": 101.5,
        }  # fmt: skip

    def test_what_was_not_filed_is_not_known_and_not_nothing(self):
        open_ = {"taxable_sales_fen": 0, "exempt_sales_fen": 0, "paid_fen": 0, "filed_on": None, "months": 1}
        filed = {"taxable_sales_fen": 0, "exempt_sales_fen": 0, "paid_fen": 0, "filed_on": "2026-10-12", "months": 1}
        rows = claims(of=[
            MonthlyFact("vat_declarations", date(2026, 9, 1), "", filed),
            MonthlyFact("vat_declarations", date(2026, 10, 1), "", open_),
            MonthlyFact("payroll_months", date(2026, 10, 1), "", {"headcount": 3}),
        ])["months"]  # fmt: skip
        assert [(row["month"], row["sales"]) for row in rows] == [("2026-09", 0), ("2026-10", None)]

    def test_a_quarter_that_was_filed_as_one_says_so(self):
        values = {"taxable_sales_fen": 9, "exempt_sales_fen": None, "paid_fen": None, "months": 3}
        (row,) = claims(of=[MonthlyFact("vat_declarations", date(2026, 7, 1), "", values)])["months"]
        assert row == {"month": "2026-07", "sales": 9, "filed_for_months": 3}
        shown = document_of(claims(of=[MonthlyFact("vat_declarations", date(2026, 7, 1), "", values)]),
                            digest="0" * 64, picture="")  # fmt: skip
        assert shown["months"] == [["2026-07*", "0.00"]]

    @pytest.mark.parametrize("gone", list(SECTIONS))
    def test_what_is_left_out_is_nowhere_but_named(self, gone):
        said = claims(left_out=[gone])
        assert [one["section"] for one in said["left_out"]] == [gone]
        rest = json.dumps({name: value for name, value in said.items() if name != "left_out"}, ensure_ascii=False)
        marks = {"registered": "陈镕玥", "reasons": "R115", "waterfall": "points_base", "sales": '"sales"',
                 "tax": '"tax": 30', "headcount": "headcount", "electricity": '"electricity"'}  # fmt: skip
        assert marks[gone] not in rest
        assert said["profile"]["grade"] == "B"
        assert said["coverage"]

    def test_a_firm_without_a_score_has_a_report_too(self):
        none = told(
            state="not_scorable", grade=None, points=None, pd_12m=None, explanation={},
            summary={"not_scorable_reason": {"code": "N1", "text_zh": "资料不足", "text_en": "Too little"}},
        )  # fmt: skip
        said = claims(profile=none)
        assert said["profile"]["not_scorable_reason"] == {"code": "N1", "zh": "资料不足", "en": "Too little"}
        assert pdf.pages_of(said, signed="a.b.c", digest="0" * 64).startswith(b"%PDF-")

    def test_a_firm_without_any_record_has_one_too(self):
        said = claims() | {"months": []}
        assert pdf.pages_of(said, signed="a.b.c", digest="0" * 64).startswith(b"%PDF-")


class TestWhatMayBeAsked:
    def asked(self, **values):
        usual = {"recipient": "a", "purpose": "b", "language": "zh", "days": None}
        return asked_of(**usual | values, settings=LIMITS)

    def test_the_usual(self):
        assert self.asked(recipient=" 顺德  农商银行\n") == WantedReport("顺德 农商银行", "b", "zh", 30)

    @pytest.mark.parametrize("text", ["", "  ", "x" * 61, "a\u202eb", "a\u200bb", "a\0b", "\ud800", "\ue000", "\x85"])
    def test_a_watermark_is_one_line_that_everybody_reads_alike(self, text):
        with pytest.raises(AskedWrongly):
            self.asked(recipient=text)

    @pytest.mark.parametrize(
        "wrong", [{"usual_days": 0}, {"most_days": 5}, {"a_day": "1"}, {"more": 1}, {"months": None}]
    )
    def test_settings_are_checked_by_name(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong)) if "most_days" not in wrong else "usual_days"):
            parse({"version": 1, "usual_days": 30, "most_days": 90, "a_day": 20, "months": 24} | wrong)

    @pytest.mark.parametrize(
        ("revoked", "consent", "days", "state"),
        [
            (None, "ACTIVE", 1, "valid"), (None, "EXPIRED", 1, "valid"), (None, "EXHAUSTED", 1, "valid"),
            (None, "ACTIVE", 30, "expired"), (None, "PAUSED", 1, "paused"), (None, "PAUSED", 30, "expired"),
            (None, "REVOKED", 1, "withdrawn"), (None, "REVOKED", 40, "withdrawn"), (MADE, "ACTIVE", 1, "revoked"),
        ],
    )  # fmt: skip
    def test_what_a_report_is(self, revoked, consent, days, state):
        now = MADE + timedelta(days=days)
        until = MADE + timedelta(days=30)
        asked = {"valid_until": until, "revoked_at": revoked, "consent_state": consent, "now": now}
        assert state_at(**asked, profile_over=False) == state
        assert state_at(**asked, profile_over=True) == ("outdated" if state == "valid" else state)


class TestPages:
    def test_the_attachment_is_the_signed_text_and_another_library_verifies_it(self, made):
        said, signed, content, _ = made
        attached = attachments(content)
        assert attached == {"report.jws": signed.encode()}
        # RFC 7515 by hand, with what everybody has: no code of the library that signed it.
        head, body, tail = attached["report.jws"].split(b".")
        x, y = (int.from_bytes(raw(KEYS["keys"][0][name].encode()), "big") for name in "xy")
        r, s = (int.from_bytes(raw(tail)[i : i + 32], "big") for i in (0, 32))
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        key.verify(utils.encode_dss_signature(r, s), head + b"." + body, ec.ECDSA(SHA256()))
        assert json.loads(raw(body)) == said
        assert json.loads(raw(head))["typ"] == signing.TYPE

    @pytest.mark.parametrize("language", ["zh", "en"])
    def test_every_page_is_marked_and_shows_the_same_numbers(self, language):
        from pypdf import PdfReader

        said, signed, content, _ = files(language=language, recipient="Shunde Bank")
        pages = [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
        assert len(pages) >= 2
        for page in pages:
            assert "Shunde Bank" in page
            assert signing.digest_of(signed)[:16] in page
        whole = re.sub(r"\s+", " ", " ".join(pages))
        for number in (str(said["profile"]["points"]), "1.58%", "3.00", "26.00", "102", said["profile"]["id"]):
            assert number in whole, number

    def test_fonts_are_ours_and_inside(self, made):
        from pypdf import PdfReader

        names = set()
        for page in PdfReader(io.BytesIO(made[2])).pages:
            for font in page["/Resources"]["/Font"].values():
                names.add(font.get_object()["/BaseFont"])
        assert names
        assert all("NotoSansSC" in name for name in names)

    def test_it_can_be_archived(self, made):
        assert b"<pdfaid:part>3" in made[2]
        assert b"<pdfaid:conformance>B" in made[2]

    def test_a_character_that_no_font_of_ours_draws_is_written_as_its_number(self):
        assert visible("永\U0002a6a5盛\u0e01") == "永〔U+2A6A5〕盛〔U+0E01〕"
        shown = document_of(claims(name="永\U0002a6a5盛"), digest="0" * 64, picture="<svg/>")
        assert shown["claims"]["firm"]["name"] == "永〔U+2A6A5〕盛"

    @pytest.mark.parametrize(
        "name", ['"#panic()', '#import "x"', "*a_b*", "$x$ @y <z>", "\\u{0}", "]#[", "//", "镕喆玥"]
    )
    def test_names_are_no_program(self, name):
        from pypdf import PdfReader

        said = claims(name=name, recipient=name)
        content = pdf.pages_of(said, signed="a.b.c", digest="0" * 64)
        assert name.replace(" ", "") in PdfReader(io.BytesIO(content)).pages[0].extract_text().replace(" ", "")

    def test_the_same_claims_give_the_same_pages(self, made):
        said, signed, _, pages = made
        assert pdf.pages_of(said, signed=signed, digest=signing.digest_of(signed)) == pages


class TestVerified:
    def test_as_made(self, made):
        said, signed, content, _ = made
        for file, kind, pages in (
            (content, "pdf", "ours"), (signing.json_of(signed, said).encode(), "json", None),
            (signed.encode() + b"\n", "json", None),
            (b"\xef\xbb\xbf" + signing.json_of(signed, said).encode(), "json", None),
        ):  # fmt: skip
            found = signing.verify(file, KEYS)
            assert (found.kind, found.pages, found.claims) == (kind, pages, said)
            assert found.digest == signing.digest_of(signed)

    def test_with_another_key(self, made):
        for file in (made[1].encode(), made[2]):
            with pytest.raises(ReportRefused, match="signature") as refused:
                signing.verify(file, keyring.public_keys(OTHER))
            assert refused.value.reason == "signature"

    def test_the_readable_part_was_altered(self, made):
        said, signed, _, _ = made
        better = said | {"profile": said["profile"] | {"grade": "A+"}}
        with pytest.raises(ReportRefused, match="not what was signed"):
            signing.verify(signing.json_of(signed, better).encode(), KEYS)

    def test_the_claims_were_altered(self, made):
        head, body, tail = made[1].split(".")
        better = json.loads(base64.urlsafe_b64decode(body + "==")) | {"recipient": "somebody else"}
        forged = base64.urlsafe_b64encode(json.dumps(better).encode()).rstrip(b"=").decode()
        with pytest.raises(ReportRefused):
            signing.verify(f"{head}.{forged}.{tail}".encode(), KEYS)
        none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"credit-report+jws"}').rstrip(b"=").decode()
        with pytest.raises(ReportRefused):
            signing.verify(f"{none}.{forged}.{'A' * 86}".encode(), KEYS)

    @pytest.mark.parametrize("place", [60, 5_000, 20_000, -700])
    def test_one_bit_of_the_pages(self, made, place):
        content = bytearray(made[2])
        content[place] ^= 1
        with contextlib.suppress(ReportRefused):
            assert signing.verify(bytes(content), KEYS).pages in ("changed", "unsealed")

    def test_pages_of_ones_own_around_a_genuine_report(self, made):
        _, _, content, pages = made
        assert signing.verify(pages, KEYS).pages == "unsealed"
        # An update is what an editor appends: the pages that a reader shows are then the editor's.
        assert signing.verify(content + b"\n1 0 obj\n<<>>\nendobj\nstartxref\n9\n%%EOF\n", KEYS).pages == "changed"
        assert signing.verify(content.replace(b"%%EOF\n", b"%%EOF\n% x\n"), KEYS).pages != "ours"

    def test_the_end_leads_elsewhere(self, made):
        content = made[2]
        last = content.rindex(b"startxref")
        moved = content[:last] + re.sub(rb"\d+", b"17", content[last:], count=1)
        assert signing.verify(moved, KEYS).pages == "changed"

    def test_the_seal_of_another_report(self, made):
        _, _, other, _ = files(recipient="another")
        seal = other[other.rindex(b"\n%creditlink-seal ") :]
        assert signing.verify(made[3] + seal, KEYS).pages == "changed"

    def test_a_seal_is_no_report_and_a_receipt_is_none(self, made):
        for typ in (signing.SEAL_TYPE, "consent-receipt+jws"):
            signed = keyring.sign(made[0], typ=typ, secret=SECRET)
            with pytest.raises(ReportRefused, match="not a credit report"):
                signing.verify(signed.encode(), KEYS)

    def test_two_reports_in_one_file(self, made):
        _, signed, content, _ = made
        packed = zlib.compress(signed.encode())
        more = b"1 0 obj\n<</Type/EmbeddedFile/Filter/FlateDecode/Length %d>>\nstream\n" % len(packed) + packed
        with pytest.raises(ReportRefused, match="more than one"):
            signing.verify(content + more + b"\nendstream\nendobj\n", KEYS)

    def test_an_attachment_that_unpacks_without_end(self, made):
        bomb = zlib.compress(b"A" * 50_000_000)
        file = b"%PDF-1.7\n<</Type/EmbeddedFile/Filter/FlateDecode>>\nstream\n" + bomb + b"\nendstream\n"
        with pytest.raises(ReportRefused, match="no signed report"):
            signing.verify(file, KEYS)

    def test_a_form_that_is_not_known_yet(self, made):
        later = signing.sign(made[0] | {"format": 2}, secret=SECRET)
        with pytest.raises(ReportRefused) as refused:
            signing.verify(later.encode(), KEYS)
        assert refused.value.reason == "format"


class TestOffline:
    @pytest.fixture
    def run(self, tmp_path):
        (tmp_path / "keys.json").write_text(json.dumps(KEYS))

        def verify(content, *, keys="keys.json"):
            (tmp_path / "file").write_bytes(content)
            done = subprocess.run(
                [sys.executable, "-m", "creditlink", "reports", "verify", "file", "--keys", keys],
                cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
                # No database that could be reached, and no setting of ours.
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(signing.__file__).parents[2]),
                     "CREDITLINK_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "HOME": str(tmp_path)},
            )  # fmt: skip
            return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

        return verify

    def test_says_whether_a_file_is_genuine_and_in_its_time(self, run, made, tmp_path):
        days = (datetime.now(UTC) - MADE).days + 30
        fresh = files(days=max(days, 1))
        code, said = run(fresh[2])
        assert (code, said["verdict"], said["pages"], said["report"]) == (0, "valid", "ours", fresh[0])
        code, said = run(fresh[3])
        assert (code, said["verdict"]) == (1, "pages_unsealed")
        (tmp_path / "others.json").write_text(json.dumps(keyring.public_keys(OTHER)))
        code, said = run(fresh[2], keys="others.json")
        assert (code, said["reason"]) == (1, "signature")
        assert run(b"\0\0")[0] == 1

    def test_says_that_its_time_is_over(self, run):
        past = claims(days=1)
        past |= {"iat": 1_700_000_000, "exp": 1_700_086_400}
        code, said = run(signing.sign(past, secret=SECRET).encode())
        assert (code, said["verdict"]) == (3, "expired")
