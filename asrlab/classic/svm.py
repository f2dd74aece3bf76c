"""A support vector machine on pooled cepstra: single words sorted into kinds (Cortes and Vapnik, 1995).

scikit-learn's SVC with a Gaussian kernel, one machine for each pair of words. How soft its margin is (C) and how far
its kernel reaches (gamma) are chosen inside the training data, by speakers held out in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from asrlab.classic.pooled import PooledClassifier, PooledOptions, choose, vectors
from asrlab.core.config import Between, Options, Positive
from asrlab.corpora import Utterance


@dataclass(frozen=True)
class SvmOptions(Options):
    """What is learned, and what is chosen among."""

    pooled: PooledOptions = field(default_factory=PooledOptions)  # how a word becomes a vector
    costs: tuple[Positive, ...] = (1.0, 10.0)  # candidates for C, the price of a training word on the wrong side
    reaches: tuple[Positive, ...] = (0.3, 1.0, 3.0)  # candidates for gamma, as multiples of 1 / D
    folds: Annotated[int, Between(2, 1000)] = 3  # groups of training speakers that are held out in turn to choose


class Svm(PooledClassifier):
    """A trained machine; see `Svm.train`."""

    @classmethod
    def train(cls, utterances: Sequence[Utterance], options: SvmOptions | None = None) -> Svm:
        """Learn the words of `utterances`, one word each. The same utterances give the same machine.

        Raises AsrlabError unless there are two different words.
        """
        options = options or SvmOptions()
        grid = {"svc__C": options.costs, "svc__gamma": [reach / options.pooled.dim for reach in options.reaches]}
        machine = make_pipeline(StandardScaler(), SVC(kernel="rbf"))
        return cls(choose(machine, grid, utterances, options.pooled, options.folds), options.pooled)

    def margins(self, utterance: Utterance) -> dict[str, float]:
        """How strongly each word won against the others: {word: votes of the pairs, margins as their fractions}."""
        values = np.atleast_2d(self.fitted.decision_function(vectors([utterance], self.pooled)))[0]
        if len(values) == 1:  # two words: one number, positive for the second
            values = np.array([-values[0], values[0]])
        return {str(word): float(value) for word, value in zip(self.fitted.classes_, values, strict=True)}
