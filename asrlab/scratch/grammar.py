"""Grammars by their definitions: derivations written out, probabilities added, accepting and rejecting."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from asrlab.core.equations import equation


@equation("grammar-sentence")
def sentence_probability(derivations: Iterable[Sequence[float]]) -> float:
    """P(W): the choices of each derivation of a sentence multiplied, all its derivations added."""
    return math.fsum(math.prod(choices) for choices in derivations)


@equation("grammar-next")
def next_word(sentences: Mapping[tuple[str, ...], float], before: tuple[str, ...], word: str) -> float:
    """P(word | the words before), by the probabilities of all sentences that begin so.

    `sentences`: words -> P(W). 0 if no sentence begins with the words before.
    """

    def mass(begin: tuple[str, ...]) -> float:
        return math.fsum(p for words, p in sentences.items() if words[: len(begin)] == begin)

    all_of_them = mass(before)
    return mass((*before, word)) / all_of_them if all_of_them else 0.0


@equation("grammar-best")
def best_sentence(sound: Sequence[float], grammar: Sequence[float], weight: float = 1.0) -> int:
    """Which of the sentences wins, by log p(W | X) of the sound and log P(W) of the grammar; -inf forbids."""
    return int(np.argmax([s + weight * g if g > -math.inf else -math.inf for s, g in zip(sound, grammar, strict=True)]))


@equation("grammar-ratio")
def log_ratio(sentence: float, tokens: float, count: int) -> float:
    """Nats by which the best sentence is behind the best `count` tokens without a grammar, for each of these."""
    return (sentence - tokens) / max(1, count)


@equation("grammar-errors")
def accept_errors(inside: Sequence[float], outside: Sequence[float], threshold: float) -> tuple[float, float]:
    """(false rejections, false accepts): shares of what is inside below the threshold, of what is not from it on."""
    return float(np.mean(np.asarray(inside) < threshold)), float(np.mean(np.asarray(outside) >= threshold))
