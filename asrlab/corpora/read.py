"""What a source holds, as an array: sound as samples, anything else as frames."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.core.files import regular_file
from asrlab.corpora import films
from asrlab.corpora.base import SOUND, Source
from asrlab.signals import audio, video


def read(source: Source, modality: str = SOUND, rate: float = 16000) -> np.ndarray:
    """What `source` holds of a modality.

    sound           samples, float32 (N,) in [-1, 1], mono, at `rate` Hz
    another         frames (N, ...) at `rate` a second, of the array in an .npy file; where the source says how many
                    seconds they last, they are brought to that rate, each moment by the frame that is nearest to it

    Raises AsrlabError naming the file if it is missing, holds something else, or ends too soon.
    """
    file = io.BytesIO(member_bytes(source.path, source.member)) if source.member else source.path
    name = f"{source.path}:{source.member}" if source.member else str(source.path)
    if not source.member and video.is_video(source.path):
        return films.read(source, modality, rate)
    if modality == SOUND:
        return audio.load(file, round(rate), start=source.start, seconds=source.seconds, name=name)
    return at_rate(_frames(file, name), source.seconds, rate)


def own_frames(source: Source, modality: str) -> np.ndarray:
    """The frames of a modality other than sound at their own rate, all that the source has."""
    if not source.member and video.is_video(source.path):
        return films.read(source, modality, video.info(source.path).rate)
    return read(replace(source, seconds=None), modality)


def at_rate(frames: np.ndarray, seconds: float | None, rate: float) -> np.ndarray:
    """Frames (N, ...) that last `seconds`, at `rate` a second: (round(seconds * rate), ...). None: they are already."""
    if seconds is None or not len(frames):
        return frames
    wanted = max(1, round(seconds * rate))
    nearest = ((np.arange(wanted) + 0.5) * (len(frames) / wanted)).astype(int)
    return frames[nearest]


def _frames(file: io.BytesIO | Path, name: str) -> np.ndarray:
    if isinstance(file, Path):
        regular_file(file)
    try:
        frames = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, OverflowError, SyntaxError) as error:
        raise AsrlabError(f"{name}: cannot be read as an array of frames ({error}); save it with numpy.save") from error
    if not isinstance(frames, np.ndarray) or frames.ndim < 1 or frames.dtype.kind not in "uif":
        shape = getattr(frames, "shape", "several arrays")
        raise AsrlabError(f"{name}: {shape} of {getattr(frames, 'dtype', 'an archive')}; expected numbers (N, ...)")
    if frames.dtype.kind == "f" and not np.isfinite(frames).all():
        raise AsrlabError(f"{name}: holds NaN or infinity; write finite numbers")
    return frames


def member_bytes(path: Path, name: str) -> bytes:
    """A file of a shard, as it was put there. Raises AsrlabError naming the shard."""
    try:
        begin, size = _members(path)[name]
        with open(path, "rb") as file:
            file.seek(begin)
            return file.read(size)
    except (OSError, tarfile.TarError) as error:
        raise AsrlabError(f"{path}: {name} cannot be read ({error}); copy or write the shard again") from error
    except KeyError as error:
        raise AsrlabError(f"{path}: holds no {name}; the index is of other shards, write them again") from error


@lru_cache(maxsize=64)
def _members(path: Path) -> dict[str, tuple[int, int]]:
    """Where each file of a shard begins and how long it is, in bytes; nothing is extracted."""
    regular_file(path)
    found: dict[str, tuple[int, int]] = {}
    with tarfile.open(path, "r:") as tar:
        for member in filter(tarfile.TarInfo.isfile, tar):
            if member.name in found:
                raise AsrlabError(f"{path}: holds {member.name!r} twice; write the shards again")
            found[member.name] = (member.offset_data, member.size)
    return found
