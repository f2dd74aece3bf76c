"""What may be wrong with the fields of a row that somebody else has written: of a manifest, of a shard's index.

Each function gives sentences about what is wrong, none if all is well.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

SHOWN = 60  # characters of a value that a message shows


def wrong_texts(fields: Mapping[str, Any], names: Iterable[str], free: Iterable[str] = ("text",)) -> list[str]:
    """Those of `names` that are there must be strings; unless they are among `free`, not empty and without controls."""
    wrong = []
    for name in names:
        value = fields.get(name, "-")
        if not isinstance(value, str):
            wrong.append(f"{name} is {shown(value)}, not a string")
        elif not _is_unicode(value):
            wrong.append(f"{name} is {shown(value)}, half a character; write it again in UTF-8")
        elif name not in free and not value.strip("\0 "):
            wrong.append(f"{name} is empty")
        elif name not in free and _has_controls(value):
            wrong.append(f"{name} is {shown(value)}; leave out line ends and other control characters")
    return wrong


def wrong_number(fields: Mapping[str, Any], name: str, least: str, zero: bool) -> list[str]:
    """A number, finite and above 0, or also 0 if `zero`; `least` says so in words."""
    value = fields.get(name, 1)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return [f"{name} is {shown(value)}, not a number"]
    if not _is_finite(value) or value < 0 or (value == 0 and not zero):
        return [f"{name} is {shown(value)}; it must be finite and {least}"]
    return []


def wrong_object(fields: Mapping[str, Any], name: str) -> list[str]:
    """An object of strings, without control characters in its names."""
    value = fields.get(name, {})
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        return [f"{name} are {shown(value)}; they must be an object of strings"]
    bad = [key for key, text in value.items() if _has_controls(key) or not _is_unicode(key) or not _is_unicode(text)]
    return [f"{name} have {shown(bad[0])}; its name or value is no plain text"] if bad else []


def shown(value: object) -> str:
    """A value as messages show it, not longer than they can bear."""
    if isinstance(value, int) and abs(value) >= 10**SHOWN:
        return "a number of many digits"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of 400 digits
        return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(c) == "Cc" for c in text)
