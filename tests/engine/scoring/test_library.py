"""What a process loads before it can score."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.pure


def test_trees_are_loaded_without_scikit_learn_which_can_still_be_imported():
    code = (
        "import sys, creditlink.engine.scoring.model; from importlib.util import find_spec; "
        "print([n for n in ('sklearn', 'pandas', 'scipy.stats') if n in sys.modules], bool(find_spec('sklearn')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[0] == "[] True"
