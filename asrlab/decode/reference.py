"""The algorithm of `BeamDecoder` in plain Python, written to be read: slow, and equal in its answers.

Prefix beam search (Hannun et al. 2014; Graves and Jaitly 2014).  A prefix is a token sequence together with the words
that it closes.  For each prefix in the beam two log-probabilities are kept, summed over all paths of the frames so far
that read as the prefix:

    blank   of the paths whose last frame is blank
    spoken  of the paths whose last frame is the prefix' last token

They differ in what may come next: the last token once more *repeats* it after `spoken`, and begins a second one after
`blank`.  What language model, word bonus and look-ahead add depends on the prefix only and is added for the ranking.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from asrlab.decode.beam import LOWEST_AHEAD, BeamOptions, widened
from asrlab.decode.hypothesis import WORD_MARK, Hypothesis
from asrlab.language.ngram import UNKNOWN_ID, NGram

IMPOSSIBLE = -math.inf


class Prefix(NamedTuple):
    """What has been said so far: tokens, the closed words with the number of tokens then, the word being spelled."""

    tokens: tuple[int, ...]
    closed: tuple[tuple[str, int], ...]
    spelled: tuple[int, ...] | str  # with a lexicon its tokens, without one its letters


class ReferenceDecoder:
    """`BeamDecoder`, to be read: same arguments (the lexicon as word -> spellings), same hypotheses, without times."""

    def __init__(
        self,
        tokenizer,
        options: BeamOptions = BeamOptions(),  # noqa: B008 - frozen
        lm: NGram | None = None,
        lexicon: Mapping[str, Iterable[Sequence[int]]] | None = None,
    ):
        self.tokens, self.options, self.lm = tokenizer.tokens, options, lm
        self.words_of: dict[tuple[int, ...], list[str]] | None = None
        if lexicon is not None:
            self.words_of = defaultdict(list)
            for word, spellings in lexicon.items():
                for spelling in {tuple(s) for s in spellings}:
                    self.words_of[spelling].append(word)
        self.language = cache(self._language)
        self.ahead = cache(self._ahead)

    def decode(self, log_probs: np.ndarray) -> list[Hypothesis]:
        """Decode (T, V) log-probabilities into at most `nbest` hypotheses of different texts, best first."""
        log_probs = np.asarray(log_probs, np.float64)
        for options in widened(self.options):
            beam = {Prefix((), (), () if self.words_of is not None else ""): (0.0, IMPOSSIBLE)}
            for frame in log_probs:
                beam = self._advance(beam, frame, options)
            if found := self._finals(beam):
                return found
        ctc = float(log_probs[:, 0].sum())
        return [self._hypothesis((), (), ctc)]

    def _advance(self, beam, frame, options) -> dict[Prefix, tuple[float, float]]:
        """The beam after one more frame (V,)."""
        if frame[0] >= math.log(options.blank_threshold):
            return {p: (np.logaddexp(blank, spoken) + frame[0], IMPOSSIBLE) for p, (blank, spoken) in beam.items()}
        tokens = [v for v in range(1, len(frame)) if frame[v] >= frame.max() - options.token_threshold]
        tokens = sorted(tokens, key=lambda v: -frame[v])[: options.max_tokens]
        new_blank, new_spoken = defaultdict(lambda: IMPOSSIBLE), defaultdict(lambda: IMPOSSIBLE)
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
        if self.words_of is None:
            letters = self.tokens[v].replace(WORD_MARK, "")
            if self.tokens[v].startswith(WORD_MARK):
                yield Prefix(tokens, *self._close(prefix, prefix.spelled), letters)
            else:
                yield Prefix(tokens, prefix.closed, prefix.spelled + letters)
            return
        if self._begins_word((*prefix.spelled, v)):
            yield Prefix(tokens, prefix.closed, (*prefix.spelled, v))
        if self._begins_word((v,)):
            for word in self.words_of.get(prefix.spelled, ()):
                yield Prefix(tokens, *self._close(prefix, word), (v,))

    def _close(self, prefix: Prefix, word: str) -> tuple[tuple[tuple[str, int], ...]]:
        return ((*prefix.closed, (word, len(prefix.tokens))) if word else prefix.closed,)

    def _begins_word(self, spelled: tuple[int, ...]) -> bool:
        return any(spelling[: len(spelled)] == spelled for spelling in self.words_of)

    def _language(self, words: tuple[str, ...]) -> tuple[float, int]:
        """Log-probability (nats) of words without the sentence's end, and the state after them."""
        if not words:
            return 0.0, self.lm.start()
        before, state = self.language(words[:-1])
        logp, state = self.lm.score(state, words[-1])
        return before + logp, state

    def _unknown(self, words: Iterable[str]) -> int:
        return 0 if self.lm is None else sum(word not in self.lm for word in words)

    def _gain(self, closed: tuple[tuple[str, int], ...]) -> float:
        """What closed words add to a score."""
        o, words = self.options, tuple(word for word, _ in closed)
        gain = o.word_bonus * len(words) - o.unknown_penalty * self._unknown(words)
        return gain + o.lm_weight * self.language(words)[0] if self.lm is not None and o.lm_weight > 0 else gain

    def _ahead(self, spelled: tuple[int, ...] | str) -> float:
        """Look-ahead: the best unigram score of any word that begins so, to be replaced by its own score on closing."""
        o, lm = self.options, self.lm
        if lm is None or not spelled:
            return 0.0
        unigram = lm.arrays.logp
        if self.words_of is None:
            known = [i for i in range(3, len(lm.words)) if lm.words[i].startswith(spelled)]
            unknown = o.lm_weight * unigram[UNKNOWN_ID] - o.unknown_penalty
        else:
            begun = [words for spelling, words in self.words_of.items() if spelling[: len(spelled)] == spelled]
            known = [lm.word_id(word) for words in begun for word in words]
            unknown = LOWEST_AHEAD
        return max(LOWEST_AHEAD, unknown, max((o.lm_weight * unigram[i] for i in known), default=IMPOSSIBLE))

    def _finals(self, beam) -> list[Hypothesis]:
        found = []
        for prefix, (blank, spoken) in beam.items():
            if self.words_of is None or not prefix.spelled:
                last = [prefix.spelled] if prefix.spelled else [""]
            else:
                last = self.words_of.get(prefix.spelled, [])
            for word in last:
                (closed,) = self._close(prefix, word)
                found.append(self._hypothesis(prefix.tokens, closed, float(np.logaddexp(blank, spoken))))
        found.sort(key=lambda h: -h.score)
        first = {h.text: h for h in reversed(found)}
        return sorted(first.values(), key=lambda h: -h.score)[: self.options.nbest]

    def _hypothesis(self, tokens, closed, ctc: float) -> Hypothesis:
        words = tuple(word for word, _ in closed)
        score, parts = ctc + self._gain(closed), {"ctc": ctc, "words": len(words)}
        if self.lm is not None:
            logp, state = self.language(words)
            end = self.lm.finish(state)
            score += self.options.lm_weight * end if self.options.lm_weight > 0 else 0.0
            parts |= {"lm": logp + end, "unknown": self._unknown(words)}
        return Hypothesis(" ".join(words), tokens, score, parts)
