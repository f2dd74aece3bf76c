"""Sound and lips of a film as a corpus reads them. Cropped mouths are kept: finding them takes longer than training.

What is kept lies in the cache, a file for each film, stretch and way of cropping. Its name is a digest of all of these
with the film's size and time, so that another film under an old name is cropped anew; it appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.core.files import regular_file, write_whole
from asrlab.corpora.base import SOUND, Source
from asrlab.signals import mouth, video

LIPS = "lips"
VERSION = 1  # of `signals.mouth`: another number where it cuts otherwise


def read(source: Source, modality: str, rate: float) -> np.ndarray:
    """Samples float32 (N,) of the sound of a film at `rate` Hz, or pictures uint8 (N, H, W) of its lips.

    Both last the source's `seconds`, or as long as both go on. Raises AsrlabError naming the film, for a modality that
    no film has, too.
    """
    if modality == SOUND:
        return video.sound(source.path, round(rate), source.start, source.seconds)
    if modality != LIPS:
        raise AsrlabError(f"{source.path}: a film has {SOUND} and {LIPS}, no {modality}; give an array of frames")
    seconds = video.info(source.path).seconds - source.start if source.seconds is None else source.seconds
    options = source.mouth or mouth.MouthOptions()
    kept = _place(source, seconds, rate, options)
    if kept.is_file():
        try:
            return np.load(kept, allow_pickle=False)
        except (OSError, ValueError, EOFError):  # damaged on the disk: made again
            pass
    found = mouth.crop(source.path, rate, source.start, seconds, options)
    buffer = io.BytesIO()
    np.save(buffer, found)
    write_whole(kept, buffer.getvalue())
    return found


def _place(source: Source, seconds: float, rate: float, options: mouth.MouthOptions):
    """Where the crops of a film are kept."""
    from asrlab.corpora import cache

    film = regular_file(source.path)
    stretch = (float(source.start), float(seconds), float(rate))
    about = [str(source.path.resolve()), film.st_size, film.st_mtime_ns, *stretch, asdict(options)]
    digest = hashlib.sha256(json.dumps([VERSION, *about]).encode()).hexdigest()[:32]
    return cache() / "mouths" / digest[:2] / f"{digest}.npy"
