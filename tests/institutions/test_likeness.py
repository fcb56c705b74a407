"""No institution takes a name that a firm would take for another's."""

from __future__ import annotations

import pytest

from creditlink.institutions import service
from creditlink.institutions.likeness import skeleton
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db


def register(session, **values):
    usual = {"code": "FSRCB", "name_zh": "佛山农村商业银行", "name_en": "Foshan Rural Commercial Bank", "kind": "bank"}
    return service.add_institution(session, **usual | values, now=utc_now())


@pytest.fixture
def registered(empty_database):
    with db.transaction("owner") as session:
        register(session)


OTHER = {"code": "NEWB", "name_zh": "新银行", "name_en": "New Bank"}
ALIKE = [
    {"name_en": "Foshan Rural Commercial Bank"},
    {"name_en": "FOSHAN  RURAL-COMMERCIAL BANK"},
    {"name_en": "Fоshаn Rurаl Cоmmеrсiаl Bаnk"},  # Cyrillic о, а, е, с
    {"name_en": "Foshán Rural Commercial Bank"},
    {"name_en": "Foshan Rural Cornmercial Bank"},
    {"name_en": "Foshan Rura1 Commercial Bank"},
    {"name_en": "Ｆｏｓｈａｎ Ｒｕｒａｌ Ｃｏｍｍｅｒｃｉａｌ Ｂａｎｋ"},
    {"name_en": "𝐅𝐨𝐬𝐡𝐚𝐧 Rural Commercial Bank"},
    {"name_en": "Foshan\u3164Rural Commercial Bank"},
    {"name_en": "佛山农村商业银行"},  # the other's name in the other field
    {"name_zh": "佛山 农村 商业 银行"},
    {"name_zh": "佛山農村商業銀行"},
    {"name_zh": "佛⼭农村商业银⾏"},  # radicals of the Kangxi block
    {"name_zh": "佛山农村商业银行。"},
    {"code": "FSRC8", "name_zh": "\u3164"},  # nothing that can be seen
]


@pytest.mark.usefixtures("registered")
class TestRegistering:
    @pytest.mark.parametrize("values", ALIKE)
    def test_a_look_alike_is_refused_by_field(self, values):
        with pytest.raises(RegistrationRefused, match=r"name_en|name_zh"), db.transaction("owner") as session:
            register(session, **OTHER | values)
        with db.transaction("owner") as session:
            assert session.query(Institution).count() == 1

    def test_so_is_a_code(self):
        with db.transaction("owner") as session:
            register(session, code="BOC10", name_zh="另一银行", name_en="Another Bank")
        with pytest.raises(RegistrationRefused, match="looks like that of BOC10"), db.transaction("owner") as session:
            register(session, **OTHER | {"code": "B0CIO"})

    def test_a_name_of_its_own_is_taken(self):
        with db.transaction("owner") as session:
            register(session, **OTHER)
            register(session, code="GZRCB", name_zh="广州农村商业银行", name_en="Guangzhou Rural Commercial Bank")


@pytest.mark.pure
def test_what_differs_to_the_eye_stays_apart():
    names = [
        "佛山银行",
        "佛山农商银行",
        "中山银行",
        "东莞银行",
        "东亚银行",
        "建设银行",
        "Bank of Foshan",
        "Bank of Dongguan",
    ]
    assert len({skeleton(name) for name in names}) == len(names)
