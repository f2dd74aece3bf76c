"""What every decoder returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from asrlab.core.errors import AsrlabError

WORD_MARK = "▁"
TOLERANCE = 1e-3  # nats by which rounding may lift a log-probability above 0


class HasTokens(Protocol):
    """What a decoder asks of a tokenizer."""

    @property
    def tokens(self) -> Sequence[str]:
        """V strings by id, the first of them the blank."""


@dataclass(frozen=True)
class Word:
    """A recognised word with its place in the recording."""

    text: str
    start: float  # seconds
    end: float  # seconds
    confidence: float  # 0..1


@dataclass(frozen=True)
class Hypothesis:
    """One answer of a decoder.

    Attributes:
        text: the words with single spaces between them.
        tokens: token ids, without blanks and repeats.
        score: total log score in nats, what the decoder ranks by.
        parts: what the score is made of, unweighted: "ctc" and "lm" in nats, "words" a count, ...
        words: the words with times and confidences.
    """

    text: str
    tokens: tuple[int, ...]
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)
    words: tuple[Word, ...] = ()


def marks_words(tokens: Sequence[str]) -> bool:
    """Do these tokens tell where words begin? Those of a phone tokenizer do not."""
    return any(t.startswith(WORD_MARK) for t in tokens)


def split_words(tokens: Sequence[str], marked: bool) -> list[tuple[str, int, int]]:
    """Words of a token sequence as (text, first token, one past the last token).

    If the tokenizer marks words (`marks_words`), a token that begins with "▁" begins one; if not, each token is one.
    """
    if not marked:
        return [(t, i, i + 1) for i, t in enumerate(tokens)]
    starts = [i for i, t in enumerate(tokens) if i == 0 or t.startswith(WORD_MARK)]
    spans = zip(starts, [*starts[1:], len(tokens)][: len(starts)], strict=True)
    words = [("".join(tokens[a:b]).replace(WORD_MARK, ""), a, b) for a, b in spans]
    return [word for word in words if word[0]]


def check_log_probs(log_probs: np.ndarray, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """`log_probs` as a contiguous float array (T, V) and the largest value of each frame (T,).

    Raises:
        AsrlabError: wrong shape or type, no frame, NaN, a value above 0, or a frame without any probability.
    """
    array = as_log_probs(log_probs, tokens)
    best = array.max(axis=1)
    good = (best <= TOLERANCE) & (best > -np.inf)  # not so for NaN
    if not good.all():
        frame = int(np.flatnonzero(~good)[0])
        remedy = (
            "the model gave NaN: look at its input and weights"
            if np.isnan(best[frame])
            else "pass log-probabilities, for instance logits.log_softmax(-1)"
        )
        raise AsrlabError(f"log_probs: the largest value of frame {frame} is {best[frame]}; {remedy}")
    return array, best


def as_log_probs(log_probs: np.ndarray, tokens: int) -> np.ndarray:
    """`log_probs` as a contiguous float32 or float64 array (T, V), its values not looked at."""
    array = np.asarray(log_probs)
    if array.ndim != 2 or array.dtype.kind != "f":
        raise AsrlabError(f"log_probs {array.dtype} {array.shape}: pass one utterance as floats of shape (T, {tokens})")
    if array.shape[1] != tokens:
        raise AsrlabError(f"log_probs {array.shape}: V is {array.shape[1]}, but the tokenizer has {tokens} tokens")
    if array.shape[0] == 0:
        raise AsrlabError(f"log_probs {array.shape}: no frames; the utterance is too short for the model")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    return np.ascontiguousarray(array)
