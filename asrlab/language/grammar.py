"""Grammars: all sentences that may be said, each with its probability and its meaning.

`Grammar.parse` reads the notation of `asrlab.language.jsgf`, joins its rules to a network of words, and makes that
deterministic: an `Automaton` in which a word leads to one state, as decoders walk it.  It has no failure arcs: what the
grammar does not say is forbidden.

Alternatives that begin alike ("a small tea | a small coffee") share a path in the automaton until they part.  What it
earns on the way is the *sum* of their probabilities, not the larger: a sentence is as probable as all derivations of it
together, and only sums make the arcs of a state, with its end, add up to 1.  So each arc is the conditional probability

    log P(word | the words before)

and is earned as early as the words allow, which is what a beam needs to compare beginnings.  (For its *meaning* a
sentence is read in one way, the most probable.)

M. Mohri, "Finite-state transducers in language and speech processing" (1997), section 3.3, is the subset construction
with weights; here in the log semiring, where what is left over of a path's weight is its share among those still open.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.core.files import read_whole
from asrlab.language import automaton, jsgf
from asrlab.language.automaton import OTHER, Automaton
from asrlab.language.network import Network, compile_network, determinise

SOMETHING = "..."  # how a stretch of filler is written


class Spells(Protocol):
    """What a grammar asks of a tokenizer."""

    def pronunciations(self, word: str) -> list[tuple[int, ...]]:
        """How a word is spelled, in token ids. Raises AsrlabError if it cannot be."""


class Departure(NamedTuple):
    """Where a sentence leaves a grammar."""

    said: tuple[str, ...]  # the words until then, all of them in order
    word: str | None  # the first that does not fit; None: the sentence ended too early
    expected: tuple[str, ...]  # words that the grammar has there
    may_end: bool  # the sentence might also have ended there

    def __str__(self) -> str:
        after = f"after {' '.join(self.said)!r}" if self.said else "at the beginning"
        wanted = [*map(repr, self.expected), *(["the end"] if self.may_end else [])]
        listed = " or ".join(filter(None, [", ".join(wanted[:-1]), wanted[-1]]))
        return f"{after} comes {'the end' if self.word is None else repr(self.word)}; the grammar expects {listed}"


@dataclass(frozen=True, eq=False)
class Grammar:
    """A `Language` that allows the sentences of a grammar and no others. Make it with `parse` or `read`.

    Attributes:
        name: what it calls itself, or "".
        network: its rules joined, which keeps each word's place in the tree and the tags.
        automaton: what decoders walk; word probabilities in nats.
        labels: word -> label.
        filler_nats: what each word of filler earns.
        filler: whether it has a path for what is outside, which takes every word that it does not know.
    """

    name: str
    network: Network
    automaton: Automaton
    labels: Mapping[str, int]
    source: str = "grammar"
    filler_nats: float = 0.0
    whole_vocabulary: bool = False

    @classmethod
    def parse(cls, text: str, filler_nats: float = 0.0, source: str = "grammar") -> Grammar:
        """The grammar that a text describes, in the notation of `asrlab.language.jsgf`.

        Args:
            text: the notation.
            filler_nats: what each word (or phone, see `asrlab.decode.rejection`) of a stretch of `<FILLER>` earns.
            source: what errors call it.

        Raises:
            AsrlabError: as `jsgf.parse` and `network.compile_network`; a `filler_nats` that is no finite number.
        """
        if not math.isfinite(filler_nats):
            raise AsrlabError(f"filler_nats={filler_nats}: pass a finite number of nats, below 0 to make filler dear")
        notation = jsgf.parse(text, source)
        network = compile_network(notation.rules, source)
        labels = {word: label for label, word in enumerate(network.places, start=1)}
        made = determinise(network, labels, filler_nats, source)
        return cls(notation.name, network, made, labels, source, filler_nats)

    @classmethod
    def read(cls, path: Path | str, filler_nats: float = 0.0) -> Grammar:
        """`parse` of a file in UTF-8; errors name it. Raises AsrlabError also for a file that cannot be read."""
        try:
            text = read_whole(Path(path)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise AsrlabError(f"{path}: not UTF-8 at byte {error.start}; save the grammar as UTF-8 text") from None
        return cls.parse(text, filler_nats, str(path))

    @property
    def filler(self) -> bool:
        return bool((self.automaton.label == OTHER).any())

    def spellings(self, tokenizer: Spells) -> dict[str, list[tuple[int, ...]]]:
        """Each word with its spellings in token ids, the lexicon of a decoder.

        Raises:
            AsrlabError: a word that the tokenizer, or its lexicon, cannot spell; with line and column.
        """
        found = {}
        for word, at in self.network.places.items():
            try:
                found[word] = tokenizer.pronunciations(word)
            except AsrlabError as error:
                raise jsgf.error(self.source, at, str(error)) from None
        return found

    def accepts(self, sentence: str) -> bool:
        """Is this one of its sentences?"""
        return self.log_prob(sentence) > -math.inf

    def log_prob(self, sentence: str) -> float:
        """Nats of a whole sentence, added over all ways to derive it; -inf if it is none of the grammar."""
        words = np.array([self.labels.get(word, OTHER) for word in sentence.split()], np.int64)
        return float(automaton.score(self.automaton, int(self.automaton.start[0]), words))

    def explain(self, sentence: str) -> Departure | None:
        """Where the sentence leaves the grammar; None if it does not."""
        words, state = sentence.split(), int(self.automaton.start[0])
        for n, word in enumerate([*words, None]):
            after = -1 if word is None else automaton.plain_step(self.automaton, state, self.labels.get(word, OTHER))[1]
            if after < 0 and (word is not None or self.automaton.final[state] == -math.inf):
                return Departure(tuple(words[:n]), word, *self._wanted(state))
            state = after
        return None

    def _wanted(self, state: int) -> tuple[tuple[str, ...], bool]:
        """The words on a state's arcs, and whether the sentence may end there."""
        return tuple(word for word, _, _ in self._arcs(state)), bool(self.automaton.final[state] > -math.inf)

    def _arcs(self, state: int) -> Iterator[tuple[str, float, int]]:
        a, words = self.automaton, [SOMETHING, *self.labels]
        for arc in range(a.first[state], a.first[state + 1]):
            yield words[a.label[arc]], float(a.weight[arc]), int(a.next[arc])

    def interpret(self, sentence: str) -> dict[str, str] | None:
        """The tags of the most probable derivation, slot -> value; None if the sentence is none of the grammar.

        Of two values for one slot the later stands. What was said of filler is written "...".
        """
        return self.network.interpret(sentence.split(), SOMETHING)

    def draw(self, chance: random.Random) -> str:
        """A sentence drawn at random, by its probability; filler is written "..."."""
        words: list[str] = []
        state = int(self.automaton.start[0])
        while True:
            arcs = list(self._arcs(state))
            weights = [math.exp(nats) for _, nats, _ in arcs]
            picked = chance.choices([*range(len(arcs)), -1], [*weights, math.exp(self.automaton.final[state])])[0]
            if picked < 0:
                return " ".join(words)
            words.append(arcs[picked][0])
            state = arcs[picked][2]

    def sentences(self) -> Iterator[tuple[str, float]]:
        """(sentence, nats) of all its sentences, the most probable first; without an end where the grammar repeats."""
        waiting: list[tuple[float, int, tuple[str, ...], int]] = [(0.0, 0, (), int(self.automaton.start[0]))]
        count = 0  # ties: the one that was found first, and no comparison of what follows
        while waiting:
            cost, _, words, state = heapq.heappop(waiting)
            if state < 0:
                yield " ".join(words), -cost
                continue
            ends = float(self.automaton.final[state])
            further = [*((nats, (*words, word), after) for word, nats, after in self._arcs(state)), (ends, words, -1)]
            for nats, said, after in further:
                if nats > -math.inf:
                    count += 1
                    heapq.heappush(waiting, (cost - nats, count, said, after))
