"""Each layout in each format, and what people and attackers make of them."""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import UTC, date, datetime

import openpyxl
import pytest

from creditlink.kit.settings import load_settings
from creditlink.uploads.reading.reading import read_upload
from creditlink.uploads.reading.refusal import REFUSALS, FileRefused
from creditlink.uploads.reading.words import in_chinese
from creditlink.uploads.rules import UploadRules, UploadSettingError, parse
from tests.uploads import exports
from tests.uploads.exports import DECLARATION_HEADER, INVOICE_HEADER, OTHER, declaration, invoice

pytestmark = pytest.mark.pure

FIRM = "91440606MA4XYZ1234"
NOW = datetime(2026, 11, 29, 4, tzinfo=UTC)
Q1, Q2 = date(2026, 1, 1), date(2026, 4, 1)
RULES = load_settings({}).parsed("uploads.toml", parse)


def read(content, *, firm=FIRM, rules=RULES):
    return read_upload(content if isinstance(content, bytes) else content.encode(), firm=firm, now=NOW, rules=rules)


def refused(content, **options):
    with pytest.raises(FileRefused) as caught:
        read(content, **options)
    return caught.value.reason


def declarations(*rows, **options):
    return exports.csv(DECLARATION_HEADER, rows, **options)


def invoices(*rows, **options):
    return exports.csv(INVOICE_HEADER, rows, **options)


def wrong(reading):
    return [(one.line, one.field, one.value) for one in reading.wrong]


QUARTERS = (
    declaration(FIRM, Q1, months=3, sales_fen=30_000_000),
    declaration(FIRM, Q2, months=3, sales_fen=45_000_050, filed=date(2026, 7, 20)),
)
SOLD = (
    invoice(FIRM, 1, "2026-09-03", 100_000),
    invoice(FIRM, 2, "2026-09-05", -10_000),
    invoice(FIRM, 3, "2026-09-30", 50_000, state="已作废"),
    invoice(FIRM, 4, "2026-10-08", 40_000, sold=False),
)


def facts(reading):
    return {(f.frame, f.subkey, f.period): f.values for f in reading.facts}


def expect_quarters(reading):
    assert (reading.layout, reading.rows, reading.taken, reading.wrong) == ("declarations", 2, 2, [])
    found = facts(reading)
    first, second = found["vat_declarations", "", Q1], found["vat_declarations", "", Q2]
    assert (first["months"], first["filing"], first["taxable_sales_fen"]) == (3, "quarterly", 30_000_000)
    assert (second["taxable_sales_fen"], second["filed_on"], second["due_on"]) == (
        45_000_050, "2026-07-20", "2026-07-15",
    )  # fmt: skip
    assert {fact.known_at for fact in reading.facts} == {NOW}


def expect_invoices(reading):
    assert (reading.layout, reading.rows, reading.taken, reading.wrong) == ("invoices", 4, 4, [])
    sold = facts(reading)["invoice_months", "output", date(2026, 9, 1)]
    assert (sold["invoices"], sold["amount_fen"], sold["void_invoices"], sold["red_amount_fen"]) == (
        1, 90_000, 1, 10_000,
    )  # fmt: skip
    assert facts(reading)["invoice_months", "input", date(2026, 10, 1)]["amount_fen"] == 40_000


class TestLayouts:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
    @pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
    def test_csv_in_every_encoding_and_line_end(self, encoding, end):
        expect_quarters(read(declarations(*QUARTERS).replace("\r\n", end).encode(encoding)))
        expect_invoices(read(invoices(*SOLD).replace("\r\n", end).encode(encoding)))

    def test_csv_with_lines_above_and_tabs(self):
        above = ("增值税申报信息查询", f"纳税人识别号：{FIRM}  纳税人名称：甲", "")
        expect_quarters(read(declarations(*QUARTERS, above=above).replace(",", "\t")))

    def test_excel_takes_the_sheet_of_invoices_and_not_that_of_goods(self):
        goods = ("goods", (*INVOICE_HEADER, "货物或应税劳务名称"), [(*row, "*服务*") for row in SOLD])
        expect_invoices(
            read(exports.xlsx(goods, ("发票基础信息", INVOICE_HEADER, SOLD), above=("全量发票查询导出结果",)))
        )
        assert refused(exports.xlsx(goods)) == "no_layout"

    def test_excel_with_numbers_and_days_as_such(self):
        rows = [list(row) for row in QUARTERS]
        for row in rows:
            row[2:6] = [datetime.fromisoformat(text) for text in row[2:6]]
            row[6:12] = [float(text) for text in row[6:12]]
        expect_quarters(read(exports.xlsx(("申报", DECLARATION_HEADER, rows))))

    def test_xml_by_code_and_by_label(self):
        codes = {"税款所属期起": "skssqq", "税款所属期止": "skssqz", "申报日期": "sbrq", "申报期限": "sbqx",
                 "应征增值税不含税销售额": "ysxse", "应纳税额合计": "ynse", "已缴税额": "yjse"}  # fmt: skip
        for names in (codes, {label: label for label in codes}):
            rows = "".join(
                "<sbxx>" + "".join(f"<{names[k]}>{v}</{names[k]}>" for k, v in
                                   zip(DECLARATION_HEADER, row, strict=True) if k in names) + "</sbxx>"
                for row in QUARTERS
            )  # fmt: skip
            document = f'<?xml version="1.0" encoding="GBK"?><zzssb><nsrsbh>{FIRM}</nsrsbh>{rows}</zzssb>'
            expect_quarters(read(document.encode("gb18030")))

    def test_one_ofd_and_a_package_of_them(self):
        one = read(exports.ofd(FIRM, 1, date(2026, 9, 3), 100_000))
        assert (one.format, one.taken, one.facts[0].values["amount_fen"]) == ("ofd", 1, 100_000)
        both = exports.package(
            a_dot_ofd=exports.ofd(FIRM, 1, date(2026, 9, 3), 100_000),
            b_dot_ofd=exports.ofd(FIRM, 2, date(2026, 9, 4), 50_000),
        )
        assert read(both).facts[0].values["amount_fen"] == 150_000

    def test_a_fully_digital_invoice(self):
        document = f"""<EInvoice><Header><EIid>1</EIid></Header><EInvoiceData><SellerInformation><SellerIdNum>{FIRM}
            </SellerIdNum></SellerInformation><BuyerInformation><BuyerIdNum>{OTHER}</BuyerIdNum></BuyerInformation>
            <BasicInformation><TotalAmWithoutTax>100.00</TotalAmWithoutTax><TotalTaxAm>13.00</TotalTaxAm>
            <TotalTax-includedAmount>113.00</TotalTax-includedAmount></BasicInformation></EInvoiceData>
            <TaxSupervisionInfo><InvoiceNumber>26440000000000000001</InvoiceNumber><IssueTime>2026-09-03</IssueTime>
            </TaxSupervisionInfo></EInvoice>"""
        assert read(document).facts[0].values["amount_fen"] == 10_000


class TestWhose:
    def test_a_file_of_another_firm(self):
        assert refused(declarations(*QUARTERS), firm=OTHER) == "another_firm"
        assert refused(invoices(*SOLD), firm="91440606MA4QQQ1234") == "another_firm"
        assert refused(declarations(*QUARTERS, above=(f"纳税人识别号：{OTHER}",))) == "another_firm"

    def test_a_file_that_does_not_say(self):
        lines = declarations(*QUARTERS).splitlines()
        assert refused("\n".join(line.split(",", 2)[2] for line in lines)) == "no_owner"

    def test_rows_of_another_firm_among_the_own(self):
        found = read(invoices(*SOLD, invoice("91440606MA4QQQ1234", 5, "2026-10-09", 9_900_000)))
        assert wrong(found) == [(6, "销方识别号", "91440606MA4QQQ1234")]
        found = read(declarations(*QUARTERS, declaration(OTHER, date(2026, 7, 1), months=3)))
        assert wrong(found) == [(4, "纳税人识别号", OTHER)]


class TestRows:
    @pytest.mark.parametrize(
        ("changes", "field", "value"),
        [
            ({"应纳税额合计": "-1"}, None, None),  # a negative payable is what the office's form allows
            ({"应征增值税不含税销售额": "-1.00"}, "应税销售额", "-1.00"),
            ({"应征增值税不含税销售额": "=SUM(A1:A9)"}, "应税销售额", "=SUM(A1:A9)"),
            ({"应征增值税不含税销售额": "1e5"}, "应税销售额", "1e5"),
            ({"应征增值税不含税销售额": "１００"}, "应税销售额", "１００"),
            ({"应征增值税不含税销售额": "9" * 40}, "应税销售额", "9" * 40),
            ({"应征增值税不含税销售额": ""}, "应税销售额", ""),
            ({"已缴税额": "12.345"}, "已缴税额", "12.345"),
            ({"申报日期": "2026-13-01"}, "申报日期", "2026-13-01"),
            ({"申报日期": "2026-03-10"}, "申报日期", "2026-03-10"),  # before the period ended
            ({"申报日期": "2026-12-01"}, "申报日期", "2026-12-01"),  # not yet
            ({"税款所属期止": "2026-12-31"}, "税款所属期止", "2026-12-31"),
            ({"税款所属期止": "2025-12-31"}, "税款所属期止", "2025-12-31"),
            (
                {"税款所属期起": "2026-02-01", "税款所属期止": "2026-04-30", "申报日期": "2026-05-10"},
                "税款所属期起", "2026-02-01",
            ),
            ({"税款所属期起": "1999-01-01", "税款所属期止": "1999-01-31"}, "税款所属期止", "1999-01-31"),
            ({"纳税人识别号": "\0"}, "纳税人识别号", "\ufffd"),
        ],
    )  # fmt: skip
    def test_of_declarations(self, changes, field, value):
        found = read(declarations(QUARTERS[1], declaration(FIRM, Q1, months=3, **changes)))
        assert wrong(found) == ([] if field is None else [(3, field, value)])
        assert found.taken == 2 - len(found.wrong)

    def test_one_that_was_taken_back_is_left_out(self):
        found = read(declarations(QUARTERS[1], declaration(FIRM, Q1, months=3, 申报状态="已作废")))
        assert (found.taken, found.left_out, found.wrong) == (1, 1, [])

    def test_a_period_twice_counts_once(self):
        found = read(declarations(*QUARTERS, QUARTERS[0], declaration(FIRM, Q2, sales_fen=99_000_000)))
        assert [line for line, *_ in wrong(found)] == [4, 5]
        assert facts(found)["vat_declarations", "", Q2]["taxable_sales_fen"] == 45_000_050

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"价税合计": "9999.00"}, "价税合计"),
            ({"是否正数发票": "否"}, "是否正数发票"),
            ({"发票状态": "未知"}, "发票状态"),
            ({"数电发票号码": "2.6332E+19"}, "发票号码"),
            ({"开票日期": "2026-12-01"}, "开票日期"),
            ({"开票日期": "0001-01-01"}, "开票日期"),
            ({"税额": "=1+1"}, "税额"),
            ({"购买方名称": "=cmd|' /C calc'!A0"}, "购买方名称"),
        ],
    )
    def test_of_invoices(self, changes, field):
        found = read(invoices(*SOLD, invoice(FIRM, 5, "2026-09-09", 70_000, **changes)))
        assert [(line, name) for line, name, _ in wrong(found)] == [(6, field)]
        assert found.taken == 4

    def test_a_month_that_lacks_a_row_is_marked(self):
        found = read(invoices(*SOLD, invoice(FIRM, 5, "2026-09-09", 70_000, 是否正数发票="否")))
        assert {f.period: f.complete for f in found.facts} == {date(2026, 9, 1): False, date(2026, 10, 1): True}

    def test_a_zoned_instant_falls_on_its_day_in_shanghai(self):
        found = read(invoices(invoice(FIRM, 1, "x", 1000, 开票日期="2026-08-31T20:00:00Z")))
        assert [f.period for f in found.facts] == [date(2026, 9, 1)]

    def test_the_same_invoice_twice_is_one_and_two_of_one_number_are_none(self):
        found = read(invoices(*SOLD, SOLD[0]))
        assert (found.repeated, found.wrong) == (1, [])
        assert facts(found)["invoice_months", "output", date(2026, 9, 1)]["amount_fen"] == 90_000
        found = read(invoices(*SOLD, invoice(FIRM, 1, "2026-09-03", 900_000)))
        assert [line for line, *_ in wrong(found)] == [2, 6]
        assert facts(found)["invoice_months", "output", date(2026, 9, 1)]["amount_fen"] == -10_000

    def test_the_month_that_is_not_over_is_left_out_and_gaps_in_the_list_are_seen(self):
        found = read(invoices(*SOLD, invoice(FIRM, 7, "2026-11-08", 70_000)))
        assert (found.left_out, found.serial_gaps, found.taken) == (1, 1, 4)


class TestHostileFiles:
    def test_what_is_no_export(self):
        assert refused(b"") == "empty"
        assert refused(b"  \r\n ") == "empty"
        assert refused(b"%PDF-1.7 ...") == "pdf"
        assert refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)) == "old_excel"
        assert refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")) == "locked"
        assert refused(b"PK\x03\x04 no zip") == "damaged"
        assert refused(b"\xff\xfe\x00\xd8" * 40) == "no_layout"
        assert refused(bytes(range(256)) * 20) == "no_layout"
        assert refused("a,b,c\n1,2,3\n") == "no_layout"
        assert refused(exports.package(readme_dot_txt="hello")) == "no_layout"
        assert refused(",".join(DECLARATION_HEADER) + "," + DECLARATION_HEADER[6] + "\n") == "no_layout"

    def test_a_header_without_rows_and_rows_of_nothing_but_mistakes(self):
        assert refused(declarations()) == "no_owner"
        assert refused(declarations(declaration(FIRM, date(2030, 1, 1)))) == "nothing_taken"

    def test_an_xml_with_entities_or_a_torn_one(self):
        bomb = '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><r>&b;</r>'
        assert refused(bomb) == "document_type"
        assert refused('<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>'.encode("utf-16")) == "document_type"
        assert refused("<r><unclosed></r>") == "damaged"
        assert refused("<r>" * 100_000 + "</r>" * 100_000) == "damaged"

    @pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml"])
    def test_a_workbook_with_entities(self, part):
        content = exports.xlsx(("s", DECLARATION_HEADER, QUARTERS))
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as book, zipfile.ZipFile(out, "w") as made:
            for name in book.namelist():
                text = book.read(name)
                if name == part:
                    body = text.partition(b"?>")[2] if text.startswith(b"<?xml") else text
                    text = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + body
                made.writestr(name, text)
        assert refused(out.getvalue()) == "document_type"

    def test_what_unpacks_to_more_than_may_be(self):
        bomb = exports.package(xl__workbook_dot_xml="x", xl__worksheets__sheet1_dot_xml=bytes(RULES.unpacked_bytes))
        assert len(bomb) < 100_000
        assert refused(bomb) == "unpacks_too_large"
        inner = exports.package(OFD_dot_xml=bytes(RULES.unpacked_bytes))
        assert refused(exports.package(a_dot_ofd=inner, b_dot_ofd=inner)) == "unpacks_too_large"

    def test_a_part_that_says_it_is_smaller_than_it_is(self):
        bomb = bytearray(exports.package(xl__workbook_dot_xml=bytes(2 * RULES.unpacked_bytes)))
        size = struct.pack("<I", 2 * RULES.unpacked_bytes)
        while (at := bomb.find(size)) >= 0:
            bomb[at : at + 4] = struct.pack("<I", 100)
        assert refused(bytes(bomb)) == "damaged"

    def test_too_many_rows_end_the_reading_early(self):
        few = UploadRules(**{**vars(RULES), "rows": 3})
        assert refused(invoices(*SOLD), rules=few) == "too_many_rows"
        many = "\n".join([",".join(INVOICE_HEADER), *["," * (len(INVOICE_HEADER) - 2) + "x"] * 1_000_000])
        assert refused(many) == "too_many_rows"

    def test_a_sheet_whose_last_row_is_the_last_there_can_be(self):
        book = openpyxl.Workbook()
        book.active.append(DECLARATION_HEADER)
        for row in QUARTERS:
            book.active.append(row)
        book.active.cell(row=1_048_576, column=16_384, value="x")
        out = io.BytesIO()
        book.save(out)
        assert refused(out.getvalue()) == "too_many_rows"

    def test_an_unclosed_quote_costs_its_line(self):
        lines = declarations(*QUARTERS).splitlines()
        found = read("\n".join([*lines[:2], lines[2].replace("甲", '"甲'), lines[2]]))
        assert (found.taken, [line for line, *_ in wrong(found)]) == (2, [3])

    def test_bytes_that_are_no_text_cost_their_line(self):
        lines = declarations(*QUARTERS).encode().split(b"\r\n")
        found = read(b"\n".join([*lines[:2], lines[2].replace("甲".encode(), b"\xff\xff"), lines[2]]))
        assert (found.taken, [line for line, *_ in wrong(found)]) == (2, [3])


def test_what_is_wrong_with_a_row_has_chinese_words():
    rows = [*QUARTERS, declaration(FIRM, Q1, months=3), *(
        declaration(FIRM, date(2025, 1, 1), **{name: value})
        for name, value in (("应纳税额合计", "x"), ("申报日期", "2024-01-01"), ("申报日期", "x"), ("已缴税额", ""),
                            ("税款所属期止", "2030-01-31"), ("纳税人识别号", OTHER), ("免税销售额", "-1.00"),
                            ("免税销售额", "=A1"), ("税款所属期起", "1999-01-01"))
    )]  # fmt: skip
    listed = [*SOLD, invoice(FIRM, 1, "2026-09-03", 5), *(
        invoice(FIRM, 90, "2026-09-03", 7_000, **{name: value})
        for name, value in (("价税合计", "1.00"), ("发票状态", "x"), ("是否正数发票", "否"), ("数电发票号码", "x"),
                            ("开票日期", "2030-01-01"), ("销方识别号", OTHER))
    )]  # fmt: skip
    problems = {row.problem for content in (declarations(*rows), invoices(*listed)) for row in read(content).wrong}
    assert len(problems) >= 14
    assert [problem for problem in problems if in_chinese(problem) == problem] == []


def test_every_refusal_has_words():
    for reason, words in REFUSALS.items():
        assert all(words)
        assert FileRefused(reason).reason == reason


@pytest.mark.parametrize(
    ("change", "named"),
    [({"rows": 0}, "rows"), ({"rows": True}, "rows"), ({"colour": 1}, "colour"), ({"settled_day": 31}, "settled_day")],
)
def test_a_wrong_setting_is_named(change, named):
    with pytest.raises(UploadSettingError, match=named):
        parse(vars(RULES) | change)
