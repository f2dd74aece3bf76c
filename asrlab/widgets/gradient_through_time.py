"""How loud a gradient still is after so many steps back, for an Elman network and an LSTM."""

from __future__ import annotations

import numpy as np
import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.scratch.recurrence import random_elman
from asrlab.widgets.base import Widget

STEPS, FEATURES, SIZE = 120, 2, 8
DIGITS = 4


class GradientThroughTime(Widget, module="gradient_through_time", height=(821, 931)):
    """Choose a cell, the spectral radius of its recurrent weights (or the bias of its forget gates), the nonlinearity
    and the number of steps; see how long the gradient is at every step on its way back, and the states on theirs.

    One small set of random weights travels with the widget; the recursions are those of `asrlab.scratch.recurrence`, in
    JavaScript.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(self, radius: float = 1.0, cell: str = "elman", seed: int = 0, **options):
        """Raises AsrlabError for a radius outside 0.5 to 1.5 or an unknown cell."""
        if not 0.5 <= radius <= 1.5:
            raise AsrlabError(f"radius={radius}: the slider goes from 0.5 to 1.5")
        if cell not in ("elman", "lstm"):
            raise AsrlabError(f"cell={cell!r}: choose elman or lstm")
        super().__init__(data={**weights(seed), "radius": radius, "cell": cell}, **options)


def weights(seed: int = 0) -> dict:
    """What both cells need, rounded to what travels: lists of numbers.

    X (120, 2): a knock in the first frame, then soft noise. W, U: of an Elman network with spectral radius 1. lstm_W,
    lstm_U: of an LSTM, its biases zero but for the forget gates'. last (8,): the gradient at the last state, length 1.
    """
    random = np.random.default_rng(seed)
    X = 0.15 * random.normal(size=(STEPS, FEATURES))
    X[0] = 1.0
    net = random_elman(FEATURES, SIZE, 1, seed, radius=1.0)
    gates = [random.normal(size=(4 * SIZE, columns)) / np.sqrt(SIZE) for columns in (FEATURES, SIZE)]
    last = random.normal(size=SIZE)
    values = {
        "X": X,
        "W": net.W,
        "U": net.U,
        "lstm_W": gates[0],
        "lstm_U": gates[1],
        "last": last / np.linalg.norm(last),
    }
    return {name: np.round(value, DIGITS).tolist() for name, value in values.items()}
