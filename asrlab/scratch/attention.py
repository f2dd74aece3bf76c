"""Attention: queries look up keys and read a mixture of values (Vaswani et al. 2017, arXiv:1706.03762, section 3.2).

Everything is NumPy, one utterance at a time, rows are places in a sequence. Symbols, as in the text:
    Q  (U, d_k)  queries: what each of U places wants to know
    K  (T, d_k)  keys: what each of T places offers
    V  (T, d_v)  values: what it hands over when it is chosen
    alpha (U, T) weights: each row adds up to 1
A mask (U, T) is True where a query may look.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError

# --- looking up -----------------------------------------------------------------------------------


def softmax(scores: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Rows of scores to rows of weights that add up to 1; the largest score is taken out first, so nothing overflows.

    Where `mask` is False the score counts as minus infinity, the weight is 0. Raises AsrlabError for a row in which
    nothing may be looked at: its weights would be 0/0.
    """
    if mask is not None:
        if not np.broadcast_to(mask, scores.shape).any(axis=-1).all():
            raise AsrlabError(f"mask {mask.shape}: a query may look nowhere; let each see at least one place")
        scores = np.where(mask, scores, -np.inf)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@equation("soft-lookup")
def look_up(scores: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One query's `scores` (T,) to what it reads, the mixture c (d_v,), and the weights alpha (T,) of the mixture."""
    alpha = np.exp(scores) / np.exp(scores).sum()
    c = sum(alpha[t] * V[t] for t in range(len(V)))
    return c, alpha


@equation("attention")
def attention(
    Q: np.ndarray, K: np.ndarray, V: np.ndarray, mask: np.ndarray | None = None, scale: float | None = None
) -> np.ndarray:
    """What each query reads, (U, d_v). `scale` is 1 / sqrt(d_k) unless given."""
    return attention_weights(Q, K, mask, scale) @ V


def attention_weights(
    Q: np.ndarray, K: np.ndarray, mask: np.ndarray | None = None, scale: float | None = None
) -> np.ndarray:
    """alpha (U, T) of `attention`. Raises AsrlabError if queries and keys are not of one size."""
    if Q.shape[-1] != K.shape[-1]:
        raise AsrlabError(f"queries of {Q.shape[-1]} numbers, keys of {K.shape[-1]}: a product needs equal sizes")
    scale = 1 / math.sqrt(K.shape[-1]) if scale is None else scale
    return softmax(scale * Q @ K.T, mask)


# --- why the root ---------------------------------------------------------------------------------


@equation("score-variance")
def score_variance(q_mean: np.ndarray, q_var: np.ndarray, k_mean: np.ndarray, k_var: np.ndarray) -> float:
    """Variance of q.k for independent entries with these means and variances, all (d_k,).

    With means 0 and variances 1 each entry adds 1, and the sum is d_k.
    """
    return float((q_var * k_var + q_var * k_mean**2 + q_mean**2 * k_var).sum())


@equation("softmax-gradient")
def softmax_gradient(alpha: np.ndarray) -> np.ndarray:
    """d alpha_t / d score_s, (T, T), from the weights alpha (T,) alone."""
    return np.diag(alpha) - np.outer(alpha, alpha)


# --- who may look where ---------------------------------------------------------------------------


def padding_mask(length: int, T: int) -> np.ndarray:
    """(1, T): the first `length` places are real, what comes after them is padding."""
    return (np.arange(T) < length)[None]


def causal_mask(T: int) -> np.ndarray:
    """(T, T): a place sees itself and what came before."""
    return chunk_mask(T, 1)


@equation("chunk-mask")
def chunk_mask(T: int, chunk: int, left: int | None = None) -> np.ndarray:
    """(T, T): a place sees its own chunk of `chunk` places and the `left` chunks before it (None: all of them)."""
    t, s = np.arange(T)[:, None] // chunk, np.arange(T)[None] // chunk
    return (s <= t) & (True if left is None else s >= t - left)


# --- no order, hence positions --------------------------------------------------------------------


@equation("permutation-equivariance")
def equivariance_gap(layer: Callable[[np.ndarray], np.ndarray], X: np.ndarray, order: Sequence[int]) -> float:
    """How far "shuffle, then apply" is from "apply, then shuffle": 0 for a layer that knows no order."""
    order = list(order)
    return float(np.abs(layer(X[order]) - layer(X)[order]).max())


@equation("sinusoidal-positions")
def sinusoidal_positions(T: int, D: int) -> np.ndarray:
    """(T, D): pairs of a sine and a cosine, from one turn in 2 pi places to one in 2 pi times (almost) 10000."""
    if D % 2:
        raise AsrlabError(f"D={D}: positions come in pairs of sine and cosine, pass an even number")
    angle = np.arange(T)[:, None] * 10000.0 ** (-np.arange(0, D, 2) / D)
    P = np.empty((T, D))
    P[:, 0::2], P[:, 1::2] = np.sin(angle), np.cos(angle)
    return P


@equation("rotary-positions")
def rotary_positions(X: np.ndarray, first: int = 0) -> np.ndarray:
    """Each row of X (T, D) turned by an angle that grows with its place, `first` for the first row (Su et al. 2021).

    Columns i and i + D/2 are the two coordinates of a point that is turned by the angle t 10000^(-2i/D).
    """
    T, D = X.shape
    angle = (first + np.arange(T))[:, None] * 10000.0 ** (-np.arange(0, D, 2) / D)
    x, y = X[:, : D // 2], X[:, D // 2 :]
    return np.concatenate([x * np.cos(angle) - y * np.sin(angle), y * np.cos(angle) + x * np.sin(angle)], axis=1)


# --- several heads, two streams -------------------------------------------------------------------


@equation("head")
def head(
    Q: np.ndarray, K: np.ndarray, V: np.ndarray, W_Q: np.ndarray, W_K: np.ndarray, W_V: np.ndarray,
    mask: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """One head: queries, keys and values each seen through a matrix (D, d) of its own; (U, d)."""
    return attention(Q @ W_Q, K @ W_K, V @ W_V, mask)


@equation("multi-head")
def multi_head(
    Q: np.ndarray, K: np.ndarray, V: np.ndarray, heads: Sequence[Sequence[np.ndarray]], W_O: np.ndarray,
    mask: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Several heads side by side, mixed by W_O (h d, D): (U, D). `heads` holds a (W_Q, W_K, W_V) for each."""
    return np.concatenate([head(Q, K, V, W_Q, W_K, W_V, mask) for W_Q, W_K, W_V in heads], axis=-1) @ W_O


@equation("cross-attention")
def cross_attention(
    X: np.ndarray, Z: np.ndarray, W_Q: np.ndarray, W_K: np.ndarray, W_V: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    """The rows of X (U, .) ask, the rows of Z (T, .) answer: (U, d). With Z = X it is self-attention."""
    return attention(X @ W_Q, Z @ W_K, Z @ W_V, mask)


# --- the ear of listen, attend and spell ----------------------------------------------------------


@equation("location-energy")
def location_energies(
    s: np.ndarray, H: np.ndarray, looked: np.ndarray,
    W: np.ndarray, U: np.ndarray, b: np.ndarray, F: np.ndarray, L: np.ndarray, w: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """How well each frame h_t (row of H, (T, D)) answers the state s (S,), given where was `looked` (T,) before; (T,).

    W (S, A), U (D, A), b (A,), L (C, A) and w (A,) are learned, as are the C windows F (C, n) that slide over `looked`.
    """
    n = F.shape[1]
    padded = np.pad(looked, ((n - 1) // 2, n // 2))
    f = np.stack([F @ padded[t : t + n] for t in range(len(H))])  # (T, C)
    return np.tanh(s @ W + H @ U + b + f @ L) @ w


@equation("las-context")
def context(energies: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies (T,) of one letter to what it heard, c (D,), the mixture of the frames H (T, D), and alpha (T,)."""
    alpha = softmax(energies)
    return alpha @ H, alpha


@equation("attention-centre")
def centres(alpha: np.ndarray) -> np.ndarray:
    """The mean frame of each letter's weights alpha (U, T): (U,), counted from 0 for the first frame."""
    return alpha @ np.arange(alpha.shape[1])


@equation("attention-spread")
def spread(alpha: np.ndarray) -> np.ndarray:
    """Over how many frames each row of alpha (U, T) is spread: (U,), from 1 (all on one frame) to T (the same on all).

    The exponential of the entropy, which is in nats; 0 log 0 counts as 0.
    """
    return np.exp(-(alpha * np.log(np.where(alpha > 0, alpha, 1))).sum(axis=1))


def share_forward(alpha: np.ndarray) -> float:
    """How many of the steps from one letter to the next move the centre forward: a share from 0 to 1."""
    steps = np.diff(centres(alpha))
    return float((steps > 0).mean()) if len(steps) else 1.0


# --- what it costs --------------------------------------------------------------------------------


@equation("attention-cost")
def attention_cost(T: int, D: int, seen: int | None = None) -> int:
    """Multiplications of one layer of self-attention over T frames of D numbers: projections, then everybody by all.

    `seen` is how many places each frame may look at, all T unless given.
    """
    return 4 * T * D**2 + 2 * T * (T if seen is None else min(seen, T)) * D
