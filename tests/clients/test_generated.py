"""What popular generators make of the document: clients that compile and make a profile at a running server."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from creditlink.kit.settings import ROOT
from tests.npm import installed, ran

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
HERE = Path(__file__).parent / "generated"
DOCUMENT = ROOT / "docs" / "openapi.json"


def is_right(said: str) -> None:
    made = json.loads(said)
    assert re.fullmatch("prf_[0-9a-f]{32}", made["id"])
    assert made["grade"] in ("A+", "A")
    assert made["matches"] == 2


def test_python(signed_up, tmp_path):
    """openapi-python-client leaves nothing out, what it writes compiles, and a program over it runs."""
    config = ["--config", str(HERE / "config.yaml"), "--fail-on-warning"]
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(DOCUMENT), *config]
    ran(*command, "--output-path", str(tmp_path / "client"), within=tmp_path)
    shutil.copy(HERE / "program.py", tmp_path)
    ran(sys.executable, "-W", "error", "-m", "compileall", "-q", "client", within=tmp_path)
    environment = signed_up.environment() | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "client"), *sys.path])}
    is_right(ran(sys.executable, "program.py", within=tmp_path, **environment))


def test_typescript(signed_up, tmp_path):
    """openapi-typescript's types hold in strict mode, for a program that makes the same calls with openapi-fetch."""
    folder = installed(tmp_path, ROOT / "tests" / "web" / "contract" / "node")
    shutil.copy(HERE / "program.ts", folder)
    ran("node_modules/.bin/openapi-typescript", str(DOCUMENT), "-o", "schema.d.ts", within=folder)
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext"]
    ran("node_modules/.bin/tsc", *options, "--types", "node", "program.ts", within=folder)
    is_right(ran("node", "program.js", within=folder, **signed_up.environment()))
