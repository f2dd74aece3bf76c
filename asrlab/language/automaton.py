"""Weighted automata over words: the one form in which a decoder takes everything that is known of its language.

An automaton reads a sentence word by word.  It begins in a state; each word takes it from a state to the next along an
*arc* and earns the arc's weight, in nats (a log-probability, or a bonus); the end of the sentence earns a *final*
weight.  A state has arcs only for the words of which it knows something of its own.  At any other word it *fails*: it
pays the weight of its failure arc, is in the state to which that leads, and tries again there, until some state has the
word or none is left, which forbids the sentence.

In an n-gram model a state is a history, and failing is backing off: after "turn left" a word that was never seen there
is looked up after "left", then without any history.  In a list of phrases a state is the beginning of a phrase, and
failing gives up on it.  In a grammar a state without a failure arc says what may follow, and nothing else.

Arcs are labelled with numbers: `Language` says for which words they stand.
M. Mohri, F. Pereira, M. Riley, "Speech recognition with weighted finite-state transducers" (2008); failure arcs are of
A. Aho, M. Corasick, "Efficient string matching: an aid to bibliographic search" (1975).
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from asrlab.core.compiled import compiled, compiled_inner
from asrlab.core.errors import AsrlabError

#: The label of every word that an automaton does not know.  Has it no arc with this label, it forbids such words.
OTHER = 0
MOST_LABELS = 1 << 24  # of an automaton: tables are made with a row for each
FORBIDDEN = -1  # as a failure arc: there is none; as a state: no sentence goes on from here


class Automaton(NamedTuple):
    """S states and A arcs; the arcs of state s are `first[s]:first[s + 1]`, their labels ascending.

    State 0 says what a word is worth where nothing is known of the words before it, for a decoder's look-ahead.
    """

    start: np.ndarray  # (1,) int32, the state before the first word; in a `union` of K, (K,)
    first: np.ndarray  # (S + 1,) int32
    label: np.ndarray  # (A,) int32, the number of a word
    weight: np.ndarray  # (A,) float64, nats that the word earns
    next: np.ndarray  # (A,) int32, the state after the word
    fail: np.ndarray  # (S,) int32, the state that is asked for a word without an arc here; -1 forbids it
    fail_weight: np.ndarray  # (S,) float64, nats that asking there earns
    final: np.ndarray  # (S,) float64, nats that the end of the sentence earns here; -inf forbids it


class Language(Protocol):
    """What a decoder can be given: an automaton together with the words of its labels."""

    @property
    def automaton(self) -> Automaton:
        """What the decoder walks."""

    @property
    def labels(self) -> Mapping[str, int]:
        """Word -> label, 1 or more; any other word has the label `OTHER`."""

    @property
    def whole_vocabulary(self) -> bool:
        """True: a word without label is unknown; False: there is only nothing to say about it."""


@dataclass(frozen=True)
class WordAutomaton:
    """The plain `Language`: an automaton with its words."""

    automaton: Automaton
    labels: Mapping[str, int]
    whole_vocabulary: bool = False


@compiled_inner
def step(a: Automaton, state: int, word: int) -> tuple[float, int]:
    """Read a word (its label): the nats that it earns and the state after it; -inf and -1 if it is forbidden."""
    total = 0.0
    while state >= 0:
        low, end = int(a.first[state]), int(a.first[state + 1])
        # Ascending labels: a word is at most `word` arcs on, and just there in a state that has an arc for every label.
        high = low + word
        if high < end and a.label[high] == word:
            return total + a.weight[high], int(a.next[high])
        high = min(high, end)
        while low < high:
            middle = (low + high) >> 1
            if a.label[middle] < word:
                low = middle + 1
            else:
                high = middle
        if low < end and a.label[low] == word:
            return total + a.weight[low], int(a.next[low])
        total += a.fail_weight[state]
        state = int(a.fail[state])
    return -np.inf, FORBIDDEN


@compiled_inner
def finish(a: Automaton, state: int) -> float:
    """End the sentence in a state: the nats that this earns, -inf if it is forbidden."""
    return a.final[state] if state >= 0 else -np.inf


@compiled
def score(a: Automaton, state: int, words: np.ndarray) -> float:
    """The nats that words (N,) and the end of the sentence earn from a state on; -inf if they are forbidden."""
    total = 0.0
    for word in words:
        nats, state = step(a, state, word)
        total += nats
    return total + finish(a, state)


def plain_step(a: Automaton, state: int, word: int) -> tuple[float, int]:
    """`step` in plain Python, as its definition reads."""
    total = 0.0
    while state != FORBIDDEN:
        end = int(a.first[state + 1])
        arc = bisect_left(a.label, word, int(a.first[state]), end)
        if arc < end and a.label[arc] == word:
            return total + float(a.weight[arc]), int(a.next[arc])
        total += float(a.fail_weight[state])
        state = int(a.fail[state])
    return -np.inf, FORBIDDEN


def plain_finish(a: Automaton, state: int) -> float:
    """`finish` in plain Python."""
    return -np.inf if state == FORBIDDEN else float(a.final[state])


@compiled
def worth(a: Automaton, labels: int) -> np.ndarray:
    """(labels,) nats that each label is worth before its context is known: a guess, by which a decoder looks ahead.

    What it earns in state 0; where that forbids it, the most that any arc gives it; -inf if it has none.
    """
    best = np.full(labels, -np.inf)
    for arc in range(len(a.label)):
        if a.label[arc] < labels:
            best[a.label[arc]] = max(best[a.label[arc]], a.weight[arc])
    for label in range(labels):
        nats, _ = step(a, 0, label)
        if nats > -np.inf:
            best[label] = nats
    return best


def build(
    arcs: Sequence[Mapping[int, tuple[float, int]]],
    final: Sequence[float],
    fail: Sequence[int] | None = None,
    fail_weight: Sequence[float] | None = None,
    start: int = 0,
) -> Automaton:
    """An automaton from, for each state, label -> (nats, next state); without `fail`, no state has a failure arc.

    Raises:
        AsrlabError: see `check`.
    """
    flat = [(label, *arc) for of_state in arcs for label, arc in sorted(of_state.items())]
    states = len(arcs)
    a = Automaton(
        start=np.array([start], np.int32),
        first=np.cumsum([0] + [len(of_state) for of_state in arcs]).astype(np.int32),
        label=np.array([arc[0] for arc in flat], np.int32),
        weight=np.array([arc[1] for arc in flat], np.float64),
        next=np.array([arc[2] for arc in flat], np.int32),
        fail=np.array([FORBIDDEN] * states if fail is None else fail, np.int32),
        fail_weight=np.array([0.0] * states if fail_weight is None else fail_weight, np.float64),
        final=np.array(final, np.float64),
    )
    check(a)
    return a


def union(automata: Sequence[Automaton]) -> Automaton:
    """Several automata side by side in one table: `start` has a state for each, from where the others' are not reached.

    So `step` and `finish` serve a decoder that keeps a state for each of them.
    """
    if len(automata) == 1:
        return automata[0]
    states = np.cumsum([0] + [len(a.final) for a in automata])
    arcs = np.cumsum([0] + [len(a.label) for a in automata])
    at = list(zip(automata, states.tolist(), arcs.tolist(), strict=False))

    def join(parts: list[np.ndarray], dtype: type) -> np.ndarray:
        return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)

    return Automaton(
        start=join([a.start + s for a, s, _ in at], np.int32),
        first=join([*(a.first[:-1] + n for a, _, n in at), arcs[-1:]], np.int32),
        label=join([a.label for a in automata], np.int32),
        weight=join([a.weight for a in automata], np.float64),
        next=join([a.next + s for a, s, _ in at], np.int32),
        fail=join([np.where(a.fail < 0, FORBIDDEN, a.fail + s) for a, s, _ in at], np.int32),
        fail_weight=join([a.fail_weight for a in automata], np.float64),
        final=join([a.final for a in automata], np.float64),
    )


#: Types of an automaton's arrays, which compiled code relies on.
_TYPES = (np.int32, np.int32, np.int32, np.float64, np.int32, np.int32, np.float64, np.float64)


def check(a: Automaton) -> None:
    """Make sure that compiled code can walk an automaton.

    Raises:
        AsrlabError: arrays of other types or lengths, a label or state that does not exist, arcs out of order, a weight
            that is NaN or +inf, failure arcs in a circle, or no sentence that it accepts.
    """
    for name, array, dtype in zip(Automaton._fields, a, _TYPES, strict=True):
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
            raise AsrlabError(f"automaton: {name} must be a vector of {dtype.__name__}; make it with automaton.build")
    states, arcs = len(a.final), len(a.label)
    if states == 0 or not len(a.first) - 1 == len(a.fail) == len(a.fail_weight) == states or len(a.start) != 1:
        raise AsrlabError(f"automaton: {states} states, but arrays of other lengths; make it with automaton.build")
    if not len(a.weight) == len(a.next) == arcs == a.first[-1] or a.first[0] != 0 or (np.diff(a.first) < 0).any():
        raise AsrlabError(f"automaton: {arcs} arcs, but `first` or other lengths do not fit; use automaton.build")
    _in_range("start", a.start, 0, states, "a state")
    _in_range("label", a.label, 0, MOST_LABELS, "a small number")
    _in_range("next", a.next, 0, states, "a state")
    _in_range("fail", a.fail, FORBIDDEN, states, "a state, or -1 for none")
    inside = np.ones(max(arcs - 1, 0), np.bool_)
    inside[a.first[(a.first > 0) & (a.first < arcs)] - 1] = False  # from one state's last arc to the next one's first
    if (np.diff(a.label)[inside] <= 0).any():
        raise AsrlabError("automaton: a state has labels that do not ascend, or one twice; use automaton.build")
    for name in ("weight", "fail_weight", "final"):
        if not (getattr(a, name) < np.inf).all():  # nor is NaN
            where = int(np.flatnonzero(~(getattr(a, name) < np.inf))[0])
            raise AsrlabError(f"automaton: {name}[{where}] is {getattr(a, name)[where]}; pass nats, or -inf to forbid")
    down = a.fail
    for _ in range(states.bit_length()):  # twice as far each time
        down = np.where(down < 0, FORBIDDEN, down[down])
    if (down >= 0).any():
        where = int(np.flatnonzero(down >= 0)[0])
        raise AsrlabError(f"automaton: the failure arcs from state {where} go round in a circle; let them end in -1")
    if not _accepts(a):
        raise AsrlabError("automaton: accepts no sentence; give a state that can be reached a final weight above -inf")


def _in_range(name: str, array: np.ndarray, low: int, end: int, what: str) -> None:
    outside = (array < low) | (array >= end)
    if outside.any():
        where = int(np.flatnonzero(outside)[0])
        raise AsrlabError(f"automaton: {name}[{where}] is {array[where]}, outside {low}..{end - 1}; pass {what}")


@compiled
def _accepts(a: Automaton) -> bool:
    """Is there a sentence that it does not forbid?"""
    seen = np.zeros(len(a.final), np.bool_)
    waiting = np.empty(len(a.final), np.int64)
    waiting[0], count = a.start[0], 1
    seen[a.start[0]] = True
    while count > 0:
        count -= 1
        asked, paid = waiting[count], 0.0
        if a.final[asked] > -np.inf:
            return True
        while asked >= 0 and paid > -np.inf:  # a sentence is in a state only if a word led there, not if failing did
            for arc in range(a.first[asked], a.first[asked + 1]):
                after = a.next[arc]
                if a.weight[arc] > -np.inf and not seen[after]:
                    seen[after] = True
                    waiting[count] = after
                    count += 1
            paid += a.fail_weight[asked]
            asked = a.fail[asked]
    return False
