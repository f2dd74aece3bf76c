"""Small films for tests, written with PyAV: a face or anything else that moves, with a tone."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def face(size: int = 200) -> np.ndarray:
    """A person from the front, grey (size, size): Eileen Collins, by NASA, as scikit-image brings her along."""
    from skimage import data
    from skimage.transform import resize

    astronaut = data.astronaut()[0:260, 100:360].mean(axis=2)
    return np.asarray(resize(astronaut, (size, size), anti_aliasing=True), np.uint8)


def moving(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """(count, height, width) a grey that climbs from picture to picture: which one it is can be read off it."""
    return np.repeat(np.linspace(20, 220, count).astype(np.uint8), height * width).reshape(count, height, width)


def film(
    path: Path,
    pictures: np.ndarray | None,
    rate: float = 25,
    seconds: float | None = None,
    sound_rate: int = 16000,
    late: float = 0.0,
) -> Path:
    """Write pictures (N, H, W) and `seconds` of a tone (None: as long as the pictures, 0: none), `late` by so much."""
    with av.open(str(path), "w") as container:
        if pictures is not None:
            video = container.add_stream("mpeg4", rate=Fraction(rate).limit_denominator(1001))
            video.height, video.width, video.pix_fmt = pictures.shape[1], pictures.shape[2], "yuv420p"
            video.bit_rate = 4_000_000
        lasts = len(pictures) / rate if seconds is None and pictures is not None else seconds or 0.0
        ear = container.add_stream("aac", rate=sound_rate, layout="mono") if lasts else None
        for picture in [] if pictures is None else pictures:
            frame = av.VideoFrame.from_ndarray(np.repeat(picture[..., None], 3, axis=2), format="rgb24")
            container.mux(video.encode(frame))
        if pictures is not None:
            container.mux(video.encode(None))
        if ear is not None:
            samples = tone(lasts, sound_rate)
            for begin in range(0, len(samples), 1024):
                piece = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], format="fltp", layout="mono")
                piece.rate, piece.pts = sound_rate, begin + round(late * sound_rate)
                piece.time_base = Fraction(1, sound_rate)
                container.mux(ear.encode(piece))
            container.mux(ear.encode(None))
    return path


def tone(seconds: float, rate: int = 16000) -> np.ndarray:
    """440 Hz, a third of full scale."""
    return (np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate) / 3).astype(np.float32)
