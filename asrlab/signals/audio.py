"""Sound on disk: load and save WAV, FLAC, MP3 and OGG (soundfile) at any rate, with any number of channels; resample.

In memory a recording is a float32 array (N,) in [-1, 1], mono. Files are read, mixed and resampled in blocks: an hour
costs the memory of its samples and little more. `effects` (mu-law, codecs, filters, ...) and `segment` (framing,
voice activity) are reached from here too: `audio.band_pass`, `audio.segment_speech`.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from asrlab.core.errors import AsrlabError
from asrlab.signals.effects import (
    CompressorOptions,
    add_noise,
    band_pass,
    codec_round_trip,
    compress,
    de_emphasis,
    mu_law_decode,
    mu_law_encode,
    pre_emphasis,
    remove_dc,
    telephone,
    vector,
    write_blocks,
)
from asrlab.signals.segment import SegmentOptions, cut_at_quiet, frame, segment_speech

__all__ = [
    "AudioInfo",
    "CompressorOptions",
    "SegmentOptions",
    "add_noise",
    "band_pass",
    "codec_round_trip",
    "compress",
    "cut_at_quiet",
    "de_emphasis",
    "frame",
    "info",
    "load",
    "mu_law_decode",
    "mu_law_encode",
    "pre_emphasis",
    "remove_dc",
    "resample",
    "save",
    "segment_speech",
    "telephone",
]

SUFFIXES = {".wav": "WAV", ".flac": "FLAC", ".mp3": "MP3", ".ogg": "OGG"}
BLOCK = 1 << 18  # frames read at a time: 5 s of 48 kHz
ROUNDING = 0.01  # seconds by which a part may exceed its file: durations in manifests are often rounded
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


def info(path: str | Path) -> AudioInfo:
    """Header of an audio file. Raises AsrlabError if it is missing, empty or no audio."""
    with _open(path, str(path)) as file:
        return AudioInfo(file.samplerate, file.channels, file.frames, file.format, file.subtype)


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
    Raises AsrlabError if the file is missing, empty, no audio or truncated, or holds no samples, NaN or
    infinity.
    """
    path = name or str(file)
    with _open(file, path) as file:
        rate = sample_rate or file.samplerate
        if file.samplerate != rate and not resample:
            raise AsrlabError(f"{path}: {file.samplerate} Hz, expected {rate} Hz; pass resample=True")
        first, count = _span(path, file, start, seconds)
        try:
            samples = np.empty(int(count * rate / file.samplerate) + 2, np.float32)
        except MemoryError:
            minutes = round(count / file.samplerate / 60)
            raise AsrlabError(f"{path}: {minutes} minutes do not fit into memory; pass start and seconds") from None
        filled = 0
        for piece in _resampled(_mono_blocks(path, file, first, count), file.samplerate, rate):
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
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise AsrlabError(f"{path}: unknown suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    samples = vector(samples, str(path))
    if kind in ("WAV", "FLAC"):  # our own rounding: what was loaded from 16 bits is saved as the same 16 bits
        samples = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    else:
        samples = np.clip(samples, -1, 1)
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write_blocks(part, samples, sample_rate, kind)
        os.replace(part, path)
    except (soundfile.SoundFileError, OSError, AssertionError) as error:  # soundfile asserts that all was written
        reason = str(error) or "not everything could be written"
        raise AsrlabError(
            f"{path}: cannot be written at {sample_rate} Hz ({reason}); choose a folder that exists, is writable "
            f"and has space, and for MP3 and OGG a usual rate such as 16000"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def resample(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Change the rate of (N,) from `rate` to `new_rate` Hz (soxr, high quality): float32 (about N new_rate / rate,)."""
    if rate <= 0 or new_rate <= 0:
        raise AsrlabError(f"rate={rate}, new_rate={new_rate} Hz: both must be positive")
    samples = vector(samples)
    return samples if rate == new_rate else soxr.resample(samples, rate, new_rate)


def _open(file: str | Path | BinaryIO, path: str) -> soundfile.SoundFile:
    if isinstance(file, (str, Path)):
        file = Path(file)
        if not file.is_file():
            raise AsrlabError(f"{path}: no such file; check the path")
        if file.stat().st_size == 0:
            raise AsrlabError(f"{path}: empty (0 bytes); copy or fetch it again")
    try:
        return soundfile.SoundFile(file)
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: a .raw file has no header to read
        reason = getattr(error, "error_string", error)
        raise AsrlabError(f"{path}: not readable as audio ({reason}); give WAV, FLAC, MP3 or OGG") from None


def _span(path: str | Path, file: soundfile.SoundFile, start: float, seconds: float | None) -> tuple[int, int]:
    """First frame and number of frames to read."""
    if _cut_short(file):
        raise AsrlabError(f"{path}: truncated, the header promises more than the file holds; copy or fetch it again")
    if file.frames == 0:
        raise AsrlabError(f"{path}: holds no samples; leave it out or record it again")
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


def _mono_blocks(path: str | Path, file: soundfile.SoundFile, first: int, count: int) -> Iterator[np.ndarray]:
    """The mixed samples from `first` on, a block at a time; raises where the file breaks off or holds NaN."""
    done = 0
    try:
        if first:
            file.seek(first)
        while done < count:
            block = file.read(min(BLOCK, count - done), dtype="float32", always_2d=True)
            if len(block) == 0:
                break
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


def _resampled(blocks: Iterator[np.ndarray], rate: int, new_rate: int) -> Iterator[np.ndarray]:
    if rate == new_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, new_rate, 1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
