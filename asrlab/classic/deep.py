"""A deep recogniser behind the same calls as the old methods, so that all of them can be put through one mill.

`DeepWords.train` trains a recipe on single words; `closed_set` makes any CTC recogniser, also one that learned from
whole sentences, choose among words as the others must.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Corpus, Utterance
from asrlab.models import EncoderOptions, ModelOptions
from asrlab.recognizer import Recognizer
from asrlab.signals.augment import SpecAugmentOptions
from asrlab.signals.features import FrontEndOptions
from asrlab.signals.inputs import InputOptions
from asrlab.text import lexicon_tokens
from asrlab.training.loop import train
from asrlab.training.losses import ctc_loss
from asrlab.training.recipe import Recipe

SMALL = Recipe(
    dev_split="",
    tokenizer="word",
    inputs=InputOptions(sound=FrontEndOptions(n_mels=40)),
    spec_augment=SpecAugmentOptions(freq_masks=2, freq_width=10, time_masks=4, time_fraction=0.1),
    model=ModelOptions({"sound": EncoderOptions("cnn", 64, layers=3, kernel=9, subsampling_channels=8, dropout=0.2)}),
    speeds=(0.9, 1.0, 1.1),
    batch_seconds=10.0,
    learning_rate=5e-3,
    epochs=30,
)


@dataclass(frozen=True)
class DeepOptions:
    """How a deep recogniser of words is trained."""

    recipe: Recipe = field(default_factory=lambda: SMALL)  # its corpus and splits are not used
    steps: int = 0  # so many steps at least, by more epochs where data are few; 0: the recipe's epochs, as they are
    directory: str = ""  # where the training is kept, and goes on after an interruption; empty: nowhere


class DeepWords:
    """A recogniser that answers with one of `words`; see `DeepWords.train`."""

    def __init__(self, recognizer: Recognizer, words: Sequence[str]):
        self.recognizer = recognizer
        self.words = tuple(words)

    @classmethod
    def train(cls, utterances: Sequence[Utterance], options: DeepOptions | None = None) -> DeepWords:
        """Learn the words of `utterances`, one word each.

        Raises AsrlabError for no utterances, and as `asrlab.training.loop.train`.
        """
        options = options or DeepOptions()
        if not utterances:
            raise AsrlabError("no utterances to learn from: pass some")
        seconds = sum(u.seconds for u in utterances)
        epochs = options.recipe.epochs
        if options.steps:
            epochs = max(epochs, round(options.steps * options.recipe.batch_seconds / seconds))
        recipe = replace(options.recipe, dev_split="", train_splits=("train",), epochs=epochs)
        if recipe.inputs.sound is None:
            raise AsrlabError("inputs.sound=null: these words are heard; give the recipe inputs.sound")
        corpus = Corpus("words", {"train": tuple(utterances)}, recipe.inputs.sound.sample_rate)
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(options.directory or temporary)
            recognizer = train(recipe, directory, corpus, progress=False)
        return cls(recognizer, sorted({u.text for u in utterances}))

    def classify(self, utterance: Utterance) -> str:
        """The likeliest of the words."""
        return self.classify_all([utterance])[0]

    def classify_all(self, utterances: Sequence[Utterance]) -> list[str]:
        """`classify` of each, in batches."""
        return closed_set(self.recognizer, utterances, self.words)


@torch.inference_mode()
def closed_set(recognizer: Recognizer, utterances: Sequence[Utterance], words: Sequence[str]) -> list[str]:
    """For each utterance the one of `words` to which CTC, all alignments added up, gives the highest probability.

    Empty answers and answers of two words are out of the question here, as they are for a classifier. A word with
    several pronunciations counts by its likeliest one.
    """
    spellings = [
        (word, tokens) for word, all_ in lexicon_tokens(recognizer.tokenizer, words).items() for tokens in all_
    ]
    targets = torch.nn.utils.rnn.pad_sequence([torch.tensor(tokens) for _, tokens in spellings], batch_first=True)
    lengths = torch.tensor([len(tokens) for _, tokens in spellings])
    answers = []
    for log_probs in recognizer.log_probs([u.load(recognizer.sample_rate) for u in utterances]):
        scores = torch.from_numpy(log_probs).expand(len(spellings), -1, -1)
        frames = torch.full((len(spellings),), len(log_probs))
        losses = ctc_loss(scores, frames, targets, lengths, normalise="none", check=False)
        answers.append(spellings[int(losses.argmin())][0])
    return answers
