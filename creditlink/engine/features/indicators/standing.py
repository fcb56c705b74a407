"""Dimension 4, standing: the firm's age, capital, industry, state, licences, property and contracts."""

from __future__ import annotations

from functools import partial

import polars as pl

from creditlink.engine.features.indicator import (
    NEVER,
    NO_DENOMINATOR,
    NO_RECORD,
    NO_REFERENCE,
    NOT_SEARCHED,
    Indicator,
    growth,
    ratio,
)
from creditlink.engine.features.months.window import positive, total

_standing = partial(Indicator, category="registration", dimension="standing")

_REGISTRY = "Source: Regulations on Publicity of Enterprise Information (State Council Decree 777)"
_FOSHAN = "Source: Foshan risk model (published): age, registered and paid-in capital, headcount, industry, tax paid"
_CONTRACTS = "Source: Xuhui contract-performance module (published platform practice)"
_SHELLS = "Source: Shenzhen fake-registration model (published): shared address or representative"
_PROPERTY = "Source: 知识价值贷 practice: intellectual property as the basis of credit"

_CUSTOMS = "Source: General Administration of Customs, credit management of enterprises (Decree 251)"
_PAYERS = "Source: Regulations on Ensuring Payments to Small and Medium Enterprises (State Council Decree 802)"
_FOSHAN_GOODS = "Source: Foshan catalogue: logistics and storage as a data kind"

_STATUS_RANK = {"active": 0.0, "suspended": 1.0, "revoked": 2.0, "deregistered": 2.0}

# A paragraph per indicator reads as a catalogue; one argument a line would not.
# fmt: off
INDICATORS = (
    _standing(
        "age_months", "成立月数", "Months since registration", unit="months", window=0, direction=-1, missing=NEVER,
        formula="days from established_on to as_of / 30.4375", source=_FOSHAN, reason_code="R111",
        expression=pl.col("registration:age_months"),
    ),
    _standing(
        "registered_capital_fen", "注册资本", "Registered capital", unit="fen", window=0, direction=-1,
        missing="missing when not registered", formula="registered capital", source=_FOSHAN, reason_code="R112",
        expression=pl.col("registration:registered_capital_fen"),
    ),
    _standing(
        "paid_in_capital_fen", "实缴资本", "Paid-in capital", unit="fen", window=0, direction=-1,
        missing="missing when not disclosed", formula="paid-in capital", source=_FOSHAN, reason_code="R113",
        expression=pl.col("registration:paid_in_capital_fen"), actionable=True,
    ),
    _standing(
        "paid_in_share", "实缴资本比例", "Share of capital paid in", unit="ratio", window=0, direction=-1,
        missing=NO_DENOMINATOR, formula="paid-in capital / registered capital", source=_FOSHAN, reason_code="R114",
        expression=ratio(pl.col("registration:paid_in_capital_fen"), pl.col("registration:registered_capital_fen")),
        actionable=True,
    ),
    _standing(
        "industry_default_rate", "行业违约率", "Default rate of the industry", unit="ratio", window=12, direction=0,
        missing=NO_REFERENCE,
        formula="share of bad firms in the industry of the training data, its division where the model's table has it, "
        "else its section, smoothed to the next wider group with weight 200",
        source=_FOSHAN, reason_code="R115", expression=pl.col("reference:default_rate"),
    ),
    _standing(
        "status_rank", "存续状态", "Life-cycle state", unit="rank", window=0, direction=1, missing=NEVER,
        formula="active 0, suspended 1, revoked or deregistered 2", source=_REGISTRY, reason_code="R116",
        expression=pl.col("registration:status").replace_strict(_STATUS_RANK, default=None, return_dtype=pl.Float64),
    ),
    _standing(
        "sole_trader", "个体工商户", "Sole trader", unit="flag", window=0, direction=0, missing=NEVER,
        formula="1 for a sole trader (个体工商户), else 0", source=_REGISTRY, reason_code="R117",
        expression=pl.col("registration:entity_type") == "sole_trader",
    ),
    _standing(
        "linked_struck_off", "与吊销企业关联", "Shares address or representative with a struck-off firm", unit="flag",
        window=0, direction=1, missing=NEVER, formula="1 when shared, else 0", source=_SHELLS, reason_code="R118",
        expression=pl.col("registration:linked_struck_off"),
    ),
    _standing(
        "licences_in_force", "有效许可数", "Licences in force", category="public_credit", unit="count", window=0,
        direction=-1, missing=NOT_SEARCHED,
        formula="licences granted by as_of and not ended", source=_REGISTRY, reason_code="R119",
        expression=pl.col("events:licences"),
        version=2,
    ),
    _standing(
        "intellectual_property_36", "知识产权授权数(36月)", "Intellectual property granted in 36 months",
        category="intellectual_property", unit="count", window=36, direction=-1, missing=NO_RECORD,
        formula="patents, utility models, trademarks and software rights granted m01..m36", source=_PROPERTY,
        reason_code="R120", expression=total("any_property", 36), actionable=True,
    ),
    _standing(
        "patents_36", "发明专利授权数(36月)", "Patents granted in 36 months", category="intellectual_property",
        unit="count", window=36, direction=-1, missing=NO_RECORD, formula="patents granted m01..m36",
        source=_PROPERTY, reason_code="R121", expression=total("patent_property", 36), actionable=True,
    ),
    _standing(
        "contracts_performed_share_24", "合同履约率(24月)", "Share of contracts performed", category="contract",
        unit="ratio", window=24, direction=-1, missing=NO_DENOMINATOR,
        formula="contracts performed / (performed + breached), m01..m24", source=_CONTRACTS, reason_code="R122",
        expression=ratio(total("performed", 24), total("performed", 24) + total("breached", 24)),
        actionable=True,
    ),
    _standing(
        "contracts_signed_12", "新签合同数(12月)", "Contracts signed in 12 months", category="contract", unit="count",
        window=12, direction=-1, missing=NO_RECORD, formula="contracts signed m01..m12", source=_CONTRACTS,
        reason_code="R123", expression=total("signed", 12), actionable=True,
    ),
    _standing(
        "contracts_breached_24", "违约合同数(24月)", "Contracts breached in 24 months", category="contract",
        unit="count", window=24, direction=1, missing=NO_RECORD, formula="contracts breached m01..m24",
        source=_CONTRACTS, reason_code="R124", expression=total("breached", 24), actionable=True,
    ),
    _standing(
        "shipments_growth_3", "近3月发货量同比增长", "Shipments growth, 3 months over the same 3 a year ago",
        category="logistics", unit="ratio", window=15, direction=-1, missing=NO_DENOMINATOR,
        formula="mean(shipments m01..m03) / mean(shipments m13..m15) − 1",
        source=_FOSHAN_GOODS, reason_code="R125",
        expression=growth("shipments", 3, 12), actionable=True,
        version=2,
    ),
    _standing(
        "shipment_months_12", "有发货月数(12月)", "Months with shipments in 12", category="logistics", unit="months",
        window=12, direction=-1, missing=NO_RECORD, formula="months m01..m12 with a shipment",
        source=_FOSHAN_GOODS, reason_code="R126",
        expression=positive("shipments", 12), actionable=True,
    ),
    _standing(
        "contracts_performed_value_share_24", "合同履约金额占比(24月)", "Share of contract value performed",
        category="contract", unit="ratio", window=24, direction=-1, missing=NO_DENOMINATOR,
        formula="amount performed / (performed + breached), m01..m24", source=_CONTRACTS, reason_code="R182",
        expression=ratio(
            total("performed_amount", 24), total("performed_amount", 24) + total("breached_amount", 24)
        ),
        actionable=True,
    ),
    _standing(
        "government_late_share_12", "政府单位逾期付款占比", "Paid late by public bodies", category="contract",
        unit="ratio", window=12, direction=0,
        missing="missing unless public bodies owed the firm for contracts in the window",
        formula="amount that public bodies had not paid by its due day / amount due from them, m01..m12",
        source=_PAYERS, reason_code="R183",
        expression=ratio(total("government_late", 12), total("government_due", 12)),
    ),
    _standing(
        "stock_cover_6", "库存周转压力", "Stock against shipments", category="logistics", unit="ratio", window=6,
        direction=1, missing="missing without a warehouse, or without shipments",
        formula="tonnes in store / tonnes shipped in the same months, m01..m06", source=_FOSHAN_GOODS,
        reason_code="R184", expression=ratio(total("stored", 6), total("stored_beside", 6)), actionable=True,
    ),
    _standing(
        "foreign_trade_12_fen", "近12月进出口额", "Imports and exports of 12 months", category="import_export",
        unit="fen", window=12, direction=-1, missing=NO_RECORD, formula="customs value of exports and imports m01..m12",
        source=_CUSTOMS, reason_code="R185", expression=total("customs_amount", 12), actionable=True,
    ),
    _standing(
        "exports_growth_12", "出口额同比增长", "Export growth, 12 months over the 12 before", category="import_export",
        unit="ratio", window=24, direction=-1, missing=NO_DENOMINATOR,
        formula="mean(exports m01..m12) / mean(exports m13..m24) − 1", source=_CUSTOMS, reason_code="R186",
        expression=growth("export_amount", 12, 12), actionable=True,
    ),
    _standing(
        "customs_fault_share_24", "报关改单退单率", "Share of customs declarations corrected or refused",
        category="import_export", unit="ratio", window=24, direction=1, missing=NO_DENOMINATOR,
        formula="declarations corrected or refused / declarations, m01..m24", source=_CUSTOMS, reason_code="R188",
        expression=ratio(total("customs_faults", 24), total("customs_declarations", 24)), actionable=True,
    ),
)
# fmt: on
"""Standing indicators in reporting order."""
