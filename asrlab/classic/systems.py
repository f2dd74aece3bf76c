"""The old methods and a deep one by name, each with the same two calls: learn from words, then name a word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance

NAMES = {"gmm-hmm": "GMM-HMM", "svm": "SVM", "mlp": "MLP", "ctc": "CNN, CTC"}  # as files call them: as readers see them


class Classifier(Protocol):
    """What was trained. It may have `classify_all` too, for many utterances at once."""

    def classify(self, utterance: Utterance) -> str:
        """The likeliest of the words that were learned."""


def train(name: str, utterances: Sequence[Utterance], sample_rate: int = 16000, recipe=None, directory="", steps=0):
    """Train one of NAMES on utterances of one word each, which are listened to at `sample_rate` Hz.

    recipe, directory, steps  of the deep one; see `asrlab.classic.deep.DeepOptions`. Without a recipe: the small one.

    Raises AsrlabError for an unknown name, and what the method itself raises. Returns a Classifier.
    """
    if name not in NAMES:
        raise AsrlabError(f"system {name!r}: one of {', '.join(NAMES)}")
    return _TRAINERS[name](utterances, sample_rate, recipe, directory, steps)


def classify_all(classifier: Classifier, utterances: Sequence[Utterance]) -> dict[str, str]:
    """{utterance id: the word that was heard}."""
    together = getattr(classifier, "classify_all", None)
    answers = together(utterances) if together else [classifier.classify(u) for u in utterances]
    return {u.id: answer for u, answer in zip(utterances, answers, strict=True)}


# Each method is imported when it is used: a support vector machine needs no network, and the other way round.


def _gmm_hmm(utterances, sample_rate, *_):
    from asrlab.classic.gmm_hmm import GmmHmm, GmmHmmOptions

    return GmmHmm.train(utterances, _at(GmmHmmOptions(), sample_rate))


def _svm(utterances, sample_rate, *_):
    from asrlab.classic.svm import Svm, SvmOptions

    options = SvmOptions()
    return Svm.train(utterances, replace(options, pooled=replace(options.pooled, sample_rate=sample_rate)))


def _mlp(utterances, sample_rate, *_):
    from asrlab.classic.mlp import Mlp, MlpOptions

    options = MlpOptions()
    return Mlp.train(utterances, replace(options, pooled=replace(options.pooled, sample_rate=sample_rate)))


def _ctc(utterances, sample_rate, recipe, directory, steps):
    from asrlab.classic.deep import SMALL, DeepOptions, DeepWords

    if recipe is None:
        sound = SMALL.inputs.sound
        assert sound is not None
        recipe = replace(SMALL, inputs=replace(SMALL.inputs, sound=replace(sound, sample_rate=sample_rate)))
    return DeepWords.train(utterances, DeepOptions(recipe, steps, str(directory)))


def _at(options, sample_rate: int):
    """Options of the classical recogniser that listen at `sample_rate`."""
    return replace(options, front_end=replace(options.front_end, sample_rate=sample_rate))


_TRAINERS: Mapping[str, Callable[..., Classifier]] = {"gmm-hmm": _gmm_hmm, "svm": _svm, "mlp": _mlp, "ctc": _ctc}
