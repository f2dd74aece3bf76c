"""The training lab: choose a network, start it, pause it, stop it, and watch it learn."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from pathlib import Path

import ipywidgets
import traitlets
from IPython.display import display

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Corpus
from asrlab.pages.names import METHODS
from asrlab.scoring import receipt
from asrlab.widgets.base import Widget
from asrlab.widgets.training_run import AUGMENTATION, SIZES, LabSettings, TrainingRun, as_data, recipe_of

RECORDINGS = Path(__file__).parent / "recordings"
ENCODERS = {kind: METHODS[kind] for kind in ("cnn", "lstm", "transformer", "conformer")}  # what people call them
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


@dataclass(frozen=True)
class Recording:
    """A run of the lab that `benchmarks.training_lab` makes and the pages show, as a receipt in `RECORDINGS`."""

    title: str
    settings: LabSettings

    def path(self, name: str, folder: Path = RECORDINGS) -> Path:
        return folder / f"training_lab.{name}.json"


# What the pages offer. The second fails, and the third has an attention decoder, whose attention is drawn.
RECORDED = {
    "good": Recording("all is well", LabSettings(epochs=30)),
    "too-fast": Recording("learning rate too high", LabSettings(learning_rate=1e-1, epochs=12)),
    "attention": Recording("with an attention decoder", LabSettings(decoder=True, epochs=30)),
}


class TrainingCurves(Widget, module="training_lab", height=(770, 1220)):
    """Losses and error rates over the epochs; for each epoch, transcripts of dev with their errors, and attention.

    data      one run as `as_data` gives it, which may grow
    runs      instead of it, finished runs to choose from: [{"title", "data"}, ...]
    encoders  what people call the kinds of encoder
    """

    data = traitlets.Dict().tag(sync=True)
    runs: traitlets.List = traitlets.List().tag(sync=True)
    encoders: traitlets.Dict = traitlets.Dict(ENCODERS).tag(sync=True)


class TrainingLab:
    """Controls on the left, what is learned below: show it in Jupyter, choose and press *Start*.

    The training is `training.loop.train` on a small part of scenetalk, in a thread of this kernel. While the book is
    built (`ASRLAB_BOOK` is set) the lab shows recorded runs of itself instead, which need no kernel: see `recorded`.
    """

    def __init__(self, corpus: Corpus | None = None, directory: Path | str | None = None):
        """corpus     what to learn from, by default 200 utterances of scenetalk; it must have the splits train and dev
        directory  where checkpoints are kept, by default in the cache: a run that a kernel took with it goes on there
        """
        self.corpus = corpus
        self.directory = Path(directory) if directory else corpora.cache() / "training-lab"
        self.run: TrainingRun | None = None
        self.encoder = ipywidgets.Dropdown(
            options=[(shown, kind) for kind, shown in ENCODERS.items()], description="encoder"
        )
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
    def recorded(cls, folder: Path = RECORDINGS) -> TrainingCurves:
        """The runs of `RECORDED`, as a widget that needs no kernel. Raises AsrlabError where a receipt is missing."""
        receipts = {name: receipt.read(one.path(name, folder)) for name, one in RECORDED.items()}
        return TrainingCurves(
            runs=[{"title": RECORDED[name].title, "data": made["lab"]} for name, made in receipts.items()]
        )

    def _ipython_display_(self) -> None:
        display(self.recorded() if os.environ.get("ASRLAB_BOOK") else self.box)
