"""Sound on disk: load and save WAV, FLAC, MP3 and OGG (soundfile) at any rate, with any number of channels; resample.

In memory a recording is a float32 array (N,) in [-1, 1], mono. Files are read, mixed and resampled in blocks: an hour
costs the memory of its samples and little more. A file is read whole or refused by name: see `containers`.
"""

import hashlib
import io
import math
import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import soundfile
import soxr

from asrlab.core.errors import AsrlabError
from asrlab.core.files import regular_file, write_whole
from asrlab.signals import containers
from asrlab.signals.effects import vector, write_blocks

SUFFIXES = {".wav": "WAV", ".flac": "FLAC", ".mp3": "MP3", ".ogg": "OGG"}
BLOCK = 1 << 18  # frames read at a time: 5 s of 48 kHz
RATES = (1000, 1_000_000)  # Hz, the least and the most that a recording is believed to have
ROUNDING = 0.01  # seconds by which a part may exceed its file: durations in manifests are often rounded
_BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}  # of the samples of a FLAC file
Key = tuple[Path, int, int]  # a file with its size and time
Found = TypeVar("Found")  # what a look at a file's bytes gives
UNKNOWN_LENGTH = 0x7FFFF000  # programs that write WAV into a pipe claim at least so many bytes (sox; ffmpeg 0xFFFFFFFF)


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    sample_rate: int  # Hz
    channels: int
    frames: int  # samples of each channel
    format: str  # container, such as "WAV"
    encoding: str  # such as "PCM_16"

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.frames / self.sample_rate


def info(file: str | Path | BinaryIO, name: str | None = None) -> AudioInfo:
    """Header of an audio file, given as for `load`. Raises AsrlabError if it is missing, empty or no audio.

    The length of an MP3 or OGG is counted: their headers say it wrong, or not at all.
    """
    with _open(file, name or str(file)) as sound:
        return AudioInfo(sound.samplerate, sound.channels, sound.frames, sound.format, sound.subtype)


def load(
    file: str | Path | BinaryIO,
    sample_rate: int | None = 16000,
    resample: bool = True,
    start: float = 0.0,
    seconds: float | None = None,
    name: str | None = None,
) -> np.ndarray:
    """Read a file as mono float32 (N,) at `sample_rate` Hz (None: the file's own rate), channels averaged.

    start, seconds: read only this part, not what lies before it. resample=False: another rate is an error instead of a
    conversion. file: its path, or what `open(path, "rb")` and `io.BytesIO` give; name: what messages then call it.
    Raises AsrlabError if the file is missing, empty, no audio, truncated, damaged or several files in one, or holds no
    samples, NaN or infinity.
    """
    path = name or str(file)
    if sample_rate is not None:
        _check_rate("sample_rate", sample_rate)
    with _open(file, path) as sound:
        digest = _flac_digest(file, path) if sound.format == "FLAC" else None
        rate = sample_rate or sound.samplerate
        if sound.samplerate != rate and not resample:
            raise AsrlabError(f"{path}: {sound.samplerate} Hz, expected {rate} Hz; pass resample=True")
        first, count = _span(path, sound, start, seconds)
        try:
            samples = np.empty(int(count * rate / sound.samplerate) + 2, np.float32)
        except MemoryError:
            minutes = round(count / sound.samplerate / 60)
            raise AsrlabError(f"{path}: {minutes} minutes do not fit into memory; pass start and seconds") from None
        filled = 0
        for piece in _resampled(_mono_blocks(path, sound, first, count, digest), sound.samplerate, rate):
            if filled + len(piece) > len(samples):
                samples = np.concatenate([samples[:filled], piece])
            samples[filled : filled + len(piece)] = piece
            filled += len(piece)
    return samples[:filled]


def save(path: str | Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write mono samples (N,), clipped to [-1, 1], in the format that the suffix names (WAV and FLAC: 16 bits).

    The file appears whole or not at all. Raises AsrlabError for an unknown suffix, for samples that are no finite
    vector of floats, for a rate that the format lacks, and for a place that cannot be written.
    """
    path = Path(path)
    _check_rate("sample_rate", sample_rate)
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise AsrlabError(f"{path}: unknown suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    samples = vector(samples, str(path))
    if kind in ("WAV", "FLAC"):  # our own rounding: what was loaded from 16 bits is saved as the same 16 bits
        samples = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    else:
        samples = np.clip(samples, -1, 1)
    reason = ""

    def write(part: Path) -> None:
        nonlocal reason
        try:
            write_blocks(part, samples, sample_rate, kind)
        except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all was written
            reason = str(error) or "not everything could be written"
            raise

    try:
        write_whole(path, write)
    except (soundfile.SoundFileError, AssertionError):
        raise AsrlabError(
            f"{path}: cannot be written at {sample_rate} Hz ({reason}); choose a folder that is writable and has "
            f"space, and for MP3 and OGG a usual rate such as 16000"
        ) from None


def resample(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Change the rate of (N,) from `rate` to `new_rate` Hz (soxr, high quality): float32 (about N new_rate / rate,)."""
    _check_rate("rate", rate)
    _check_rate("new_rate", new_rate)
    samples = vector(samples)
    return samples if rate == new_rate else soxr.resample(samples, rate, new_rate)


def _check_rate(name: str, rate: float) -> None:
    if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)) or not 1 <= rate < math.inf:
        raise AsrlabError(f"{name}={rate!r}: give a number of samples a second, such as 16000")


def _open(file: str | Path | BinaryIO, path: str) -> soundfile.SoundFile:
    """The file, opened, its length counted where the header is not to be trusted."""
    source = _source(file, path)
    opened = _opened(source[0] if isinstance(source, tuple) else source, path)
    try:
        low, high = RATES
        if not low <= opened.samplerate <= high:
            raise AsrlabError(f"{path}: claims {opened.samplerate} Hz, expected {low} to {high}; correct its header")
        if opened.format == "MP3":
            return _mp3(source, opened, path)
        if opened.format == "OGG":
            _check(containers.check_ogg, source, path)
        if opened.format in ("WAV", "WAVEX"):
            _check(containers.check_wav, source, path)
        if opened.frames > 1 << 40:
            raise AsrlabError(f"{path}: its header does not say how long it is; write it to a file, not into a pipe")
    except BaseException:
        opened.close()
        raise
    return opened


class _Recording(soundfile.SoundFile):  # type: ignore[misc]  # soundfile comes without types
    """A file from which an MP3 comes out the same in blocks as in one piece."""

    def seekable(self) -> bool:
        """Not in an MP3: soundfile seeks after each block, and a decoder that seeks forgets the frames before."""
        return self.format != "MP3" and super().seekable()


def _opened(file: Path | BinaryIO, path: str) -> soundfile.SoundFile:
    try:
        # As bytes, a name need not be UTF-8.
        return _Recording(os.fsencode(file) if isinstance(file, Path) and os.name == "posix" else file)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:  # TypeError: .raw has no header to read
        reason = getattr(error, "error_string", error)
        raise AsrlabError(f"{path}: not readable as audio ({reason}); give WAV, FLAC, MP3 or OGG") from None


def _source(file: str | Path | BinaryIO, path: str) -> Key | BinaryIO:
    """A regular file with its size and time; a file that is open already as it is."""
    if isinstance(file, (str, Path)):
        return (Path(file), *_stamp(Path(file), path))
    if not hasattr(file, "read"):
        raise AsrlabError(f"{path}: {type(file).__name__}; give a path, or a file opened with open(path, 'rb')")
    return file


def _stamp(file: Path, path: str) -> tuple[int, int]:
    """Size and time of a regular file. Raises AsrlabError for anything else: a pipe, say, might never end."""
    try:
        found = regular_file(file)
    except AsrlabError as error:
        raise AsrlabError(f"{path}{str(error).removeprefix(str(file))}") from None
    if found.st_size == 0:
        raise AsrlabError(f"{path}: empty (0 bytes); copy or fetch it again")
    return found.st_size, found.st_mtime_ns


def _mp3(source: Key | BinaryIO, opened: soundfile.SoundFile, path: str) -> soundfile.SoundFile:
    """An MP3 with its true length: the library's is a guess where no index frame says how many frames follow."""
    walked = _check(containers.walk_mp3, source, path)
    if walked.promised is not None:
        return opened
    if walked.layer != 3:  # there no index frame exists
        if opened.frames != walked.samples:
            raise AsrlabError(f"{path}: MPEG layer {walked.layer} of varying bit rate; convert it to WAV")
        return opened
    opened.close()
    data = source[0].read_bytes() if isinstance(source, tuple) else _content(source)
    return _opened(io.BytesIO(walked.with_index(data)), path)


def _check(check: Callable[[containers.Bytes, str], Found], source: Key | BinaryIO, path: str) -> Found:
    """What `check` finds in a file."""
    return _once(check, path, source) if isinstance(source, tuple) else check(_content(source), path)


def _content(file: BinaryIO) -> bytes:
    at = file.seek(0, os.SEEK_CUR)  # the library goes on reading from where it was
    file.seek(0)
    data = file.read()
    file.seek(at)
    return data


@lru_cache(maxsize=4096)
def _once(check: Callable[[containers.Bytes, str], Any], path: str, key: Key) -> Any:
    """What `check` finds in the file of `key`, which is looked at again only if its size or time has changed."""
    with open(key[0], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return check(data, path)


def _span(path: str | Path, file: soundfile.SoundFile, start: float, seconds: float | None) -> tuple[int, int]:
    """First frame and number of frames to read."""
    if _cut_short(file):
        raise AsrlabError(f"{path}: truncated, the header promises more than the file holds; copy or fetch it again")
    if file.frames == 0:
        raise AsrlabError(f"{path}: holds no samples; leave it out or record it again")
    if not math.isfinite(start) or not math.isfinite(seconds or 0.0):
        raise AsrlabError(f"{path}: start={start} and seconds={seconds} asked for; give finite numbers")
    first = round(start * file.samplerate)
    count = file.frames - first if seconds is None else round(seconds * file.samplerate)
    if file.frames < first + count <= file.frames + ROUNDING * file.samplerate:
        count = file.frames - first
    if first < 0 or count <= 0 or first + count > file.frames:
        end = "its end" if seconds is None else f"{start + seconds:g}"
        raise AsrlabError(
            f"{path}: seconds {start:g} to {end} asked for, but it lasts {file.frames / file.samplerate:g} s; "
            f"correct start and seconds"
        )
    return first, count


def _cut_short(file: soundfile.SoundFile) -> bool:
    """libsndfile shortens a truncated WAV or OGG in silence: only its log tells."""
    for line in file.extra_info.splitlines():
        if "Last page lacks an end-of-stream bit" in line or "Junk after the last page" in line:
            return True  # "junk" is a page that breaks off
        if line.startswith("data : ") and "should be" in line:
            claimed = int(line.split()[2])
            return claimed < UNKNOWN_LENGTH and claimed > int(line.split("should be")[1].strip(" )"))
    return False


def _flac_digest(file: str | Path | BinaryIO, path: str) -> bytes:
    """The MD5 that a FLAC file states of its samples, after a look whether it is one file."""
    return _check(containers.check_flac, _source(file, path), path)


def _mono_blocks(
    path: str | Path, file: soundfile.SoundFile, first: int, count: int, digest: bytes | None = None
) -> Iterator[np.ndarray]:
    """The mixed samples from `first` on, a block at a time; raises where the file breaks off or holds NaN.

    digest  the MD5 that all samples of a FLAC file have, compared when all are read
    """
    done, bits = 0, _BITS.get(file.subtype)
    md5 = hashlib.md5(usedforsecurity=False) if digest and any(digest) and bits and count == file.frames else None
    try:
        _go_to(file, first)
        while done < count:
            block = file.read(min(BLOCK, count - done), dtype="float32", always_2d=True)
            if len(block) == 0:
                break
            if md5 and bits:
                md5.update(containers.flac_bytes(block, bits))
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
            if not np.isfinite(mono).all():
                at = int(np.argmin(np.isfinite(mono)))
                raise AsrlabError(f"{path}: sample {first + done + at} is {mono[at]}; write it again, finite")
            yield mono
            done += len(mono)
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", error)
        raise AsrlabError(f"{path}: damaged after sample {first + done} ({reason}); copy or fetch it again") from None
    if done < count:
        raise AsrlabError(
            f"{path}: truncated, {first + done} of {file.frames} samples could be read; copy or fetch it again"
        )

    if md5 and md5.digest() != digest:
        raise AsrlabError(f"{path}: damaged, its samples do not have the MD5 that it states; copy or fetch it again")


def _go_to(file: soundfile.SoundFile, first: int) -> None:
    """Go to a frame. An MP3 is decoded up to there: what it sounds like depends on the frames before."""
    if file.format != "MP3":
        file.seek(first)
        return
    while first > 0 and (skipped := len(file.read(min(BLOCK, first), dtype="float32"))):
        first -= skipped


def _resampled(blocks: Iterator[np.ndarray], rate: int, new_rate: int) -> Iterator[np.ndarray]:
    if rate == new_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, new_rate, 1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
