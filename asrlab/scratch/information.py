"""What two kinds of data know of an answer, in bits; what both know together; and what is learned from pairs alone.

All tables are joint probabilities and add up to one. Nothing here is estimated: where the table is known, these are
limits that no model passes (Cover & Thomas, Elements of Information Theory, 2006, chapter 2).

Symbols, as in the equations:
    y  the answer;  x  the sound;  z  the other kind of data
    a  (N, D), b (N, D)  N pairs of vectors, row by row;  tau  the temperature
"""

from __future__ import annotations

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.scratch.learning import cross_entropy

SUM = 1e-9  # how far from one a table may add up: far above rounding, far below any probability that matters


def _checked(joint: np.ndarray, axes: int) -> np.ndarray:
    joint = np.asarray(joint, dtype=float)
    if joint.ndim != axes:
        raise AsrlabError(f"a table of the shape {joint.shape}: expected {axes} axes, one for each variable")
    if joint.min() < 0 or abs(joint.sum() - 1) > SUM:
        raise AsrlabError(f"a table from {joint.min():.3g} that adds up to {joint.sum():.6g}: give joint probabilities")
    return joint


# --- what each knows ------------------------------------------------------------------------------


@equation("mutual-information")
def mutual_information(joint: np.ndarray) -> float:
    """Bits that x tells of y, from p(y, x) as a table (Y, X) (Shannon 1948).

    Raises AsrlabError, as all functions of tables here, for a table that holds no joint probabilities.
    """
    joint = _checked(joint, 2)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)  # p(y) p(x)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log2(joint[seen] / apart[seen])))


@equation("added-information")
def added_information(joint: np.ndarray) -> float:
    """Bits that z adds for a listener who has x, from p(y, x, z) as a table (Y, X, Z): never below 0."""
    joint = _checked(joint, 3)
    both = joint.reshape(len(joint), -1)  # x and z as one observation
    return mutual_information(both) - mutual_information(joint.sum(axis=2))


@equation("data-processing")
def processed(joint: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """p(y, x') as a table (Y, X'), where x' is made from x alone: p(y, x) (Y, X) and p(x' | x) (X, X').

    x' never tells more of y than x does. Raises AsrlabError if a row of the channel does not add up to one.
    """
    joint, channel = _checked(joint, 2), np.asarray(channel, dtype=float)
    if channel.min() < 0 or np.abs(channel.sum(axis=1) - 1).max() > SUM:
        raise AsrlabError("a row of the channel is no distribution: give p(x' | x), a row for each x")
    return joint @ channel


@equation("smallest-error")
def smallest_error(joint: np.ndarray) -> float:
    """How often the best possible guess of y from x is wrong, from p(y, x) as a table (Y, X)."""
    return float(1 - _checked(joint, 2).max(axis=0).sum())


# --- both together --------------------------------------------------------------------------------


@equation("independent-streams")
def combine(p_x: np.ndarray, p_z: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """p(y | x, z) (..., Y) from p(y | x), p(y | z) and p(y), if x and z err independently of each other.

    Raises AsrlabError if every answer is excluded by one of the two: then one of them is wrong for certain.
    """
    product = np.asarray(p_x) * np.asarray(p_z) / np.asarray(prior)
    total = product.sum(axis=-1, keepdims=True)
    if (total == 0).any():
        raise AsrlabError("the two exclude every answer between them: give each answer a little probability")
    return product / total


def independent(prior: np.ndarray, p_x: np.ndarray, p_z: np.ndarray) -> np.ndarray:
    """p(y, x, z) (Y, X, Z) from p(y) (Y,), p(x | y) (Y, X) and p(z | y) (Y, Z), if x and z err independently."""
    return np.einsum("y,yx,yz->yxz", prior, p_x, p_z)


# --- pairs ----------------------------------------------------------------------------------------


@equation("contrastive-loss")
def contrastive_loss(a: np.ndarray, b: np.ndarray, tau: float = 0.1) -> float:
    """Nats of surprise at the right partner among the N of a batch, both ways (van den Oord 2018, Radford 2021)."""
    scores, right = a @ b.T / tau, np.arange(len(a))
    return (cross_entropy(scores, right) + cross_entropy(scores.T, right)) / 2


@equation("contrastive-bound")
def least_information(loss: float, N: int) -> float:
    """Bits that the two sides of a pair know of each other at the least, if the loss over N candidates is `loss` nats.

    The loss is an expectation: measure it on pairs that were not trained on (van den Oord 2018, appendix A.1).
    """
    return float((np.log(N) - loss) / np.log(2))
