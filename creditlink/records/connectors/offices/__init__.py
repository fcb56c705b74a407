"""The six smaller offices: a dialect each, read page by page in one way (docs/offices.md)."""

from creditlink.records.connectors.offices.contract import ContractConnector
from creditlink.records.connectors.offices.housing_fund import HousingFundConnector
from creditlink.records.connectors.offices.import_export import ImportExportConnector
from creditlink.records.connectors.offices.intellectual_property import IntellectualPropertyConnector
from creditlink.records.connectors.offices.logistics import LogisticsConnector
from creditlink.records.connectors.offices.public_credit import PublicCreditConnector

OFFICES = (
    PublicCreditConnector,
    ContractConnector,
    IntellectualPropertyConnector,
    LogisticsConnector,
    ImportExportConnector,
    HousingFundConnector,
)
"""Each names its source, the frames it fills and its credentials, which it takes by name."""

__all__ = ["OFFICES"]
