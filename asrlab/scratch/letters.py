"""B, D, P and T, heard and seen: a toy in which sound and lips know different things, and what each knows is known.

A voice sounds in B and D; the lips close for B and P. The sound tells the first well and, as on a bad telephone line,
the second badly; the picture tells the second alone. How forcefully a letter is said shows in both: it is loud, and
the mouth is wide. Nothing here is recorded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from asrlab.core.errors import AsrlabError

LETTERS = ("B", "D", "P", "T")
VOICED, CLOSED = np.array([1, 1, -1, -1]), np.array([1, -1, 1, -1])
ROWS, COLUMNS = 9, 15  # of a picture
BAD_LINE, CLEAR_LINE = 1.5, 0.4
BRIGHT, DIM = 0.3, 1.0


class Said(NamedTuple):
    """N letters: which, what a microphone has of each, and what a camera has."""

    y: np.ndarray  # (N,) 0 to 3
    sound: np.ndarray  # (N, 3) voicing, place, loudness
    lips: np.ndarray  # (N, ROWS * COLUMNS) how dark each pixel is, against the mean of all pictures


def examples(N: int, seed: int, line: float = BAD_LINE, grain: float = BRIGHT) -> Said:
    """N letters at random.

    line   noise on what the sound tells of the place, whose two values lie at -1 and 1
    grain  noise of the camera on each pixel, where lips are 1 and their surroundings 0: the less light, the more
    Raises AsrlabError for a negative noise.
    """
    if line < 0 or grain < 0:
        raise AsrlabError(f"line={line}, grain={grain}: a noise is 0 or more")
    generator = np.random.default_rng(seed)
    y, force = generator.integers(4, size=N), generator.standard_normal(N)
    sound = np.column_stack([VOICED[y], CLOSED[y], force]) + [0.5, line, 0.3] * generator.standard_normal((N, 3))
    opening = np.where(CLOSED[y] > 0, 0.2, 0.7) * np.exp(0.25 * generator.standard_normal(N))
    seen = mouth(opening, 0.6 * np.exp(0.2 * force)).reshape(N, -1)
    usual = (mouth(np.array([0.2]), np.array([0.6])) + mouth(np.array([0.7]), np.array([0.6]))).reshape(-1) / 2
    return Said(y, sound, seen - usual + grain * generator.standard_normal(seen.shape))


def mouth(opening: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Pictures (N, ROWS, COLUMNS) of mouths, 1 inside and 0 outside; opening and width (N,) are shares of a picture."""
    down, across = np.mgrid[-1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j]
    radius = np.hypot(across / width[:, None, None], down / opening[:, None, None])
    return 1 / (1 + np.exp(np.minimum(8 * (radius - 1), 50)))
