"""Logs of trainings that went right or wrong, drawn as such trainings write them: for an exercise and its page."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np


def planted_logs(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, str]]:
    """Three logs of each kind: loss on train, loss on dev, share of blank frames, (E,) each, and what is wrong."""
    jumps = [math.nan, float(rng.uniform(1.6, 2.1)), float(rng.uniform(2, 20))]
    for kind in rng.permutation(np.repeat(["healthy", "diverged", "overfitted", "only blanks", "too slow"], 3)):
        E = int(rng.integers(20, 41))
        e, start, floor = np.arange(E), rng.uniform(4, 9), rng.uniform(0.12, 0.25)
        fall = np.exp(-e / (E * rng.uniform(0.08, 0.12)))
        train, gap = start * (floor + (1 - floor) * fall), 1 + rng.uniform(0.15, 0.3) * (1 - fall)
        blank: np.ndarray = 0.7 + 0.29 * np.exp(-((5 * e / E) ** 4))  # it always begins with blanks
        if kind == "overfitted":
            train = start * (0.01 + 0.99 * fall)
            gap = (start * (0.15 + 0.85 * fall) + start * 0.25 * np.clip(e / E - 0.3, 0, 1)) / train
        elif kind == "too slow":
            train, gap = start * (1 - rng.uniform(0.3, 0.5) * e / E), 1 + 0.05 * e / E
            blank = 0.9 - 0.1 * e / E
        elif kind == "only blanks":
            train, gap, blank = start * (0.5 + 0.5 * fall), 1 + 0.05 * (1 - fall), 0.99 + 0 * e
        train = train * rng.uniform(0.985, 1.015, E)
        dev = train * gap * rng.uniform(0.985, 1.015, E)
        if kind == "diverged":
            k = int(rng.integers(E // 4, E - 3))
            train[k:] = dev[k:] = start * jumps.pop()
        yield train, dev, np.clip(blank * rng.uniform(0.995, 1.005, E), 0, 1), str(kind)
