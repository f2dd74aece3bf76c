"""numba functions whose cache on disk is never out of date."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

from asrlab.core.sources import PACKAGE

Function = Callable[..., Any]  # numba reads the types of the arguments off each call


@cache
def _digest() -> str:
    """A name for the state of all sources that compiled functions may come from.

    They are compiled into one another across files: so it is all files of every folder that has one which imports this.
    """
    sources = {path: path.read_bytes() for path in sorted(PACKAGE.rglob("*.py"))}
    folders = {path.parent for path, text in sources.items() if b"from asrlab.core.compiled import" in text}
    digest = hashlib.sha256()
    for path, text in sources.items():
        if path.parent in folders:
            digest.update(text)
    return digest.hexdigest()[:16]


def compiled(function: Function) -> Function:
    """`numba.njit(nogil=True)` with a cache on disk: compiled once (some seconds), then loaded.

    numba looks at the file of a function only, and would go on using what it has compiled of a function in another file
    that has changed since. The cache's file names contain the function's qualified name, so that gets the state of all
    sources. The cache lies beside the source, or in the user's cache folder if that is read-only; where both are, each
    process compiles for itself.
    """
    return _compiled(function, {})


def compiled_inner(function: Function) -> Function:
    """`compiled` for what inner loops call: functions that only read and write the arrays that they are given.

    They count no references. numba's counts are atomic, one for every array that a function gets or reads from a tuple,
    and took more than half of a beam search. A function that makes an array cannot be compiled so.
    """
    return _compiled(function, {"_nrt": False, "no_cpython_wrapper": True})


def compiled_inline(function: Function) -> Function:
    """`compiled_inner`, and put in place of each call: for what has few callers and is given many arrays.

    A call copies all fields of all arrays in the tuples that it is given, of some thirty arrays 1.7 kB: in a beam
    search it would do that for every prefix of every frame.
    """
    return _compiled(function, {"_nrt": False, "no_cpython_wrapper": True, "forceinline": True})


def compiled_reduction(function: Function) -> Function:
    """`compiled_inner` for a sum or a maximum whose order may change, and which holds no NaN: so it is vectorised."""
    return _compiled(function, {"_nrt": False, "no_cpython_wrapper": True, "fastmath": {"nnan", "nsz", "reassoc"}})


def _compiled(function: Function, options: dict[str, Any]) -> Function:
    function.__qualname__ += f"_{_digest()}"
    dispatcher = njit(nogil=True, **options)(function)
    with contextlib.suppress(RuntimeError):  # nowhere to write
        dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]  # numba comes without types
    return dispatcher


class _Cache(FunctionCache):
    """numba's cache, which goes on without what it cannot read: a full disk or a kill may have cut it short."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # numba reads objects of Python, and damaged ones raise anything
            with contextlib.suppress(OSError):
                os.unlink(self._cache_file._index_path)  # it would be read again before what is compiled now is saved
            return None
