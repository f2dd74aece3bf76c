"""A training that runs in the background, can be paused and stopped, and shows after each epoch what it has learned.

No widget is needed for it; `training_lab` puts buttons and curves on top.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import load_file

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import stack
from asrlab.corpora import Corpus, Utterance
from asrlab.models import DecoderOptions, EncoderOptions, Model, ModelOptions
from asrlab.recognizer import Recognizer
from asrlab.scoring import score
from asrlab.signals import inputs
from asrlab.signals.augment import SpecAugmentOptions
from asrlab.training.checkpoint import CHECKPOINT
from asrlab.training.directory import LOG
from asrlab.training.loop import make_tokenizer, train
from asrlab.training.recipe import LanguageOptions, Recipe
from asrlab.training.recipe import load as load_recipe

SIZES = {"small": (64, 2), "medium": (96, 3), "large": (128, 5)}  # width and blocks of the encoder
AUGMENTATION = ("none", "masks", "masks and speeds")
SHOWN = 4  # sentences of dev whose transcripts are shown


@dataclass(frozen=True)
class LabSettings:
    """What the lab lets one choose; everything else is the recipe `scenetalk`."""

    encoder: Literal["cnn", "lstm", "transformer", "conformer"] = "cnn"
    size: str = "medium"  # small, medium or large
    augmentation: str = "masks"  # none, masks, masks and speeds
    decoder: bool = False  # an attention decoder beside CTC, whose attention is then drawn
    learning_rate: float = 3e-3  # peak
    epochs: int = 12

    def __post_init__(self):
        for name, known in (("size", tuple(SIZES)), ("augmentation", AUGMENTATION)):
            if getattr(self, name) not in known:
                raise AsrlabError(f"{name}={getattr(self, name)!r}: choose {', '.join(known)}")


def recipe_of(settings: LabSettings, base: Recipe | None = None) -> Recipe:
    """The recipe of some settings: `base`, or scenetalk's, with small batches. Raises AsrlabError for bad settings."""
    dim, layers = SIZES[settings.size]
    encoder = EncoderOptions(settings.encoder, dim, layers, kernel=11, subsampling_channels=16)
    decoder = DecoderOptions(dim=96, attention_dim=64, location_channels=8)
    masks = SpecAugmentOptions() if settings.augmentation != "none" else SpecAugmentOptions(time_masks=0, freq_masks=0)
    return replace(
        base or load_recipe("scenetalk"),
        model=ModelOptions({"sound": encoder}, decoder=decoder if settings.decoder else None),
        objectives={"ctc": 0.5, "attention": 0.5} if settings.decoder else {"ctc": 1.0},
        spec_augment=masks,
        speeds=(0.9, 1.0, 1.1) if settings.augmentation == "masks and speeds" else (1.0,),
        language=LanguageOptions(),
        learning_rate=settings.learning_rate,
        epochs=settings.epochs,
        batch_seconds=15.0,
        warmup_epochs=1.0,
        average_epochs=1.0,
    )


def subset(corpus: Corpus, train: int = 200, dev: int = 24) -> Corpus:
    """So many utterances of train and of dev, evenly spaced: an epoch then takes seconds."""

    def some(utterances: Sequence[Utterance], count: int) -> tuple[Utterance, ...]:
        count = min(count, len(utterances))
        return tuple(utterances[i * len(utterances) // count] for i in range(count))

    return replace(corpus, splits={"train": some(corpus["train"], train), "dev": some(corpus["dev"], dev)})


class TrainingRun:
    """One training in a thread of its own.

    state      "ready", "running", "pausing", "paused", "stopping", "stopped", "finished" or "failed"
    lines      the log: a dictionary for each epoch, as `asrlab.training.loop` writes it
    snapshots  what the averaged weights made of a few sentences of dev; the newest is of the epoch before the last
               line while training goes on, since the checkpoint of an epoch is written after its line
    message    what went wrong, for the reader, if the state is "failed"

    A run in the same directory with the same recipe goes on from its checkpoint, so a pause survives the kernel.
    """

    def __init__(
        self,
        recipe: Recipe,
        directory: Path | str,
        corpus: Corpus | None = None,
        on_change: Callable[[TrainingRun], None] | None = None,
    ):
        self.recipe, self.corpus = recipe, corpus
        key = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
        self.directory = Path(directory) / key  # other settings are another training
        self.state, self.message = "ready", ""
        self.lines: list[dict] = []
        self.snapshots: list[dict] = []
        self.recognizer: Recognizer | None = None
        self._on_change, self._go, self._stopping = on_change, threading.Event(), False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin, or go on from the checkpoint of a run that was killed. Raises AsrlabError if it has begun before."""
        if self.state != "ready":
            raise AsrlabError(f"this training is {self.state}; make another one")
        self._go.set()
        self._enter("running")
        self._thread.start()

    def pause(self) -> None:
        """Wait at the end of this epoch."""
        if self.state == "running":
            self._go.clear()
            self._enter("pausing")

    def resume(self) -> None:
        """Go on after a pause."""
        if self.state in ("pausing", "paused"):
            self._enter("running")
            self._go.set()

    def stop(self) -> None:
        """End at the end of this epoch, and keep the best weights so far."""
        if self.state in ("running", "pausing", "paused"):
            self._stopping = True
            self._enter("stopping")
            self._go.set()

    def wait(self, seconds: float | None = None) -> None:
        """Until the training has ended, or so long."""
        self._thread.join(seconds)

    @property
    def over(self) -> bool:
        return self.state in ("stopped", "finished", "failed")

    def _enter(self, state: str) -> None:
        self.state = state
        if self._on_change:
            self._on_change(self)

    def _run(self) -> None:
        try:
            self.corpus = self.corpus or subset(corpora.load("scenetalk"))
            if self.corpus is not None and (self.directory / CHECKPOINT).exists():
                text = (self.directory / LOG).read_text(encoding="utf-8")
                self.lines = [json.loads(line) for line in text.splitlines()]
            self.recognizer = train(
                self.recipe, self.directory, self.corpus, progress=False, device="cpu", after_epoch=self._after_epoch
            )
            self._look()
            (self.directory / CHECKPOINT).unlink(missing_ok=True)  # what is over begins anew next time
            self._enter("stopped" if self._stopping else "finished")
        except Exception as error:  # a thread's traceback would be lost: whatever it is, the reader is told
            self.message = str(error) if isinstance(error, AsrlabError) else f"{type(error).__name__}: {error}"
            self._enter("failed")

    def _after_epoch(self, line: dict) -> bool:
        self.lines.append(line)
        self._look()
        if not self._go.is_set():
            self._enter("paused")
            self._go.wait()
        elif self._on_change:
            self._on_change(self)
        return self._stopping

    def _look(self) -> None:
        """Add what the checkpoint on the disk makes of dev."""
        if self.corpus is not None and (self.directory / CHECKPOINT).exists():
            epoch = len(self.snapshots) and self.snapshots[-1]["epoch"]
            self.snapshots.append(snapshot(self.recipe, self.corpus, self.directory))
            if self.snapshots[-1]["epoch"] == epoch:
                self.snapshots.pop()


def snapshot(recipe: Recipe, corpus: Corpus, directory: Path) -> dict:
    """What the averaged weights of the checkpoint in `directory` make of a few short sentences of dev, JSON-ready.

    examples   [{"said", "ops": [[kind, said word, heard word], ...]}, ...] by the best path
    attention  of the first of them, if the model has an attention decoder: {"rows": [[...]], "labels": [...]}
    """
    recognizer, epoch = averaged(recipe, corpus, directory)
    dev = sorted(corpus[recipe.dev_split], key=lambda u: u.seconds)
    chosen = dev[len(dev) // 4 :][:SHOWN]
    recordings = [recognizer.read(u) for u in chosen]
    examples = []
    for utterance, log_probs in zip(chosen, recognizer.log_probs(recordings), strict=True):
        ops = score.align(utterance.text, recognizer.greedy(log_probs).text)
        examples.append({"said": utterance.text, "ops": [[op.kind, op.reference, op.hypothesis] for op in ops]})
    return {"epoch": epoch, "examples": examples, "attention": _attention(recognizer, recordings[0], chosen[0].text)}


def averaged(recipe: Recipe, corpus: Corpus, directory: Path) -> tuple[Recognizer, int]:
    """The recogniser with the averaged weights of a checkpoint, and the epoch that wrote it."""
    tokenizer = make_tokenizer(recipe, corpus, [u for split in recipe.train_splits for u in corpus[split]])
    model = Model(inputs.make(recipe.inputs), len(tokenizer), recipe.model)
    tensors = load_file(directory / CHECKPOINT)
    model.load_state_dict({k[len("average.") :]: v for k, v in tensors.items() if k.startswith("average.")})
    last = (directory / LOG).read_text(encoding="utf-8").splitlines()[-1]
    return Recognizer(recipe.inputs, model.eval(), tokenizer, recipe.beam), json.loads(last)["epoch"]


@torch.inference_mode()
def _attention(recognizer: Recognizer, recording: dict[str, np.ndarray], text: str) -> dict | None:
    if recognizer.model.decoder is None:
        return None
    target = recognizer.tokenizer.encode(text)
    given = {name: stack([torch.as_tensor(values)]) for name, values in recording.items()}
    weights = recognizer.model(recognizer.front_ends(given), torch.tensor([target])).attention[0]
    labels = [recognizer.tokenizer.tokens[k] for k in target] + ["end"]
    return {"rows": [[round(float(w), 2) for w in row] for row in weights], "labels": labels}


def as_data(run: TrainingRun, settings: LabSettings | None = None) -> dict:
    """All that a picture of the run needs, JSON-ready."""
    kept = ("epoch", "loss", "lr", "dev_wer", "dev_cer", "blank", "seconds")
    lines = [{k: round(line[k], 5) for k in kept if k in line} for line in run.lines]
    train_split = run.corpus["train"] if run.corpus else ()
    return {
        "state": run.state, "message": run.message, "epochs": run.recipe.epochs, "lines": lines,
        "snapshots": list(run.snapshots), "settings": asdict(settings) if settings else {},
        "utterances": len(train_split), "minutes": round(sum(u.seconds for u in train_split) / 60, 1),
    }  # fmt: skip
