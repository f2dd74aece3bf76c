"""A folder of files that belong together: a description in JSON that knows the SHA-256 of every one, and of itself."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asrlab.core.errors import AsrlabError
from asrlab.core.files import parse_json, read_whole, write_whole

REMEDY = "copy the whole folder again, or train again"


def digest(data: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def write(path: Path, description: Mapping[str, Any], files: Sequence[str]) -> Path:
    """Write a description, with the digests of `files` beside it, which are there already."""
    named = {**description, "files": {name: digest((path.parent / name).read_bytes()) for name in files}}
    return write_whole(path, json.dumps({**named, "digest": _own(named)}, indent=2) + "\n")


def read(path: Path, missing: str, most: int = 2**26) -> Any:
    """The JSON of a description, which may be anything. Raises AsrlabError naming the file if it is missing (and says
    what to do then), too long, or no JSON."""
    if not os.path.exists(path):
        raise AsrlabError(f"{path}: {missing}")
    try:
        return parse_json(read_whole(path, most, f"; {REMEDY}"))
    except AsrlabError:
        raise
    except ValueError as error:
        raise AsrlabError(f"{path}: damaged ({error}); {REMEDY}") from error


def check(path: Path, description: Mapping[str, Any], files: Sequence[str]) -> dict[str, bytes]:
    """The content of `files`, which the description must know. Raises AsrlabError naming the one that was changed."""
    known = description.get("files")
    if not isinstance(known, dict) or sorted(known) != sorted(files):
        raise AsrlabError(f"{path}: files={known!r}: expected the digests of {', '.join(files)}; {REMEDY}")
    if description.get("digest") != _own({k: v for k, v in description.items() if k != "digest"}):
        raise AsrlabError(f"{path}: was changed since it was written; {REMEDY}")
    found = {}
    for name in files:
        found[name] = read_whole(path.parent / name, 2**33, f": missing or damaged; {REMEDY}")
        if digest(found[name]) != known[name]:
            raise AsrlabError(
                f"{path.parent / name}: damaged, or of another recogniser than {path.name} describes; {REMEDY}"
            )
    return found


def _own(description: Mapping[str, Any]) -> str:
    return digest(json.dumps(description, sort_keys=True).encode())
