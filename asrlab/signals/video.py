"""Films in and out of files: pictures and sound, each with a clock of its own, read on one.

A container gives every picture and every stretch of sound the time at which it is shown or heard. Here time runs from
the first of either, a moment has the picture that is shown then, and sound that begins late has silence before it.
Decoded with PyAV, whose wheels bring their own FFmpeg; one picture is in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.core.files import regular_file
from asrlab.signals import audio

SUFFIXES = (".mp4", ".m4v", ".mpg", ".mpeg", ".mov", ".mkv", ".webm", ".avi")
APART = 0.3  # seconds by which picture and sound of one film may differ in length; what is longer is cut
SEEK = 5.0  # seconds before a stretch, beyond which it pays to jump instead of decoding all of them
REMEDY = "copy or fetch it again, or convert it with `ffmpeg -i IN OUT.mp4`"


@dataclass(frozen=True)
class VideoInfo:
    """What a film holds, counted packet by packet: headers are guesses in some containers."""

    zero: float  # the time stamp, in seconds, from which everything here is counted
    picture_seconds: float  # where the last picture ends, 0 if there is none
    sound_seconds: float  # where the sound ends, 0 if there is none
    pictures: int  # how many there are
    rate: float  # pictures a second, on average
    width: int  # pixels
    height: int  # pixels
    sample_rate: int  # Hz, 0 without sound

    @property
    def seconds(self) -> float:
        """How long it lasts: as long as all that it has goes on."""
        return min(s for s in (self.picture_seconds, self.sound_seconds) if s)


def is_video(path: Path | str) -> bool:
    """Whether a file is named like a film."""
    return Path(path).suffix.lower() in SUFFIXES


def info(path: Path | str) -> VideoInfo:
    """What a film holds. Nothing is decoded.

    Raises AsrlabError naming the file if it is missing, no film, truncated as far as its header tells, holds a single
    picture, or if its picture and its sound differ in length by more than `APART`.
    """
    found = regular_file(path)
    if not found.st_size:
        raise AsrlabError(f"{path}: empty (0 bytes); {REMEDY}")
    return _info(Path(path), found.st_size, found.st_mtime_ns)


def pictures(path: Path | str, moments: Sequence[float] | np.ndarray) -> Iterator[np.ndarray]:
    """The grey picture, uint8 (H, W), that is shown at each of the moments: seconds, ascending.

    Before the first picture that is the first one, after the last one the last. Raises AsrlabError as `info`, for a
    film without pictures, and where decoding fails.
    """
    known = info(path)
    if not known.pictures:
        raise AsrlabError(f"{path}: sound without a picture; leave its lips out, or give a film of the face")
    wanted = list(moments)
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if wanted and wanted[0] > SEEK:
            container.seek(int((wanted[0] - SEEK / 2 + known.zero) * 1_000_000), backward=True)
        shown: Any = None
        for frame in container.decode(stream):
            if frame.is_corrupt:
                raise AsrlabError(f"{path}: damaged at {frame.time or 0.0:.2f} s; {REMEDY}")
            begins = (frame.time or 0.0) - known.zero
            while wanted and shown is not None and wanted[0] < begins - 1e-6:
                yield _grey(shown)
                wanted.pop(0)
            if not wanted:
                return
            shown = frame
        if shown is None:
            raise AsrlabError(f"{path}: none of its {known.pictures} pictures can be decoded; {REMEDY}")
        for _ in wanted:
            yield _grey(shown)


def sound(path: Path | str, sample_rate: int, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
    """The sound of a film, mono float32 (N,) at `sample_rate` Hz, from `start` on for `seconds` (None: to its end).

    N is seconds * sample_rate, rounded. Raises AsrlabError as `info`, for a film without sound, and for a stretch that
    lies beyond its end.
    """
    known = info(path)
    if not known.sample_rate:
        raise AsrlabError(f"{path}: a film without sound; give inputs.sound=null, or a film that has some")
    end = known.seconds if seconds is None else start + seconds
    if not 0 <= start < end <= known.seconds + audio.ROUNDING:
        raise AsrlabError(
            f"{path}: seconds {start:g} to {end:g} asked for, but it lasts {known.seconds:g} s; correct start and "
            f"seconds"
        )
    first, last = round(start * known.sample_rate), math.ceil(end * known.sample_rate)
    samples = np.zeros(last - first, np.float32)
    with _opened(path) as container:
        if start > SEEK:
            container.seek(int((start - SEEK / 2 + known.zero) * 1_000_000), backward=True)
        at: int | None = None
        for frame in container.decode(container.streams.audio[0]):
            if at is None:  # the first says when; those after it follow without a gap
                at = round(((frame.time or 0.0) - known.zero) * known.sample_rate) - first
            piece = _mono(frame)
            low, high = max(0, at), min(len(samples), at + len(piece))
            if low < high:
                samples[low:high] = piece[low - at : high - at]
            at += len(piece)
            if at >= len(samples):
                break
    found = audio.resample(samples, known.sample_rate, sample_rate)
    wanted = round((end - start) * sample_rate)
    return np.pad(found, (0, max(0, wanted - len(found))))[:wanted]


def _grey(frame: Any) -> np.ndarray:
    """A picture as its greys, uint8 (H, W)."""
    return np.asarray(frame.reformat(format="gray").to_ndarray())


def _mono(frame: Any) -> np.ndarray:
    """The samples of a piece of sound, channels averaged, in [-1, 1]."""
    values = frame.to_ndarray()
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if values.dtype.kind == "u":
        return np.asarray(values.mean(axis=0) / 128 - 1, np.float32)
    scale = 1.0 if values.dtype.kind == "f" else float(-np.iinfo(values.dtype).min)
    return np.asarray(values.mean(axis=0) / scale, np.float32)


@lru_cache(maxsize=65536)
def _info(path: Path, size: int, modified: int) -> VideoInfo:
    with _opened(path) as container:
        streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        if not streams:
            raise AsrlabError(f"{path}: holds neither pictures nor sound; give a film ({', '.join(SUFFIXES)})")
        begins, ends, counts = ({s.index: value for s in streams} for value in (math.inf, -math.inf, 0))
        for packet in container.demux(streams):
            stamp = packet.dts if packet.pts is None else packet.pts  # AVI has no times of showing
            counts[packet.stream.index] += packet.size > 0
            if stamp is None or packet.size == 0:  # an empty one marks the end
                continue
            time = float(stamp * packet.time_base)
            lasts = float((packet.duration or 0) * packet.time_base)
            begins[packet.stream.index] = min(begins[packet.stream.index], time)
            ends[packet.stream.index] = max(ends[packet.stream.index], time + lasts)
        film = container.streams.video[0] if container.streams.video else None
        ear = container.streams.audio[0] if container.streams.audio else None
        # What lies before time 0 is there for the decoder alone, to get going.
        zero = max(0.0, min((b for b in begins.values() if b < math.inf), default=0.0))
        long = {index: max(0.0, end - zero) for index, end in ends.items()}
        count = int(counts[film.index]) if film else 0
        promised = film.frames if film and "mp4" in container.format.name else 0  # others guess
        if not any(counts.values()) or count < promised:
            raise AsrlabError(f"{path}: truncated, {count} of {promised} pictures are there; {REMEDY}")
        shown = VideoInfo(
            zero,
            long[film.index] if film else 0.0,
            long[ear.index] if ear and counts[ear.index] else 0.0,
            count,
            float(film.average_rate or count / max(long[film.index], 1e-3)) if film else 0.0,
            film.width if film else 0,
            film.height if film else 0,
            int(ear.rate) if ear and counts[ear.index] else 0,
        )
    _check(path, shown)
    return shown


def _check(path: Path, known: VideoInfo) -> None:
    if known.pictures == 1:
        raise AsrlabError(f"{path}: a single picture; a film of lips needs more, give its sound alone as an audio file")
    apart = known.picture_seconds - known.sound_seconds
    if known.pictures and known.sample_rate and abs(apart) > APART:
        longer, shorter = ("picture", "sound") if apart > 0 else ("sound", "picture")
        raise AsrlabError(
            f"{path}: picture {known.picture_seconds:.2f} s, sound {known.sound_seconds:.2f} s: they differ by more "
            f"than {APART:g} s; cut the {longer}, or look where the {shorter} got lost"
        )
    if not known.seconds > 0:
        raise AsrlabError(f"{path}: lasts 0 s; {REMEDY}")


@contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    """The film, opened; what FFmpeg has to say against it becomes an AsrlabError that names the file."""
    import av  # only who opens a film waits for it

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, AsrlabError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise AsrlabError(f"{path}: cannot be read as a film ({reason}), truncated perhaps; {REMEDY}") from error
