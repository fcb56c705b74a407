"""Well-formed social credit codes for many firms at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from creditlink.kit.uscc import ALPHABET

_LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_VALUES = np.zeros(128, dtype=np.int64)
_VALUES[_LETTERS] = np.arange(31)
_ORGANISATION_VALUES = np.zeros(128, dtype=np.int64)
_ORGANISATION_VALUES[np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)] = np.arange(36)
_ORGANISATION_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2])
_ORGANISATION_CHECKS = np.frombuffer(b"0123456789X", dtype=np.uint8)
_WEIGHTS = np.array([pow(3, i, 31) for i in range(17)])
Texts = npt.NDArray[np.str_] | npt.NDArray[np.bytes_]

_SERIALS = 31**6
_STEP = 388_888_907
"""Odd, no multiple of 31: consecutive firms get codes that look unrelated, and never the same one."""


def codes(serials: npt.NDArray[np.int64], authority: Texts, regions: Texts, prefix: str = "MA") -> npt.NDArray[np.str_]:
    """Return one code for each serial number.

    Parameters
    ----------
    serials
        Shape (n,), 0 … 31^6 − 1; different serials give different codes.
    authority
        Shape (n,), two bytes each: `91` company, `92` sole trader, `93` farmers' cooperative.
    regions
        Shape (n,), six digits of GB/T 2260 each.
    prefix
        The first two characters of the organisation code.

    Source: GB 32100-2015 for the code, GB 11714-1997 for the organisation code's own check.
    """
    if serials.size and (serials.min() < 0 or serials.max() >= _SERIALS):
        raise ValueError(f"serials: must be 0 … {_SERIALS - 1}, got {serials.min()} … {serials.max()}")
    n = serials.size
    out = np.zeros((n, 18), dtype=np.uint8)
    out[:, 0:2] = np.asarray(authority, dtype="S2").view(np.uint8).reshape(n, 2)
    out[:, 2:8] = np.asarray(regions, dtype="S6").view(np.uint8).reshape(n, 6)
    out[:, 8:10] = np.frombuffer(prefix.encode(), dtype=np.uint8)
    rest = serials * _STEP % _SERIALS
    for place in range(15, 9, -1):
        out[:, place] = _LETTERS[rest % 31]
        rest = rest // 31
    total = (_ORGANISATION_VALUES[out[:, 8:16]] * _ORGANISATION_WEIGHTS).sum(axis=1)
    out[:, 16] = _ORGANISATION_CHECKS[(11 - total % 11) % 11]
    total = (_VALUES[out[:, :17]] * _WEIGHTS).sum(axis=1)
    out[:, 17] = _LETTERS[(31 - total % 31) % 31]
    return out.view("S18").reshape(n).astype(np.str_)
