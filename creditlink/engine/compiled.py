"""Loops compiled to machine code: how every compiled kernel of CreditLink is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` compiled, its machine code kept on disk where a place can be written.

    The code holds no lock, so that threads run it at once. Nothing is reordered or contracted: a sum is
    added in the order that is written down, with the same bits on every processor. A division by zero
    gives infinity or NaN, as numpy's does.
    """
    try:
        kernel: Callable[..., Any] = njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no directory to keep it in: compile in every process
        kernel = njit(nogil=True, error_model="numpy")(function)
    return kernel
