"""One token after the other: how a decoder that has heard everything says a text, and how it is taught.

log_y[u] is what the decoder gives as its token number u when it is handed the true tokens before: teacher forcing
(Williams and Zipser 1989). A text ends with a token of its own, `end`, so that the decoder can say that it is done.

    log_y   (L + 1, V)  log p(k | y_1 ... y_u, X), nats
    target  (L + 1,)    y_1 ... y_L, end
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError


@equation("attention-chain")
def log_probability(log_y: np.ndarray, target: Sequence[int]) -> float:
    """log p(y | X), nats: the chain rule, a product of one factor a token."""
    _check(log_y, target)
    return float(sum(log_y[u, token] for u, token in enumerate(target)))


@equation("label-smoothing")
def smoothed_loss(log_y: np.ndarray, target: Sequence[int], smoothing: float = 0.1) -> float:
    """Cross entropy, nats, with a share `smoothing` (0 to below 1) of the target spread evenly over all V tokens."""
    evenly = float(np.mean(log_y, axis=1).sum())
    return -(1 - smoothing) * log_probability(log_y, target) - smoothing * evenly


def _check(log_y: np.ndarray, target: Sequence[int]) -> None:
    if np.ndim(log_y) != 2 or len(log_y) != len(target):
        raise AsrlabError(f"log_y {np.shape(log_y)} for {len(target)} tokens; pass one row (V,) for each, the end too")
