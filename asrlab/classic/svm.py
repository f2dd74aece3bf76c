"""A support vector machine on pooled cepstra: single words sorted into kinds (Cortes and Vapnik, 1995).

scikit-learn's SVC with a Gaussian kernel, one machine for each pair of words. How soft its margin is (C) and how far
its kernel reaches (gamma) are chosen inside the training data, by speakers held out in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from asrlab.classic.pooled import PooledOptions, check_words, vectors
from asrlab.corpora import Utterance


@dataclass(frozen=True)
class SvmOptions:
    """What is learned, and what is chosen among."""

    pooled: PooledOptions = field(default_factory=PooledOptions)  # how a word becomes a vector
    costs: tuple[float, ...] = (1.0, 10.0)  # candidates for C, the price of a training word on the wrong side
    reaches: tuple[float, ...] = (0.3, 1.0, 3.0)  # candidates for gamma, as multiples of 1 / D
    folds: int = 3  # groups of training speakers that are held out in turn to choose


class Svm:
    """A trained machine; see `Svm.train`."""

    def __init__(self, machine: Pipeline, options: SvmOptions):
        self.machine = machine
        self.options = options

    @classmethod
    def train(cls, utterances: Sequence[Utterance], options: SvmOptions | None = None) -> Svm:
        """Learn the words of `utterances`, one word each. The same utterances give the same machine.

        Raises AsrlabError unless there are two different words.
        """
        options = options or SvmOptions()
        grid = {"svc__C": options.costs, "svc__gamma": [reach / options.pooled.dim for reach in options.reaches]}
        machine = make_pipeline(StandardScaler(), SVC(kernel="rbf"))
        return cls(choose(machine, grid, utterances, options.pooled, options.folds), options)

    def classify(self, utterance: Utterance) -> str:
        """The likeliest of the words that were learned."""
        return self.classify_all([utterance])[0]

    def classify_all(self, utterances: Sequence[Utterance]) -> list[str]:
        """`classify` of each, at once."""
        return [str(word) for word in self.machine.predict(vectors(utterances, self.options.pooled))]

    def margins(self, utterance: Utterance) -> dict[str, float]:
        """How strongly each word won against the others: {word: votes of the pairs, margins as their fractions}."""
        values = np.atleast_2d(self.machine.decision_function(vectors([utterance], self.options.pooled)))[0]
        if len(values) == 1:  # two words: one number, positive for the second
            values = np.array([-values[0], values[0]])
        return {str(word): float(value) for word, value in zip(self.machine.classes_, values, strict=True)}


def choose(
    machine: BaseEstimator, grid: dict, utterances: Sequence[Utterance], pooled: PooledOptions, folds: int
) -> BaseEstimator:
    """`machine` with the point of `grid` that is right most often on training speakers held out, fitted to everything.

    With a single speaker, or one point, or a word that some fold would not know, there is nothing to choose by: the
    grid's middle point is taken.
    """
    check_words(utterances)
    x, words = vectors(utterances, pooled), np.array([u.text for u in utterances])
    speakers = np.array([u.speaker for u in utterances])
    folds = min(folds, len(set(speakers)))
    if folds > 1 and _every_fold_knows_all(words, speakers, folds) and max(map(len, grid.values())) > 1:
        search = GridSearchCV(machine, grid, cv=GroupKFold(folds))
        return search.fit(x, words, groups=speakers).best_estimator_
    return machine.set_params(**{name: values[len(values) // 2] for name, values in grid.items()}).fit(x, words)


def _every_fold_knows_all(words: np.ndarray, speakers: np.ndarray, folds: int) -> bool:
    kinds = len(set(words))
    return all(len(set(words[kept])) == kinds for kept, _ in GroupKFold(folds).split(words, words, speakers))
