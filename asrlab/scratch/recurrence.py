"""Recurrent networks: a state that is handed on, and what becomes of a gradient on the way back (Elman 1990,
Hochreiter and Schmidhuber 1997).

Symbols, as in the equations (vectors are columns, X has a row for each frame):
    X      (T, F)      frames
    W, U   (D, F), (D, D)   weights of the frame and of the state before
    b      (D,)
    V, c   (D, K), (K,)     from the state to K scores
    h      (T + 1, D)  states; row 0 is h_0, row t the state after frame t
    delta  (T + 1, D)  dL/dh_t, the gradient of the loss with respect to each state
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError


@dataclass(frozen=True)
class Elman:
    """The parameters of an Elman network; `linear=True` leaves the tanh out."""

    W: np.ndarray
    U: np.ndarray
    b: np.ndarray
    V: np.ndarray
    c: np.ndarray
    linear: bool = False

    def f(self, a: np.ndarray) -> np.ndarray:
        return a if self.linear else np.tanh(a)

    def slope(self, h: np.ndarray) -> np.ndarray:
        """f'(a), computed from h = f(a): 1 for the identity, 1 - h^2 for tanh."""
        return np.ones_like(h) if self.linear else 1 - h**2


def random_elman(F: int, D: int, K: int, seed: int = 0, radius: float | None = None, linear: bool = False) -> Elman:
    """Normal weights of variance 1/D; with `radius` U is scaled to that spectral radius."""
    random = np.random.default_rng(seed)
    W, U, V = (random.normal(size=shape) / np.sqrt(D) for shape in ((D, F), (D, D), (D, K)))
    U = U if radius is None else scaled(U, radius)
    return Elman(W, U, np.zeros(D), V, np.zeros(K), linear)


@equation("recurrence")
def elman(X: np.ndarray, net: Elman, h_0: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """States h (T + 1, D) and scores y (T, K); h_0 is zero unless given."""
    h = [np.zeros(len(net.b)) if h_0 is None else h_0]
    for x_t in X:
        h.append(net.f(net.W @ x_t + net.U @ h[-1] + net.b))
    y = np.stack(h[1:]) @ net.V + net.c
    return np.stack(h), y


@equation("bptt")
def state_gradients(h: np.ndarray, dy: np.ndarray, net: Elman) -> np.ndarray:
    """delta (T + 1, D) from dy (T, K), the loss's gradient with respect to the scores: back through time."""
    delta = np.zeros_like(h)
    for t in range(len(h) - 1, -1, -1):
        if t > 0:
            delta[t] += net.V @ dy[t - 1]  # what the score of this frame says
        if t < len(h) - 1:
            delta[t] += net.U.T @ (net.slope(h[t + 1]) * delta[t + 1])  # what comes back from the next one
    return delta


@equation("bptt-weights")
def weight_gradients(X: np.ndarray, h: np.ndarray, delta: np.ndarray, net: Elman) -> dict[str, np.ndarray]:
    """dL/dW, dL/dU and dL/db: the same weights at every frame, so a sum over the frames."""
    da = net.slope(h[1:]) * delta[1:]  # (T, D), before the nonlinearity
    return {"W": da.T @ X, "U": da.T @ h[:-1], "b": da.sum(axis=0)}


@equation("jacobian-product")
def jacobian(h: np.ndarray, s: int, t: int, net: Elman) -> np.ndarray:
    """dh_t / dh_s (D, D), for s <= t: one factor for each step between them, the latest at the left."""
    product = np.eye(len(net.U))
    for i in range(s + 1, t + 1):
        product = np.diag(net.slope(h[i])) @ net.U @ product
    return product


@equation("jacobian-bound")
def jacobian_bound(U: np.ndarray, steps: int) -> float:
    """What the Jacobian's norm over so many steps cannot exceed: the largest singular value of U, to that power."""
    return float(np.linalg.norm(U, ord=2) ** steps)


def spectral_radius(U: np.ndarray) -> float:
    """The largest absolute value among the eigenvalues."""
    return float(np.abs(np.linalg.eigvals(U)).max())


def scaled(U: np.ndarray, radius: float) -> np.ndarray:
    """U times the number that gives it this spectral radius. Raises AsrlabError if all its eigenvalues are zero."""
    found = spectral_radius(U)
    if found < 1e-12:
        raise AsrlabError(f"U {U.shape}: its spectral radius is 0, so no factor makes it {radius}; pass another U")
    return U * (radius / found)


@equation("clipping")
def clip(gradient: np.ndarray, longest: float) -> np.ndarray:
    """The gradient, shortened to length `longest` if it is longer; its direction stays."""
    return gradient * min(1.0, longest / max(float(np.linalg.norm(gradient)), 1e-12))


# --- long short-term memory -----------------------------------------------------------------------


@dataclass(frozen=True)
class Lstm:
    """The parameters of an LSTM, its four parts stacked as in torch: W (4D, F), U (4D, D), b (4D,); i, f, g, o."""

    W: np.ndarray
    U: np.ndarray
    b: np.ndarray


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


@equation("lstm-gates")
def lstm_gates(x_t: np.ndarray, h: np.ndarray, net: Lstm) -> tuple[np.ndarray, ...]:
    """Input gate i, forget gate f, candidate g and output gate o, each (D,)."""
    i, f, g, o = np.split(net.W @ x_t + net.U @ h + net.b, 4)
    return sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)


@equation("lstm")
def lstm_step(x_t: np.ndarray, h: np.ndarray, cell: np.ndarray, net: Lstm) -> tuple[np.ndarray, np.ndarray]:
    """State and cell after one more frame, each (D,)."""
    i, f, g, o = lstm_gates(x_t, h, net)
    cell = f * cell + i * g
    return o * np.tanh(cell), cell


def lstm(X: np.ndarray, net: Lstm) -> tuple[np.ndarray, np.ndarray]:
    """States and cells (T + 1, D), from zeros."""
    D = len(net.b) // 4
    h, cell = [np.zeros(D)], [np.zeros(D)]
    for x_t in X:
        for row, new in zip((h, cell), lstm_step(x_t, h[-1], cell[-1], net), strict=True):
            row.append(new)
    return np.stack(h), np.stack(cell)


@equation("cell-path")
def cell_path(forget: np.ndarray) -> np.ndarray:
    """What is left of a gradient that went back along the cells alone: forget gates (n, D) -> their product (D,)."""
    return np.prod(forget, axis=0)


def lstm_state_gradients(X: np.ndarray, h: np.ndarray, cell: np.ndarray, dh: np.ndarray, net: Lstm) -> np.ndarray:
    """(T + 1, 2D): the gradient with respect to each (h_t, cell_t), of a loss with the gradient dh (D,) at h_T."""
    D = h.shape[1]
    gradients, dcell = [], np.zeros(D)
    for t in range(len(X), 0, -1):
        gradients.append(np.concatenate([dh, dcell]))
        i, f, g, o = lstm_gates(X[t - 1], h[t - 1], net)
        kept = np.tanh(cell[t])
        dcell = dcell + dh * o * (1 - kept**2)
        gates = (
            dcell * g * i * (1 - i),
            dcell * cell[t - 1] * f * (1 - f),
            dcell * i * (1 - g**2),
            dh * kept * o * (1 - o),
        )
        dh, dcell = net.U.T @ np.concatenate(gates), dcell * f
    gradients.append(np.concatenate([dh, dcell]))
    return np.stack(gradients[::-1])
