"""Files as the tax platform exports them, for a firm and some months."""

from __future__ import annotations

import io
import zipfile
from datetime import date

import openpyxl

from creditlink.kit.clock import add_months
from creditlink.kit.money import yuan_text

OTHER = "91440606MA4ABC1239"
INVOICE_HEADER = (
    "序号", "发票代码", "发票号码", "数电发票号码", "销方识别号", "销方名称", "购方识别号", "购买方名称", "开票日期",
    "金额", "税额", "价税合计", "发票来源", "发票票种", "发票状态", "是否正数发票", "发票风险等级", "开票人", "备注",
)  # fmt: skip
DECLARATION_HEADER = (
    "纳税人识别号", "纳税人名称", "税款所属期起", "税款所属期止", "申报日期", "申报期限", "应征增值税不含税销售额",
    "免税销售额", "销项税额", "进项税额", "应纳税额合计", "已缴税额", "申报状态",
)  # fmt: skip


def invoice(firm, number, day, amount_fen, *, serial=None, sold=True, state="正常", tax_fen=None, **changes):
    """One row of the list of invoices."""
    tax = amount_fen * 13 // 100 if tax_fen is None else tax_fen
    seller, buyer = (firm, OTHER) if sold else (OTHER, firm)
    row = {
        "序号": str(serial or number), "发票代码": "", "发票号码": "",
        "数电发票号码": f"{26_440000000000000000 + number}",
        "销方识别号": seller, "销方名称": "甲", "购方识别号": buyer, "购买方名称": "乙",
        "开票日期": f"{day} 10:23:45", "金额": yuan_text(amount_fen), "税额": yuan_text(tax),
        "价税合计": yuan_text(amount_fen + tax), "发票来源": "电子发票服务平台", "发票票种": "数电发票（普通发票）",
        "发票状态": state, "是否正数发票": "是" if amount_fen > 0 else "否", "发票风险等级": "正常", "开票人": "丙",
        "备注": "",
    }  # fmt: skip
    return tuple((row | changes)[name] for name in INVOICE_HEADER)


def declaration(firm, first: date, *, months=1, sales_fen=10_000_000, tax_fen=None, filed=None, **changes):
    """One row of the list of declarations, filed on the tenth of the month after."""
    after = add_months(first, months)
    last = date.fromordinal(after.toordinal() - 1)
    tax = sales_fen // 100 if tax_fen is None else tax_fen
    row = {
        "纳税人识别号": firm, "纳税人名称": "甲", "税款所属期起": f"{first}", "税款所属期止": f"{last}",
        "申报日期": f"{filed or after.replace(day=10)}", "申报期限": f"{after.replace(day=15)}",
        "应征增值税不含税销售额": yuan_text(sales_fen), "免税销售额": "0.00", "销项税额": "0.00", "进项税额": "0.00",
        "应纳税额合计": yuan_text(tax), "已缴税额": yuan_text(tax), "申报状态": "已申报",
    }  # fmt: skip
    return tuple((row | changes)[name] for name in DECLARATION_HEADER)


def csv(header, rows, *, above=()):
    return "\r\n".join([*above, ",".join(header), *(",".join(row) for row in rows)]) + "\r\n"


def xlsx(*sheets, above=()):
    """A workbook; each sheet is (name, header, rows)."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, header, rows in sheets:
        sheet = book.create_sheet(name)
        for line in above:
            sheet.append([line])
        sheet.append(header)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def package(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return out.getvalue()


def ofd(firm, number, day, amount_fen):
    tax = amount_fen * 13 // 100
    document = f"""<?xml version="1.0" encoding="UTF-8"?>
<fp:eInvoice xmlns:fp="urn:e-invoice"><fp:DocID>1</fp:DocID><fp:InvoiceCode>044001900111</fp:InvoiceCode>
<fp:InvoiceNo>{number:08d}</fp:InvoiceNo><fp:IssueDate>{day:%Y年%m月%d日}</fp:IssueDate>
<fp:Buyer><fp:BuyerName>乙</fp:BuyerName><fp:BuyerTaxID>{OTHER}</fp:BuyerTaxID></fp:Buyer>
<fp:TaxInclusiveTotalAmount>{yuan_text(amount_fen + tax)}</fp:TaxInclusiveTotalAmount>
<fp:Seller><fp:SellerName>甲</fp:SellerName><fp:SellerTaxID>{firm}</fp:SellerTaxID></fp:Seller>
<fp:TaxTotalAmount>{yuan_text(tax)}</fp:TaxTotalAmount>
<fp:TaxExclusiveTotalAmount>{yuan_text(amount_fen)}</fp:TaxExclusiveTotalAmount></fp:eInvoice>"""
    return package(OFD_dot_xml="<OFD/>", Doc_0__Attachs__original_invoice_dot_xml=document)
