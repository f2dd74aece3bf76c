"""Connectionist temporal classification: the sum over all alignments, by forward-backward (Graves et al., ICML 2006).

A network gives, for each of T frames, probabilities over V tokens, of which one, the blank, means "nothing new". A
*path* is one token a frame. Repeats are merged, then blanks removed: the paths "aa-b", "a--b" and "-abb" all read
"ab". The probability of a text is the sum over the paths that read it: too many to list, yet a table of T times
2L + 1 numbers adds them up.

Symbols, as in the equations (which count frames and states from 1, the arrays from 0):
    log_y   (T, V)  log p_t(k): log-probabilities of the network, nats; each row's probabilities add up to 1
    target  (L,)    y: token ids of the text, none of them the blank
    states  (S,)    y': the target with blanks around and between, S = 2L + 1:  - a - b -
    alpha, beta     (T, S) logarithms
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError

IMPOSSIBLE = -np.inf


@equation("ctc-collapse")
def collapse(path: Sequence[int], blank: int = 0) -> list[int]:
    """What a path reads: repeats merged, then blanks removed."""
    return [int(k) for t, k in enumerate(path) if k != blank and (t == 0 or k != path[t - 1])]


@equation("ctc-states")
def with_blanks(target: Sequence[int], blank: int = 0) -> np.ndarray:
    """The states (S,) = (2L + 1,): a blank before, between and after the tokens."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    return states


@equation("ctc-alpha")
def forward(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> np.ndarray:
    """alpha (T, S): log-probability of all ways to read frames 0..t that end in state s.

    alpha[t, s] = log_y[t, states[s]] + log( exp alpha[t-1, s]              stay
                                           + exp alpha[t-1, s-1]            take one step
                                           + exp alpha[t-1, s-2] )          skip a blank, if both its neighbours differ
    """
    states = _checked(log_y, target, blank)
    T, S = len(log_y), len(states)
    alpha = np.full((T, S), IMPOSSIBLE)
    alpha[0, :2] = log_y[0, states[:2]]  # begin with the first blank or the first token
    for t in range(1, T):
        for s in range(S):
            ways = [alpha[t - 1, s]]
            if s >= 1:
                ways.append(alpha[t - 1, s - 1])
            if s >= 2 and may_skip(states, s, blank):
                ways.append(alpha[t - 1, s - 2])
            alpha[t, s] = log_add(ways) + log_y[t, states[s]]
    return alpha


@equation("ctc-beta")
def backward(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> np.ndarray:
    """beta (T, S): log-probability of all ways to read frames t+1..T-1 and finish, given state s at frame t.

    Frame t itself is in alpha and not in beta, so that log sum_s exp(alpha[t, s] + beta[t, s]) is log p(target) at
    every t.
    """
    states = _checked(log_y, target, blank)
    T, S = len(log_y), len(states)
    beta = np.full((T, S), IMPOSSIBLE)
    beta[T - 1, -2:] = 0.0  # end in the last token or the last blank
    for t in range(T - 2, -1, -1):
        for s in range(S):
            ways = [beta[t + 1, s] + log_y[t + 1, states[s]]]
            if s + 1 < S:
                ways.append(beta[t + 1, s + 1] + log_y[t + 1, states[s + 1]])
            if s + 2 < S and may_skip(states, s + 2, blank):
                ways.append(beta[t + 1, s + 2] + log_y[t + 1, states[s + 2]])
            beta[t, s] = log_add(ways)
    return beta


@equation("log-add")
def log_add(logs: Sequence[float] | np.ndarray) -> float:
    """log(e^a + e^b + ...) of logarithms a, b, ...: the largest is taken out first, so that nothing underflows."""
    largest = max(logs, default=IMPOSSIBLE)
    if largest == IMPOSSIBLE:
        return IMPOSSIBLE  # nothing but zeros
    return float(largest + np.log(sum(np.exp(value - largest) for value in logs)))


def may_skip(states: np.ndarray, s: int, blank: int = 0) -> bool:
    """May state s follow state s - 2? Not onto a blank, and not onto the same token: without the blank, "a a" would
    merge."""
    return bool(states[s] != blank and states[s] != states[s - 2])


@equation("ctc-probability")
def loss(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> float:
    """-log p(target), nats: the sum over all paths ends in the last token or the last blank. Infinite if no path
    fits."""
    return -log_add(forward(log_y, target, blank)[-1, -2:])


@equation("ctc-occupancy")
def posteriors(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> np.ndarray:
    """gamma (T, S): probability of being in state s at frame t, given that the text is the target; rows add up to 1.

    Raises AsrlabError if no path of T frames reads the target.
    """
    joint = forward(log_y, target, blank) + backward(log_y, target, blank)
    log_p = np.logaddexp.reduce(joint, axis=1, keepdims=True)
    if not np.all(np.isfinite(log_p)):
        raise AsrlabError(
            f"no path of T={len(log_y)} frames reads the {len(target)} tokens {list(target)} (it takes"
            f" {frames_needed(target)} frames of probability above 0); use more frames"
        )
    return np.exp(joint - log_p)


def gradient(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> np.ndarray:
    """d loss / d log_y, (T, V), each log-probability moved by itself: minus the occupancy of its token,

    gradient[t, k] = -sum of gamma[t, s] over the states s with states[s] = k.
    """
    states = with_blanks(target, blank)
    gamma = posteriors(log_y, target, blank)
    result = np.zeros(np.shape(log_y))
    for s, token in enumerate(states):
        result[:, token] -= gamma[:, s]
    return result


@equation("ctc-gradient")
def gradient_logits(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> np.ndarray:
    """d loss / d logits, (T, V), where log_y = log softmax(logits):  exp log_y + gradient(log_y).

    What the network predicts minus what the text asks for: nought where the two agree.
    (torch.nn.functional.ctc_loss hands this very matrix on as its gradient by `log_probs`; behind a log-softmax it
    makes no difference.)
    """
    return np.exp(log_y) + gradient(log_y, target, blank)


@equation("ctc-best-path")
def best_path(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> np.ndarray:
    """The states (T,) of the single most probable path that reads the target: `forward` with max for sum (Viterbi).

    with_blanks(target)[best_path(...)] is the path in tokens. Raises AsrlabError if no path fits.
    """
    states = _checked(log_y, target, blank)
    T, S = len(log_y), len(states)
    score = np.full((T, S), IMPOSSIBLE)
    came_from = np.zeros((T, S), dtype=int)
    score[0, :2] = log_y[0, states[:2]]
    for t in range(1, T):
        for s in range(S):
            before = [s, s - 1, s - 2][: 1 + (s >= 1) + (s >= 2 and may_skip(states, s, blank))]
            came_from[t, s] = max(before, key=lambda state: score[t - 1, state])
            score[t, s] = score[t - 1, came_from[t, s]] + log_y[t, states[s]]
    last = max(range(max(0, S - 2), S), key=lambda state: score[T - 1, state])
    if score[T - 1, last] == IMPOSSIBLE:
        raise AsrlabError(f"no path of T={T} frames reads the tokens {list(target)}; use more frames")
    path = [last]
    for t in range(T - 1, 0, -1):
        path.append(came_from[t, path[-1]])
    return np.array(path[::-1])


@equation("ctc-feasible")
def frames_needed(target: Sequence[int]) -> int:
    """The shortest input that can read the target: a frame for each token, and one for the blank within each double."""
    return len(target) + sum(int(a == b) for a, b in pairwise(target))


@equation("ctc")
def brute_force_loss(log_y: np.ndarray, target: Sequence[int], blank: int = 0) -> float:
    """-log p(target) by listing all V^T paths: the definition itself, for tiny T and V."""
    T, V = np.shape(log_y)
    if V**T > 1_000_000:
        raise AsrlabError(f"V^T = {V}^{T} paths are too many to list; use fewer frames or tokens, or loss()")
    return -log_add([sum(log_y[range(T), path]) for path in paths(T, V, target, blank)])


def paths(T: int, V: int, target: Sequence[int], blank: int = 0) -> Iterator[tuple[int, ...]]:
    """All paths of T frames over V tokens that read the target, by trying all V^T."""
    return (path for path in product(range(V), repeat=T) if collapse(path, blank) == list(target))


@equation("ctc-paths")
def count_paths(T: int, target: Sequence[int]) -> int:
    """How many paths of T frames read the target: C(T + L - R, 2L), where R counts the doubles.

    A path cuts the T frames into 2L + 1 stretches, one a state. The L tokens and the R blanks within doubles last at
    least a frame, the other blanks may be empty: lend those a frame each and count the places of the 2L cuts.
    """
    L, R = len(target), frames_needed(target) - len(target)
    return math.comb(T + L - R, 2 * L)


@equation("ctc-consistency")
def disagreement(first: np.ndarray, second: np.ndarray) -> float:
    """How far two copies of log_y (T, V) are apart, nats: half the Kullback-Leibler divergences both ways, summed over
    the frames (Yao et al., CR-CTC, 2025). In training each copy learns from the other, and the teacher stands still."""
    p, q = np.exp(first), np.exp(second)
    return float(0.5 * np.sum(p * (first - second) + q * (second - first)))


def _checked(log_y: np.ndarray, target: Sequence[int], blank: int) -> np.ndarray:
    """The states, once the arguments fit together."""
    if np.ndim(log_y) != 2 or len(log_y) == 0:
        raise AsrlabError(f"log_y has the shape {np.shape(log_y)}; pass (T, V) with at least one frame")
    V = np.shape(log_y)[1]
    for token in [blank, *target]:
        if not 0 <= token < V:
            raise AsrlabError(f"token {token}: log_y has V={V} tokens, 0 to {V - 1}; pass the network's own tokens")
    if blank in list(target):
        raise AsrlabError(f"the target {list(target)} holds the blank {blank}; CTC puts the blanks in by itself")
    return with_blanks(target, blank)
