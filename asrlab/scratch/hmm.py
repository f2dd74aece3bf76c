"""Hidden Markov models: the sum over all paths, the best path, learning from sounds alone (Rabiner, Proc. IEEE 1989).

A model walks from state to state and lets one frame be heard in each; which states they were is hidden. Three questions
follow. How likely is what was heard? `forward`. Which way did it walk? `viterbi`. Which model explains it better?
`reestimate`.

Symbols, as in the equations (states and frames are counted from 0 here, from 1 in the text):
    pi      (S,)    probability to begin in a state
    A       (S, S)  A[i, j]: to be in j after i
    end     (S,)    to end after a state; None: a sequence may end anywhere, which counts 1
    log_b   (T, S)  log b_j(x_t): how well frame t fits state j, nats
    path    (T,)    one state a frame
    alpha, beta (T, S) logarithms;  gamma (T, S), xi (T - 1, S, S) probabilities
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.scratch.gmm import Mixture

Vector = np.ndarray
PATHS = 1_000_000  # more are not listed


# --- one path, and all of them ------------------------------------------------------------------------------------


@equation("hmm-joint")
def joint(pi: Vector, A: np.ndarray, log_b: np.ndarray, path: Sequence[int], end: Vector | None = None) -> float:
    """log p(X, path): begin, be heard, move on, be heard, ..."""
    log_A = log(A)
    log_p = log(pi)[path[0]] + log_b[0, path[0]]
    for t in range(1, len(log_b)):
        log_p += log_A[path[t - 1], path[t]] + log_b[t, path[t]]
    return float(log_p + log_end(end, len(pi))[path[-1]])


@equation("hmm-total")
def brute_force(pi: Vector, A: np.ndarray, log_b: np.ndarray, end: Vector | None = None) -> float:
    """log p(X) by listing all S^T paths: the definition itself, for tiny S and T."""
    return float(np.logaddexp.reduce([joint(pi, A, log_b, path, end) for path in every_path(*np.shape(log_b))]))


def every_path(T: int, S: int) -> list[tuple[int, ...]]:
    """All S^T paths. Raises AsrlabError if there are more than a million."""
    if S**T > PATHS:
        raise AsrlabError(f"S^T = {S}^{T} paths are too many to list; use fewer frames or states, or forward()")
    return list(product(range(S), repeat=T))


# --- how likely? ---------------------------------------------------------------------------------------------------


@equation("hmm-forward")
def forward(pi: Vector, A: np.ndarray, log_b: np.ndarray) -> np.ndarray:
    """alpha (T, S): log-probability of frames 0..t, summed over all paths that are in state j at frame t."""
    alpha = np.empty(np.shape(log_b))
    alpha[0] = log(pi) + log_b[0]
    for t in range(1, len(log_b)):
        alpha[t] = log_b[t] + np.logaddexp.reduce(alpha[t - 1][:, None] + log(A), axis=0)
    return alpha


@equation("hmm-backward")
def backward(A: np.ndarray, log_b: np.ndarray, end: Vector | None = None) -> np.ndarray:
    """beta (T, S): log-probability of frames t+1..T-1, summed over all paths that go on from state i at frame t."""
    beta = np.empty(np.shape(log_b))
    beta[-1] = log_end(end, len(A))
    for t in range(len(log_b) - 2, -1, -1):
        beta[t] = np.logaddexp.reduce(log(A) + log_b[t + 1] + beta[t + 1], axis=1)
    return beta


def log_likelihood(pi: Vector, A: np.ndarray, log_b: np.ndarray, end: Vector | None = None) -> float:
    """log p(X), nats: the last column of alpha, added up. -inf if no path fits."""
    return float(np.logaddexp.reduce(forward(pi, A, log_b)[-1] + log_end(end, len(pi))))


@equation("hmm-posteriors")
def posteriors(
    pi: Vector, A: np.ndarray, log_b: np.ndarray, end: Vector | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """gamma (T, S) and xi (T - 1, S, S): probability of a state at frame t, and of i at frame t with j at t + 1, given
    all that was heard. Raises AsrlabError if no path fits."""
    alpha, beta = forward(pi, A, log_b), backward(A, log_b, end)
    log_p = np.logaddexp.reduce(alpha[-1] + beta[-1])
    if not np.isfinite(log_p):
        raise AsrlabError(f"no path of {len(log_b)} frames has a probability above 0; use more frames or fewer states")
    gamma = np.exp(alpha + beta - log_p)
    xi = np.exp(alpha[:-1, :, None] + log(A) + (log_b + beta)[1:, None, :] - log_p)
    return gamma, xi


# --- which way? ----------------------------------------------------------------------------------------------------


@equation("hmm-viterbi")
def viterbi(pi: Vector, A: np.ndarray, log_b: np.ndarray, end: Vector | None = None) -> tuple[np.ndarray, float]:
    """The most probable path (T,) and log p(X, path): `forward` with max for sum, and a note of where each maximum came
    from. Of equal paths it takes the lower states."""
    T, S = np.shape(log_b)
    delta, came_from = np.empty((T, S)), np.zeros((T, S), dtype=int)
    delta[0] = log(pi) + log_b[0]
    for t in range(1, T):
        ways = delta[t - 1][:, None] + log(A)  # (from, to)
        came_from[t] = ways.argmax(axis=0)
        delta[t] = log_b[t] + ways.max(axis=0)
    final = delta[-1] + log_end(end, S)
    path = [int(final.argmax())]
    for t in range(T - 1, 0, -1):
        path.append(int(came_from[t, path[-1]]))
    return np.array(path[::-1]), float(final.max())


# --- which model? --------------------------------------------------------------------------------------------------


class Emission(Protocol):
    """What states let hear: `Symbols`, or a `Mixture` of Gaussians for each."""

    def log_b(self, x: np.ndarray) -> np.ndarray: ...

    def reestimated(self, xs: list[np.ndarray], gammas: list[np.ndarray], floor: float = 0.0) -> Emission: ...


@dataclass(frozen=True)
class Symbols:
    """Each state draws one of V symbols: B[j, v]."""

    B: np.ndarray  # (S, V), each row adds up to 1

    def log_b(self, x: np.ndarray) -> np.ndarray:
        """log b_j(x_t) (T, S) of symbols x (T,)."""
        return log(self.B).T[np.asarray(x)]

    def reestimated(self, xs: list[np.ndarray], gammas: list[np.ndarray], floor: float = 0.0) -> Symbols:
        """How often each state is expected to have drawn each symbol, as shares."""
        counts = sum(gamma.T @ np.eye(self.B.shape[1])[x] for x, gamma in zip(xs, gammas, strict=True))
        return Symbols(shares(counts, self.B))


@dataclass(frozen=True)
class Hmm:
    """A model with all that it has learned."""

    pi: Vector  # (S,)
    A: np.ndarray  # (S, S)
    emission: Emission
    end: Vector | None = None  # (S,); if given, each row of A and its entry here add up to 1

    def log_likelihood(self, x: np.ndarray) -> float:
        """log p(X), nats."""
        return log_likelihood(self.pi, self.A, self.emission.log_b(x), self.end)


@equation("hmm-reestimate")
def reestimate(model: Hmm, sequences: Sequence[np.ndarray], floor: float = 0.0) -> Hmm:
    """One step of Baum-Welch: count what is expected to have happened, and make the counts the new probabilities.

    floor  of the variances of Gaussians
    """
    found = [posteriors(model.pi, model.A, model.emission.log_b(x), model.end) for x in sequences]
    gammas = [gamma for gamma, _ in found]
    begun, ended = sum(gamma[0] for gamma in gammas), sum(gamma[-1] for gamma in gammas)
    moved = sum(xi.sum(axis=0) for _, xi in found)
    pi, emission = shares(begun, model.pi), model.emission.reestimated(list(sequences), gammas, floor)
    if model.end is None:
        return Hmm(pi, shares(moved, model.A), emission)
    rows = shares(np.column_stack([moved, ended]), np.column_stack([model.A, model.end]))
    return Hmm(pi, rows[:, :-1], emission, rows[:, -1])


def baum_welch(
    model: Hmm, sequences: Sequence[np.ndarray], iterations: int, floor: float = 0.0
) -> tuple[Hmm, list[float]]:
    """`reestimate` again and again; the model, and log p of all sequences before each step and after the last."""
    history = [sum(model.log_likelihood(x) for x in sequences)]
    for _ in range(iterations):
        model = reestimate(model, sequences, floor)
        history.append(sum(model.log_likelihood(x) for x in sequences))
    return model, history


@equation("em-bound")
def bound(new: Hmm, old: Hmm, x: np.ndarray) -> float:
    """What Baum-Welch makes as large as it can: the mean, over paths drawn as the old model would, of

    log p(X, path | new) - log p(path | X, old).

    Never above log p(X | new), and equal to it where new is old. By listing all paths, for tiny S and T.
    """
    log_b = old.emission.log_b(x)
    paths = every_path(*log_b.shape)
    before = np.array([joint(old.pi, old.A, log_b, path, old.end) for path in paths])
    log_b = new.emission.log_b(x)
    after = np.array([joint(new.pi, new.A, log_b, path, new.end) for path in paths])
    log_q = before - np.logaddexp.reduce(before)
    likely = np.isfinite(log_q)  # 0 log 0 = 0
    return float(np.sum(np.exp(log_q[likely]) * (after[likely] - log_q[likely])))


# --- helpers -------------------------------------------------------------------------------------------------------


def left_to_right(S: int, stay: float) -> tuple[Vector, np.ndarray, Vector]:
    """pi, A and end of a word of S states: stay with this probability, else move to the next; after the last, end."""
    if not 0 <= stay < 1:
        raise AsrlabError(f"stay={stay}: give a probability from 0 up to, but not, 1")
    return np.eye(S)[0], stay * np.eye(S) + (1 - stay) * np.eye(S, k=1), (1 - stay) * np.eye(S)[-1]


def flat_start(sequences: Sequence[np.ndarray], S: int, stay: float = 0.6) -> Hmm:
    """A word before anything is known of it: each recording (T, F) is cut into S equal parts, and a state is one
    Gaussian with the mean of its parts and the variance of everything."""
    parts = [[x[len(x) * j // S : len(x) * (j + 1) // S] for x in sequences] for j in range(S)]
    means = np.stack([np.concatenate(part).mean(axis=0) for part in parts])
    var = np.tile(np.concatenate(sequences).var(axis=0), (S, 1))
    pi, A, end = left_to_right(S, stay)
    return Hmm(pi, A, Mixture(np.ones((S, 1)), means[:, None], var[:, None]), end)


def log(p: np.ndarray) -> np.ndarray:
    """log 0 is -inf, and nothing to warn of: what cannot happen."""
    with np.errstate(divide="ignore"):
        return np.log(p)


def log_end(end: Vector | None, S: int) -> Vector:
    """Where a sequence may end anywhere, ending costs nothing."""
    return np.zeros(S) if end is None else log(end)


def shares(counts: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Counts as probabilities along the last axis; a row without counts stays as it was."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1.0), before)
