"""Two vowels, made from their formants: something small to learn that can be heard and drawn.

A vowel is a buzz of the throat, shaped by resonances of the mouth, the *formants*. Two of them, F1 and F2, nearly
decide which vowel it is. They depend on the size of the head, too, so neither alone tells the vowel of *bed* from that
of *bad*. The means are those of Peterson & Barney (JASA 1952, table II); the resonators follow Klatt (JASA 1980).
"""

from __future__ import annotations

import numpy as np

from asrlab.core.errors import AsrlabError

VOWELS = ("bed", "bad")
SPEAKERS = ("man", "woman", "child")
FORMANTS = {  # Hz: F1, F2, F3
    ("bed", "man"): (530, 1840, 2480),
    ("bad", "man"): (660, 1720, 2410),
    ("bed", "woman"): (610, 2330, 2990),
    ("bad", "woman"): (860, 2050, 2850),
    ("bed", "child"): (690, 2610, 3570),
    ("bad", "child"): (1010, 2320, 3320),
}
PITCH = {"man": 120, "woman": 210, "child": 260}  # Hz
BANDWIDTHS = (70, 100, 150)  # Hz, of the three resonances


def examples(count: int, spread: float = 0.08, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """x (count, 2): F1 and F2 in kHz of vowels by men, women and children in turn; y (count,): 0 for bed, 1 for bad.

    spread  how much speakers differ: the standard deviation of each formant, as a share of its mean
    """
    generator = np.random.default_rng(seed)
    y = np.arange(count) % 2
    kinds = [(VOWELS[y[n]], SPEAKERS[n // 2 % 3]) for n in range(count)]
    means = np.array([FORMANTS[kind][:2] for kind in kinds]) / 1000
    return means * (1 + spread * generator.standard_normal((count, 2))), y


def speak(formants: tuple[float, ...], pitch: float, seconds: float = 0.5, sample_rate: int = 16000) -> np.ndarray:
    """Samples (N,) of a vowel with these formants, Hz: pulses `pitch` times a second, through a resonator for each.

    Raises AsrlabError for a formant that the sample rate cannot hold.
    """
    if max(formants) >= sample_rate / 2:
        raise AsrlabError(
            f"a formant of {max(formants)} Hz at {sample_rate} Hz: raise the sample rate above twice that"
        )
    n = np.arange(round(seconds * sample_rate))
    phase = np.floor(n * pitch / sample_rate)
    sound = np.diff(phase, prepend=-1.0)  # 1 where a period begins, else 0
    for formant, bandwidth in zip(formants, BANDWIDTHS, strict=False):
        sound = resonate(sound, formant, bandwidth, sample_rate)
    fade = np.minimum(1, np.minimum(n, n[::-1]) / (0.03 * sample_rate))
    return 0.5 * fade * sound / np.abs(sound).max()


def resonate(x: np.ndarray, frequency: float, bandwidth: float, sample_rate: int) -> np.ndarray:
    """A filter that rings at `frequency` Hz: y[n] = a x[n] + b y[n-1] + c y[n-2] (Klatt 1980, equation 1)."""
    r = np.exp(-np.pi * bandwidth / sample_rate)
    b, c = 2 * r * np.cos(2 * np.pi * frequency / sample_rate), -r * r
    a, one, two = 1 - b - c, 0.0, 0.0
    y = np.empty(len(x))
    for n, value in enumerate(x):
        y[n] = a * value + b * one + c * two
        one, two = y[n], one
    return y
