"""Fetching a corpus: download with progress, resume and checksum; unpack an archive that nobody needs to trust.

Nothing half-made is ever left under its final name: a download grows in NAME.part, an archive is unpacked in a hidden
folder beside its target, and both are renamed when they are whole. What was interrupted goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import json
import os
import shutil
import stat
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from asrlab.core.errors import AsrlabError
from asrlab.core.files import parse_json, regular_file, write_whole

CHUNK = 1 << 18  # bytes read at a time
RECORDS = "checksums.json"  # what was fetched before: url -> {"sha256", "bytes"}
LEAST_RATE = 1000  # bytes a second, over a window of RATE_SECONDS: what drips more slowly has failed
RATE_SECONDS = 30.0
STALE_SECONDS = 86400  # hidden folders of an unpacking older than this belong to a process that was killed


@dataclass(frozen=True)
class Archive:
    """One file to fetch and what to expect of it."""

    url: str
    sha256: str | None = None  # as its publisher or torchaudio states it; None: unknown, recorded at the first fetch
    max_bytes: int = 64 << 30  # unpacked size beyond which it is no corpus but an attack

    @property
    def name(self) -> str:
        return self.url.rstrip("/").rsplit("/", 1)[-1]


def fetch(archive: Archive, folder: Path, progress: bool = True, attempts: int = 4, timeout: float = 30.0) -> Path:
    """Download `archive` into `folder`; returns the path of the whole, checked file.

    A part that an earlier call left is continued (HTTP Range, guarded by the server's ETag or date). A dropped
    connection, or one that only drips, is retried `attempts` times, each time from where it stopped. The length must be
    what the server announced and the SHA-256 what `archive` states or, where it states none, what the first fetch
    recorded in `folder`/checksums.json.
    Raises AsrlabError naming the URL, and keeps the part if it may be continued.
    """
    folder = Path(folder)
    target = folder / archive.name
    if target.is_file():
        return target
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    part = folder / (archive.name + ".part")
    for attempt in range(1, attempts + 1):
        try:
            _continue(archive, part, progress, timeout)
            break
        except (OSError, http.client.HTTPException) as error:
            _give_up_on(error, archive.url, attempt == attempts, part)
            time.sleep(min(2.0 ** (attempt - 1), 8) * 0.5)
    _check(archive, part)
    with writing(folder):
        os.replace(part, target)
        _validator_file(part).unlink(missing_ok=True)
    return target


def unpack(archive: Path, target: Path, inside: str = "", convert: Callable[[Path], None] | None = None,
           max_bytes: int = 64 << 30) -> Path:  # fmt: skip
    """Unpack a tar or zip archive so that its folder `inside` becomes `target`, all at once or not at all.

    `convert(folder)` may rework the files before they appear under the final name. Raises AsrlabError, with nothing
    left behind, for a damaged archive, for one without `inside`, for names that are absolute or climb out with `..`,
    links that lead out, devices, and more than `max_bytes` of contents. Does nothing if `target` exists.
    """
    archive, target = Path(archive), Path(target)
    if target.exists():
        return target
    regular_file(archive)
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        with writing(target.parent):
            _unpack_into(archive, work, max_bytes)
            found = work / inside if inside else work
            if not found.is_dir():
                raise AsrlabError(f"{archive}: has no folder {inside!r}; it is not the archive of this corpus")
            if convert:
                convert(found)
        publish(found, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def publish(made: Path, target: Path) -> None:
    """Give a finished folder its final name. If another process was faster, what it made stays: it is as good."""
    try:
        os.chmod(made, 0o755)  # mkdtemp makes folders that only their owner may read
        os.rename(made, target)
    except OSError as error:
        if not target.is_dir():
            raise AsrlabError(f"{target}: cannot be made ({error}); choose another folder") from error


def install(archive: Archive, target: Path, downloads: Path, inside: str,
            convert: Callable[[Path], None] | None = None, progress: bool = True) -> Path:  # fmt: skip
    """Fetch and unpack in one go; the archive is deleted once its contents stand at `target`."""
    if not Path(target).exists():
        file = fetch(archive, downloads, progress)
        unpack(file, target, inside, convert, archive.max_bytes)
        file.unlink(missing_ok=True)
    return Path(target)


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# --- download ---------------------------------------------------------------------------------------------------------


def _continue(archive: Archive, part: Path, progress: bool, timeout: float) -> None:
    """One attempt: append to `part` what is missing. Raises OSError or HTTPException if the connection fails."""
    have = part.stat().st_size if part.is_file() else 0
    validator = _validator_file(part).read_text() if have and _validator_file(part).is_file() else ""
    request = urllib.request.Request(archive.url, headers={"User-Agent": "asrlab", "Accept-Encoding": "identity"})
    if have and (validator or archive.sha256):  # with neither, nothing would tell that the file has changed meanwhile
        request.add_header("Range", f"bytes={have}-")
        if validator:
            request.add_header("If-Range", validator)  # a changed file comes whole, from its beginning
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: nothing lies beyond `have`: the part is whole already, or no longer fits
            raise
        if error.headers.get("Content-Range", "") != f"bytes */{have}":
            part.unlink()
            _continue(archive, part, progress, timeout)
        return
    with response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if response.status == 206 and not resumed:
            raise http.client.HTTPException(f"the server sent another range than {have}-")
        _append(response, part, have if resumed else 0, archive.max_bytes, progress)


def _append(response: http.client.HTTPResponse, part: Path, have: int, limit: int, progress: bool) -> None:
    length = response.headers.get("Content-Length")
    total = have + int(length) if length and length.isdigit() else None
    validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
    with writing(part.parent):
        # A weak ETag does not promise equal bytes, so it cannot guard a resume.
        _validator_file(part).write_text("" if validator.startswith("W/") else validator)
    name = part.name.removesuffix(".part")
    with (
        _opened(part, "ab" if have else "wb") as file,
        tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=name, disable=not progress) as bar,
    ):
        began, received = time.monotonic(), 0
        while chunk := response.read1(CHUNK):
            with writing(part.parent):
                file.write(chunk)
            bar.update(len(chunk))
            have, received = have + len(chunk), received + len(chunk)
            if have > limit:
                raise AsrlabError(f"{response.url}: sends more than {limit} bytes; it is not what it should be")
            if (passed := time.monotonic() - began) > RATE_SECONDS:
                if received < LEAST_RATE * passed:
                    raise TimeoutError(f"{received} bytes in {passed:.0f} s")
                began, received = time.monotonic(), 0
    size = part.stat().st_size
    if total is not None and size != total:
        raise http.client.IncompleteRead(b"", total - size)


def _opened(part: Path, mode: str) -> IO[bytes]:
    with writing(part.parent):
        return open(part, mode)


def _give_up_on(error: Exception, url: str, last: bool, part: Path) -> None:
    """Raise what another attempt cannot mend; return for what it can."""
    if isinstance(error, urllib.error.HTTPError) and error.code not in (408, 429, 500, 502, 503, 504):
        raise AsrlabError(
            f"{url}: the server answers {error.code} {error.reason}; see the corpus' home page"
        ) from error
    if last:
        kept = f"; {part.stat().st_size} bytes are kept and the next call goes on from there" if part.is_file() else ""
        reason = getattr(error, "reason", None) or repr(error)
        raise AsrlabError(f"{url}: cannot be fetched ({reason}); check the network{kept}") from error


def _check(archive: Archive, part: Path) -> None:
    """Compare with the stated or recorded SHA-256; record it if there is none yet."""
    digest, size = sha256_file(part), part.stat().st_size
    records_file = part.parent / RECORDS
    records = _read_records(records_file)
    expected = archive.sha256 or records.get(archive.url, {}).get("sha256")
    if expected and digest != expected:
        part.unlink()
        _validator_file(part).unlink(missing_ok=True)
        source = "its publisher states" if archive.sha256 else f"{records_file} has recorded"
        remedy = "" if archive.sha256 else "; if its publisher has renewed it, delete that record first"
        raise AsrlabError(
            f"{archive.url}: SHA-256 is {digest}, but {source} {expected}; it was deleted: fetch again{remedy}"
        )
    if archive.url not in records:
        with writing(part.parent):
            text = json.dumps({**records, archive.url: {"sha256": digest, "bytes": size}}, indent=1, sort_keys=True)
            write_whole(records_file, text + "\n")


def _read_records(path: Path) -> dict[str, dict]:
    if not path.exists():
        return {}
    regular_file(path)
    try:
        records = parse_json(path.read_bytes())
    except ValueError as error:
        raise AsrlabError(f"{path}: {error}; delete it") from error
    if not isinstance(records, dict) or not all(isinstance(record, dict) for record in records.values()):
        raise AsrlabError(f"{path}: is no table of what was fetched; delete it")
    return records


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + "-of")


# --- unpacking --------------------------------------------------------------------------------------------------------


_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, UnicodeError, RuntimeError)


def _unpack_into(archive: Path, folder: Path, max_bytes: int) -> None:
    budget = _Budget(archive, max_bytes)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                _unpack_zip(file, folder, budget)
        else:
            with tarfile.open(archive) as file:
                _unpack_tar(file, folder, budget)
    except _DAMAGED as error:
        raise AsrlabError(f"{archive}: damaged or no archive ({error}); delete it and fetch it again") from error


def _unpack_tar(file: tarfile.TarFile, folder: Path, budget: _Budget) -> None:
    for member in file:
        path = _inside(folder, member.name, budget.archive)
        _check_member(member, folder, budget.archive)
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.isreg():
            with _source(file.extractfile(member)) as source:
                budget.copy(source, path)
        else:  # a copy of what it links to: no link is ever made, so none can be followed
            base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
            linked = folder / os.path.normpath(base / member.linkname)
            if linked == Path(os.path.normpath(path)) or not linked.is_file():
                raise AsrlabError(f"{budget.archive}: {member.name!r} links to {member.linkname!r}, which it lacks")
            with open(linked, "rb") as source:
                budget.copy(source, path)
    budget.drain(file.fileobj)  # type: ignore[arg-type]  # the checksum stands at the very end, behind what tarfile reads


def _check_member(member: tarfile.TarInfo, folder: Path, archive: Path) -> None:
    """Raises AsrlabError for what the standard library's filter for data refuses: links that lead out, devices, pipes.

    (PEP 706; Python has it since 3.10.12 and 3.11.4.)
    """
    if not hasattr(tarfile, "data_filter"):
        raise AsrlabError(f"{archive}: this Python cannot check it; update to 3.10.12, 3.11.4 or later")
    try:
        tarfile.data_filter(member, str(folder))
    except tarfile.FilterError as error:
        raise AsrlabError(f"{archive}: {error}; do not use this archive") from error


def _unpack_zip(file: zipfile.ZipFile, folder: Path, budget: _Budget) -> None:
    for member in file.infolist():
        path = _inside(folder, member.filename, budget.archive)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if member.is_dir():
            path.mkdir(parents=True, exist_ok=True)
        elif kind in (0, stat.S_IFREG):
            with file.open(member) as source:
                budget.copy(source, path)
        else:
            raise AsrlabError(
                f"{budget.archive}: {member.filename!r} is a link or device; a corpus has none, do not use it"
            )


def _inside(folder: Path, name: str, archive: Path) -> Path:
    """Where `name` goes below `folder`. Raises AsrlabError for a name that could lead out of it on any system."""
    steps = PurePosixPath(name).parts
    if any(step == ".." or step.startswith("/") or set(step) & set("\\:\0") for step in steps):
        raise AsrlabError(
            f"{archive}: {name!r} leads out of the folder that it is unpacked in; do not use this archive"
        )
    return folder.joinpath(*steps)


@dataclass
class _Budget:
    """Copies files and counts their real bytes: what an archive says of its sizes may be a lie."""

    archive: Path
    left: int

    def copy(self, source: IO[bytes], path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            for chunk in self._chunks(source):
                file.write(chunk)

    def drain(self, source: IO[bytes]) -> None:
        for _ in self._chunks(source):
            pass

    def _chunks(self, source: IO[bytes]) -> Iterator[bytes]:
        while chunk := source.read(CHUNK):
            self.left -= len(chunk)
            if self.left < 0:
                raise AsrlabError(f"{self.archive}: unpacks to more than its limit; it is not what it should be")
            yield chunk


def _source(file: IO[bytes] | None) -> IO[bytes]:
    if file is None:
        raise tarfile.TarError("a member without contents")
    return file


def sweep(target: Path) -> None:
    """Remove the hidden folders beside `target` that processes killed a day ago or earlier left."""
    for left in target.parent.glob(f".{target.name}-*"):
        with contextlib.suppress(OSError):
            if left.is_dir() and time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns errors of the disk into AsrlabError, unlike those of the network: another attempt would not mend them."""
    try:
        yield
    except OSError as error:
        raise AsrlabError(
            f"{folder}: cannot be written ({error}); free space, or set ASRLAB_CACHE to another folder"
        ) from error
