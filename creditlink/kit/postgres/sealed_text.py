"""A column of texts that nobody finds anything by, sealed at rest: the code reads and writes them as any other."""

from __future__ import annotations

from sqlalchemy import Dialect
from sqlalchemy.types import Text, TypeDecorator

from creditlink.kit.keyring import box
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

SEALED_MARK = "sealed:"
"""What a sealed value begins with; one from before the column was sealed does not, until `creditlink keys reseal`."""


class SealedText(TypeDecorator[str]):
    """A text, sealed for one purpose with the keys of the process's settings. It cannot be compared or sorted by."""

    impl = Text
    cache_ok = True

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.purpose = purpose

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal a value on its way in."""
        if value is None:
            return None
        return SEALED_MARK + box(runtime.part(Settings).secret_key, self.purpose).encrypt(value.encode()).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Open a value on its way out; `InvalidToken` where it was sealed by none of our keys."""
        if value is None or not value.startswith(SEALED_MARK):
            return value
        sealed = value.removeprefix(SEALED_MARK)
        return box(runtime.part(Settings).secret_key, self.purpose).decrypt(sealed).decode()
