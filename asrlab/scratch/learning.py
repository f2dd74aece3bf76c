"""How a network learns, in NumPy: scores, softmax, cross-entropy, its gradient, and the steps of SGD and Adam.

The network has one hidden layer, or none: then it is a row of neurons, and its boundaries are straight lines.

Symbols, as in the equations:
    x      (N, D)  examples;  y (N,) the right class of each, 0 to K - 1
    z      (N, K)  scores (logits);  p (N, K) probabilities
    W, b           weights (D, K) and biases (K,) of a layer;  theta: all of them, a list of arrays
    h      (N, H)  what the hidden layer says
    rate           eta, the learning rate
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError

Theta = list[np.ndarray]  # W, b of each layer in turn


# --- what it says ---------------------------------------------------------------------------------


@equation("neuron")
def neuron(x: np.ndarray, w: np.ndarray, b: float) -> np.ndarray:
    """Scores (N,) of examples x (N, D): each input times its weight, added up, and a bias."""
    return x @ w + b


@equation("softmax")
def softmax(z: np.ndarray) -> np.ndarray:
    """Scores (..., K) to probabilities. The largest score is taken out first, so that no exponential overflows."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@equation("hidden-layer")
def forward(x: np.ndarray, theta: Theta, mask: np.ndarray | float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """What the last layer reads, (N, H) or x itself where there is no hidden layer, and its scores z (N, K).

    mask  (N, H) what `dropout` leaves of the hidden layer; 1: all of it
    """
    if len(theta) == 2:
        W, b = theta
        return x, x @ W + b
    W, b, V, c = theta
    h = np.tanh(x @ W + b) * mask
    return h, h @ V + c


@equation("cross-entropy")
def cross_entropy(z: np.ndarray, y: np.ndarray) -> float:
    """Minus the log-probability of the right class, on average over the examples, nats."""
    return float(-np.mean(np.log(softmax(z)[np.arange(len(y)), y])))


# --- which way is down ----------------------------------------------------------------------------


@equation("score-gradient")
def score_gradient(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, K) derivative of the cross-entropy by each score: what was said minus what was right, over N."""
    right = np.eye(z.shape[1])[y]
    return (softmax(z) - right) / len(y)


@equation("backpropagation")
def gradient(x: np.ndarray, y: np.ndarray, theta: Theta, mask: np.ndarray | float = 1.0) -> Theta:
    """Derivatives of the cross-entropy by all of theta: the error at the scores, sent back through the layers."""
    h, z = forward(x, theta, mask)
    error = score_gradient(z, y)
    last = [h.T @ error, error.sum(axis=0)]
    if len(theta) == 2:
        return last
    slope = 1 - np.tanh(x @ theta[0] + theta[1]) ** 2
    inner = (error @ theta[2].T) * mask * slope
    return [x.T @ inner, inner.sum(axis=0), *last]


# --- steps ----------------------------------------------------------------------------------------


@equation("gradient-step")
def sgd(theta: Theta, gradients: Theta, rate: float) -> Theta:
    """One step downhill, as long as the slope is steep times `rate`."""
    return [value - rate * g for value, g in zip(theta, gradients, strict=True)]


class AdamState(NamedTuple):
    """What Adam remembers: running means of the gradients and of their squares, and how many steps it has taken."""

    mean: Theta
    square: Theta
    steps: int = 0

    @classmethod
    def start(cls, theta: Theta) -> AdamState:
        return cls([0 * value for value in theta], [0 * value for value in theta])


@equation("adam")
def adam(
    theta: Theta,
    gradients: Theta,
    state: AdamState,
    rate: float,
    keep: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
) -> tuple[Theta, AdamState]:
    """One step of Adam (Kingma & Ba, ICLR 2015, algorithm 1): each weight has a step of its own."""
    steps = state.steps + 1
    mean = [keep[0] * m + (1 - keep[0]) * g for m, g in zip(state.mean, gradients, strict=True)]
    square = [keep[1] * s + (1 - keep[1]) * g**2 for s, g in zip(state.square, gradients, strict=True)]
    m_hat = [m / (1 - keep[0] ** steps) for m in mean]  # the means began at 0: at first they are too small
    s_hat = [s / (1 - keep[1] ** steps) for s in square]
    moved = [value - rate * m / (np.sqrt(s) + epsilon) for value, m, s in zip(theta, m_hat, s_hat, strict=True)]
    return moved, AdamState(mean, square, steps)


@equation("dropout")
def dropout(shape: tuple[int, ...], q: float, generator: np.random.Generator) -> np.ndarray:
    """A mask: 0 with probability q, else 1 / (1 - q), so that the mean of what it multiplies stays (Srivastava 2014).

    Raises AsrlabError for a q outside [0, 1).
    """
    if not 0 <= q < 1:
        raise AsrlabError(f"dropout q={q}: give a probability from 0 up to, but not, 1")
    return (generator.random(shape) >= q) / (1 - q)


# --- again and again ------------------------------------------------------------------------------


def start(sizes: Sequence[int], seed: int = 0, spread: float = 1.0) -> Theta:
    """Random weights for layers of these sizes, (D, K) or (D, H, K); biases 0. The more inputs, the smaller."""
    generator = np.random.default_rng(seed)
    theta: Theta = []
    for n, m in pairwise(sizes):
        theta += [spread * generator.standard_normal((n, m)) / np.sqrt(n), np.zeros(m)]
    return theta


def batches(N: int, size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """One epoch: all N examples once, in random order, `size` at a time."""
    order = generator.permutation(N)
    yield from (order[i : i + size] for i in range(0, N, size))


def train(
    x: np.ndarray,
    y: np.ndarray,
    theta: Theta,
    epochs: int,
    rate: float,
    batch: int = 16,
    optimiser: str = "sgd",
    q: float = 0.0,
    seed: int = 0,
    watch: Callable[[int, Theta], None] | None = None,
) -> Theta:
    """All epochs, in batches. `watch(epoch, theta)` is called before the first epoch, as epoch 0, and after each.

    q  dropout of the hidden layer, while it learns only
    Raises AsrlabError for an optimiser that is neither "sgd" nor "adam".
    """
    if optimiser not in ("sgd", "adam"):
        raise AsrlabError(f"optimiser={optimiser!r}: choose sgd or adam")
    generator, state = np.random.default_rng(seed), AdamState.start(theta)
    if watch:
        watch(0, theta)
    for epoch in range(1, epochs + 1):
        for chosen in batches(len(x), batch, generator):
            mask = dropout((len(chosen), theta[0].shape[1]), q, generator) if q else 1.0
            gradients = gradient(x[chosen], y[chosen], theta, mask)
            if optimiser == "sgd":
                theta = sgd(theta, gradients, rate)
            else:
                theta, state = adam(theta, gradients, state, rate)
        if watch:
            watch(epoch, theta)
    return theta


def share_wrong(x: np.ndarray, y: np.ndarray, theta: Theta) -> float:
    """How many of the examples get the wrong class: a share from 0 to 1."""
    return float(np.mean(forward(x, theta)[1].argmax(axis=1) != y))
