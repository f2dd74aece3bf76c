"""Sound to mel spectrogram with every step adjustable, and back to a sound."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
import scipy.signal
import soundfile
import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.scratch.front_end import sweep, tone
from asrlab.widgets.base import Widget

LONGEST = 4.0  # seconds of a sound: the page analyses all of it at each move of a slider
SHORTEST = 0.1  # seconds: the longest window and a little more


class MelExplorer(Widget, module="mel_explorer", height=(1116, 1581)):
    """Move the window, the hop, the filters and the logarithm, and see and hear what is left of a sound.

    The arithmetic is that of `signals.features` in JavaScript: with a Hann window of 25 ms, a hop of 10 ms, 80 mel
    bands, the logarithm and pre-emphasis it draws what `log_mel` returns.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(self, sounds: Mapping[str, np.ndarray] | None = None, sample_rate: int = 16000, **options):
        """sounds  {name: samples (N,) in [-1, 1]} at `sample_rate` Hz, 0.1 to 4 s each; `examples()` follow them.

        Raises AsrlabError for a sound of another shape or length, with no finite samples, or for a rate outside 8 to
        48 kHz.
        """
        if not 8000 <= sample_rate <= 48000:
            raise AsrlabError(f"sample_rate={sample_rate} Hz: give 8000 to 48000; resample first")
        everything = {**(sounds or {}), **examples(sample_rate)}
        listed = [{"name": name, "flac": _flac(name, x, sample_rate)} for name, x in everything.items()]
        super().__init__(data={"sounds": listed, "rate": sample_rate}, **options)


def examples(sample_rate: int = 16000) -> dict[str, np.ndarray]:
    """Sounds whose pictures one can foretell: {name: samples (N,)}."""
    nyquist = sample_rate / 2
    two = tone(1000, 1.0, sample_rate, 0.2) + tone(1080, 1.0, sample_rate, 0.2)
    return {"a sweep": sweep(50, 0.95 * nyquist, 1.5, sample_rate), "two tones": two, "a vowel": vowel(sample_rate)}


def vowel(sample_rate: int = 16000, pitch: float = 110.0, seconds: float = 1.0) -> np.ndarray:
    """An *ah*: a pulse at each beat of the pitch (the source), through resonances at 700, 1100, 2500 Hz (the filter).

    The pitch glides down by a third, as at the end of a sentence. Samples (N,).
    """
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    beats = np.floor(pitch * (time - 0.17 * time**2 / seconds))
    x = np.diff(beats, prepend=-1.0)
    for centre, width in ((700, 90), (1100, 110), (2500, 170)):
        radius = np.exp(-np.pi * width / sample_rate)
        poles = [1, -2 * radius * np.cos(2 * np.pi * centre / sample_rate), radius**2]
        x = scipy.signal.lfilter([1 - radius], poles, x)
    fade = np.clip(np.minimum(time, seconds - time) / 0.03, 0, 1)
    return 0.4 * fade * x / np.abs(x).max()


def _flac(name: str, samples: np.ndarray, sample_rate: int) -> str:
    samples = np.asarray(samples)
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating) or not np.isfinite(samples).all():
        what = f"{samples.dtype} of shape {samples.shape}"
        raise AsrlabError(f"sound {name!r}: {what}; give finite floats (N,) in [-1, 1]")
    seconds = len(samples) / sample_rate
    if not SHORTEST <= seconds <= LONGEST:
        raise AsrlabError(f"sound {name!r} lasts {seconds:.2f} s; give {SHORTEST:g} to {LONGEST:g} s, x[:n]")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(buffer.getvalue()).decode()
