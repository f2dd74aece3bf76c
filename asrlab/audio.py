"""Sound on disk: load and save WAV, FLAC, MP3 and OGG (soundfile), at any rate and with any number of channels, and resample.

In memory a recording is a float32 array (N,) in [-1, 1], mono. Files are read, mixed and resampled in blocks, so that an hour costs
the memory of its samples and little more.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from asrlab.errors import AsrlabError

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg")
BLOCK_FRAMES = 1 << 18  # frames read at a time: 5 s of 48 kHz


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    sample_rate: int  # Hz
    channels: int
    frames: int  # samples a channel
    format: str  # container, such as "WAV"
    encoding: str  # such as "PCM_16"

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate


def info(path: str | Path) -> AudioInfo:
    """Header of an audio file. Raises AsrlabError if it is missing, empty or no audio."""
    with _open(path) as file:
        return AudioInfo(file.samplerate, file.channels, file.frames, file.format, file.subtype)


def load(path: str | Path, sample_rate: int | None = 16000, resample: bool = True) -> np.ndarray:
    """Read a file as mono float32 (N,) at `sample_rate` Hz (None: the file's own rate).

    Channels are averaged. With resample=False another rate is an error instead of a conversion. Raises AsrlabError if the file
    is missing, empty, no audio or truncated, or holds no samples, NaN or infinity.
    """
    with _open(path) as file:
        rate = sample_rate or file.samplerate
        if file.samplerate != rate and not resample:
            raise AsrlabError(f"{path}: {file.samplerate} Hz, expected {rate} Hz; pass resample=True")
        if _cut_short(file):
            raise AsrlabError(f"{path}: truncated, its header promises more audio than the file holds; copy or fetch it again")
        pieces = []
        read = 0
        stream = None if file.samplerate == rate else soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
        try:
            for block in file.blocks(BLOCK_FRAMES, dtype="float32", always_2d=True):
                mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
                if not np.isfinite(mono).all():
                    at = read + int(np.argmin(np.isfinite(mono)))
                    raise AsrlabError(f"{path}: sample {at} is {mono[at - read]}; write the file again with finite samples")
                read += len(mono)
                pieces.append(mono if stream is None else stream.resample_chunk(mono))
        except soundfile.LibsndfileError as error:
            raise AsrlabError(f"{path}: unreadable after {read} samples ({error.error_string}); copy or fetch it again") from None
        if read == 0:
            raise AsrlabError(f"{path}: holds no samples; leave it out or record it again")
        if read < file.frames:
            raise AsrlabError(f"{path}: truncated, {read} of {file.frames} samples could be read; copy or fetch it again")
        if stream is not None:
            pieces.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(pieces)


def save(path: str | Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write mono samples (N,) in [-1, 1] as the format that the suffix names; samples beyond are clipped.

    WAV and FLAC hold 16 bits. Raises AsrlabError for an unknown suffix, samples that are no finite vector, and a place that cannot be
    written; a failed write leaves no half file.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise AsrlabError(f"{path}: unknown suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise AsrlabError(f"{path}: samples of shape {samples.shape}; give a vector (N,) of finite values")
    try:
        soundfile.write(path, np.clip(samples, -1, 1), sample_rate)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AsrlabError(f"{path}: cannot be written ({error}); choose a folder that exists and is writable") from None


def resample(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Change the sample rate of (N,) from `rate` to `new_rate` Hz (soxr, high quality): float32 (about N new_rate / rate,)."""
    if rate <= 0 or new_rate <= 0:
        raise AsrlabError(f"rates {rate} and {new_rate} Hz: both must be positive")
    samples = np.asarray(samples, dtype=np.float32)
    return samples if rate == new_rate else soxr.resample(samples, rate, new_rate)


def _open(path: str | Path) -> soundfile.SoundFile:
    path = Path(path)
    if not path.is_file():
        raise AsrlabError(f"{path}: no such file; check the path")
    if path.stat().st_size == 0:
        raise AsrlabError(f"{path}: empty (0 bytes); copy or fetch it again")
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise AsrlabError(f"{path}: not readable as audio ({error.error_string}); give WAV, FLAC, MP3 or OGG") from None


def _cut_short(file: soundfile.SoundFile) -> bool:
    """libsndfile shortens a truncated file in silence, and says so only in its log."""
    log = file.extra_info
    if "Last page lacks an end-of-stream bit" in log:
        return True
    return any(line.startswith("data : ") and "should be" in line for line in log.splitlines())
