"""A kernel that slides over a real recording: at each place the products, and their sum, which is the output."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import numpy as np
import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.signals.audio import resample
from asrlab.widgets.base import Widget

RATE = 8000  # Hz of the sound that the widget carries: enough for speech, half the size
HOP = 80  # samples from one value of the loudness to the next: 10 ms
LONGEST = 2.5  # seconds
TAPS = 7
RANGE = 50.0  # dB below the loudest moment that count as silence
PIECE = 200  # samples of the waveform that are drawn


class Convolution(Widget, module="convolution", height=(953, 1370)):
    """Seven weights to drag, two signals to lay them on: the loudness of a recording and a piece of its waveform.

    Step or drag the kernel along and see the products and the output; change stride, padding and dilation; hear clicks
    where the output on the loudness peaks, or the whole recording through the kernel. The arithmetic is
    `asrlab.scratch.convolution.slide_with` in JavaScript.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(self, samples: np.ndarray, sample_rate: int, text: str = "", signal: str = "loudness", **options):
        """samples (N,) in [-1, 1], at most 2.5 s; signal: "loudness" or "waveform", which one is shown first.

        Raises AsrlabError for a sound of another shape or length.
        """
        samples = np.asarray(samples, dtype=np.float32)
        if samples.ndim != 1 or not 0.2 <= len(samples) / sample_rate <= LONGEST:
            raise AsrlabError(f"samples {samples.shape} at {sample_rate} Hz: pass one channel of 0.2 to {LONGEST} s")
        if signal not in ("loudness", "waveform"):
            raise AsrlabError(f"signal={signal!r}: choose loudness or waveform")
        sound = np.asarray(resample(samples, sample_rate, RATE), dtype=np.float32)
        sound = sound / max(float(np.abs(sound).max()), 1e-6)
        level = loudness(sound)
        start = min(max(0, int(level.argmax()) * HOP - PIECE // 2), len(sound) - PIECE)
        super().__init__(
            data={
                "text": text,
                "signal": signal,
                "loudness": np.round(level, 3).tolist(),
                "piece": np.round(sound[start : start + PIECE].astype(float), 3).tolist(),
                "sound": base64.b64encode(np.round(sound * 32767).astype("<i2").tobytes()).decode(),
                "rate": RATE,
                "hop": HOP,
            },
            **options,
        )


def loudness(sound: np.ndarray, hop: int = HOP) -> np.ndarray:
    """(N,) -> (N // hop,): power of each stretch of `hop` samples in decibels; 1 the loudest, 0 is 50 dB below."""
    blocks = np.asarray(sound, float)[: len(sound) // hop * hop].reshape(-1, hop)
    decibels = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12)
    return np.clip(1 + (decibels - decibels.max()) / RANGE, 0, 1)


def with_clicks(samples: np.ndarray, sample_rate: int, times: Iterable[float]) -> np.ndarray:
    """The sound at half its volume with a short click at each of these times, in seconds."""
    n = np.arange(round(0.02 * sample_rate))
    click = 0.6 * np.exp(-n / (0.004 * sample_rate)) * np.sin(2 * np.pi * 2000 * n / sample_rate)
    mixed = 0.5 * np.asarray(samples, float)
    for time in times:
        start = round(time * sample_rate)
        if 0 <= start < len(mixed):
            part = mixed[start : start + len(n)]
            part += click[: len(part)]
    return np.clip(mixed, -1, 1)
