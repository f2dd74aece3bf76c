"""Convolution: one small set of weights, laid upon every place of a sequence.

Loops say what it is, a matrix product says why it is fast, and the rest says what follows: how long the output is,
how far it sees, what it costs, and which shifts it does not mind. Counting begins at 0.

Symbols, as in the equations:
    x, X    (T,) a sequence of numbers, (T, F) a sequence of frames
    w, W    (k,) a kernel, (k, F, C) the kernels of C output channels
    b       (C,) one bias for each channel
    s, p, r stride, padding (zeros put before and behind), dilation (steps from one tap of the kernel to the next)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError

Function = Callable[[np.ndarray], np.ndarray]


def identity(z: np.ndarray) -> np.ndarray:
    return z


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0)


@equation("convolution-sum")
def slide(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(T,), (k,) -> (T - k + 1,): at every place the products of kernel and signal, added up."""
    T, k = len(x), len(w)
    y = np.zeros(max(0, T - k + 1))
    for t in range(len(y)):
        for i in range(k):
            y[t] += w[i] * x[t + i]
    return y


@equation("flipped")
def convolve(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(T,), (k,) -> (T + k - 1,): every sample starts a copy of w; the kernel is read backwards. As in mathematics."""
    T, k = len(x), len(w)
    y = np.zeros(T + k - 1)
    for t in range(len(y)):
        for i in range(k):
            if 0 <= t - i < T:
                y[t] += w[i] * x[t - i]
    return y


@equation("convolution")
def conv(X: np.ndarray, W: np.ndarray, b: np.ndarray, f: Function = identity) -> np.ndarray:
    """(T, F), (k, F, C), (C,) -> (T - k + 1, C): the sum over the window and over all features, for each channel."""
    _check_layer(X, W, b)
    (T, F), (k, _, C) = X.shape, W.shape
    y = np.zeros((max(0, T - k + 1), C))
    for t in range(len(y)):
        for c in range(C):
            y[t, c] = b[c] + sum(X[t + i, d] * W[i, d, c] for i in range(k) for d in range(F))
    return f(y)


@equation("source-convolution")
def dense(X: np.ndarray, W: np.ndarray, b: np.ndarray, f: Function = identity) -> np.ndarray:
    """f(XW + b), the article's formula: (T, F), (F, C), (C,) -> (T, C). Row t of the answer depends on row t alone."""
    return f(X @ W + b)


@equation("im2col")
def windows(X: np.ndarray, k: int, s: int = 1, p: int = 0, r: int = 1) -> np.ndarray:
    """(T, F) -> (T', k F): row t holds the k frames that output t sees, side by side ("image to columns")."""
    T, F = X.shape
    padded = np.concatenate([np.zeros((p, F)), X, np.zeros((p, F))])
    return np.stack([padded[t * s + r * np.arange(k)].ravel() for t in range(output_length(T, k, s, p, r))])


def conv_matmul(
    X: np.ndarray, W: np.ndarray, b: np.ndarray, f: Function = identity, s: int = 1, p: int = 0, r: int = 1
):
    """`conv` with stride, padding and dilation as one matrix product: the article's formula upon windows of X."""
    _check_layer(X, W, b)
    k, F, C = W.shape
    return dense(windows(X, k, s, p, r), W.reshape(k * F, C), b, f)


@equation("strided")
def slide_with(x: np.ndarray, w: np.ndarray, s: int = 1, p: int = 0, r: int = 1) -> np.ndarray:
    """(T,), (k,) -> (T',): `slide` with stride s, padding p and dilation r; outside the signal there are zeros."""
    T, k = len(x), len(w)
    y = np.zeros(output_length(T, k, s, p, r))
    for t in range(len(y)):
        for i in range(k):
            n = t * s + i * r - p
            if 0 <= n < T:
                y[t] += w[i] * x[n]
    return y


@equation("output-length")
def output_length(T: int, k: int, s: int = 1, p: int = 0, r: int = 1) -> int:
    """How many places a kernel of k taps finds on T frames. Raises AsrlabError if it finds none."""
    if k < 1 or s < 1 or r < 1 or p < 0:
        raise AsrlabError(f"k={k}, s={s}, p={p}, r={r}: kernel, stride and dilation are 1 or more, padding 0 or more")
    reach = r * (k - 1) + 1
    if T + 2 * p < reach:
        raise AsrlabError(f"T={T} frames and padding {p} are shorter than the {reach} that the kernel spans; pad more")
    return (T + 2 * p - reach) // s + 1


# --- what follows ---------------------------------------------------------------------------------


@equation("equivariance")
def equivariance_gap(layer: Function, X: np.ndarray, delay: int, s: int = 1) -> float:
    """The largest difference between "delay, then layer" and "layer, then delay by delay / s", seen in the middle.

    delay  frames; where it is not a multiple of the layer's total stride s, the nearest whole delay is compared with
    """
    late = layer(np.concatenate([np.zeros((delay, *X.shape[1:])), X]))
    usual, steps = layer(X), round(delay / s)
    middle = slice(len(usual) // 4, -(len(usual) // 4) or None)  # at the edges there is padding
    return float(np.abs(late[steps : steps + len(usual)][middle] - usual[: len(late) - steps][middle]).max())


@equation("receptive-field")
def receptive_field(layers: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
    """(R, S) of a stack of layers (k, s, r): input frames that one output sees, and from one output to the next."""
    R, S = 1, 1
    for k, s, r in layers:
        R += r * (k - 1) * S
        S *= s
    return R, S


def frames_seen(network: Function, X: np.ndarray, t: int) -> list[int]:
    """The frames of X (T, F) that output t depends on: each is changed in turn, and the output looked at."""
    before, seen = network(X)[t], []
    for n in range(len(X)):
        changed = X.copy()
        changed[n] += 1.0
        if np.abs(network(changed)[t] - before).max() > 0:
            seen.append(n)
    return seen


@equation("conv-cost")
def cost(T: int, k: int, F: int, C: int, groups: int = 1) -> tuple[int, int]:
    """(parameters, multiplications) of a convolution with T outputs: every output frame uses every weight once."""
    weights = k * (F // groups) * C
    return weights + C, T * weights


def dense_cost(T: int, F: int, T_out: int, C: int) -> tuple[int, int]:
    """The same for a dense layer that connects every input number to every output number."""
    return (T * F + 1) * T_out * C, T * F * T_out * C


@equation("separable")
def separable(X: np.ndarray, depth: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(T, F), (k, F), (F, C) -> (T - k + 1, C): each feature through a kernel of its own, then mixed frame by frame."""
    alone = np.stack([slide(X[:, j], depth[:, j]) for j in range(X.shape[1])], axis=1)
    return alone @ point


@equation("causal")
def causal(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(T,), (k,) -> (T,): output t sees x[t-k+1] to x[t] and nothing that comes later."""
    return slide(np.concatenate([np.zeros(len(w) - 1), x]), w)


class Stream:
    """`causal` for a sound that arrives in pieces: it remembers the last k - 1 samples, and nothing else."""

    def __init__(self, w: np.ndarray):
        self.w, self.past = np.asarray(w, float), np.zeros(len(w) - 1)

    def push(self, piece: np.ndarray) -> np.ndarray:
        """The next samples (n,) in, as many outputs (n,) out, at once."""
        known = np.concatenate([self.past, piece])
        self.past = known[len(known) - len(self.past) :]
        return slide(known, self.w)


def peaks(y: np.ndarray, least: float) -> list[int]:
    """The places of y (T,) above `least` that are higher than what is before and no lower than what is behind."""
    inside = [-np.inf, *y, -np.inf]
    return [t for t in range(len(y)) if y[t] > least and inside[t] < y[t] >= inside[t + 2]]


def _check_layer(X: np.ndarray, W: np.ndarray, b: np.ndarray) -> None:
    if np.ndim(X) != 2 or np.ndim(W) != 3 or W.shape[1] != X.shape[1] or np.shape(b) != W.shape[2:]:
        raise AsrlabError(
            f"X {np.shape(X)}, W {np.shape(W)}, b {np.shape(b)}: expected (T, F), (k, F, C) and (C,) with the same F"
        )
