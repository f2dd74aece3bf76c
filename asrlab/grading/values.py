"""What goes into an answer and what comes out of it: plain values and arrays, as bytes that nothing has to trust.

A message is a JSON header and the raw bytes of its arrays, one after the other. Nothing in it is code: a message is
read by looking, and what does not fit is refused. (A pickle runs what it holds.)
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np

LENGTH = struct.Struct(">Q")
DTYPES = ("|b1", "<i8", "<f8")
MAX_HEADER = 4_000_000  # bytes
MAX_ARRAYS = 64_000_000  # bytes of all arrays of a message
MAX_DEPTH = 12


class ValueRefused(ValueError):
    """A value that cannot travel, or bytes that are no message; the text says which and why."""


def plain(value: Any, depth: int = 0) -> Any:
    """The same in None, bool, int, float, str, list, dict and arrays of bool, int64 or float64.

    Tuples and ranges become lists; NumPy and torch numbers become Python's. Raises ValueRefused for anything else.
    """
    if depth > MAX_DEPTH:
        raise ValueRefused(f"lists within lists, more than {MAX_DEPTH} deep")
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor, without importing torch
        value = value.detach().cpu().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain_array(np.asarray(value), depth)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):  # from here on by the methods of the plain type: a subclass may lie about itself
        return _small(int.__index__(value))
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    for kind in (list, tuple, range):
        if isinstance(value, kind):
            return [plain(one, depth + 1) for one in kind.__iter__(value)]  # type: ignore[arg-type]
    if isinstance(value, dict):
        return {_key(key): plain(one, depth + 1) for key, one in dict.items(value)}
    raise ValueRefused(f"a value of the type {type(value).__name__}")


def _small(number: int) -> int:
    if abs(number) < 2**63:
        return number
    raise ValueRefused("a whole number of more than 63 bits")


def _plain_array(array: np.ndarray, depth: int) -> Any:
    if array.dtype.kind == "O" or array.dtype.kind in "US":
        return plain(array.tolist(), depth + 1)
    for kinds, dtype in (("b", "|b1"), ("iu", "<i8"), ("f", "<f8")):
        if array.dtype.kind in kinds:
            array = np.array(array, dtype=dtype, order="C", copy=True, subok=False)
            return array if array.ndim else array.item()
    raise ValueRefused(f"an array of the type {array.dtype}")


def _key(key: Any) -> str | int:
    key = plain(key)
    if isinstance(key, (str, int)):
        return key
    raise ValueRefused(f"a dictionary with a key of the type {type(key).__name__}")


def encode(header: dict[str, Any], value: Any = None) -> bytes:
    """A message: the fields of the header (JSON only) and a value (of what `plain` returns)."""
    arrays: list[np.ndarray] = []
    tree = _tree(value, arrays)
    about = [{"dtype": array.dtype.str, "shape": array.shape} for array in arrays]
    text = json.dumps({**header, "value": tree, "arrays": about}).encode()
    return b"".join([LENGTH.pack(len(text)), text, *(array.tobytes() for array in arrays)])


def _tree(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, list):
        return [_tree(one, arrays) for one in value]
    if isinstance(value, dict):
        return {"items": [[key, _tree(one, arrays)] for key, one in value.items()]}
    return value


def read_header(text: bytes) -> tuple[dict[str, Any], int]:
    """A header and the number of bytes of arrays that follow it. Raises ValueRefused for anything else."""
    try:
        header = json.loads(text)
        sizes = [_size(about) for about in header["arrays"]]
    except ValueRefused:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueRefused(f"no message ({type(error).__name__})") from None
    if sum(sizes) > MAX_ARRAYS:
        raise ValueRefused(f"arrays of {sum(sizes)} bytes, more than {MAX_ARRAYS}")
    return header, sum(sizes)


def read_value(header: dict[str, Any], data: bytes) -> Any:
    """The value of a message, of its header and the bytes that followed. Raises ValueRefused."""
    arrays, start = [], 0
    for about in header["arrays"]:
        end = start + _size(about)
        arrays.append(np.ndarray(about["shape"], about["dtype"], bytearray(data[start:end])))
        start = end
    return _grown(header.get("value"), arrays, 0)


def _size(about: Any) -> int:
    dtype, shape = about["dtype"], about["shape"]
    sound = isinstance(shape, list) and len(shape) <= 8 and all(type(n) is int and 0 <= n < 2**31 for n in shape)
    if dtype not in DTYPES or not sound:
        raise ValueRefused("an array of no known type or shape")
    return math.prod(shape) * np.dtype(dtype).itemsize


def _grown(tree: Any, arrays: list[np.ndarray], depth: int) -> Any:
    if depth > 2 * MAX_DEPTH:
        raise ValueRefused("lists within lists, too deep")
    if isinstance(tree, list):
        return [_grown(one, arrays, depth + 1) for one in tree]
    if isinstance(tree, dict):
        try:
            if "array" in tree:
                return arrays[tree["array"]]
            return {key: _grown(one, arrays, depth + 1) for key, one in tree["items"]}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueRefused(f"no message ({type(error).__name__})") from None
    return _small(tree) if type(tree) is int else tree


def copied(value: Any) -> Any:
    """A value as it comes out at the other end of a pipe: the same in the notebook and in the sandbox."""
    message = encode({}, plain(value))
    (length,) = LENGTH.unpack(message[: LENGTH.size])
    header, _ = read_header(message[LENGTH.size : LENGTH.size + length])
    return read_value(header, message[LENGTH.size + length :])
