"""Decoding with a grammar: the best sentence of it, its meaning, and whether to believe either.

A grammar alone makes a sentence out of any sound, since it has no other answers.  Two cures, which go together:

- A *filler* path.  Each token of the recogniser, a phone or a letter, becomes a word of its own, which the grammar's
  `<FILLER>` says.  So "well er" before an order has a place.
- A *log-ratio*.  The same sound is decoded without any grammar, as the best sequence of tokens.  What the grammar's
  best sentence lacks to its score, for each of those tokens, is near 0 if the sentence was said, and large if not:

      (log p(best sentence | X) - log p(best tokens | X)) / number of tokens

R. C. Rose, D. B. Paul, "A hidden Markov model based keyword recognition system" (1990): garbage models and the score's
normalisation by them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.decode.beam import BeamDecoder, BeamOptions
from asrlab.decode.hypothesis import Hypothesis, Word
from asrlab.language.grammar import SOMETHING, Grammar
from asrlab.text import Tokenizer

UNIT = "~"  # begins the word that is one token of filler


@dataclass(frozen=True)
class Understood:
    """What a grammar made of a recording."""

    hypothesis: Hypothesis  # the best sentence; a stretch of filler is one word, "..."
    meaning: Mapping[str, str] | None  # slot -> value; None: no sentence fitted at all
    log_ratio: float  # nats for each token, about 0 or less; -inf without a sentence
    tokens: Hypothesis  # the best sequence of tokens, without the grammar


class GrammarDecoder:
    """A `BeamDecoder` for a grammar, and one without to compare with."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        grammar: Grammar,
        options: BeamOptions = BeamOptions(),  # noqa: B008 - frozen
        weight: float = 1.0,
        dictionary: Mapping[str, Sequence[Sequence[str]]] | None = None,
        frame_seconds: float = 0.04,
    ):
        """Prepare both searches.

        Args:
            tokenizer: of the recogniser.
            grammar: what may be said.
            options: of both searches; `word_bonus` is not looked at.
            weight: factor on the grammar's nats.
            dictionary: for words that the tokenizer's lexicon lacks, their pronunciations in its phones.
            frame_seconds: for word times.

        Raises:
            AsrlabError: a word of the grammar that cannot be spelled, with its place; a phone that the recogniser does
                not have; bad options.
        """
        options = replace(options, word_bonus=0.0)
        self.grammar, self._weight = grammar, weight
        lexicon = grammar.spellings(_Dictionary(tokenizer, dictionary or {}))
        if grammar.filler:
            lexicon |= {UNIT + token: [(v,)] for v, token in enumerate(tokenizer.tokens) if v}
        self._inside = BeamDecoder(tokenizer, options, {"grammar": (weight, grammar)}, lexicon, frame_seconds)
        self._outside = BeamDecoder(tokenizer, replace(options, times=False, nbest=1), None, None, frame_seconds)

    def decode(self, log_probs: np.ndarray) -> Understood:
        """Understand one utterance, (T, V) log-probabilities. Raises AsrlabError as `BeamDecoder.decode`."""
        best, tokens = self._inside.decode(log_probs)[0], self._outside.decode(log_probs)[0]
        filler = sum(word.startswith(UNIT) for word in best.text.split())
        best = without_units(best)
        meaning = self.grammar.interpret(best.text) if best.score > -np.inf else None
        ratio = log_ratio(best, tokens, self._weight * self.grammar.filler_nats * filler)
        return Understood(best, meaning, ratio, tokens)


def log_ratio(sentence: Hypothesis, tokens: Hypothesis, filler_nats: float = 0.0) -> float:
    """Nats by which the best sentence fits worse than the best tokens, for each of these: what accepting is decided by.

    The sound alone is compared, not how probable the grammar finds the sentence; `filler_nats` is what its stretches of
    filler earned, which would fit anything.
    """
    if sentence.score == -np.inf:
        return -np.inf
    return (sentence.parts["ctc"] + filler_nats - tokens.score) / max(1, len(tokens.tokens))


def without_units(hypothesis: Hypothesis) -> Hypothesis:
    """The hypothesis with each stretch of filler as one word, "...", from where it begins to where it ends."""
    text, words = _merged(hypothesis.text.split()), list[Word]()
    for word in hypothesis.words:
        if not word.text.startswith(UNIT):
            words.append(word)
        elif words and words[-1].text == SOMETHING:
            words[-1] = replace(words[-1], end=word.end, confidence=min(words[-1].confidence, word.confidence))
        else:
            words.append(replace(word, text=SOMETHING))
    return replace(hypothesis, text=" ".join(text), words=tuple(words))


def _merged(words: Iterable[str]) -> list[str]:
    found: list[str] = []
    for word in words:
        shown = SOMETHING if word.startswith(UNIT) else word
        if shown != SOMETHING or found[-1:] != [SOMETHING]:
            found.append(shown)
    return found


class _Dictionary:
    """A tokenizer that also knows the words of a dictionary."""

    def __init__(self, tokenizer: Tokenizer, dictionary: Mapping[str, Sequence[Sequence[str]]]):
        self.tokenizer, self.dictionary = tokenizer, dictionary
        self.ids = {token: v for v, token in enumerate(tokenizer.tokens)}

    def pronunciations(self, word: str) -> list[tuple[int, ...]]:
        if word not in self.dictionary:
            return self.tokenizer.pronunciations(word)
        for phones in self.dictionary[word]:
            if strange := [phone for phone in phones if phone not in self.ids]:
                there = " ".join(self.tokenizer.tokens[1:])
                raise AsrlabError(
                    f"word {word!r}: the recogniser has no phone {strange[0]!r}; use those it has: {there}"
                )
        return [tuple(self.ids[phone] for phone in phones) for phones in self.dictionary[word]]
