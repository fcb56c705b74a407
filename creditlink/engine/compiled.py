"""Loops compiled to machine code: how every kernel of CreditLink is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return `function` compiled, its machine code cached on disk if there is a directory to write to.

    The code holds no lock, so threads can run it at the same time. Nothing is reordered or contracted: a sum is
    added in the order in which it is written, with the same bits on every processor. A division by zero
    gives infinity or NaN, as numpy's does.
    """
    try:
        kernel: Callable[Parameters, Result] = njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no directory to keep it in: compile in every process
        kernel = njit(nogil=True, error_model="numpy")(function)
    return kernel
