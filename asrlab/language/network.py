"""A grammar's rules joined to one network of words, and that made deterministic.

The network is nondeterministic, as the notation is: from a state, arcs say a word, and *empty* arcs lead on without
one, perhaps with a mark where a slot begins or ends.  Every state's probabilities add up to 1, so that the network
draws sentences.  No circle is empty, which `jsgf.parse` has made sure of.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from asrlab.core.errors import AsrlabError
from asrlab.language import automaton, jsgf
from asrlab.language.automaton import OTHER, Automaton
from asrlab.language.jsgf import FILLER, Choice, Node, Place, Repeat, Rule, Say, Tag, Use

MOST_STATES = 100_000
MOST_DEEP = 200  # rules within rules
HALF = math.log(0.5)
MOST_ALIKE = 1000  # states that differ in nothing but shares
SAME = 9  # decimals to which two states' open paths must agree to be one state


class Mark(NamedTuple):
    """Something to note on the way: a slot begins, or has its value (None: the words since it began)."""

    slot: str
    begins: bool
    value: str | None = None


class WordArc(NamedTuple):
    """Says a word, or None for one of filler."""

    word: str | None
    nats: float
    next: int


class EmptyArc(NamedTuple):
    """Says nothing."""

    nats: float
    next: int
    mark: Mark | None = None


Trace = tuple["Trace | None", "str | Mark"]  # what came last, behind all that came before


@dataclass
class Network:
    """States 0 (where a sentence begins), 1 (where it ends) and more."""

    words: list[list[WordArc]] = field(default_factory=lambda: [[], []])
    empty: list[list[EmptyArc]] = field(default_factory=lambda: [[], []])
    places: dict[str, Place] = field(default_factory=dict)  # each word, and where the grammar has it first

    def new(self) -> int:
        """A further state."""
        self.words.append([])
        self.empty.append([])
        return len(self.words) - 1

    def interpret(self, words: Sequence[str], something: str) -> dict[str, str] | None:
        """The slots along the most probable path that says these words; None if there is none."""
        beam = self._onward({0: (0.0, None)})
        for word in words:
            said = word if word in self.places else None
            after: dict[int, tuple[float, Trace | None]] = {}
            for state, (nats, trace) in beam.items():
                for arc in self.words[state]:
                    if arc.word == said:
                        found = nats + arc.nats, (trace, something if said is None else word)
                        if arc.next not in after or found[0] > after[arc.next][0]:
                            after[arc.next] = found
            beam = self._onward(after)
        return _slots(beam[1][1]) if 1 in beam else None

    def _onward(self, beam: dict[int, tuple[float, Trace | None]]) -> dict[int, tuple[float, Trace | None]]:
        """The best path to each state that empty arcs lead to from these."""
        waiting = list(beam)
        while waiting:
            state = waiting.pop()
            nats, trace = beam[state]
            for arc in self.empty[state]:
                found = nats + arc.nats, trace if arc.mark is None else (trace, arc.mark)
                if arc.next not in beam or found[0] > beam[arc.next][0]:
                    beam[arc.next] = found
                    waiting.append(arc.next)
        return beam


def _slots(trace: Trace | None) -> dict[str, str]:
    steps: list[str | Mark] = []
    while trace is not None:
        trace, step = trace
        steps.append(step)
    words: list[str] = []
    begun: dict[str, list[int]] = {}  # slots may lie in one another
    slots: dict[str, str] = {}
    for step in reversed(steps):
        if isinstance(step, str):
            words.append(step)
        elif step.begins:
            begun.setdefault(step.slot, []).append(len(words))
        else:
            slots[step.slot] = " ".join(words[begun[step.slot].pop() :]) if step.value is None else step.value
    return slots


def compile_network(rules: Mapping[str, Rule], source: str) -> Network:
    """Join the rules of a grammar, which `jsgf.parse` has checked.

    Raises:
        AsrlabError: a rule that uses itself other than as the last thing it says, which no automaton can count; rules
            more than 200 deep in one another; more than 100,000 states.
    """
    public = [name for name, rule in rules.items() if rule.public]
    share = 1 / len(public)
    sentence = Choice(tuple((share, Use(name, rules[name].at)) for name in public))
    joiner = _Joiner(rules, source)
    joiner.join(sentence if len(public) > 1 else sentence.options[0][1], 0, 1)
    return joiner.network


class _Joiner:
    def __init__(self, rules: Mapping[str, Rule], source: str):
        self.rules, self.source = rules, source
        self.network = Network()
        self.open: dict[str, tuple[int, int]] = {}  # rules that are being joined: from where to where

    def join(self, node: Node, enter: int, leave: int) -> None:
        """Lay the paths of a part of the grammar between two states."""
        net = self.network
        if isinstance(node, Say):
            net.places.setdefault(node.word, node.at)
            net.words[enter].append(WordArc(node.word, 0.0, leave))
        elif isinstance(node, Use):
            self.use(node, enter, leave)
        elif isinstance(node, Choice):
            for probability, part in node.options:
                begin = net.new()
                net.empty[enter].append(EmptyArc(math.log(probability), begin))
                self.join(part, begin, leave)
        elif isinstance(node, Repeat):
            again, begin = net.new(), net.new()
            net.empty[again] += [EmptyArc(HALF, begin), EmptyArc(HALF, leave)]
            net.empty[enter].append(EmptyArc(0.0, begin if node.least else again))
            self.join(node.part, begin, again)
        elif isinstance(node, Tag):
            begin, end = net.new(), net.new()
            net.empty[enter].append(EmptyArc(0.0, begin, Mark(node.key, True) if node.value is None else None))
            net.empty[end].append(EmptyArc(0.0, leave, Mark(node.key, False, node.value)))
            self.join(node.part, begin, end)
        else:
            states = [enter, *(net.new() for _ in node.parts[1:]), leave]
            if not node.parts:
                net.empty[enter].append(EmptyArc(0.0, leave))
            for k, part in enumerate(node.parts):
                self.join(part, states[k], states[k + 1])

    def use(self, node: Use, enter: int, leave: int) -> None:
        net, name = self.network, node.rule
        if name == FILLER:
            again = net.new()
            net.words[enter].append(WordArc(None, 0.0, again))
            net.words[again].append(WordArc(None, HALF, again))
            net.empty[again].append(EmptyArc(HALF, leave))
            return
        if name in self.open:
            begin, end = self.open[name]
            if end != leave:
                raise self.error(
                    node, f"<{name}> uses itself before its end, which no automaton can count; use it last, or write "
                    "the repetition with * or +"
                )  # fmt: skip
            net.empty[enter].append(EmptyArc(0.0, begin))
            return
        if len(self.open) == MOST_DEEP:
            raise self.error(node, f"rules more than {MOST_DEEP} deep in one another; write some of them out")
        if len(net.words) > MOST_STATES:
            raise self.error(node, f"more than {MOST_STATES} states; use large rules less often")
        begin = net.new()
        net.empty[enter].append(EmptyArc(0.0, begin))
        self.open[name] = begin, leave
        self.join(self.rules[name].body, begin, leave)
        del self.open[name]

    def error(self, node: Use, message: str) -> AsrlabError:
        return jsgf.error(self.source, node.at, message)


def determinise(network: Network, labels: Mapping[str, int], filler_nats: float = 0.0, source: str = "") -> Automaton:
    """The automaton that gives each sentence the probability of all its paths together.

    A state stands for the paths that are open after the same words, each with its share of their probability; an arc
    earns the probability of its word among all that they may say next.

    Args:
        network: whose words `labels` numbers.
        filler_nats: what each word of filler earns besides.
        source: what errors call the grammar.

    Raises:
        AsrlabError: more than 100,000 states; or more than 1,000 for the same open paths, which happens where
            repetitions in two alternatives can say the same words with different weights, so that the shares never come
            back to the same values.
    """
    said = {0} | {arc.next for arcs in network.words for arc in arcs}  # the states that a word leads to
    reach = {state: _reach(network, state) for state in said}
    numbers: dict[tuple[tuple[int, float], ...], int] = {}
    states: list[dict[int, float]] = []
    alike: Counter[tuple[int, ...]] = Counter()

    def number(shares: dict[int, float]) -> int:
        key = tuple(sorted((state, round(nats, SAME)) for state, nats in shares.items()))
        if key not in numbers:
            numbers[key] = len(states)
            states.append(shares)
            alike[paths := tuple(state for state, _ in key)] += 1
            if alike[paths] > MOST_ALIKE:
                raise AsrlabError(
                    f"{source}: two alternatives can repeat the same words with different weights, for which no finite "
                    "automaton has the sums; join them into one, or give them the same weights"
                )
        return numbers[key]

    number(reach[0])
    arcs: list[dict[int, tuple[float, int]]] = []
    final: list[float] = []
    for shares in states:  # which grows meanwhile
        following: dict[int, dict[int, float]] = {}
        for state, share in shares.items():
            for arc in network.words[state]:
                targets = following.setdefault(OTHER if arc.word is None else labels[arc.word], {})
                for target, nats in reach[arc.next].items():
                    targets[target] = _add(targets.get(target, -math.inf), share + arc.nats + nats)
        outgoing = {}
        for label, targets in following.items():
            total = _sum(targets.values())
            after = number({target: nats - total for target, nats in targets.items()})
            outgoing[label] = total + (filler_nats if label == OTHER else 0.0), after
        arcs.append(outgoing)
        final.append(shares.get(1, -math.inf))
        if len(states) > MOST_STATES:
            raise AsrlabError(f"{source}: more than {MOST_STATES} states; use large rules less often")
    return automaton.build(arcs, final)


def _reach(network: Network, begin: int) -> dict[int, float]:
    """The states that say a word or end the sentence, reached from a state by empty arcs: nats of all ways together.

    States are taken in an order in which each comes after all that lead to it.
    """
    order: list[int] = []
    seen = {begin}
    waiting: list[tuple[int, int]] = [(begin, 0)]
    while waiting:
        state, k = waiting.pop()
        if k == len(network.empty[state]):
            order.append(state)
            continue
        waiting.append((state, k + 1))
        if (after := network.empty[state][k].next) not in seen:
            seen.add(after)
            waiting.append((after, 0))
    nats = {begin: 0.0}
    for state in reversed(order):
        for arc in network.empty[state]:
            nats[arc.next] = _add(nats.get(arc.next, -math.inf), nats[state] + arc.nats)
    return {state: value for state, value in nats.items() if network.words[state] or state == 1}


def _add(a: float, b: float) -> float:
    """log(exp a + exp b)."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))


def _sum(values: Iterable[float]) -> float:
    total = -math.inf
    for value in values:
        total = _add(total, value)
    return total
