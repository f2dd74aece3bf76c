"""A back-off n-gram model as an automaton: a state is a history, and failing is backing off."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.language.arpa import read_arpa, write_arpa
from asrlab.language.automaton import FORBIDDEN, OTHER, Automaton, plain_finish, plain_step
from asrlab.language.kneser_ney import BEGIN, END, UNKNOWN, Entries, Gram, estimate

#: Word ids of `<unk>`, `<s>` and `</s>` in every model.
UNKNOWN_ID, BEGIN_ID, END_ID = OTHER, 1, 2


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
        automaton: the model as a decoder walks it (`asrlab.language.automaton`), labelled with word ids; state 0 is the
            empty history and has an arc for every id.
        labels: word -> id of the words that can be said.
        whole_vocabulary: True: other words than these are unknown.
    """

    whole_vocabulary = True

    def __init__(self, entries: Entries):
        """Build from n-gram tables (`asrlab.language.kneser_ney.Entries`)."""
        self.order = len(entries)
        special = (UNKNOWN, BEGIN, END)
        self.words = special + tuple(sorted(gram[0] for gram in entries[0] if gram[0] not in special))
        ids = {word: i for i, word in enumerate(self.words)}
        self.labels = {word: i for word, i in ids.items() if word not in special}
        self.automaton, self._prefix = _build(entries, ids)

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
        return self.labels.get(word, UNKNOWN_ID)

    def __contains__(self, word: str) -> bool:
        return word in self.labels

    def start(self) -> int:
        """The state at the beginning of a sentence."""
        return int(self.automaton.start[0])

    def score(self, state: int, word: str) -> tuple[float, int]:
        """Log-probability (nats) of `word` after `state`, and the state after it; unknown words score as `<unk>`."""
        return plain_step(self.automaton, state, self.word_id(word))

    def finish(self, state: int) -> float:
        """Log-probability (nats) that the sentence ends after `state`."""
        return plain_finish(self.automaton, state)

    def logprob(self, sentence: str | Sequence[str]) -> float:
        """Log-probability (nats) of a whole sentence, its end included."""
        state, total = self.start(), 0.0
        for word in sentence.split() if isinstance(sentence, str) else sentence:
            logp, state = self.score(state, word)
            total += logp
        return total + self.finish(state)

    @equation("perplexity")
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
        a = self.automaton
        tables: list[dict[Gram, tuple[float, float]]] = [{} for _ in range(self.order)]
        histories = [self.history(state) for state in range(len(a.final))]
        backoff = {h: float(b) for h, b in zip(histories, a.fail_weight, strict=True)}
        for state, h in enumerate(histories):
            for arc in range(int(a.first[state]), int(a.first[state + 1])):
                gram = (*h, self.words[a.label[arc]])
                tables[len(h)][gram] = (float(a.weight[arc]), backoff.get(gram, 0.0))
        return tables

    def __repr__(self) -> str:
        return f"NGram(order={self.order}, words={len(self.words)}, states={len(self.automaton.final)})"


def _build(entries: Entries, ids: Mapping[str, int]) -> tuple[Automaton, list[tuple[int, int]]]:
    """The automaton of n-gram tables; beside it, for each state, (state without its last word, last word).

    A history is a state only if words were seen after it or its backoff weight is not 1: any other would score just as
    its suffix does, and fewer states mean more prefixes that a decoder can merge.
    """
    by_id = [{tuple(ids[w] for w in gram): value for gram, value in table.items()} for table in entries]
    by_id[0].setdefault((UNKNOWN_ID,), (-math.inf, 0.0))
    by_id[0].setdefault((BEGIN_ID,), (-math.inf, 0.0))
    by_id[0].setdefault((END_ID,), (-math.inf, 0.0))
    extended = {gram[:-1] for table in by_id[1:] for gram in table}
    state: dict[tuple[int, ...], int] = {(): 0}
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
    fail = [longest(gram[1:]) if gram else FORBIDDEN for gram in state]
    fail_weight = [by_id[len(gram) - 1][gram][1] if gram else 0.0 for gram in state]
    final: list[float] = []
    for gram, shorter, backoff in zip(state, fail, fail_weight, strict=True):  # shorter histories come first
        end = by_id[len(gram)].get((*gram, END_ID))
        final.append(end[0] if end is not None else backoff + final[shorter])
    automaton = Automaton(
        start=np.array([longest((BEGIN_ID,))], np.int32),
        first=np.cumsum([0] + [len(group) for group in arcs]).astype(np.int32),
        label=np.array([arc[0] for arc in flat], np.int32),
        weight=np.array([arc[1] for arc in flat], np.float64),
        next=np.array([arc[2] for arc in flat], np.int32),
        fail=np.array(fail, np.int32),
        fail_weight=np.array(fail_weight, np.float64),
        final=np.array(final, np.float64),
    )
    return automaton, [(state[g[:-1]], g[-1]) if g else (-1, -1) for g in state]
