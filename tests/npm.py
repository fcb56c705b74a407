"""Packages of npm at their locked versions, for the tests that need node."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def installed(folder: Path, source: Path, *further: str) -> Path:
    """Install what `source` locks into `folder`, with further files of it beside; return the folder."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs node and npm: these tests must not be skipped there")
        pytest.skip("node and npm are not installed")
    for name in ("package.json", "package-lock.json", *further):
        shutil.copy(source / name, folder)
    ran("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", within=folder)
    return folder


def ran(*command: str, within: Path, given: str = "", **environment: str) -> str:
    """Run a command to its end; return what it prints."""
    env = {"PATH": os.environ["PATH"], "HOME": str(within), "no_proxy": "*", **environment}
    done = subprocess.run(command, cwd=within, env=env, input=given, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
