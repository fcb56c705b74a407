"""Unified social credit codes (统一社会信用代码), GB 32100-2015. Pure."""

from dataclasses import dataclass

from stdnum.cn import uscc as _stdnum

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters of a code; I O S V Z are left out as easily confused."""

_WEIGHTS = tuple(pow(3, i, 31) for i in range(17))

KINDS: dict[str, str] = {
    "1": "1239",  # 机构编制: 机关, 事业单位, 群众团体, 其他
    "2": "19",  # 外交: 外国常驻新闻机构, 其他
    "3": "123459",  # 司法行政: 律师执业机构, 公证处, 基层法律服务所, 司法鉴定机构, 仲裁委员会, 其他
    "4": "19",  # 文化: 外国在华文化中心, 其他
    "5": "1239",  # 民政: 社会团体, 民办非企业单位, 基金会, 其他
    "6": "129",  # 旅游: 外国 and 港澳台 tourist offices, 其他
    "7": "129",  # 宗教: 宗教活动场所, 宗教院校, 其他
    "8": "19",  # 工会: 基层工会, 其他
    "9": "123",  # 工商: 企业, 个体工商户, 农民专业合作社
    "A": "19",  # 中央军委改革和编制办公室: 军队事业单位, 其他
    "N": "1239",  # 农业: 组级, 村级, 乡镇级集体经济组织, 其他
    "Y": "1",  # 其他
}
"""Registering authority (first character) -> the kinds of body it registers (second character).

Source: GB 32100-2015, the table of 登记管理部门代码 and 机构类别代码, with A and N as the national data centre
(全国组织机构统一社会信用代码数据服务中心) has allotted them since. python-stdnum, which strips and normalises what was
typed, allows only digits in these two places, and any pair of them.
"""


@dataclass(frozen=True)
class UsccCheck:
    """What we know about a code: it may be stored if `well_formed`, and needs no exception if `check_ok`."""

    uscc: str
    well_formed: bool
    check_ok: bool
    reason: str | None


def check_value(body: str) -> str:
    """Return the check character for the first 17 characters of a code.

    A sum that is 0 mod 31 gives `0`; several published validators crash there.

    Source: GB 32100-2015, annex A; ISO 7064 weights 3^(i-1) mod 31.
    """
    total = sum(ALPHABET.index(c) * w for c, w in zip(body, _WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def check(text: str) -> UsccCheck:
    """Check a code as typed. Real codes with a wrong check character exist: it only warns."""
    code = _stdnum.compact(text).upper()
    wrong = _malformed(code)
    if wrong is not None:
        return UsccCheck(code, False, False, wrong)
    if code[17] != check_value(code[:17]):
        return UsccCheck(code, True, False, f"check character is {code[17]}, computed {check_value(code[:17])}")
    return UsccCheck(code, True, True, None)


def _malformed(code: str) -> str | None:
    """Return why a text cannot be a code at all: no firm could have been given it."""
    if len(code) != 18 or any(c not in ALPHABET for c in code):
        return "needs 18 characters of 0-9 A-Z without I O S V Z"
    authority, kind, region = code[0], code[1], code[2:8]
    if authority not in KINDS:
        return f"begins with {authority}, which is no registering authority: {', '.join(KINDS)}"
    if kind not in KINDS[authority]:
        return f"has kind {kind}, but authority {authority} registers only {', '.join(KINDS[authority])}"
    if not region.isdigit():
        return f"has {region} for the region, which is six digits of GB/T 2260"
    return None


def mask(code: str) -> str:
    """Return a code fit for logs and pages seen by third parties: first 4, last 2."""
    return f"{code[:4]}{'*' * max(len(code) - 6, 0)}{code[-2:]}"
