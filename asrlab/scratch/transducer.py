"""The transducer: the sum over all ways to walk a grid of frames and tokens (Graves, 2012, arXiv:1211.3711).

A transducer reads one frame after the other. At each it says any number of tokens, then a blank, which means "next
frame, please". So a path is a walk on a grid: a token goes up, a blank goes right, and the last step is a blank. What
it says next may depend on the frame *and* on all tokens that it has said so far.

Symbols, as in the equations (which count frames from 1, the arrays from 0; u = 0 is "nothing said yet" in both):
    log_y   (T, L + 1, V)  log p(k | t, u): at frame t, after u tokens, nats; the probabilities of a node add up to 1
    target  (L,)           y: token ids of the text, none of them the blank
    alpha, beta            (T, L + 1) logarithms
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.scratch.ctc import IMPOSSIBLE, log_add


@equation("transducer-joint")
def joint(h: np.ndarray, g: np.ndarray, A: np.ndarray, B: np.ndarray, W: np.ndarray) -> np.ndarray:
    """log_y (T, L + 1, V) from what was heard, h (T, D), and what was said, g (L + 1, D'): every pair is asked.

    A (D, J) and B (D', J) bring both to one size, W (J, V) gives scores, the softmax probabilities.
    """
    z = np.tanh((h @ A)[:, None, :] + (g @ B)[None, :, :]) @ W
    return z - np.logaddexp.reduce(z, axis=-1, keepdims=True)


@equation("transducer-alpha")
def forward(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> np.ndarray:
    """alpha (T, L + 1): log-probability of all ways to be at frame t with u tokens said.

    alpha[t, u] = log( exp(alpha[t-1, u] + log_y[t-1, u, blank])             a blank brought us from the frame before
                     + exp(alpha[t, u-1] + log_y[t, u-1, target[u-1]]) )     a token was said at this frame
    """
    T, L = _checked(log_y, target, blank)
    alpha = np.full((T, L + 1), IMPOSSIBLE)
    alpha[0, 0] = 0.0
    for t in range(T):
        for u in range(L + 1):
            ways = [alpha[t, u]]  # the start, else nothing
            if t > 0:
                ways.append(alpha[t - 1, u] + log_y[t - 1, u, blank])
            if u > 0:
                ways.append(alpha[t, u - 1] + log_y[t, u - 1, target[u - 1]])
            alpha[t, u] = log_add(ways)
    return alpha


@equation("transducer-beta")
def backward(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> np.ndarray:
    """beta (T, L + 1): log-probability of all ways to finish from frame t with u tokens said."""
    T, L = _checked(log_y, target, blank)
    beta = np.full((T, L + 1), IMPOSSIBLE)
    for t in reversed(range(T)):
        for u in reversed(range(L + 1)):
            after = beta[t + 1, u] if t + 1 < T else (0.0 if u == L else IMPOSSIBLE)  # the last blank ends it all
            ways = [after + log_y[t, u, blank]]
            if u < L:
                ways.append(beta[t, u + 1] + log_y[t, u, target[u]])
            beta[t, u] = log_add(ways)
    return beta


@equation("transducer-probability")
def loss(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> float:
    """-log p(target), nats: at the last frame, with everything said, one more blank."""
    return float(-(forward(log_y, target, blank)[-1, -1] + log_y[-1, len(target), blank]))


def steps(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(right (T, L + 1), up (T, L)): share of the paths, by probability, that step right, and up, from each node.

    Every path leaves each frame once: each row of `right` adds up to 1. Every path says each token once: so does each
    column of `up`.
    """
    alpha, beta = forward(log_y, target, blank), backward(log_y, target, blank)
    T, L = len(alpha), len(target)
    after = np.full((T, L + 1), IMPOSSIBLE)
    after[:-1] = beta[1:]
    after[-1, L] = 0.0
    right = np.exp(alpha + log_y[:, :, blank] + after - beta[0, 0])
    says = np.array([log_y[:, u, target[u]] for u in range(L)]).reshape(L, T).T
    up = np.exp(alpha[:, :-1] + says + beta[:, 1:] - beta[0, 0])
    return right, up


@equation("transducer-gradient")
def gradient_logits(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> np.ndarray:
    """d loss / d logits, (T, L + 1, V), where log_y = log softmax(logits).

    As with CTC: what the network predicts minus what the text asks for, weighted with how often a path comes by.
    """
    right, up = steps(log_y, target, blank)
    wanted = np.zeros(np.shape(log_y))
    wanted[:, :, blank] += right
    for u, token in enumerate(target):
        wanted[:, u, token] += up[:, u]
    visits = wanted.sum(axis=-1, keepdims=True)
    return visits * np.exp(log_y) - wanted


@equation("transducer-paths")
def count_paths(T: int, target: Sequence[int]) -> int:
    """How many walks say the target in T frames: C(T + L - 1, L), the places of the L tokens before the last blank."""
    return math.comb(T + len(target) - 1, len(target))


def paths(T: int, target: Sequence[int], blank: int = 0) -> Iterator[list[int]]:
    """All walks, as tokens and blanks: T blanks and the target in its order, the last a blank."""
    for places in combinations(range(T + len(target) - 1), len(target)):
        path = [blank] * (T + len(target))
        for place, token in zip(places, target, strict=True):
            path[place] = token
        yield path


def brute_force_loss(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> float:
    """-log p(target) by listing all walks: the definition itself, for tiny T and L."""
    T, _ = _checked(log_y, target, blank)
    if count_paths(T, target) > 1_000_000:
        raise AsrlabError(f"{count_paths(T, target)} paths are too many to list; use fewer frames or tokens, or loss()")
    scores = []
    for path in paths(T, target, blank):
        t = u = 0
        score = 0.0
        for token in path:
            score += log_y[t, u, token]
            t, u = (t + 1, u) if token == blank else (t, u + 1)
        scores.append(score)
    return -log_add(scores)


def _checked(log_y: np.ndarray, target: Sequence[int], blank: int) -> tuple[int, int]:
    """(T, L), once the arguments fit together."""
    shape, L = np.shape(log_y), len(target)
    if len(shape) != 3 or shape[0] == 0 or shape[1] != L + 1:
        raise AsrlabError(f"log_y has the shape {shape}; pass (T, L + 1, V) = (T, {L + 1}, V) with at least one frame")
    for token in [blank, *target]:
        if not 0 <= token < shape[2]:
            raise AsrlabError(f"token {token}: log_y has V={shape[2]} tokens, 0 to {shape[2] - 1}")
    if blank in list(target):
        raise AsrlabError(f"the target {list(target)} holds the blank {blank}; blanks are the steps to the next frame")
    return shape[0], L
