"""The bill of materials and the licences are those of the lock, and CycloneDX takes them."""

import json
import re
from importlib import util

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from creditlink.kit.settings import ROOT

pytestmark = pytest.mark.pure


def tool(name):
    spec = util.spec_from_file_location(f"deploy_{name}", ROOT / "deploy" / "tools" / f"{name}.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bill = tool("bill")
WRITTEN = json.loads(bill.BILL.read_text())


def faults(document):
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))


def test_the_bill_is_a_bill_of_materials():
    assert faults(WRITTEN) is None
    assert faults(WRITTEN | {"components": [{"type": "nothing"}]}) is not None, "the check can fail"
    assert faults(bill.bill("dev.txt")) is None


def test_it_is_the_locks():
    """Run `make sbom` after a change of the lock."""
    now, licences = bill.bill(), {one["bom-ref"]: one.get("licenses") for one in WRITTEN["components"]}

    def stripped(document):
        return [{key: value for key, value in one.items() if key != "licenses"} for one in document["components"]]

    assert stripped(WRITTEN) == stripped(now)
    told = {one["bom-ref"]: one["licenses"] for one in now["components"] if "licenses" in one}
    assert {ref: licences[ref] for ref in told} == told


def test_every_component_has_a_hash():
    assert [one["name"] for one in WRITTEN["components"] if not one["hashes"]] == []
    refs = [one["bom-ref"] for one in WRITTEN["components"]]
    assert len(set(refs)) == len(refs) == len(bill.locked("run.txt")) + len(bill.VENDORED)
    assert WRITTEN["dependencies"][0]["dependsOn"] == refs


def test_the_list_of_licences_is_of_the_same():
    rows = re.findall(r"^\| (\S.*?) \| ([^|]*) \| ([^|]+) \|$", bill.LICENCES.read_text(), re.MULTILINE)[1:]
    assert {name for name, *_ in rows} - {"---"} == {one["name"] for one in WRITTEN["components"]}


def test_nothing_that_we_ship_forbids_to_be_shipped_so():
    said = [one["licenses"][0].get("expression", "") for one in WRITTEN["components"] if "licenses" in one]
    assert [one for one in said if re.search(r"(?<![L])GPL|SSPL|BUSL|Commons-Clause|NC", one)] == []


def test_the_licence_of_our_own_is_stated_and_there():
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:400]
