"""The library of the trees, loaded without its interface to scikit-learn, which nobody here uses.

That interface brings scikit-learn, pandas and SciPy's statistics: half of what a process loads before it can score.
Every module of the engine takes the library from here; who imports it first elsewhere gets all of it.
"""

from __future__ import annotations

import sys

_REFUSED = "sklearn"

if "xgboost" in sys.modules or _REFUSED in sys.modules:
    import xgboost
else:
    # None refuses the import, and the library takes scikit-learn for absent; what comes later finds it again.
    sys.modules[_REFUSED] = None  # type: ignore[assignment]
    try:
        import xgboost
    finally:
        del sys.modules[_REFUSED]

__all__ = ["xgboost"]
