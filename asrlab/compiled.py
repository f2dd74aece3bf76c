"""numba functions whose cache on disk is never out of date."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from numba import njit

# Every folder with compiled functions: they are compiled into one another across files.
FOLDERS = ("lm", "decode", "classic")


@cache
def _digest() -> str:
    """A name for the state of all sources that compiled functions may come from."""
    digest = hashlib.sha256()
    for folder in FOLDERS:
        for path in sorted(Path(__file__).with_name(folder).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def compiled(function: Callable) -> Callable:
    """`numba.njit(nogil=True)` with a cache on disk: compiled once (some seconds), then loaded.

    numba looks at the file of a function only, and would go on using what it has compiled of a function in another file
    that has changed since. The cache's file names contain the function's qualified name, so that gets the state of all
    sources. The cache lies beside the source, or in the user's cache folder if that is read-only; where both are, each
    process compiles for itself.
    """
    return _compiled(function, {})


def compiled_inner(function: Callable) -> Callable:
    """`compiled` for what inner loops call: functions that only read and write the arrays that they are given.

    They count no references. numba's counts are atomic, one for every array that a function gets or reads from a tuple,
    and took more than half of a beam search. A function that makes an array cannot be compiled so.
    """
    return _compiled(function, {"_nrt": False, "no_cpython_wrapper": True})


def compiled_reduction(function: Callable) -> Callable:
    """`compiled_inner` for a sum or a maximum whose order may change, and which holds no NaN: so it is vectorised."""
    return _compiled(function, {"_nrt": False, "no_cpython_wrapper": True, "fastmath": {"nnan", "nsz", "reassoc"}})


def _compiled(function: Callable, options: dict[str, bool]) -> Callable:
    function.__qualname__ += f"_{_digest()}"
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # nowhere to write
        return njit(nogil=True, **options)(function)
