"""The data categories that a firm can grant, and those read by law, in plain words for people."""

from __future__ import annotations

from dataclasses import dataclass

from creditlink.engine import vocabulary
from creditlink.engine.facts.catalogue import CATEGORIES as CATALOGUE
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, CategoryName


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


_WORDS: dict[str, tuple[str, str, str, str]] = {
    "registration": (
        "成立日期、注册与实缴资本、行业、地区、登记状态",
        "founding date, registered and paid-in capital, industry, region, registration status",
        "市场监督管理部门",
        "the market regulator",
    ),
    "tax": (
        "每个申报期增值税的应税与免税销售额、应纳与已缴税额、申报日期；企业所得税预缴与汇算清缴的收入、利润和税额；欠税、"
        "涉税违法与处罚、退税；纳税信用等级和纳税人类型；按月汇总的开票情况",
        "for each VAT period taxable and exempt sales, tax due and paid, and when it was filed; revenue, profit and "
        "tax in corporate income tax returns; arrears, violations, penalties and refunds; taxpayer grade and kind; "
        "invoices summed by month",
        "税务部门",
        "the tax office",
    ),
    "social_security": (
        "每月参保人数及增减、缴费基数总额、应缴与实缴金额、缴费日期；不含任何员工的个人信息",
        "insured headcount, joiners and leavers, sum of contribution bases, amounts due and paid, payment dates by "
        "month; nothing on any employee",
        "人力资源和社会保障部门",
        "the social-security office",
    ),
    "housing_fund": (
        "每月缴存人数、应缴与实缴金额、缴存日期；不含任何员工的个人信息",
        "staff covered, deposits due and paid, payment dates by month; nothing on any employee",
        "住房公积金管理中心",
        "the housing-fund centre",
    ),
    "electricity": (
        "每月用电量（有分时电表的，含夜间和周末用电量）、电费账单金额、缴费日期与方式、欠费与停电记录",
        "electricity used by month, with an interval meter also at night and at weekends; bills, payment dates and "
        "methods, arrears and disconnections",
        "供电公司",
        "the electricity company",
    ),
    "water": (
        "每月用水量、水费账单金额、缴费日期与方式、欠费与停水记录",
        "water used by month, bills, payment dates and methods, arrears and disconnections",
        "供水公司",
        "the water company",
    ),
    "gas": (
        "每月用气量、燃气费账单金额、缴费日期与方式、欠费与停气记录",
        "gas used by month, bills, payment dates and methods, arrears and disconnections",
        "燃气公司",
        "the gas company",
    ),
    "public_credit": (
        "行政许可、行政处罚、法院执行、失信被执行人名单与守信红名单",
        "licences, administrative penalties, court enforcement, the dishonest-debtor list and red lists",
        "公共信用信息平台",
        "the public credit platform",
    ),
    "contract": (
        "每月签订、履行与违约的合同数量和金额，以及机关、事业单位应付款与逾期未付款；不含合同内容和对方名称",
        "number and amount of contracts signed, performed and breached by month, and what public bodies owed and paid "
        "late; neither the contracts nor the other parties",
        "合同备案部门",
        "the contract registry",
    ),
    "intellectual_property": (
        "每月获得授权的专利、实用新型、商标与软件著作权数量",
        "number of patents, utility models, trademarks and software copyrights granted by month",
        "知识产权部门",
        "the intellectual-property office",
    ),
    "logistics": (
        "每月发货次数、货运重量和日均库存重量",
        "shipments, tonnes shipped and tonnes in store by month",
        "物流平台",
        "logistics platforms",
    ),
    "import_export": (
        "每月进出口报关单数、完税价格及改单退单数",
        "customs declarations, their value and those corrected or refused, by month",
        "海关",
        "customs",
    ),
}

CATEGORIES: dict[str, Category] = {
    code: Category(name, *_WORDS[code]) for code, name in vocabulary.CONSENT_CATEGORIES.items()
}
"""Category -> its words; in the order of `vocabulary.CONSENT_CATEGORIES`."""

GRANTABLE = tuple(code for code in CATEGORIES if code not in PUBLIC_CATEGORIES)
"""What a firm can grant or refuse: all that is not public by law."""

ACTIONS: dict[str, tuple[str, str]] = {
    "profile": ("计算并查看信用画像", "compute and read a credit profile"),
    "match": ("与贷款产品匹配", "match it to loan products"),
    "monitor": ("在授权期内跟踪变化", "watch for changes while the consent lasts"),
    "report": ("出具信用报告", "issue a credit report"),
}
"""What a consent can allow to be done with the data, in Chinese and English; consents of before name all of these."""

SERVED_ACTIONS = ("profile", "match", "report")
"""Those that a request may ask for: nothing is promised that nobody serves."""

USUAL_ACTIONS = ("profile", "match")
"""What a request asks for that names none."""

PURPOSE_ACTIONS = {"report": ("profile", "report")}
"""Purpose -> what a request for it asks for that names none; its own action may be asked for nowhere else."""


def label_of(category: str, lang: str) -> str:
    """Return what a category is called in `lang`, also one that only older consents and evidence name."""
    name = vocabulary.name_of(category)
    return name.label_zh if lang == "zh" else name.label_en


def is_known(category: str) -> bool:
    """Return whether a category has a name: of a consent today, or of one of before."""
    return category in CATEGORIES or category in vocabulary.CATEGORIES


def basis_of(category: str, lang: str) -> str:
    """Return the law by which a category is read without a grant, or collected with one, in `lang`."""
    described = CATALOGUE[category]
    return described.legal_basis_zh if lang == "zh" else described.legal_basis_en
