"""A language that is learned in seconds: each letter is a tone, a word its letters in a row, a pause parts words."""

from pathlib import Path

import numpy as np

from asrlab.core import config
from asrlab.corpora import Corpus, Source, Utterance
from asrlab.signals import audio
from asrlab.training.recipe import Recipe

RATE = 16000
TONES = {"a": 400.0, "b": 700.0, "c": 1200.0, "d": 2000.0, "e": 3300.0}  # Hz
LETTER, GAP = 0.10, 0.10  # seconds

TINY = {  # the smallest recipe that learns it; every kind of chance is switched off
    "inputs": {"sound": {"n_mels": 24}},
    "spec_augment": {"time_masks": 0, "freq_masks": 0},
    "model": {
        "branches": {
            "sound": {
                "kind": "cnn", "dim": 32, "layers": 2, "heads": 2, "kernel": 5, "expansion": 2, "dropout": 0.0,
                "subsampling_channels": 8,
            },
        },
    },
    "batch_seconds": 6.0, "epochs": 3, "warmup_epochs": 1.0, "learning_rate": 5e-3, "precision": "float32",
}  # fmt: skip
SPELLER = {"dim": 24, "attention_dim": 16, "location_channels": 4, "location_kernel": 5, "dropout": 0.0}
BOTH = {"model": {"decoder": SPELLER}, "objectives": {"ctc": 0.5, "attention": 0.5}}  # heads
ATTENTION = {"model": {"ctc": False, "decoder": SPELLER}, "objectives": {"attention": 1.0}}
CHANCE = {  # every kind of chance that a recipe has
    "noise": {"kinds": ["white", "pink", "babble"], "share": 0.5},
    "spec_augment": {"time_masks": 2, "freq_masks": 1, "freq_width": 6},
    "model": {"branches": {"sound": {"dropout": 0.2, "layer_drop": 0.3}}},
    "speeds": [0.9, 1.0, 1.1],
}

LIPS = {
    "inputs": {"lips": {"height": 4, "width": 5}},
    "model": {"branches": {"lips": {"kind": "cnn", "dim": 8, "layers": 1, "kernel": 3, "subsampling": 1}}},
}  # pictures beside the sound


def sing(text: str, rng: np.random.Generator) -> np.ndarray:
    """The samples of a text, with noise and with pauses around it."""
    hush = np.zeros(round(GAP * RATE))
    time = np.arange(round(LETTER * RATE)) / RATE
    envelope = np.sin(np.pi * time / LETTER) ** 0.5
    pieces = [hush]
    for word in text.split():
        pieces += [envelope * np.sin(2 * np.pi * TONES[letter] * time) for letter in word] + [hush]
    clean = rng.uniform(0.2, 0.6) * np.concatenate(pieces)
    return (clean + rng.normal(0, 0.01, len(clean))).astype(np.float32)


def sentence(rng: np.random.Generator) -> str:
    """One to three words of one to three letters, no letter twice in a row."""
    words = ["".join(rng.permutation(list(TONES))[: rng.integers(1, 4)]) for _ in range(rng.integers(1, 4))]
    return " ".join(words)


def utterance(folder: Path, name: str, text: str, samples: np.ndarray, speaker: str = "s") -> Utterance:
    """Samples as an utterance in a WAV file."""
    path = Path(folder) / f"{name}.wav"
    audio.save(path, samples, RATE)
    return Utterance.recorded(name, path, text, speaker, len(samples) / RATE)


def corpus(folder: Path, train: int = 16, dev: int = 6, test: int = 6, seed: int = 0) -> Corpus:
    """A corpus of so many utterances in each split."""
    rng = np.random.default_rng(seed)
    splits = {}
    for split, count in {"train": train, "dev": dev, "test": test}.items():
        texts = [sentence(rng) for _ in range(count)]
        splits[split] = tuple(
            utterance(folder, f"{split}{i}", text, sing(text, rng), f"{split}{i % 2}") for i, text in enumerate(texts)
        )
    return Corpus("toy", splits, RATE)


def shown(corpus: Corpus, folder, every: int = 1) -> Corpus:
    """The corpus with pictures for every `every`th utterance: a bright row for each letter, at random times."""
    rng = np.random.default_rng(0)
    splits = {}
    for split, utterances in corpus.splits.items():
        seen = []
        for i, u in enumerate(utterances):
            if i % every == 0:
                path = folder / f"{u.id}.npy"
                np.save(path, rng.integers(0, 255, (round(25 * u.seconds), 4, 5), dtype=np.uint8))
                u = u.moved(Source(path, seconds=u.seconds), "lips")
            seen.append(u)
        splits[split] = tuple(seen)
    return Corpus(corpus.name, splits, corpus.sample_rate)


def recipe(*changes: dict, **fields) -> Recipe:
    """The tiny recipe with changes, nested as in a YAML file."""
    values: dict = {}
    for change in (TINY, *changes, fields):
        _merge(values, change)
    return config.from_dict(Recipe, values)


def _merge(values: dict, change: dict) -> None:
    for key, value in change.items():
        if isinstance(value, dict):
            _merge(values.setdefault(key, {}), value)
        else:
            values[key] = value
