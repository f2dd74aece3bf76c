"""The training lab: choose a network, start it, pause it, stop it, and watch it learn."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path

import ipywidgets
import traitlets
from IPython.display import display

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Corpus
from asrlab.widgets.base import Widget
from asrlab.widgets.training_run import AUGMENTATION, SIZES, LabSettings, TrainingRun, as_data, recipe_of

RECORDING = Path(__file__).parent / "recordings" / "training_lab.json"
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
WORDS = {
    "ready": "Choose, then press Start.",
    "running": "Training. An epoch takes some seconds; the picture grows after each.",
    "pausing": "Pauses at the end of this epoch.",
    "paused": "Paused. Go on, or stop here.",
    "stopping": "Stops at the end of this epoch.",
    "stopped": "Stopped; the best weights so far are kept.",
    "finished": "Done.",
}


class TrainingCurves(Widget, module="training_lab"):
    """Losses and error rates over the epochs; for each epoch, transcripts of dev with their errors, and attention."""

    data = traitlets.Dict().tag(sync=True)


class TrainingLab:
    """Controls on the left, what is learned below: show it in Jupyter, choose and press *Start*.

    The training is `training.loop.train` on a small part of scenetalk, in a thread of this kernel. While the book is
    built (`ASRLAB_BOOK` is set) the lab shows a recorded run of itself instead, which needs no kernel: see `recorded`.
    """

    def __init__(self, corpus: Corpus | None = None, directory: Path | str | None = None):
        """corpus     what to learn from, by default 200 utterances of scenetalk; it must have the splits train and dev
        directory  where checkpoints are kept, by default in the cache: a run that a kernel took with it goes on there
        """
        self.corpus = corpus
        self.directory = Path(directory) if directory else corpora.cache() / "training-lab"
        self.run: TrainingRun | None = None
        self.encoder = ipywidgets.Dropdown(options=("cnn", "lstm", "transformer", "conformer"), description="encoder")
        self.size = ipywidgets.ToggleButtons(options=tuple(SIZES), value="medium", description="size")
        self.augmentation = ipywidgets.Dropdown(options=AUGMENTATION, value="masks", description="augment")
        self.decoder = ipywidgets.Checkbox(False, description="attention decoder beside CTC")
        self.rate = ipywidgets.SelectionSlider(
            options=[(f"{rate:g}", rate) for rate in RATES], value=3e-3, description="learning rate"
        )
        self.epochs = ipywidgets.BoundedIntText(12, min=1, max=200, description="epochs")
        self.start = ipywidgets.Button(description="Start", button_style="success")
        self.pause = ipywidgets.Button(description="Pause", disabled=True)
        self.stop = ipywidgets.Button(description="Stop", disabled=True)
        self.status = ipywidgets.HTML(WORDS["ready"])
        self.curves = TrainingCurves(data={"lines": [], "snapshots": [], "state": "ready", "epochs": 12})
        self.start.on_click(lambda _: self.begin())
        self.pause.on_click(lambda _: self.hold())
        self.stop.on_click(lambda _: self.run and self.run.stop())
        self.knobs = (self.encoder, self.size, self.augmentation, self.decoder, self.rate, self.epochs)
        buttons = ipywidgets.HBox([self.start, self.pause, self.stop])
        self.box = ipywidgets.VBox([*self.knobs, buttons, self.status, self.curves])

    @property
    def settings(self) -> LabSettings:
        """What the controls say. Raises AsrlabError for what cannot be."""
        return LabSettings(*(knob.value for knob in self.knobs))

    def begin(self) -> None:
        """What *Start* does: a new training by the controls, if none is under way."""
        if self.run and not self.run.over:
            return
        try:
            self.run = TrainingRun(recipe_of(self.settings), self.directory, self.corpus, self._show)
            self.run.start()
        except AsrlabError as error:
            self.status.value = f"<b>{escape(str(error))}</b>"

    def hold(self) -> None:
        """What *Pause* does, and the same button's *Go on*."""
        if self.run and self.run.state == "running":
            self.run.pause()
        elif self.run:
            self.run.resume()

    def _show(self, run: TrainingRun) -> None:
        going = not run.over
        self.start.disabled, self.stop.disabled = going, not going or run.state == "stopping"
        self.pause.disabled = not going or run.state == "stopping"
        self.pause.description = "Go on" if run.state in ("pausing", "paused") else "Pause"
        for knob in self.knobs:
            knob.disabled = going
        self.status.value = f"<b>{escape(run.message)}</b>" if run.state == "failed" else WORDS[run.state]
        self.curves.data = as_data(run, self.settings)

    @classmethod
    def record(cls, settings: LabSettings, directory: Path | str, path: Path | str = RECORDING, **options) -> dict:
        """Train by `settings` to the end and write what the lab showed to `path`, for `recorded`.

        Raises AsrlabError with the training's message if it fails.
        """
        run = TrainingRun(recipe_of(settings), directory, options.get("corpus"))
        run.start()
        run.wait()
        if run.state != "finished":
            raise AsrlabError(f"nothing was recorded: {run.message}")
        data = as_data(run, settings)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8")
        return data

    @classmethod
    def recorded(cls, path: Path | str = RECORDING) -> TrainingCurves:
        """A run that was recorded before, as a widget that needs no kernel. Raises AsrlabError if there is none."""
        try:
            return TrainingCurves(data=json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise AsrlabError(f"{path}: no recording of the lab ({error}); make one with TrainingLab.record") from None

    def _ipython_display_(self) -> None:
        display(self.recorded() if os.environ.get("ASRLAB_BOOK") else self.box)
