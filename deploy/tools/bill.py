"""`make sbom`: what CreditLink is made of, as CycloneDX 1.6, and the list of licences, from the lock with its hashes.

    python deploy/tools/bill.py            # docs/sbom.json and docs/licences.md
    python deploy/tools/bill.py dev.txt    # of another lock, to standard output

Versions and hashes are the lock's; licences are what the installed packages say of themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

ROOT = Path(__file__).resolve().parents[2]
BILL = ROOT / "docs" / "sbom.json"
LICENCES = ROOT / "docs" / "licences.md"
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?P<rest>.*)$")
_CLASSIFIER = {
    "Apache Software License": "Apache-2.0", "MIT License": "MIT", "BSD License": "BSD-3-Clause",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
}  # fmt: skip
_SPELT = {
    "MIT license": "MIT", "MIT License": "MIT", "The MIT License (MIT)": "MIT", "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0", "Apache License, Version 2.0": "Apache-2.0", "Apache-2": "Apache-2.0",
    "BSD": "BSD-3-Clause", "BSD 3-Clause": "BSD-3-Clause", "3-Clause BSD License": "BSD-3-Clause",
    "new BSD": "BSD-3-Clause",
    "LGPL": "LGPL-2.1-or-later", "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
}  # fmt: skip
# Shipped in our own folders.
VENDORED = (
    {"name": "Noto Sans SC", "folder": "creditlink/reports/typeset/vendor", "files": "*.ttf", "licence": "OFL-1.1"},
)


def locked(lock: str) -> dict[str, tuple[str, list[str]]]:
    """Return name -> (version, sha256 of each of its files) of a lock, in its order."""
    text = (ROOT / "config" / "locks" / lock).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if match := _REQUIREMENT.match(line):
            found[match["name"]] = (
                match["version"],
                sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", match["rest"])),
            )
    return found


def licence_of(name: str) -> str | None:
    """Return the SPDX expression of an installed package; None: it is not installed here, or says nothing."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if expression := said.get("License-Expression"):
        return expression
    classified = [one.rsplit(" :: ", 1)[1] for one in said.get_all("Classifier") or [] if one.startswith("License ::")]
    known = sorted({_CLASSIFIER[one] for one in classified if one in _CLASSIFIER})
    if known:
        return " AND ".join(known)
    short = (said.get("License") or "").strip().splitlines()
    return _SPELT.get(short[0], short[0] if len(short[0]) <= 40 else None) if short else None


def bill(lock: str = "run.txt") -> dict:
    """Return the bill of materials. The same lock gives the same bill, but for licences that are not installed here."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    root = f"pkg:pypi/{about['name']}@{about['version']}"
    components = [_component(name, *said) for name, said in locked(lock).items()]
    components += [_vendored(one) for one in VENDORED]
    listed = json.dumps(components, sort_keys=True).encode()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, hashlib.sha256(listed).hexdigest())}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": root, "name": about["name"], "version": about["version"],
                "purl": root,
                "licenses": [{"expression": about["license"]}],
            }
        },
        "components": components,
        "dependencies": [{"ref": root, "dependsOn": [one["bom-ref"] for one in components]}],
    }  # fmt: skip


def _component(name: str, version: str, hashes: list[str]) -> dict:
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    licence = licence_of(name)
    said = {"licenses": [{"expression": licence}]} if licence and _is_expression(licence) else {}
    if licence and not said:
        said = {"licenses": [{"license": {"name": licence}}]}
    # A package has several files (wheels of each platform, its source): one hash each.
    return {
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, **said,
        "hashes": [{"alg": "SHA-256", "content": one} for one in hashes],
    }  # fmt: skip


def _vendored(one: dict[str, str]) -> dict:
    files = sorted((ROOT / one["folder"]).glob(one["files"]))
    return {
        "type": "file", "bom-ref": f"file:{one['folder']}", "name": one["name"],
        "licenses": [{"expression": one["licence"]}],
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()} for file in files],
    }  # fmt: skip


def _is_expression(text: str) -> bool:
    plain = text.replace("(", "").replace(")", "")
    return re.fullmatch(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*", plain) is not None


def licences() -> str:
    """Return the page of licences."""
    rows = [
        f"| {one['name']} | {one.get('version', '')} | {_said(one)} |"
        for one in sorted(bill()["components"], key=lambda one: one["name"].lower())
    ]
    return "\n".join([
        "# Licences", "",
        "Made by `make sbom` from `config/locks/run.txt` and what the packages say of themselves; do not edit.",
        "CreditLink itself is under Apache-2.0 (LICENSE). With hashes: docs/sbom.json (CycloneDX 1.6). What is locked",
        "for another kind of machine is not installed here, and says nothing.", "",
        "| package | version | licence |", "|---|---|---|", *rows,
    ]) + "\n"  # fmt: skip


def _said(component: dict) -> str:
    (one,) = component.get("licenses") or [{"expression": "not installed here"}]
    return one.get("expression") or one["license"]["name"]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(bill(sys.argv[1]), indent=2, ensure_ascii=False) + "\n")
    else:
        BILL.write_text(json.dumps(bill(), indent=1, ensure_ascii=False) + "\n")
        LICENCES.write_text(licences())
        sys.stdout.write(f"{BILL.relative_to(ROOT)}, {LICENCES.relative_to(ROOT)}\n")
