"""CTC prefix beam search with a lexicon and any number of languages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple, cast

import numpy as np

from asrlab.core.config import Between, Count, NotNegative, Options, Positive, Threshold
from asrlab.core.errors import AsrlabError
from asrlab.decode.forced import align, timed_words
from asrlab.decode.frames import select_frames
from asrlab.decode.hypothesis import (
    WORD_MARK,
    HasTokens,
    Hypothesis,
    Word,
    as_log_probs,
    check_log_probs,
    marks_words,
    split_words,
)
from asrlab.decode.languages import Languages, merged, weighted
from asrlab.decode.search import LEXICON, NONE, OPEN, TOKENS, Gains, Task, search, trace
from asrlab.decode.words import Spelled, lexicon_trie, look_ahead, open_trie
from asrlab.language.automaton import Language

LOWEST_AHEAD = -300.0  # nats; a look-ahead must be undone, so it cannot be -inf

MOST = 100_000  # prefixes, tokens, hypotheses


@dataclass(frozen=True)
class BeamOptions(Options):
    """How a `BeamDecoder` searches; all scores in nats."""

    beam: Annotated[int, Between(1, MOST)] = 16  # prefixes kept after each frame
    lm_weight: NotNegative = 0.8  # factor on the language model's log-probabilities, by who makes the languages
    word_bonus: float = 0.0  # added for each word: above 0 more, shorter words
    unknown_penalty: float = 5.0  # taken off for each word that no whole vocabulary has
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


class _Setting(NamedTuple):
    """All that a search needs besides the frames, for one choice of languages."""

    languages: Languages
    spelled: Spelled
    gains: Gains
    mode: int


class BeamDecoder:
    """CTC prefix beam search (Hannun et al. 2014, Graves and Jaitly 2014) with K languages, K = 0, 1, 2, ...

    A hypothesis scores  log p_ctc(tokens) + sum_k weight_k nats_k(words) + word_bonus |words|
    - unknown_penalty |unknown|:  each language is an automaton (`asrlab.language.automaton`) that reads the words and
    says what they earn; one that forbids a sentence (-inf) rules it out, unless its weight is 0.

    Without a lexicon any token sequence may be said; a word ends where the next token begins with "▁", or at the end.
    With one, the tokens are spellings of its words, one after the other; several spellings of a word (pronunciations)
    compete, and of words with the same spelling the languages choose.

    A word that a language does not know has the label `automaton.OTHER` there: an n-gram takes it as `<unk>`, hotwords
    give it 0, a grammar without an arc for it forbids it.
    """

    def __init__(
        self,
        tokenizer: HasTokens,
        options: BeamOptions = BeamOptions(),
        language: Mapping[str, tuple[float, Language]] | None = None,
        lexicon: Mapping[str, Iterable[Sequence[int]]] | Iterable[str] | None = None,
        frame_seconds: float = 0.04,
    ):
        """Prepare the search.

        Args:
            tokenizer: has `tokens`, V strings, the first of them the blank.
            options: see `BeamOptions`; `lm_weight` is not looked at, since each language comes with its weight.
            language: name -> (weight, `NGram`, `context_graph` or another `Language`); words must be written as the
                tokenizer decodes them.  A weight below 0 takes a language away, as that of another domain.
            lexicon: word -> spellings in token ids, as `asrlab.text.lexicon_tokens` makes them; or just words, which
                the tokenizer then spells.
            frame_seconds: seconds from one frame to the next, for word times.

        Raises:
            AsrlabError: bad options or languages, a lexicon word that tokens cannot spell, or languages without
                lexicon for tokens that do not mark where words begin.
        """
        self.tokenizer, self.options, self.frame_seconds = tokenizer, options, frame_seconds
        self._tokens = tuple(tokenizer.tokens)
        self._marked = marks_words(self._tokens)
        self._lexicon: Spelled | None = None
        if lexicon is not None:
            if not isinstance(lexicon, Mapping):
                from asrlab.text import Tokenizer, lexicon_tokens

                lexicon = lexicon_tokens(cast(Tokenizer, tokenizer), lexicon)
            self._lexicon = lexicon_trie(self._tokens, lexicon)
        self._own = self._set(Languages(language), None)
        self._last: tuple[dict[str, tuple[float, Language]], _Setting] = ({}, self._own)

    def _set(self, languages: Languages, own: _Setting | None) -> _Setting:
        """The setting for these languages; `own` has a trie that may do."""
        o = self.options
        if len(languages) and self._lexicon is None and not self._marked:
            raise AsrlabError(
                f"language without lexicon: no token begins with {WORD_MARK!r} to tell where words end; pass lexicon="
            )
        if self._lexicon is not None:
            mode, spelled = LEXICON, self._lexicon
        else:
            mode = OPEN if len(languages) or o.word_bonus != 0 else TOKENS
            if own is not None and len(own.spelled.words) == len(languages.vocabulary):
                spelled = own.spelled
            else:
                spelled = open_trie(self._tokens, languages.vocabulary)
        of_word = languages.labels(spelled.words)
        label = of_word[np.append(spelled.trie.word, -1)]
        unknown = o.unknown_penalty * languages.unknown(label)
        ahead = look_ahead(spelled, np.maximum(languages.worth(label) - unknown, LOWEST_AHEAD))
        if mode == OPEN:
            ahead[1:] = np.maximum(ahead[1:], ahead[-1])  # any beginning of a word may turn out to be of an unknown one
        exp_ahead = np.exp(ahead)
        most_ahead = exp_ahead.copy()  # below the root it only falls
        most_ahead[0] = exp_ahead.max()
        gains = Gains(languages.weights, label, o.word_bonus - unknown, ahead, exp_ahead, most_ahead)
        return _Setting(languages, spelled, gains, mode)

    def _with(self, extra: Mapping[str, tuple[float, Language]]) -> _Setting:
        """The setting with more languages; the last one is kept, since a scene or a user stays for a while."""
        if not extra:
            return self._own
        last, setting = self._last
        if last.keys() == extra.keys() and all(last[n][0] == w and last[n][1] is e for n, (w, e) in extra.items()):
            return setting
        setting = self._set(Languages(merged(self._own.languages.languages, extra)), self._own)
        self._last = dict(extra), setting
        return setting

    def decode(
        self, log_probs: np.ndarray, extra: Mapping[str, tuple[float, Language]] | None = None
    ) -> list[Hypothesis]:
        """Decode one utterance.

        Args:
            log_probs: (T, V) float32 or float64 log-probabilities.
            extra: more languages for this utterance, as what is in the room, or the names in somebody's telephone.

        Returns:
            At most `options.nbest` hypotheses of different texts, best first.  Parts: "ctc" and each language by its
            name in nats, not weighted, "words" and "unknown" as counts.  If nothing that was heard is allowed, the
            empty hypothesis, with a score of -inf if that is forbidden too.

        Raises:
            AsrlabError: see `check_log_probs`, and the constructor for `extra`.
        """
        setting = self._with(extra or {})
        log_probs = as_log_probs(log_probs, len(self._tokens))
        for o in widened(self.options):
            # Without words the beam + 1 best tokens of a frame hold all extensions that can survive it.
            most = min(o.max_tokens, o.beam + 1) if setting.mode == TOKENS else o.max_tokens
            frames = select_frames(log_probs, float(o.token_threshold), most, float(np.log(o.blank_threshold)))
            if frames.count < 0:
                check_log_probs(log_probs, len(self._tokens))  # says what is wrong
            task = Task(
                setting.spelled.trie, setting.languages.automaton, setting.gains, setting.mode, int(o.beam),
                float(o.beam_threshold),
            )  # fmt: skip
            table, ends = search(frames, task)
            if len(ends[0]):
                return self._hypotheses(setting, log_probs, table, *ends)
        return [self._nothing(setting, log_probs)]

    def _hypotheses(
        self,
        setting: _Setting,
        log_probs: np.ndarray,
        table: np.ndarray,
        nodes: np.ndarray,
        last: np.ndarray,
        scores: np.ndarray,
    ) -> list[Hypothesis]:
        found: dict[str, Hypothesis] = {}
        for i in np.argsort(-scores, kind="stable"):
            tokens, closed = trace(table, nodes[i])
            words = self._spans(setting, tokens, closed, last[i])
            text = " ".join(word for word, _, _ in words)
            if text in found:
                continue
            timed: tuple[Word, ...] = ()
            if self.options.times:
                spans, posteriors, _ = align(log_probs, tokens)
                timed = timed_words(spans, posteriors, words, self.frame_seconds)
            score = float(scores[i])
            parts = {"ctc": score}
            if setting.mode != TOKENS:
                added, rest = self._words_add(setting.languages, [word for word, _, _ in words])
                parts = {"ctc": score - added, **rest}
            found[text] = Hypothesis(text, tuple(tokens.tolist()), score, parts, timed)
            if len(found) == self.options.nbest:
                break
        return list(found.values())

    def _words_add(self, languages: Languages, words: list[str]) -> tuple[float, dict[str, float]]:
        """What words and the end of the sentence add to a score, and the parts which that is made of."""
        nats, unknown = languages.score(words), languages.count_unknown(words)
        added = self.options.word_bonus * len(words) - self.options.unknown_penalty * unknown
        added += sum(map(weighted, languages.weights.tolist(), nats))
        parts = {**dict(zip(languages.names, nats, strict=True)), "words": len(words)}
        return added, parts | ({"unknown": unknown} if languages.counts_unknown else {})

    def _spans(
        self, setting: _Setting, tokens: np.ndarray, closed: np.ndarray, last: int
    ) -> list[tuple[str, int, int]]:
        """Words of a prefix as (text, first token, one past the last)."""
        if setting.mode != LEXICON:
            return split_words([self._tokens[v] for v in tokens], self._marked)
        if not len(tokens):
            return []
        ends = np.flatnonzero(closed != NONE)
        entries = [*closed[ends].tolist(), int(last)]
        words = [setting.spelled.words[setting.spelled.trie.word[e]] for e in entries]
        return list(zip(words, [0, *ends.tolist()], [*ends.tolist(), len(tokens)], strict=True))

    def _nothing(self, setting: _Setting, log_probs: np.ndarray) -> Hypothesis:
        """The empty hypothesis, for an utterance in which no sequence of words that is allowed fits."""
        ctc = float(log_probs[:, 0].sum(dtype=np.float64))
        added, rest = self._words_add(setting.languages, [])
        return Hypothesis("", (), ctc + added, {"ctc": ctc, **rest})
