"""CTC prefix beam search with a word language model and a lexicon."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asrlab.core.config import Count, NotNegative, Options, Positive, Threshold
from asrlab.core.errors import AsrlabError
from asrlab.decode.forced import align, timed_words
from asrlab.decode.frames import select_frames
from asrlab.decode.hypothesis import (
    WORD_MARK,
    Hypothesis,
    Word,
    as_log_probs,
    check_log_probs,
    marks_words,
    split_words,
)
from asrlab.decode.search import LEXICON, NONE, OPEN, TOKENS, Weights, search, trace
from asrlab.decode.words import lexicon_trie, open_trie
from asrlab.language.ngram import UNKNOWN_ID, NGram, NGramArrays, score_sentence

#: An LM that says nothing, in the shape that the compiled search wants.
_NO_LM = NGramArrays(
    np.zeros(1), np.full(1, -1, np.int32), np.array([0, 3], np.int32), np.arange(3, dtype=np.int32), np.zeros(3),
    np.zeros(3, np.int32),
)
LOWEST_AHEAD = -300.0  # nats; a look-ahead must be undone, so it cannot be -inf

MOST = 10_000  # prefixes, tokens, hypotheses


@dataclass(frozen=True)
class BeamOptions(Options):
    """How a `BeamDecoder` searches; all scores in nats."""

    beam: Count = 16  # prefixes kept after each frame
    lm_weight: NotNegative = 0.8  # factor on the language model's log-probabilities
    word_bonus: float = 0.0  # added for each word: above 0 more, shorter words
    unknown_penalty: float = 5.0  # taken off for each word that the language model does not know
    token_threshold: Threshold = 10.0  # tokens further below a frame's best are not tried
    max_tokens: Count = 64  # nor more than so many a frame
    beam_threshold: Threshold = 20.0  # prefixes further below the best are dropped
    blank_threshold: Positive = 0.9995  # frames whose blank is at least so probable are passed, a run of them as one
    nbest: Count = 1  # hypotheses returned, at most
    times: bool = True  # align each hypothesis, for its words' times and confidences; without, `words` is empty


def widened(options: BeamOptions) -> Iterator[BeamOptions]:
    """The options, then wider ones for an utterance at whose end no prefix of the beam is a whole lexicon word."""
    yield options
    for _ in range(2):
        options = replace(
            options,
            beam=min(8 * options.beam, MOST),
            token_threshold=2 * options.token_threshold,
            beam_threshold=2 * options.beam_threshold,
        )
        yield options


class BeamDecoder:
    """CTC prefix beam search (Hannun et al. 2014, Graves and Jaitly 2014).

    A hypothesis scores  log p_ctc(tokens) + lm_weight log p_lm(words) + word_bonus |words| - unknown_penalty |unknown|.

    Without a lexicon any token sequence may be said; a word ends where the next token begins with "▁", or at the end.
    With one, the tokens are spellings of its words, one after the other; several spellings of a word (pronunciations)
    compete, and of words with the same spelling the language model chooses.
    """

    def __init__(
        self,
        tokenizer,
        options: BeamOptions = BeamOptions(),
        lm: NGram | None = None,
        lexicon: Mapping[str, Iterable[Sequence[int]]] | Iterable[str] | None = None,
        frame_seconds: float = 0.04,
    ):
        """Prepare the search.

        Args:
            tokenizer: has `tokens`, V strings, the first of them the blank.
            options: see `BeamOptions`.
            lm: word n-gram model; its words must be written as the tokenizer decodes them.
            lexicon: word -> spellings in token ids, as `asrlab.text.lexicon_tokens` makes them; or just words, which
                the tokenizer then spells.
            frame_seconds: seconds from one frame to the next, for word times.

        Raises:
            AsrlabError: bad options, an LM that is no `NGram`, a lexicon word that tokens cannot spell, or an LM
                without lexicon for tokens that do not mark where words begin.
        """
        self.tokenizer, self.options, self.lm, self.frame_seconds = tokenizer, options, lm, frame_seconds
        self._tokens = tuple(tokenizer.tokens)
        self._marked = marks_words(self._tokens)
        if lm is not None and not isinstance(lm, NGram):
            raise AsrlabError(f"lm is {type(lm).__name__}: pass an NGram (NGram.read_arpa reads ARPA files)")
        if lexicon is not None:
            if not isinstance(lexicon, Mapping):
                from asrlab.text import lexicon_tokens

                lexicon = lexicon_tokens(tokenizer, lexicon)
            self._mode = LEXICON
            self._trie, self._words = lexicon_trie(self._tokens, lexicon, lm)
        else:
            if lm is not None and not self._marked:
                raise AsrlabError(
                    f"lm without lexicon: no token begins with {WORD_MARK!r} to tell where words end; pass lexicon="
                )
            self._mode = TOKENS if lm is None and options.word_bonus == 0 else OPEN
            self._trie, self._words = open_trie(self._tokens, lm)
        self._lm_arrays, self._start = (_NO_LM, 0) if lm is None else (lm.arrays, lm.start())
        self._weights = self._weigh()

    def _weigh(self) -> Weights:
        o = self.options
        lm_weight = o.lm_weight if self.lm is not None else 0.0
        unknown = o.word_bonus - (o.unknown_penalty if self.lm is not None else 0.0)
        ahead = lm_weight * np.maximum(self._trie.lookahead, -1e9)
        if self._mode == OPEN and self.lm is not None:
            ahead[-1] -= o.unknown_penalty
            ahead[1:] = np.maximum(ahead[1:], ahead[-1])  # any beginning of a word may turn out to be of an unknown one
        ahead = np.maximum(ahead, LOWEST_AHEAD)
        return Weights(float(lm_weight), float(o.word_bonus), float(unknown), ahead, np.exp(ahead))

    def decode(self, log_probs: np.ndarray) -> list[Hypothesis]:
        """Decode one utterance.

        Args:
            log_probs: (T, V) float32 or float64 log-probabilities.

        Returns:
            At most `options.nbest` hypotheses of different texts, best first.  Parts: "ctc" and "lm" in nats,
            "words" and "unknown" as counts.

        Raises:
            AsrlabError: see `check_log_probs`.
        """
        log_probs = as_log_probs(log_probs, len(self._tokens))
        for o in widened(self.options):
            # Without words the beam + 1 best tokens of a frame hold all extensions that can survive it.
            most = min(o.max_tokens, o.beam + 1) if self._mode == TOKENS else o.max_tokens
            frames = select_frames(log_probs, float(o.token_threshold), most, float(np.log(o.blank_threshold)))
            if frames.count < 0:
                check_log_probs(log_probs, len(self._tokens))  # says what is wrong
            table, ends = search(
                frames, self._trie, self._lm_arrays, self._start, self._weights, self._mode, int(o.beam),
                float(o.beam_threshold),
            )
            if len(ends[0]):
                return self._hypotheses(log_probs, table, *ends)
        return [self._nothing(log_probs)]

    def _hypotheses(self, log_probs, table, nodes, last, scores) -> list[Hypothesis]:
        found: dict[str, Hypothesis] = {}
        for i in np.argsort(-scores, kind="stable"):
            tokens, closed = trace(table, nodes[i])
            words = self._spans(tokens, closed, last[i])
            text = " ".join(word for word, _, _ in words)
            if text in found:
                continue
            timed: tuple[Word, ...] = ()
            if self.options.times:
                spans, posteriors, _ = align(log_probs, tokens)
                timed = timed_words(spans, posteriors, words, self.frame_seconds)
            score = float(scores[i])
            found[text] = Hypothesis(text, tuple(tokens.tolist()), score, self._parts(score, words), timed)
            if len(found) == self.options.nbest:
                break
        return list(found.values())

    def _parts(self, score: float, words: list[tuple[str, int, int]]) -> dict[str, float]:
        if self._mode == TOKENS:
            return {"ctc": score}
        if self.lm is None:
            return {"ctc": score - len(words) * self._weights.known, "words": len(words)}
        ids = np.array([self.lm.word_id(word) for word, _, _ in words], np.int64)
        lm, unknown = score_sentence(self._lm_arrays, self._start, ids), int((ids == UNKNOWN_ID).sum())
        bonus = (len(words) - unknown) * self._weights.known + unknown * self._weights.unknown
        weighted = self._weights.lm * lm if self._weights.lm > 0 else 0.0
        return {"ctc": score - bonus - weighted, "lm": lm, "words": len(words), "unknown": unknown}

    def _spans(self, tokens, closed, last) -> list[tuple[str, int, int]]:
        """Words of a prefix as (text, first token, one past the last)."""
        if self._mode != LEXICON:
            return split_words([self._tokens[v] for v in tokens], self._marked)
        if not len(tokens):
            return []
        ends = np.flatnonzero(closed != NONE)
        entries = [*closed[ends].tolist(), int(last)]
        words = [self._words[self._trie.word[e]] for e in entries]
        return list(zip(words, [0, *ends.tolist()], [*ends.tolist(), len(tokens)], strict=True))

    def _nothing(self, log_probs) -> Hypothesis:
        """The empty hypothesis, for an utterance in which no sequence of lexicon words fits."""
        ctc = float(log_probs[:, 0].sum(dtype=np.float64))
        if self.lm is None:
            return Hypothesis("", (), ctc, {"ctc": ctc, "words": 0})
        lm = self.lm.finish(self.lm.start())
        return Hypothesis("", (), ctc + self._weights.lm * lm, {"ctc": ctc, "lm": lm, "words": 0, "unknown": 0})
