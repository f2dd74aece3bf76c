"""A back-off n-gram model as a table of states that a decoder can walk."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asrlab.core.compiled import compiled, compiled_inner
from asrlab.core.errors import AsrlabError
from asrlab.language.arpa import read_arpa, write_arpa
from asrlab.language.kneser_ney import BEGIN, END, UNKNOWN, Entries, Gram, estimate

#: Word ids of `<unk>`, `<s>` and `</s>` in every model.
UNKNOWN_ID, BEGIN_ID, END_ID = 0, 1, 2


class NGramArrays(NamedTuple):
    """The model as arrays, S states and A arcs; state 0 is the empty history and has one arc for every word id.

    A state is a history that the model tells apart.  The arcs of state s are `first[s]:first[s + 1]`, sorted by word.
    """

    backoff: np.ndarray  # (S,) float64, log weight paid on leaving s for its shorter history, nats
    shorter: np.ndarray  # (S,) int32, the state of the longest known proper suffix; -1 for state 0
    first: np.ndarray  # (S + 1,) int32
    word: np.ndarray  # (A,) int32, word id
    logp: np.ndarray  # (A,) float64, nats
    next: np.ndarray  # (A,) int32, the state after the word


@compiled_inner
def score_word(lm: NGramArrays, state: int, word: int) -> tuple[float, int]:
    """Log-probability (nats) of a word id after a state, and the next state: `NGram.score` for compiled callers."""
    total = 0.0
    while state > 0:
        low, high = int(lm.first[state]), int(lm.first[state + 1])
        while low < high:
            middle = (low + high) >> 1
            if lm.word[middle] < word:
                low = middle + 1
            else:
                high = middle
        if low < lm.first[state + 1] and lm.word[low] == word:
            return total + lm.logp[low], int(lm.next[low])
        total += lm.backoff[state]
        state = int(lm.shorter[state])
    return total + lm.logp[word], int(lm.next[word])


@compiled
def score_sentence(lm: NGramArrays, state: int, words: np.ndarray) -> float:
    """Log-probability (nats) of word ids and the sentence's end: `NGram.logprob` for compiled callers."""
    total = 0.0
    for word in words:
        logp, state = score_word(lm, state, word)
        total += logp
    return total + score_word(lm, state, END_ID)[0]


class NGram:
    """A word n-gram model: `train` it, read or write it as ARPA, ask for probabilities state by state.

    A state is an integer that stands for the words so far, so that a decoder holds one number for each prefix:

    >>> lm = NGram.train(["turn left", "turn right"], order=2)
    >>> state = lm.start()
    >>> logp, state = lm.score(state, "turn")
    >>> logp_end = lm.finish(state)

    Attributes:
        order: length of the longest n-gram.
        words: all words by id; id 0 is `<unk>`, 1 is `<s>`, 2 is `</s>`.
        arrays: the states for compiled code (`NGramArrays`).
    """

    def __init__(self, entries: Entries):
        """Build from n-gram tables (`asrlab.language.kneser_ney.Entries`)."""
        self.order = len(entries)
        special = (UNKNOWN, BEGIN, END)
        self.words = special + tuple(sorted(gram[0] for gram in entries[0] if gram[0] not in special))
        self._id = {word: i for i, word in enumerate(self.words)}
        self.arrays, self._prefix = _build(entries, self._id)
        self._start = self._longest((BEGIN_ID,))

    @classmethod
    def train(cls, sentences: Iterable[str | Sequence[str]], order: int = 3, vocabulary: Iterable[str] = ()) -> "NGram":
        """Estimate with interpolated modified Kneser-Ney smoothing.

        Args:
            sentences: texts (split at white space) or word sequences.
            order: 1 or more; 3 and 4 are usual.
            vocabulary: further words to know, for instance those of a lexicon.

        Raises:
            AsrlabError: no sentence, an order below 1, or a word that ARPA cannot hold (`<s>`, `</s>`, white space).
        """
        if isinstance(sentences, str):
            raise AsrlabError(f"sentences={sentences[:40]!r}: one string; pass a list of sentences")
        if not isinstance(order, int) or order < 1:
            raise AsrlabError(f"order={order!r}: pass an integer of 1 or more")
        split = [tuple(s.split()) if isinstance(s, str) else tuple(s) for s in sentences]
        if not split:
            raise AsrlabError("sentences: none; an n-gram model needs at least one sentence to count")
        vocabulary = tuple(vocabulary)
        for word in {w for s in split for w in s}.union(vocabulary):
            if word in (BEGIN, END) or not word or any(c.isspace() for c in word):
                raise AsrlabError(f"word {word!r}: empty, with white space or a sentence mark; clean the text first")
        return cls(estimate(split, order, vocabulary))

    @classmethod
    def read_arpa(cls, path: str | Path) -> "NGram":
        """Read an ARPA file (`.arpa`, `.arpa.gz`); see `asrlab.language.arpa.read_arpa`."""
        return cls(read_arpa(path))

    def write_arpa(self, path: str | Path) -> None:
        """Write an ARPA file (gzip if the name ends in `.gz`)."""
        write_arpa(self.entries(), path)

    def word_id(self, word: str) -> int:
        """The id of a word, 0 (`<unk>`) for a word that the model does not know."""
        i = self._id.get(word, UNKNOWN_ID)
        return UNKNOWN_ID if i == BEGIN_ID else i

    def __contains__(self, word: str) -> bool:
        return self.word_id(word) != UNKNOWN_ID

    def start(self) -> int:
        """The state at the beginning of a sentence."""
        return self._start

    def score(self, state: int, word: str) -> tuple[float, int]:
        """Log-probability (nats) of `word` after `state`, and the state after it; unknown words score as `<unk>`."""
        return self._score(state, self.word_id(word))

    def finish(self, state: int) -> float:
        """Log-probability (nats) that the sentence ends after `state`."""
        return self._score(state, END_ID)[0]

    def _score(self, state: int, word: int) -> tuple[float, int]:
        lm = self.arrays
        total = 0.0
        while state > 0:
            end = int(lm.first[state + 1])
            arc = bisect_left(lm.word, word, int(lm.first[state]), end)
            if arc < end and lm.word[arc] == word:
                return total + float(lm.logp[arc]), int(lm.next[arc])
            total += float(lm.backoff[state])
            state = int(lm.shorter[state])
        return total + float(lm.logp[word]), int(lm.next[word])

    def logprob(self, sentence: str | Sequence[str]) -> float:
        """Log-probability (nats) of a whole sentence, its end included."""
        state, total = self.start(), 0.0
        for word in sentence.split() if isinstance(sentence, str) else sentence:
            logp, state = self.score(state, word)
            total += logp
        return total + self.finish(state)

    def perplexity(self, sentences: Iterable[str | Sequence[str]]) -> float:
        """exp of the mean negative log-probability of every word and sentence end; unknown words count as `<unk>`."""
        total, n = 0.0, 0
        for sentence in sentences:
            words = sentence.split() if isinstance(sentence, str) else list(sentence)
            total += self.logprob(words)
            n += len(words) + 1
        if n == 0:
            raise AsrlabError("sentences: none; perplexity is a mean over at least one sentence")
        return math.exp(-total / n)

    def history(self, state: int) -> Gram:
        """The words that a state remembers, oldest first."""
        words: list[str] = []
        while state > 0:
            state, word = self._prefix[state]
            words.append(self.words[word])
        return tuple(reversed(words))

    def entries(self) -> Entries:
        """All n-grams again, as the constructor takes them."""
        lm = self.arrays
        tables: list[dict[Gram, tuple[float, float]]] = [{} for _ in range(self.order)]
        histories = [self.history(state) for state in range(len(lm.backoff))]
        weight = {h: float(b) for h, b in zip(histories, lm.backoff, strict=True)}
        for state, h in enumerate(histories):
            for arc in range(int(lm.first[state]), int(lm.first[state + 1])):
                gram = (*h, self.words[lm.word[arc]])
                tables[len(h)][gram] = (float(lm.logp[arc]), weight.get(gram, 0.0))
        return tables

    def _longest(self, ids: tuple[int, ...]) -> int:
        """The state of the longest suffix of a word id sequence that is a state."""
        state = 0
        for word in ids:
            _, state = self._score(state, word)
        return state

    def __repr__(self) -> str:
        return f"NGram(order={self.order}, words={len(self.words)}, states={len(self.arrays.backoff)})"


def _build(entries: Entries, ids: Mapping[str, int]) -> tuple[NGramArrays, list[tuple[int, int]]]:
    """States and arcs from n-gram tables; beside them, for each state, (state without its last word, last word).

    A history is a state only if words were seen after it or its backoff weight is not 1: any other would score just as
    its suffix does, and fewer states mean more prefixes that a decoder can merge.
    """
    by_id = [{tuple(ids[w] for w in gram): value for gram, value in table.items()} for table in entries]
    by_id[0].setdefault((UNKNOWN_ID,), (-math.inf, 0.0))
    by_id[0].setdefault((BEGIN_ID,), (-math.inf, 0.0))
    by_id[0].setdefault((END_ID,), (-math.inf, 0.0))
    extended = {gram[:-1] for table in by_id[1:] for gram in table}
    state = {(): 0}
    for table in by_id[:-1]:
        for gram, (_, backoff) in sorted(table.items()):
            if gram in extended or backoff != 0.0:
                state[gram] = len(state)

    def longest(gram: tuple[int, ...]) -> int:
        while gram not in state:
            gram = gram[1:]
        return state[gram]

    arcs: list[list[tuple[int, float, int]]] = [[] for _ in state]
    for table in by_id:
        for gram, (logp, _) in table.items():
            arcs[state[gram[:-1]]].append((gram[-1], logp, longest(gram[1:] if len(gram) == len(by_id) else gram)))
    for group in arcs:
        group.sort()
    flat = [arc for group in arcs for arc in group]
    arrays = NGramArrays(
        backoff=np.array([by_id[len(g) - 1][g][1] if g else 0.0 for g in state], np.float64),
        shorter=np.array([longest(g[1:]) if g else -1 for g in state], np.int32),
        first=np.cumsum([0] + [len(group) for group in arcs]).astype(np.int32),
        word=np.array([arc[0] for arc in flat], np.int32),
        logp=np.array([arc[1] for arc in flat], np.float64),
        next=np.array([arc[2] for arc in flat], np.int32),
    )
    return arrays, [(state[g[:-1]], g[-1]) if g else (-1, -1) for g in state]
