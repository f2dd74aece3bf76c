"""A word of any length as one vector of fixed length: mean and spread of its cepstra and their slopes, part by part.

This is how a classifier of vectors is made to work on sounds that last different times. What it gives up is order:
within a part nobody knows any more what came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold

from asrlab.core.config import Count, Hertz, Options
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.signals.features import FrontEnd, FrontEndOptions


@dataclass(frozen=True)
class PooledOptions(Options):
    """What a pooled vector is made of."""

    sample_rate: Hertz = 16000  # Hz that utterances are loaded at
    n_mfcc: Count = 13  # cepstral coefficients in a frame
    n_mels: Count = 40  # mel bands below them
    parts: Count = 3  # equal parts of the word, each with a mean and a spread of its own

    @property
    def front_end(self) -> FrontEndOptions:
        """Cepstra with their first and second slopes, normalised over the utterance: level and microphone drop out."""
        return FrontEndOptions(
            kind="mfcc", sample_rate=self.sample_rate, n_mfcc=self.n_mfcc, n_mels=self.n_mels, deltas=True
        )

    @property
    def dim(self) -> int:
        """Entries of a vector, D: two statistics of three times n_mfcc features in each part."""
        return 2 * 3 * self.n_mfcc * self.parts


def pool(frames: np.ndarray, parts: int = 3) -> np.ndarray:
    """Frames (T, F) -> (2 F parts,): of each part in turn the mean of every feature, then its standard deviation.

    Part k holds the frames from floor(k T / parts) on, and at least one of them.
    """
    frames = np.asarray(frames)
    if frames.ndim != 2 or not len(frames):
        raise AsrlabError(f"frames {frames.shape}: expected (T, F) with T > 0")
    edges = [k * len(frames) // parts for k in range(parts + 1)]
    pieces = [frames[min(a, len(frames) - 1) : max(b, a + 1)] for a, b in pairwise(edges)]
    return np.concatenate([statistic for piece in pieces for statistic in (piece.mean(axis=0), piece.std(axis=0))])


def vectors(utterances: Sequence[Utterance], options: PooledOptions = PooledOptions()) -> np.ndarray:
    """(len(utterances), D) float32. Vectors are kept: whoever asks for the same utterance again gets it at once."""
    return np.stack([_vector(utterance, options) for utterance in utterances])


class PooledClassifier:
    """A scikit-learn classifier of pooled vectors that answers with words."""

    def __init__(self, fitted: BaseEstimator, pooled: PooledOptions):
        self.fitted = fitted
        self.pooled = pooled

    def classify(self, utterance: Utterance) -> str:
        """The likeliest of the words that were learned."""
        return self.classify_all([utterance])[0]

    def classify_all(self, utterances: Sequence[Utterance]) -> list[str]:
        """`classify` of each, at once."""
        return [str(word) for word in self.fitted.predict(vectors(utterances, self.pooled))]


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


def check_words(utterances: Sequence[Utterance]) -> None:
    """What a word classifier can learn from: two different words at least. Raises AsrlabError otherwise."""
    words = {utterance.text for utterance in utterances}
    if len(words) < 2:
        raise AsrlabError(f"{len(utterances)} utterances of {len(words)} different words: give two words or more")


def _every_fold_knows_all(words: np.ndarray, speakers: np.ndarray, folds: int) -> bool:
    kinds = len(set(words))
    return all(len(set(words[kept])) == kinds for kept, _ in GroupKFold(folds).split(words, words, speakers))


@lru_cache(maxsize=50_000)  # at most 50 MB
def _vector(utterance: Utterance, options: PooledOptions) -> np.ndarray:
    samples = utterance.load(options.sample_rate)
    window = options.front_end.window
    samples = np.pad(samples, (0, max(0, window - len(samples))))
    with torch.inference_mode():
        frames, _ = _front_end(options)(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    return pool(frames[0].numpy(), options.parts)


@lru_cache(maxsize=8)
def _front_end(options: PooledOptions) -> FrontEnd:
    return FrontEnd(options.front_end).eval()
