"""The catalogue of data: what each category contains, who owns it, how fresh and how sensitive it is.

Pure: connectors, consent pages, coverage and the public reference read it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from creditlink.engine import vocabulary
from creditlink.engine.facts.catalogue_items import ITEMS, Item
from creditlink.engine.facts.frames import CATEGORY_FRAMES

Frequency = Literal["on_change", "monthly"]
Sensitivity = Literal["public", "confidential"]


@dataclass(frozen=True)
class DataCategory:
    """One data category, as consents, sources and stored facts name it: the supplies are apart."""

    code: str
    label_zh: str
    label_en: str
    owner_zh: str
    owner_en: str
    source: str | None  # the connected source; None: none is connected yet
    frequency: Frequency
    sensitivity: Sensitivity
    legal_basis_zh: str
    legal_basis_en: str
    consent_scope: str | None  # what a consent must name; None: public by law

    @property
    def frames(self) -> tuple[str, ...]:
        """Return the record frames that the category opens."""
        return CATEGORY_FRAMES[vocabulary.evidence_of(self.code)]

    @property
    def items(self) -> tuple[Item, ...]:
        """Return what the category contains, item by item."""
        return tuple(item for frame in self.frames for item in ITEMS[frame])

    def as_json(self) -> dict[str, object]:
        """Return it for the public reference."""
        return {
            "code": self.code,
            "label_zh": self.label_zh,
            "label_en": self.label_en,
            "owner_zh": self.owner_zh,
            "owner_en": self.owner_en,
            "source": self.source,
            "frequency": self.frequency,
            "sensitivity": self.sensitivity,
            "legal_basis_zh": self.legal_basis_zh,
            "legal_basis_en": self.legal_basis_en,
            "consent_scope": self.consent_scope,
            "items": [item.as_json() for item in self.items],
        }


_AUTHORISED_ZH = "《征信业管理条例》第十三条及《数据安全法》：经企业书面授权采集"
_AUTHORISED_EN = "Credit Reporting Industry Regulation and Data Security Law: collected on the firm's authorisation"
_PUBLIC_ZH = "《企业信息公示暂行条例》：依法公示的信息"
_PUBLIC_EN = "Interim Regulation on Enterprise Information Disclosure: published by law"
_LISTS_ZH = "《企业信息公示暂行条例》第七条、《最高人民法院关于公布失信被执行人名单信息的若干规定》：依法公示的信息"
_LISTS_EN = (
    "Interim Regulation on Enterprise Information Disclosure, art. 7, and Provisions of the Supreme People's Court on "
    "the List of Dishonest Judgment Debtors: published by law"
)


def _category(
    code: str,
    owners: tuple[str, str],
    *,
    source: str | None = None,
    frequency: Frequency = "monthly",
    public: bool = False,
    basis: tuple[str, str] | None = None,
) -> DataCategory:
    zh, en = basis or ((_PUBLIC_ZH, _PUBLIC_EN) if public else (_AUTHORISED_ZH, _AUTHORISED_EN))
    name = vocabulary.name_of(code)
    return DataCategory(
        code=code,
        label_zh=name.label_zh,
        label_en=name.label_en,
        owner_zh=owners[0],
        owner_en=owners[1],
        source=source,
        frequency=frequency,
        sensitivity="public" if public else "confidential",
        legal_basis_zh=zh,
        legal_basis_en=en,
        consent_scope=None if code in vocabulary.PUBLIC_CATEGORIES else code,
    )


CATEGORIES: dict[str, DataCategory] = {
    category.code: category
    for category in (
        _category(
            "registration",
            ("市场监督管理部门", "Market regulator"),
            source="registry",
            frequency="on_change",
            public=True,
        ),
        _category("tax", ("税务部门", "Tax office"), source="tax"),
        _category(
            "social_security",
            ("人力资源和社会保障部门", "Social-security office"),
            source="social_security",
        ),
        _category("housing_fund", ("住房公积金管理中心", "Housing-fund centre"), source="housing_fund"),
        _category("electricity", ("供电公司", "Electricity company"), source="electricity"),
        _category("water", ("供水公司", "Water company"), source="water"),
        _category("gas", ("燃气公司", "Gas company"), source="gas"),
        _category(
            "public_credit",
            ("公共信用信息平台", "Public credit platform"),
            source="public_credit",
            frequency="on_change",
            public=True,
            basis=(_LISTS_ZH, _LISTS_EN),
        ),
        _category("contract", ("合同备案部门", "Contract registry"), source="contract"),
        _category(
            "intellectual_property",
            ("知识产权部门", "Intellectual-property office"),
            source="intellectual_property",
            frequency="on_change",
            public=True,
        ),
        _category("logistics", ("物流平台", "Logistics platforms"), source="logistics"),
        _category("import_export", ("海关", "Customs"), source="import_export"),
    )
}
"""Category code -> what it is; the codes of `vocabulary.CONSENT_CATEGORIES`, in the same order."""
