"""A multi-layer perceptron on pooled cepstra: the neural network of the time before deep networks, one hidden layer.

scikit-learn's MLPClassifier. It sees exactly what the support vector machine sees; only the shape of the border between
two words is learned in another way. How strongly weights are pulled to zero is chosen by training speakers held out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from asrlab.classic.pooled import PooledClassifier, PooledOptions, choose, vectors
from asrlab.core.config import Between, NotNegative, Options
from asrlab.corpora import Utterance


@dataclass(frozen=True)
class MlpOptions(Options):
    """What is learned, and what is chosen among."""

    pooled: PooledOptions = field(default_factory=PooledOptions)  # how a word becomes a vector
    hidden: Annotated[int, Between(1, 100_000)] = 128  # units of the hidden layer
    decays: tuple[NotNegative, ...] = (0.01, 1.0)  # candidates for alpha, the pull of weights towards zero
    epochs: Annotated[int, Between(1, 100_000)] = 60  # passes over the training data; Adam has settled by then
    folds: Annotated[int, Between(2, 1000)] = 3  # groups of training speakers that are held out in turn to choose
    seed: int = 0  # decides the first weights and the order


class Mlp(PooledClassifier):
    """A trained network; see `Mlp.train`."""

    @classmethod
    def train(cls, utterances: Sequence[Utterance], options: MlpOptions | None = None) -> Mlp:
        """Learn the words of `utterances`, one word each. The same utterances and seed give the same network.

        Raises AsrlabError unless there are two different words.
        """
        options = options or MlpOptions()
        network = MLPClassifier((options.hidden,), max_iter=options.epochs, random_state=options.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is a choice, not an accident
            pipeline = make_pipeline(StandardScaler(), network)
            grid = {"mlpclassifier__alpha": options.decays}
            return cls(choose(pipeline, grid, utterances, options.pooled, options.folds), options.pooled)

    def probabilities(self, utterance: Utterance) -> dict[str, float]:
        """What the network takes for the probability of each word."""
        row = self.fitted.predict_proba(vectors([utterance], self.pooled))[0]
        return {str(word): float(value) for word, value in zip(self.fitted.classes_, row, strict=True)}
