"""The algorithm of `BeamDecoder` in plain Python, written to be read: slow, and equal in its answers.

Prefix beam search (Hannun et al. 2014; Graves and Jaitly 2014).  A prefix is a token sequence together with the words
that it closes.  For each prefix in the beam two log-probabilities are kept, summed over all paths of the frames so far
that read as the prefix:

    blank   of the paths whose last frame is blank
    spoken  of the paths whose last frame is the prefix' last token

They differ in what may come next: the last token once more *repeats* it after `spoken`, and begins a second one after
`blank`.  What languages, word bonus and look-ahead add depends on the prefix only and is added for the ranking.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from asrlab.decode.beam import LOWEST_AHEAD, BeamOptions, widened
from asrlab.decode.hypothesis import WORD_MARK, HasTokens, Hypothesis
from asrlab.decode.languages import weighted
from asrlab.language.automaton import OTHER, Language, plain_finish, plain_step

IMPOSSIBLE = -math.inf


Closed = tuple[tuple[str, int], ...]  # words, each with the number of tokens when it closed


class Prefix(NamedTuple):
    """What has been said so far: tokens, the closed words with the number of tokens then, the word being spelled."""

    tokens: tuple[int, ...]
    closed: tuple[tuple[str, int], ...]
    spelled: tuple[int, ...] | str  # with a lexicon its tokens, without one its letters


Beam = dict[Prefix, tuple[float, float]]  # log-probabilities `blank` and `spoken`


class ReferenceDecoder:
    """`BeamDecoder`, to be read: same arguments (the lexicon as word -> spellings), same hypotheses, without times."""

    def __init__(
        self,
        tokenizer: HasTokens,
        options: BeamOptions = BeamOptions(),  # noqa: B008 - frozen
        language: Mapping[str, tuple[float, Language]] | None = None,
        lexicon: Mapping[str, Iterable[Sequence[int]]] | None = None,
    ):
        self.tokens, self.options, self.languages = tokenizer.tokens, options, dict(language or {})
        self.vocabularies = [known.labels for _, known in self.languages.values() if known.whole_vocabulary]
        self.words_of: dict[tuple[int, ...], list[str]] | None = None
        if lexicon is not None:
            self.words_of = defaultdict(list)
            for word, spellings in lexicon.items():
                for spelling in {tuple(s) for s in spellings}:
                    self.words_of[spelling].append(word)
        self.earned = cache(self._earned)
        self.ahead = cache(self._ahead)

    def decode(self, log_probs: np.ndarray) -> list[Hypothesis]:
        """Decode (T, V) log-probabilities into at most `nbest` hypotheses of different texts, best first."""
        log_probs = np.asarray(log_probs, np.float64)
        for options in widened(self.options):
            beam: Beam = {Prefix((), (), () if self.words_of is not None else ""): (0.0, IMPOSSIBLE)}
            for frame in log_probs:
                beam = self._advance(beam, frame, options)
            if found := self._finals(beam):
                return found
        ctc = float(log_probs[:, 0].sum())
        return [self._hypothesis((), (), ctc)]

    def _advance(self, beam: Beam, frame: np.ndarray, options: BeamOptions) -> Beam:
        """The beam after one more frame (V,)."""
        if frame[0] >= math.log(options.blank_threshold):
            return {p: (np.logaddexp(blank, spoken) + frame[0], IMPOSSIBLE) for p, (blank, spoken) in beam.items()}
        tokens = [v for v in range(1, len(frame)) if frame[v] >= frame.max() - options.token_threshold]
        free = self.words_of is None and not self.languages and options.word_bonus == 0
        most = min(options.max_tokens, options.beam + 1) if free else options.max_tokens  # see `BeamDecoder.decode`
        tokens = sorted(tokens, key=lambda v: -frame[v])[:most]
        new_blank: dict[Prefix, float] = defaultdict(lambda: IMPOSSIBLE)
        new_spoken: dict[Prefix, float] = defaultdict(lambda: IMPOSSIBLE)
        for prefix, (blank, spoken) in beam.items():
            new_blank[prefix] = np.logaddexp(blank, spoken) + frame[0]
            for v in tokens:
                repeats = prefix.tokens[-1:] == (v,)
                if repeats:
                    new_spoken[prefix] = np.logaddexp(new_spoken[prefix], spoken + frame[v])
                before = blank if repeats else np.logaddexp(blank, spoken)
                for longer in self._extensions(prefix, v):
                    new_spoken[longer] = np.logaddexp(new_spoken[longer], before + frame[v])
        rank = {
            p: np.logaddexp(new_blank[p], new_spoken[p]) + self._gain(p.closed) + self.ahead(p.spelled)
            for p in new_blank.keys() | new_spoken.keys()
        }
        best = sorted((p for p in rank if rank[p] > IMPOSSIBLE), key=lambda p: -rank[p])[: options.beam]
        return {p: (new_blank[p], new_spoken[p]) for p in best if rank[p] >= rank[best[0]] - options.beam_threshold}

    def _extensions(self, prefix: Prefix, v: int) -> Iterator[Prefix]:
        """The prefixes that one more token makes of this one."""
        tokens = (*prefix.tokens, v)
        if isinstance(prefix.spelled, str):
            letters = self.tokens[v].replace(WORD_MARK, "")
            if self.tokens[v].startswith(WORD_MARK):
                yield Prefix(tokens, *self._close(prefix, prefix.spelled), letters)
            else:
                yield Prefix(tokens, prefix.closed, prefix.spelled + letters)
            return
        assert self.words_of is not None
        if self._begins_word((*prefix.spelled, v)):
            yield Prefix(tokens, prefix.closed, (*prefix.spelled, v))
        if self._begins_word((v,)):
            for word in self.words_of.get(prefix.spelled, ()):
                yield Prefix(tokens, *self._close(prefix, word), (v,))

    def _close(self, prefix: Prefix, word: str) -> tuple[tuple[tuple[str, int], ...]]:
        return ((*prefix.closed, (word, len(prefix.tokens))) if word else prefix.closed,)

    def _begins_word(self, spelled: tuple[int, ...]) -> bool:
        return self.words_of is not None and any(spelling[: len(spelled)] == spelled for spelling in self.words_of)

    def _earned(self, name: str, words: tuple[str, ...]) -> tuple[float, int]:
        """Nats that a language gives to words, without the sentence's end, and its state after them."""
        a, labels = self.languages[name][1].automaton, self.languages[name][1].labels
        if not words:
            return 0.0, int(a.start[0])
        before, state = self.earned(name, words[:-1])
        nats, state = plain_step(a, state, labels.get(words[-1], OTHER))
        return before + nats, state

    def _unknown(self, words: Iterable[str]) -> int:
        if not self.vocabularies:
            return 0
        return sum(not any(word in vocabulary for vocabulary in self.vocabularies) for word in words)

    def _gain(self, closed: tuple[tuple[str, int], ...]) -> float:
        """What closed words add to a score."""
        o, words = self.options, tuple(word for word, _ in closed)
        gain = o.word_bonus * len(words) - o.unknown_penalty * self._unknown(words)
        return gain + sum(weighted(weight, self.earned(name, words)[0]) for name, (weight, _) in self.languages.items())

    def _ahead(self, spelled: tuple[int, ...] | str) -> float:
        """Look-ahead: the most that any word which begins so is worth, to be replaced by what it earns on closing."""
        if not spelled:
            return 0.0
        if self.words_of is None or isinstance(spelled, str):
            begun = {w for _, known in self.languages.values() for w in known.labels if w.startswith(str(spelled))}
            begun.add(" ")  # and any word that no language knows
        else:
            begun = {w for spelling, of in self.words_of.items() if spelling[: len(spelled)] == spelled for w in of}
        return max(LOWEST_AHEAD, max(map(self._worth, begun)))

    def _worth(self, word: str) -> float:
        """What a word adds in the languages' states 0; where one forbids it, with the best of its arcs there."""
        total = -self.options.unknown_penalty * self._unknown([word])
        for weight, language in self.languages.values():
            a, label = language.automaton, language.labels.get(word, OTHER)
            nats = plain_step(a, 0, label)[0]
            if nats == IMPOSSIBLE:
                nats = max(a.weight[a.label == label].tolist(), default=IMPOSSIBLE)
            total += weighted(weight, nats)
        return total

    def _finals(self, beam: Beam) -> list[Hypothesis]:
        found = []
        for prefix, (blank, spoken) in beam.items():
            if isinstance(prefix.spelled, str):
                last = [prefix.spelled]
            else:
                last = (self.words_of or {}).get(prefix.spelled, []) if prefix.spelled else [""]
            for word in last:
                (closed,) = self._close(prefix, word)
                found.append(self._hypothesis(prefix.tokens, closed, float(np.logaddexp(blank, spoken))))
        found = [h for h in found if h.score > IMPOSSIBLE]
        found.sort(key=lambda h: -h.score)
        first = {h.text: h for h in reversed(found)}
        return sorted(first.values(), key=lambda h: -h.score)[: self.options.nbest]

    def _hypothesis(self, tokens: tuple[int, ...], closed: Closed, ctc: float) -> Hypothesis:
        words = tuple(word for word, _ in closed)
        score, parts = ctc + self._gain(closed), {"ctc": ctc}
        for name, (weight, language) in self.languages.items():
            nats, state = self.earned(name, words)
            end = plain_finish(language.automaton, state)
            score += weighted(weight, end)
            parts[name] = nats + end
        parts |= {"words": len(words)} | ({"unknown": self._unknown(words)} if self.vocabularies else {})
        return Hypothesis(" ".join(words), tokens, score, parts)
