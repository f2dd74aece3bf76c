"""A hidden Markov model of any shape as one network: states joined by arcs, searched or summed over frame by frame.

A word is a chain of states, a sentence a chain of words, a recogniser a loop through all words; training and decoding
differ in the network alone. Beside states that each take a frame there are *joints*, which take none: places where
paths meet, such as the end of every word.

Everything is in logarithms, nats. The functions are compiled on first use; `asrlab.scratch.hmm` is the same arithmetic
written to be read, and tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from asrlab.core.compiled import compiled
from asrlab.core.errors import AsrlabError

JOINT = -1  # in place of a density: this state takes no frame
NOWHERE = -np.inf


@dataclass(frozen=True)
class Network:
    """States 0..J-1, of which the first is the joint where all paths start and the last the one where they end.

    An arc from one joint to another leads to the one of higher number. Use `Builder` to make one.
    """

    density: np.ndarray  # (J,) which density each state emits by, or JOINT
    word: np.ndarray  # (J,) for the first state of a word: which; else -1
    into: np.ndarray  # (J + 1,) the arcs into[j] to into[j + 1] - 1 end in state j
    source: np.ndarray  # (E,) where each arc begins; arcs are sorted by where they end
    target: np.ndarray  # (E,) where each ends
    extra: np.ndarray  # (E,) its score beside the probability to stay in its source or to leave it, nats
    log_p: np.ndarray  # (E,) its score in all
    out_of: np.ndarray  # (J + 1,) the arcs leaving[out_of[i]] to leaving[out_of[i + 1] - 1] begin in state i
    leaving: np.ndarray  # (E,) arcs sorted by where they begin

    def leaving_with(self, leave: np.ndarray) -> Network:
        """The same network where a state of density k is left after a frame with probability leave[k], else stays."""
        return replace(self, log_p=_scores(self.density, self.source, self.target, self.extra, leave))

    def log_likelihood(self, log_b: np.ndarray) -> float:
        """log of the sum over all paths; log_b (T, K) are the log-densities of the frames. -inf if no path fits."""
        return float(self.forward(log_b)[-1, -1])

    def forward(self, log_b: np.ndarray) -> np.ndarray:
        """alpha (T + 1, J): row t sums over all ways to take the first t frames and be in a state."""
        return _forward(self.density, self.into, self.source, self.log_p, _float(log_b))

    def occupancy(self, log_b: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """(log-likelihood, gamma (T, J), stays (J,)).

        gamma is the probability of being in a state at a frame (0 for joints), stays how often each state is expected
        to be followed by itself. Raises AsrlabError if no path takes exactly these frames.
        """
        log_b = _float(log_b)
        alpha = self.forward(log_b)
        self._check(alpha[-1, -1], len(log_b))
        beta = _backward(self.density, self.out_of, self.leaving, self.target, self.log_p, log_b)
        gamma, stays = _posteriors(self.density, self.into, self.source, self.log_p, log_b, alpha, beta)
        return float(alpha[-1, -1]), gamma, stays

    def best_path(self, log_b: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """(score, states (T,), begins (T,)): the single best path, by Viterbi, and where on it a word begins.

        begins[t] is True where the path enters the first state of a word at frame t. Raises AsrlabError if no path
        takes exactly these frames.
        """
        log_b = _float(log_b)
        score, states, entered = _viterbi(self.density, self.into, self.source, self.log_p, log_b)
        self._check(score, len(log_b))
        return float(score), states, entered & (self.word[states] >= 0)

    def _check(self, total: float, frames: int) -> None:
        if not np.isfinite(total):
            raise AsrlabError(
                f"no path through the network takes {frames} frames, each of non-zero density; the shortest path takes "
                f"{self.shortest()} frames: use fewer states, or leave the utterance out"
            )

    def shortest(self) -> int:
        """The fewest frames that a path takes (Bellman-Ford, since arcs may lead back)."""
        cost = np.full(len(self.density), np.inf)
        cost[0] = 0
        step = (self.density[self.target] != JOINT).astype(float)
        while True:
            reached = cost.copy()
            np.minimum.at(reached, self.target, cost[self.source] + step)
            if np.array_equal(reached, cost):
                return int(cost[-1])
            cost = reached


@dataclass
class Builder:
    """Makes a Network: add joints and chains of states, connect them, build."""

    density: list[int] = field(default_factory=lambda: [JOINT])  # the start is there from the beginning
    word: list[int] = field(default_factory=lambda: [-1])
    arcs: list[tuple[int, int, float]] = field(default_factory=list)

    def joint(self) -> int:
        """A new joint; its number."""
        return self._state(JOINT)

    def connect(self, source: int, target: int, extra: float = 0.0) -> None:
        """An arc. `extra` nats are added to the score of all paths through it."""
        self.arcs.append((source, target, extra))

    def chain(
        self, source: int, densities: Sequence[int], end: int | None = None, word: int = -1, extra: float = 0.0
    ) -> int:
        """States left to right from the joint `source` to the joint `end` (default: a new one); returns that joint.

        word   which word begins here
        extra  nats for going this way
        """
        before = source
        for k in densities:
            state = self._state(k, word)
            self.connect(before, state, extra)
            self.connect(state, state)
            before, word, extra = state, -1, 0.0
        end = self.joint() if end is None else end
        self.connect(before, end, extra)
        return end

    def build(self, leave: np.ndarray) -> Network:
        """The network, in which paths end at the joint made last; leave (K,) as in `Network.leaving_with`."""
        if self.density[-1] != JOINT:
            raise AsrlabError("network: its last state takes a frame; make a joint last, where all paths end")
        arcs = sorted(self.arcs, key=lambda arc: (arc[1], arc[0]))
        source, target = (np.array([arc[i] for arc in arcs], dtype=np.int64) for i in (0, 1))
        density, extra = np.array(self.density, dtype=np.int64), np.array([arc[2] for arc in arcs], dtype=np.float64)
        backwards = (density[source] == JOINT) & (density[target] == JOINT) & (source >= target)
        if backwards.any():
            i = int(np.flatnonzero(backwards)[0])
            raise AsrlabError(f"network: joint {source[i]} leads back to joint {target[i]}; give it a higher number")
        leaving = np.argsort(source, kind="stable")
        into, out_of = (np.searchsorted(ends, np.arange(len(density) + 1)) for ends in (target, source[leaving]))
        log_p = _scores(density, source, target, extra, leave)
        return Network(density, np.array(self.word), into, source, target, extra, log_p, out_of, leaving)

    def _state(self, density: int, word: int = -1) -> int:
        self.density.append(density)
        self.word.append(word)
        return len(self.density) - 1


def _scores(
    density: np.ndarray, source: np.ndarray, target: np.ndarray, extra: np.ndarray, leave: np.ndarray
) -> np.ndarray:
    """Arcs out of joints have no probability of their own."""
    k = density[source]
    with np.errstate(divide="ignore"):
        moved = np.where(source == target, np.log1p(-leave[k]), np.log(leave[k]))
    return extra + np.where(k == JOINT, 0.0, moved)


def _float(log_b: np.ndarray) -> np.ndarray:
    log_b = np.ascontiguousarray(log_b, dtype=np.float64)
    if log_b.ndim != 2 or len(log_b) == 0:
        raise AsrlabError(f"log_b has the shape {log_b.shape}; pass (T, K) with at least one frame")
    return log_b


# --- compiled -----------------------------------------------------------------------------------------------------
# Row t of a table holds what is true after t frames. States that take a frame look at the row before, joints at their
# own; since joints lead to joints of higher number only, ascending order serves them.


@compiled
def _forward(density, into, source, log_p, log_b):
    T, J = len(log_b), len(density)
    alpha = np.full((T + 1, J), -np.inf)
    alpha[0, 0] = 0.0
    for t in range(T + 1):
        for takes in (True, False):
            if takes and t == 0:
                continue
            for j in range(J):
                if (density[j] >= 0) != takes or (t == 0 and j == 0):
                    continue
                row = t - 1 if takes else t
                top = -np.inf
                for e in range(into[j], into[j + 1]):
                    top = max(top, alpha[row, source[e]] + log_p[e])
                if top == -np.inf:
                    continue
                total = 0.0
                for e in range(into[j], into[j + 1]):
                    total += np.exp(alpha[row, source[e]] + log_p[e] - top)
                alpha[t, j] = top + np.log(total)
                if takes:
                    alpha[t, j] += log_b[t - 1, density[j]]
    return alpha


@compiled
def _backward(density, out_of, leaving, target, log_p, log_b):
    T, J = len(log_b), len(density)
    beta = np.full((T + 1, J), -np.inf)
    beta[T, J - 1] = 0.0
    ways = np.empty(len(leaving))
    for t in range(T, -1, -1):
        for takes in (False, True):  # states that take a frame may lead to joints of this row
            for i in range(J - 1, -1, -1):
                if (density[i] >= 0) != takes or (t == T and i == J - 1):
                    continue
                top = -np.inf
                for n in range(out_of[i], out_of[i + 1]):
                    e = leaving[n]
                    j = target[e]
                    if density[j] < 0:
                        ways[n] = log_p[e] + beta[t, j]
                    elif t < T:
                        ways[n] = log_p[e] + beta[t + 1, j] + log_b[t, density[j]]
                    else:
                        ways[n] = -np.inf
                    top = max(top, ways[n])
                if top == -np.inf:
                    continue
                total = 0.0
                for n in range(out_of[i], out_of[i + 1]):
                    total += np.exp(ways[n] - top)
                beta[t, i] = top + np.log(total)
    return beta


@compiled
def _posteriors(density, into, source, log_p, log_b, alpha, beta):
    T, J = len(log_b), len(density)
    total = alpha[T, J - 1]
    gamma, stays = np.zeros((T, J)), np.zeros(J)
    for j in range(J):
        if density[j] < 0:
            continue
        for t in range(T):
            gamma[t, j] = np.exp(alpha[t + 1, j] + beta[t + 1, j] - total)
        for e in range(into[j], into[j + 1]):
            if source[e] == j:
                for t in range(1, T):
                    stays[j] += np.exp(alpha[t, j] + log_p[e] + log_b[t, density[j]] + beta[t + 1, j] - total)
    return gamma, stays


@compiled
def _viterbi(density, into, source, log_p, log_b):
    T, J = len(log_b), len(density)
    score = np.full((T + 1, J), -np.inf)
    came_by = np.full((T + 1, J), -1, dtype=np.int32)
    score[0, 0] = 0.0
    for t in range(T + 1):
        for takes in (True, False):
            if takes and t == 0:
                continue
            for j in range(J):
                if (density[j] >= 0) != takes:
                    continue
                row = t - 1 if takes else t
                for e in range(into[j], into[j + 1]):
                    way = score[row, source[e]] + log_p[e]
                    if way > score[t, j]:
                        score[t, j] = way
                        came_by[t, j] = e
                if takes and score[t, j] > -np.inf:
                    score[t, j] += log_b[t - 1, density[j]]
    states, entered = np.zeros(T, dtype=np.int64), np.zeros(T, dtype=np.bool_)
    if score[T, J - 1] > -np.inf:
        j, t = J - 1, T
        while t > 0 or j > 0:
            before = source[came_by[t, j]]
            if density[j] >= 0:
                states[t - 1] = j
                entered[t - 1] = before != j
                t -= 1
            j = before
    return score[T, J - 1], states, entered
