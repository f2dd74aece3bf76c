"""Several n-gram models as one: linear interpolation, with weights that fit a text by expectation maximisation.

    p(w | h) = sum_k lambda_k p_k(w | h),  lambda_k >= 0,  sum_k lambda_k = 1

is a mixture of probabilities: what any model expects is expected (Jelinek and Mercer 1980).  A decoder that is given K
languages with weights adds K logarithms instead.  That is *log-linear* combination, a product of powers: what any model
thinks impossible is impossible.  Neither is a special case of the other, so a mixture is made here, before decoding.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.language.kneser_ney import BEGIN, END, UNKNOWN, Entries, Gram
from asrlab.language.ngram import NGram

LEAST = 1e-30  # of a probability that is left over: rounding may make it 0 or less
ENOUGH = 1e-7  # nats per word: with less to gain EM has arrived


@dataclass(frozen=True)
class Fit:
    """What expectation maximisation found."""

    weights: tuple[float, ...]  # (K,) of the models, 0..1, their sum 1
    perplexity: tuple[float, ...]  # of the text, before the first step and after each


@equation("linear-interpolation")
def interpolated(probabilities: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """(N,) probability of each event under the mixture, from each model's (N, K) and the K weights."""
    return probabilities @ np.asarray(weights, np.float64)


@equation("interpolation-em")
def em_step(probabilities: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """(K,) better weights: the mean share that each model has in what was seen, (N, K) probabilities.

    Never worse for the likelihood (Dempster, Laird and Rubin 1977); with fixed models its only maximum is reached.
    """
    shares = probabilities * np.asarray(weights, np.float64)
    return (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)


def fit(models: Sequence[NGram], sentences: Iterable[str | Sequence[str]], iterations: int = 1000) -> Fit:
    """Weights under which the mixture finds a text likeliest; use text that no model was trained on.

    Raises:
        AsrlabError: no model, models of another alphabet than the first, no sentence, or no iteration.
    """
    check(models)
    if iterations < 1:
        raise AsrlabError(f"iterations={iterations}: give 1 or more")
    probabilities = event_probabilities(models, sentences)
    weights = np.full(len(models), 1 / len(models))
    nats = [float(np.log(interpolated(probabilities, weights)).mean())]
    for _ in range(iterations):
        weights = em_step(probabilities, weights)
        nats.append(float(np.log(interpolated(probabilities, weights)).mean()))
        if nats[-1] - nats[-2] < ENOUGH:
            break
    return Fit(tuple(weights.tolist()), tuple(math.exp(-x) for x in nats))


def event_probabilities(models: Sequence[NGram], sentences: Iterable[str | Sequence[str]]) -> np.ndarray:
    """(N, K) probability by each model of every word and sentence end of a text.

    A word that one model knows and another does not has the probability 0 by the other, which keeps its `<unk>` for
    words that are in no vocabulary; so the mixture sums to 1.

    Raises:
        AsrlabError: no sentence.
    """
    everywhere = set[str]().union(*(model.labels for model in models))
    rows = []
    for sentence in sentences:
        words = sentence.split() if isinstance(sentence, str) else list(sentence)
        states = [model.start() for model in models]
        for word in words:
            row = []
            for k, model in enumerate(models):
                nats, states[k] = model.score(states[k], word)
                row.append(0.0 if word in everywhere and word not in model else math.exp(nats))
            rows.append(row)
        rows.append([math.exp(model.finish(state)) for model, state in zip(models, states, strict=True)])
    if not rows:
        raise AsrlabError("sentences: none; weights are fitted to at least one sentence")
    return np.maximum(np.array(rows), LEAST * 1e-200)  # closed vocabularies: an event that nobody expects


def mix(models: Sequence[NGram], weights: Sequence[float]) -> NGram:
    """One back-off model of a mixture, which a decoder walks and an ARPA file holds.

    Every n-gram that any model has gets the mixture's probability, and back-off weights are set so that every history
    sums to 1 (as SRILM's `ngram -mix-lm` does, Stolcke 2002).  An n-gram that no model has is backed off, to the
    mixture at a shorter history: there alone the result is not exactly `interpolated`.

    Raises:
        AsrlabError: no model, weights that are no shares of 1, or models of another alphabet than the first.
    """
    check(models)
    weights = [float(weight) for weight in weights]
    wrong = len(weights) != len(models) or not all(0 <= weight <= 1 for weight in weights)
    if wrong or abs(sum(weights) - 1) > 1e-6:
        raise AsrlabError(f"weights={weights}: give one for each of {len(models)} models, from 0 to 1, their sum 1")
    parts = [(weight, model) for weight, model in zip(weights, models, strict=True) if weight > 0]
    return NGram(_tables(parts, max(model.order for _, model in parts)))


def check(models: Sequence[NGram]) -> None:
    """Raise AsrlabError for no model, or one that has no word in common with the first."""
    if not models:
        raise AsrlabError("models: none; give at least one n-gram model")
    first = models[0].labels.keys()
    for k, model in enumerate(models[1:], start=1):
        if first and model.labels and not first & model.labels.keys():
            here, there = min(model.labels), min(first)
            raise AsrlabError(
                f"models[{k}]: none of its {len(model.labels)} words ({here!r}, ...) is among the {len(first)} of "
                f"models[0] ({there!r}, ...): another alphabet, or other capitals; normalise its text and train it anew"
            )


def _tables(parts: Sequence[tuple[float, NGram]], order: int) -> Entries:
    """N-gram tables of a mixture, from the shortest n-grams on."""
    theirs = [model.entries() for _, model in parts]
    probability: list[dict[Gram, float]] = []
    backoff: dict[Gram, float] = {}
    for n in range(1, order + 1):
        grams = {g for tables in theirs if n <= len(tables) for g in tables[n - 1] if g[-1] != BEGIN}
        by_history: dict[Gram, list[str]] = {}
        for gram in sorted(grams):
            by_history.setdefault(gram[:-1], []).append(gram[-1])
        table: dict[Gram, float] = {}
        for history, words in by_history.items():
            table |= {(*history, word): p for word, p in _after(parts, history, words).items()}
        if n > 1:
            for history, words in by_history.items():
                left = 1 - math.fsum(table[(*history, word)] for word in words)
                below = 1 - math.fsum(_look_up(probability, backoff, history[1:], word) for word in words)
                # Has every word been seen here, nothing is backed off, and any weight will do.
                backoff[history] = max(left, LEAST) / below if below > 1e-12 else 1.0
        probability.append(table)
    entries = [
        {g: (math.log(max(p, LEAST)), math.log(backoff.get(g, 1.0))) for g, p in table.items()} for table in probability
    ]
    entries[0][(BEGIN,)] = (-math.inf, math.log(backoff.get((BEGIN,), 1.0)))
    return entries


def _after(parts: Sequence[tuple[float, NGram]], history: Gram, words: Sequence[str]) -> dict[str, float]:
    """The mixture's probability of each of some words after a history."""
    found = dict.fromkeys(words, 0.0)
    for weight, model in parts:
        state = 0
        for word in history:
            state = model.start() if word == BEGIN else model.score(state, word)[1]
        for word in words:
            if word == END:
                found[word] += weight * math.exp(model.finish(state))
            elif word == UNKNOWN or word in model:
                found[word] += weight * math.exp(model.score(state, word)[0])
    return found


def _look_up(table: Sequence[dict[Gram, float]], backoff: dict[Gram, float], history: Gram, word: str) -> float:
    """p(word | history) by the tables made so far."""
    p = table[len(history)].get((*history, word))
    if p is not None:
        return p
    return backoff.get(history, 1.0) * _look_up(table, backoff, history[1:], word)
