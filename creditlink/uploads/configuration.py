"""The rules of uploads that are in force in this process."""

from __future__ import annotations

from creditlink.kit.processes import runtime
from creditlink.kit.settings import load_settings
from creditlink.uploads import rules
from creditlink.uploads.rules import UploadRules


def current() -> UploadRules:
    """Return this process's rules, read from the configuration folder on first use."""
    return runtime.process().get_or_make(UploadRules, lambda: load_settings().parsed("uploads.toml", rules.parse))
