"""The languages of a decoder: any number of automata, each with a name and a weight, that score a sentence together."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.language import automaton
from asrlab.language.automaton import OTHER, Language

NEVER = -100.0  # nats: what an n-gram without <unk> gives an unknown word is below

#: What a hypothesis' parts call other things than languages.
RESERVED = ("ctc", "attention", "words", "unknown")


def weighted(weight: float, nats: float) -> float:
    """A language's share of a score: with weight 0 it has none, with any other its -inf forbids."""
    if weight == 0.0:
        return 0.0
    return -math.inf if nats == -math.inf else weight * nats


def merged(
    own: Mapping[str, tuple[float, Language]], extra: Mapping[str, tuple[float, Language]]
) -> dict[str, tuple[float, Language]]:
    """A decoder's own languages and those of one utterance; AsrlabError if two have one name."""
    if twice := own.keys() & extra.keys():
        raise AsrlabError(f"extra language {min(twice)!r}: the decoder has one of this name; choose another")
    return {**own, **extra}


class Languages:
    """K languages side by side.

    Words are strings here; each automaton has labels of its own for those that it knows, and `OTHER` for all the rest.

    Attributes:
        names: (K,) as they are in a hypothesis' parts.
        weights: (K,) factors on their nats.
        automaton: their `union`.
        vocabulary: the words that any of them knows.
    """

    def __init__(self, languages: Mapping[str, tuple[float, Language]] | None):
        """From name -> (weight, language).

        Raises:
            AsrlabError: a name that is in use, a weight that is no finite number, no `Language`, or a bad automaton;
                names the language.
        """
        if languages is not None and not isinstance(languages, Mapping):
            raise AsrlabError(f'language is {type(languages).__name__}: pass name -> (weight, it), {{"lm": (0.8, lm)}}')
        self.languages = dict(languages or {})
        for name, entry in self.languages.items():
            _check(name, entry)
        self.names = tuple(self.languages)
        self.weights = np.array([weight for weight, _ in self.languages.values()], np.float64)
        self._all: list[Language] = [language for _, language in self.languages.values()]
        self.automaton = automaton.union([language.automaton for language in self._all])
        self.vocabulary = tuple(dict.fromkeys(word for language in self._all for word in language.labels))
        self._label = [language.labels.get for language in self._all]
        self._whole = [language.labels for language in self._all if language.whole_vocabulary]
        self.counts_unknown = bool(self._whole)
        self._start = tuple(self.automaton.start.tolist())

    def __len__(self) -> int:
        return len(self.names)

    def labels(self, words: Sequence[str]) -> np.ndarray:
        """(N + 1, K) int64, the label of each word in each automaton; last, of a word that none of them knows."""
        found = np.full((len(words) + 1, len(self)), OTHER, np.int64)
        for k, language in enumerate(self._all):
            found[:-1, k] = [language.labels.get(word, OTHER) for word in words]
        return found

    def unknown(self, labels: np.ndarray) -> np.ndarray:
        """(N,) bool, by the labels (N, K): words that are in no vocabulary, of the languages that claim a whole one."""
        whole = np.array([language.whole_vocabulary for language in self._all], np.bool_)
        return (labels[:, whole] == OTHER).all(axis=1) & self.counts_unknown

    def worth(self, labels: np.ndarray) -> np.ndarray:
        """(N,) weighted nats, by the labels (N, K), that words are worth before their context is known."""
        total = np.zeros(len(labels))
        for k, (weight, language) in enumerate(self.languages.values()):
            nats = automaton.worth(language.automaton, 1 + int(labels[:, k].max(initial=OTHER)))
            total += _scale(weight, nats)[labels[:, k]]
        return total

    def score(self, words: Sequence[str]) -> list[float]:
        """(K,) nats, not weighted, of a whole sentence; -inf where it is forbidden."""
        return [
            automaton.score(self.automaton, start, np.array([known(word, OTHER) for word in words], np.int64))
            for start, known in zip(self.start(), self._label, strict=True)
        ]

    def count_unknown(self, words: Sequence[str]) -> int:
        """How many words are `unknown`."""
        return sum(all(word not in known for known in self._whole) for word in words) if self._whole else 0

    def start(self) -> tuple[int, ...]:
        """The K states before the first word."""
        return self._start

    def step(self, states: tuple[int, ...], word: str) -> tuple[float, tuple[int, ...]]:
        """Read a word: the weighted nats that it earns in all languages, and the K states after it."""
        total, after = 0.0, []
        for state, (weight, language) in zip(states, self.languages.values(), strict=True):
            nats, state = automaton.plain_step(self.automaton, state, language.labels.get(word, OTHER))
            total += weighted(weight, nats)
            after.append(state)
        return total, tuple(after)

    def finish(self, states: tuple[int, ...]) -> float:
        """End the sentence: the weighted nats that this earns in all languages."""
        pairs = zip(self.weights.tolist(), states, strict=True)
        return sum((weighted(weight, automaton.plain_finish(self.automaton, state)) for weight, state in pairs), 0.0)


def _scale(weight: float, nats: np.ndarray) -> np.ndarray:
    """`weighted`, of an array."""
    if weight == 0.0:
        return np.zeros(len(nats))
    return np.where(nats == -np.inf, -np.inf, weight * nats)


def _check(name: str, entry: tuple[float, Language]) -> None:
    if name in RESERVED:
        raise AsrlabError(f"language {name!r}: this is the name of another part of a score; choose another")
    if not isinstance(entry, tuple) or len(entry) != 2:
        raise AsrlabError(f"language {name!r}: {type(entry).__name__}; pass (weight, language)")
    weight, language = entry
    if not isinstance(weight, (int, float, np.number)) or not math.isfinite(weight):
        raise AsrlabError(f"language {name!r}: weight {weight!r}; pass a finite number")
    if not all(hasattr(language, part) for part in ("automaton", "labels", "whole_vocabulary")):
        raise AsrlabError(
            f"language {name!r} is {type(language).__name__}: pass an NGram, a context_graph or another Language"
        )
    numbers = language.labels.values()
    if not all(isinstance(n, (int, np.integer)) and OTHER < n < automaton.MOST_LABELS for n in numbers):
        most = automaton.MOST_LABELS - 1
        raise AsrlabError(f"language {name!r}: labels of its words outside 1..{most}; {OTHER} is for all others")
    if "" in language.labels:
        raise AsrlabError(f"language {name!r}: a word without letters; remove it")
    try:
        automaton.check(language.automaton)
    except AsrlabError as error:
        raise AsrlabError(f"language {name!r}: {error}") from None
    unknown, _ = automaton.plain_step(language.automaton, 0, OTHER)
    if weight < 0 and language.whole_vocabulary and unknown <= NEVER:
        raise AsrlabError(
            f"language {name!r}: weight {weight} and a closed vocabulary: to a word that it does not know it gives "
            f"{unknown:.0f} nats, which would be its best recommendation; train it with vocabulary=, and with <unk>"
        )
