"""The data categories that a firm can grant, in plain words for people."""

from dataclasses import dataclass

from creditlink.engine import vocabulary
from creditlink.engine.vocabulary import CategoryName


@dataclass(frozen=True)
class Category:
    """What one category is called, and what a firm should know that it holds."""

    name: CategoryName
    holds_zh: str
    holds_en: str
    source_zh: str
    source_en: str

    def text(self, lang: str) -> tuple[str, str, str]:
        """Return label, contents and source in `lang` (zh or en)."""
        if lang == "zh":
            return self.name.label_zh, self.holds_zh, self.source_zh
        return self.name.label_en, self.holds_en, self.source_en


CATEGORIES: dict[str, Category] = {
    "registration": Category(
        vocabulary.CATEGORIES["registration"],
        "成立日期、注册与实缴资本、行业、地区、登记状态",
        "founding date, registered and paid-in capital, industry, region, registration status",
        "市场监督管理部门",
        "the market regulator",
    ),
    "tax": Category(
        vocabulary.CATEGORIES["tax"],
        "每期增值税申报的销售额、应缴与已缴税额、欠税、纳税信用等级，以及按月汇总的开票情况",
        "sales and tax due and paid in each VAT return, arrears, taxpayer grade, and invoices summed by month",
        "税务部门",
        "the tax office",
    ),
    "social_security": Category(
        vocabulary.CATEGORIES["social_security"],
        "每月参保人数、缴费基数、应缴与实缴金额、缴费日期；不含任何员工的个人信息",
        "insured headcount, contribution base, amounts due and paid, payment dates by month; nothing on any employee",
        "人力资源和社会保障部门",
        "the social-security office",
    ),
    "housing_fund": Category(
        vocabulary.CATEGORIES["housing_fund"],
        "每月缴存人数、应缴与实缴金额、缴存日期；不含任何员工的个人信息",
        "staff covered, deposits due and paid, payment dates by month; nothing on any employee",
        "住房公积金管理中心",
        "the housing-fund centre",
    ),
    "utility": Category(
        vocabulary.CATEGORIES["utility"],
        "每月用量、账单金额、缴费日期、欠费与停供记录",
        "usage, bills, payment dates, arrears and disconnections by month",
        "供电、供水、燃气公司",
        "the electricity, water and gas companies",
    ),
    "public_credit": Category(
        vocabulary.CATEGORIES["public_credit"],
        "行政处罚、行政许可、法院执行、失信名单与红名单",
        "penalties, licences, court enforcement, dishonest-debtor list and red lists",
        "公共信用信息平台",
        "the public credit platform",
    ),
    "contract": Category(
        vocabulary.CATEGORIES["contract"],
        "已签订、已履行与违约的合同数量和金额",
        "number and amount of contracts signed, performed and breached",
        "合同备案部门",
        "the contract registry",
    ),
    "intellectual_property": Category(
        vocabulary.CATEGORIES["intellectual_property"],
        "专利、商标与软件著作权的授权情况",
        "patents, trademarks and software copyrights granted",
        "知识产权部门",
        "the intellectual-property office",
    ),
    "logistics": Category(
        vocabulary.CATEGORIES["logistics"],
        "每月发货与仓储的数量",
        "shipments and storage volumes by month",
        "物流平台",
        "logistics platforms",
    ),
    "import_export": Category(
        vocabulary.CATEGORIES["import_export"],
        "每月进出口报关单数、完税价格及改单退单数",
        "customs declarations, their value and those corrected or refused, by month",
        "海关",
        "customs",
    ),
}
"""Consent category -> its words; the same names as `engine.facts.frames.CATEGORY_FRAMES`."""

ACTIONS: dict[str, tuple[str, str]] = {
    "profile": ("计算并查看信用画像", "compute and read a credit profile"),
    "match": ("与贷款产品匹配", "match it to loan products"),
    "monitor": ("在授权期内跟踪变化", "watch for changes while the consent lasts"),
    "report": ("出具信用报告", "issue a credit report"),
}
"""What a consent can allow to be done with the data, in Chinese and English."""
