"""Files that are written whole or not at all, and JSON lines that are read with the line's number in every message."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asrlab.core.errors import AsrlabError

MOST_BYTES = 2**30  # of a file that is read at once
KINDS = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISCHR: "a device", stat.S_ISSOCK: "a socket"}
STALE_SECONDS = 3600.0  # a half-written file this old belongs to a program that was killed


def write_whole(path: Path | str, content: bytes | str | Callable[[Path], object]) -> Path:
    """Write a file beside `path`, then give it its name: a kill leaves the old one or the new one, never a half.

    content  bytes, a text (UTF-8), or a function that writes to the path that it is given

    Makes the folder if it is missing. Raises AsrlabError naming the file if it cannot be written, or if `path` is
    there and is no regular file (a device, a folder, a pipe).
    """
    path = Path(path)
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise AsrlabError(f"{path}: is there and no regular file, so it is left alone; choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}-", suffix=".part", dir=path.parent)
        os.close(handle)
        beside = Path(name)
        try:
            _fill(beside, content)
            os.chmod(beside, 0o666 & ~_umask())
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except (OSError, ValueError) as error:
        if isinstance(error, AsrlabError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise AsrlabError(f"{path}: cannot be written ({reason}); make room or choose another place") from error
    return path


def regular_file(path: Path | str, remedy: str = "; check the path") -> os.stat_result:
    """What the system knows of a regular file. Raises AsrlabError naming it if it is missing, may not be looked at, or
    is a folder, a pipe or a device: to open one of those can take for ever.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise AsrlabError(f"{path}: no such file{remedy}") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte, or letters that no file name can have
        raise AsrlabError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}){remedy}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for test, name in KINDS.items() if test(found.st_mode)), "a special file")
        raise AsrlabError(f"{path}: is {kind}, expected a file{remedy}")
    return found


def check_place(path: Path | str) -> None:
    """Raise AsrlabError now if `write_whole` could not write there, before the work whose result is to be written."""
    path = Path(path)
    if os.path.exists(path):
        write_whole(path, read_whole(path))
    else:
        write_whole(path, "").unlink()


def shown(text: object) -> str:
    """A text for one line of a terminal: what would move the cursor or end the line is written as \\x1b or \\n."""
    return "".join(c if c.isprintable() or c == "\u3000" else c.encode("unicode_escape").decode() for c in str(text))


def read_whole(path: Path | str, most: int = MOST_BYTES, remedy: str = "; check the path") -> bytes:
    """The content of a regular file. Raises AsrlabError naming the file if there is none, or if it has more bytes.

    A device or a pipe is refused before it is opened: reading one may never end.
    """
    size = regular_file(path, remedy).st_size
    if size > most:
        raise AsrlabError(f"{path}: {size:,} bytes, at most {most:,} are read{remedy}")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AsrlabError(f"{path}: cannot be read ({error.strerror or error}){remedy}") from error


def read_json_lines(path: Path | str) -> Iterator[tuple[int, Any]]:
    """(line number from 1, value) of every line that is not empty. Raises AsrlabError naming file and line."""
    for number, line in numbered_lines(path):
        try:
            yield number, parse_json(line)
        except ValueError as error:
            raise AsrlabError(f"{path}:{number}: {error}; correct or remove the line") from error


def numbered_lines(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, its bytes) of every line that is not empty. Raises AsrlabError if there is no such file.

    Lines end at a line feed alone: a text may hold any other character that Unicode calls a line's end.
    """
    data = read_whole(path)
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, line


def parse_json(data: bytes | str) -> Any:
    """A JSON value in which no name stands twice. Raises ValueError that says what is wrong."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"field {key!r} occurs twice")
            found[key] = value
        return found

    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        return json.loads(text, object_pairs_hook=no_duplicates)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 ({error.reason} at byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows as JSON lines, in plain UTF-8."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _fill(path: Path, content: bytes | str | Callable[[Path], object]) -> None:
    if callable(content):
        content(path)
    else:
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _sweep(path: Path) -> None:
    """Remove what killed writers of the same file left behind."""
    for other in path.parent.glob(f".{_literal(path.name[:100])}-*.part"):
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > STALE_SECONDS:
                other.unlink()


def _literal(name: str) -> str:
    """A name as a pattern that matches itself alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
