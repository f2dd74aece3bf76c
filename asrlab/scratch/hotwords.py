"""Hotwords as the book tells them: an Aho-Corasick automaton of phrases, and a beam over a lexicon that walks it.

The page's words: a *node* is a beginning of a phrase; node 0 is the empty one.  Reading a word leads to the longest
beginning that the words read so far end in.  `advance` (phi) is what a beginning has been lent, the *boost*; whatever
does not become a phrase pays it back.  `asrlab.language.hotwords` makes the same automaton in arrays, for large lists.

A. Aho, M. Corasick (1975); D. Zhao et al. (2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from asrlab.core.equations import equation
from asrlab.scratch.prefix_beam import EMPTY, Mass

IMPOSSIBLE = -math.inf

Words = tuple[str, ...]
Prefix = tuple[Words, tuple[int, ...]]  # the closed words, and the tokens of the one that is being said


@equation("hotword-failure")
def longest_beginning(words: Words, beginnings: Mapping[Words, object]) -> Words:
    """The longest end of some words with which a phrase begins; perhaps none, ()."""
    return next(words[k:] for k in range(len(words) + 1) if words[k:] in beginnings)


@equation("hotword-advance")
def advances(phrases: Mapping[str, float]) -> dict[Words, float]:
    """phi of every beginning: for each word of it the largest share of the phrases that go on from there.

    It is no less than that of the beginning to which giving up leads, so that giving up never earns.
    """
    split = {tuple(phrase.split()): weight for phrase, weight in phrases.items()}
    beginnings = sorted({words[:k] for words in split for k in range(len(words) + 1)} | {()}, key=lambda w: (len(w), w))
    found: dict[Words, float] = {}
    for begun in beginnings:
        longer = [w / len(p) for p, w in split.items() if len(p) > len(begun) and p[: len(begun)] == begun]
        phi = len(begun) * max([0.0, *longer])
        found[begun] = max(phi, found[longest_beginning(begun[1:], found)]) if begun else 0.0
    return found


class Hotwords:
    """The automaton of phrases, phrase -> nats."""

    def __init__(self, phrases: Mapping[str, float]):
        self.phrases = {tuple(phrase.split()): weight for phrase, weight in phrases.items()}
        self.advance = advances(phrases)

    def ending(self, words: Words) -> float:
        """Nats of all phrases that these words end with."""
        return sum(self.phrases.get(words[k:], 0.0) for k in range(len(words)))

    @equation("hotword-step")
    def step(self, node: Words, word: str) -> tuple[float, Words]:
        """What a word earns after a node, and the node after it."""
        after = longest_beginning((*node, word), self.advance)
        return self.advance[after] - self.advance[node] + self.ending((*node, word)), after

    @equation("hotword-end")
    def finish(self, node: Words) -> float:
        """What the end of the sentence earns: the advance, paid back."""
        return -self.advance[node]

    def score(self, words: Sequence[str], finished: bool = True) -> float:
        """What a sentence earns; the advances cancel, and its phrases are left."""
        total = 0.0
        node: Words = ()
        for word in words:
            nats, node = self.step(node, word)
            total += nats
        return total + (self.finish(node) if finished else 0.0)


class Candidate(NamedTuple):
    """A prefix with its scores."""

    words: Words
    rest: tuple[int, ...]  # tokens of the word that is being said
    sound: float  # log-probability, nats
    boost: float  # what the hotwords add
    kept: bool


def beam_search(
    log_y: np.ndarray,
    lexicon: Mapping[str, Sequence[Sequence[int]]],
    hotwords: Hotwords,
    beam: int = 16,
    threshold: float = 10.0,
) -> list[list[Candidate]]:
    """The candidates after each frame, best first; last, those that are whole sentences.

    log_y    (T, V) log-probabilities, nats; token 0 is the blank
    lexicon  word -> its pronunciations in tokens

    A word closes when the next one begins, and the hotwords hear of it then.  Its pronunciations add up.
    """
    spelled: dict[tuple[int, ...], list[str]] = {}
    for word, ways in lexicon.items():
        for way in ways:
            spelled.setdefault(tuple(way), []).append(word)
    begun = {way[:k] for way in spelled for k in range(1, len(way) + 1)}
    kept: dict[Prefix, Mass] = {((), ()): EMPTY}
    history = []
    for frame in log_y:
        masses = _after(kept, frame, spelled, begun, threshold)
        ranked = [
            (Candidate(*prefix, float(mass.total), hotwords.score(prefix[0], False), False), prefix)
            for prefix, mass in masses.items()
        ]
        ranked.sort(key=lambda pair: (-(pair[0].sound + pair[0].boost), pair[1]))
        history.append([c._replace(kept=i < beam) for i, (c, _) in enumerate(ranked)])
        kept = {prefix: masses[prefix] for _, prefix in ranked[:beam]}
    ended: dict[Words, float] = {}
    for (words, rest), mass in kept.items():
        for whole in [(*words, word) for word in spelled.get(rest, [])] if rest else [words]:
            ended[whole] = float(np.logaddexp(ended.get(whole, IMPOSSIBLE), mass.total))
    final = [Candidate(words, (), sound, hotwords.score(words), True) for words, sound in ended.items()]
    return [*history, sorted(final, key=lambda c: (-(c.sound + c.boost), c.words))]


def _after(
    kept: Mapping[Prefix, Mass],
    frame: np.ndarray,
    spelled: Mapping[tuple[int, ...], list[str]],
    begun: set[tuple[int, ...]],
    threshold: float,
) -> dict[Prefix, Mass]:
    """The masses after one more frame, of what the lexicon allows."""
    likely = [k for k in range(1, len(frame)) if frame[k] >= frame.max() - threshold]
    found: dict[Prefix, list[float]] = {}

    def add(prefix: Prefix, blank: float, spoken: float) -> None:
        mass = found.setdefault(prefix, [IMPOSSIBLE, IMPOSSIBLE])
        mass[0], mass[1] = float(np.logaddexp(mass[0], blank)), float(np.logaddexp(mass[1], spoken))

    for (words, rest), mass in kept.items():
        total = float(mass.total)
        add((words, rest), total + float(frame[0]), IMPOSSIBLE)
        for k in likely:
            nats, again = float(frame[k]), bool(rest) and rest[-1] == k
            if again:
                add((words, rest), IMPOSSIBLE, mass.spoken + nats)
            before = mass.blank if again else total
            if (*rest, k) in begun:
                add((words, (*rest, k)), IMPOSSIBLE, before + nats)
            if (k,) in begun:
                for word in spelled.get(rest, []):
                    add(((*words, word), (k,)), IMPOSSIBLE, before + nats)
    return {prefix: Mass(*mass) for prefix, mass in found.items() if max(mass) > IMPOSSIBLE}
