"""The credit model: PD, points, grade, exact contributions, reason codes."""

import sys

# xgboost imports scikit-learn, and with it most of scipy, for wrappers that nothing here uses: three quarters of its
# own start, and 96 MB in every process. Told that there is none, it does without.
if "xgboost" not in sys.modules and "sklearn" not in sys.modules:
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # how Python is told that a module cannot be had
    try:
        import xgboost  # noqa: F401
    finally:
        del sys.modules["sklearn"]
