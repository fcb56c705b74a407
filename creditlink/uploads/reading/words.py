"""What is wrong with a row, in Chinese: the firm's people read it on their page. Pure."""

from __future__ import annotations

import re

_CHINESE = (
    (r"not an amount in yuan.*", "不是金额（单位：元，最多两位小数）"),
    (r"negative amount", "金额不能为负数"),
    (r"not a day YYYY.*|not a day of the calendar", "不是有效日期"),
    (r"not between the years (\d+) and (\d+)", r"年份应在\1至\2之间"),
    (r"is empty", "未填写"),
    (r"the period is not over", "税款所属期尚未结束"),
    (r"not between the period's end and the day of the upload, (\S+)", r"应晚于税款所属期，且不晚于上传日\1"),
    (r"before (\S+), the first month that is taken", r"早于可采用的最早月份\1"),
    (r"outside the asked range (\S+) to (\S+)", r"不在可采用的期间（\1至\2）内"),
    (r"not in one (month|quarter|year) with the last month, .*", "起止月份不在同一申报期内"),
    (r"before the first month, .*", "早于税款所属期起"),
    (r"another taxpayer's", "属于其他纳税人"),
    (r"the firm is neither seller nor buyer", "本企业既非销方，也非购方"),
    (r"the same declaration for (\S+) stands above", r"\1的申报记录在上文已出现"),
    (r"another declaration for (\S+) stands above", r"上文已有内容不同的\1申报记录"),
    (r"stands in line (\d+) with another content", r"与第\1行发票号码相同，内容不同"),
    (r"stands again below with another content", "下文有发票号码相同、内容不同的行"),
    (r"not an invoice number of 8 to 20 digits", "不是8至20位数字的发票号码"),
    (r"does not go with the amount (.*)", r"与金额\1不符"),
    (r"not the sum of amount and tax", "不等于金额与税额之和"),
    (r"not a known state of an invoice", "不是已知的发票状态"),
    (r"after the day of the upload, (\S+)", r"晚于上传日\1"),
    (r"is a formula; .*", "是公式，导出文件中应为数值"),
    (r"holds (the character )?U\+.*", "含有不允许的字符"),
    (r"is neither UTF-8 nor GBK.*|is not \S+(, as the rest of the file is)?", "编码无法识别"),
    (r"a quote opens in it that is not closed", "引号未闭合"),
    (r"is not CSV: .*", "不符合CSV格式"),
)


def in_chinese(problem: str) -> str:
    """Return what is wrong in Chinese; as it is where there are no words for it."""
    for pattern, chinese in _CHINESE:
        found = re.fullmatch(pattern, problem, re.DOTALL)
        if found is not None:
            return found.expand(chinese)
    return problem
