"""Matrices larger than memory: open the file you have, read what you ask for.

    a = arraystore.open("data.npy")     # lazy: nothing is read
    a[:, -1]                            # one column, as a NumPy array
    a.batches(256, shuffle=True)        # a training loop's, in bounded memory
    a.to_dask()                         # picklable: each worker opens the file itself

Nothing heavy is imported before it is used, NumPy neither: `python -m arraystore` is a command line.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._array import Array as Array
    from ._array import LargeCopyWarning as LargeCopyWarning
    from ._dask import store as store
    from ._files import compare as compare
    from ._files import convert as convert
    from ._files import create as create
    from ._files import digest as digest
    from ._files import open as open
    from ._files import verify as verify
    from ._sparse import SparseArray as SparseArray

_HOMES = {
    "Array": "_array",
    "LargeCopyWarning": "_array",
    "SparseArray": "_sparse",
    "compare": "_files",
    "convert": "_files",
    "create": "_files",
    "digest": "_files",
    "open": "_files",
    "store": "_dask",
    "verify": "_files",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("arraystore")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
