"""Is an answer the expected one? If not, what is wrong with it, said without giving the answer away."""

from __future__ import annotations

from typing import Any

import numpy as np

FLOAT32 = 2.0**-24  # the largest relative error of one rounding in float32


def float32(roundings: int) -> float:
    """The tolerance for an answer that was computed in float32 by so many roundings, each of them the worst."""
    return roundings * FLOAT32


def difference(wanted: Any, got: Any, tolerance: float = 0.0) -> tuple[str, str] | None:
    """(kind, message) of the first difference, None where there is none. Both are of what `values.plain` returns.

    A number x is right if |x - wanted| <= tolerance (1 + |wanted|). Lists and arrays of numbers are the same thing.
    """
    if got is None and wanted is not None:
        return "none", "It returned None: is a `return` missing?"
    numbers = _numbers(wanted)
    if numbers is not None:
        return _number_difference(numbers, wanted, got, tolerance)
    if isinstance(wanted, list):
        return _list_difference(wanted, got, tolerance)
    if isinstance(wanted, dict):
        return _dict_difference(wanted, got, tolerance)
    if type(wanted) is not type(got):
        return "type", f"It returned {kind_of(got)}, and {kind_of(wanted)} is asked for."
    return None if wanted == got else ("wrong", f"It returned {_short(got)}, which is not right.")


def kind_of(value: Any) -> str:
    """What a value is, for people."""
    if isinstance(value, np.ndarray):
        return f"an array of the shape {value.shape}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    names = {bool: "a bool", int: "a whole number", float: "a number", str: "a text", dict: "a dictionary"}
    return "nothing (None)" if value is None else names[type(value)]


def _numbers(value: Any) -> np.ndarray | None:
    """Numbers, and lists of numbers however deep, as an array; None for anything else."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (bool, int, float)):
        return np.asarray(value)
    if isinstance(value, list):
        found = [_numbers(one) for one in value]
        parts = [part for part in found if part is not None]
        if len(parts) == len(found) and len({part.shape for part in parts}) <= 1:
            return np.array(parts) if parts else np.zeros(0)
    return None


def _number_difference(wanted: np.ndarray, asked: Any, got: Any, tolerance: float) -> tuple[str, str] | None:
    found = _numbers(got)
    if found is None:
        return "type", f"It returned {kind_of(got)}, and {kind_of(asked)} is asked for."
    if found.shape != wanted.shape:
        what = "one number" if wanted.ndim == 0 else f"the shape {wanted.shape}"
        is_ = "one number" if found.ndim == 0 else f"the shape {found.shape}"
        return "shape", f"It returned {is_}, and {what} is asked for."
    found, wanted = found.astype(float), wanted.astype(float)
    nans = np.isnan(found) & ~np.isnan(wanted)
    if nans.any():
        return "nan", f"It returned NaN{_where(nans)}: a 0/0, or infinity minus infinity, on the way."
    with np.errstate(invalid="ignore"):
        near = np.abs(found - wanted) <= tolerance * (1 + np.abs(wanted))
    wrong = ~(near | (found == wanted) | (np.isnan(found) & np.isnan(wanted)))
    if not wrong.any():
        return None
    if wanted.ndim == 0:
        return "wrong", f"It returned {found.item():.6g}, which is not right."
    count = f"{int(wrong.sum())} of {wrong.size} numbers are wrong"
    return "wrong", f"{count}, the first{_where(wrong)}."


def _where(marked: np.ndarray) -> str:
    return f" at {[int(k) for k in np.argwhere(marked)[0]]}" if marked.ndim else ""


def _list_difference(wanted: list, got: Any, tolerance: float) -> tuple[str, str] | None:
    got = got.tolist() if isinstance(got, np.ndarray) else got
    if not isinstance(got, list):
        return "type", f"It returned {kind_of(got)}, and a list is asked for."
    if len(got) != len(wanted):
        return "shape", f"It returned {len(got)} of {len(wanted)} things."
    for number, (one, other) in enumerate(zip(wanted, got, strict=True)):
        found = difference(one, other, tolerance)
        if found:
            return found[0], f"Number {number} (counted from 0) of what came back: {found[1]}"
    return None


def _dict_difference(wanted: dict, got: Any, tolerance: float) -> tuple[str, str] | None:
    if not isinstance(got, dict):
        return "type", f"It returned {kind_of(got)}, and a dictionary is asked for."
    if wanted.keys() != got.keys():
        return "shape", f"The keys {_short(sorted(map(str, got)))} are not the ones that are asked for."
    for key, one in wanted.items():
        found = difference(one, got[key], tolerance)
        if found:
            return found[0], f"At {key!r}: {found[1]}"
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
