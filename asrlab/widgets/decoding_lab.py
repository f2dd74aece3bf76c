"""The decoding lab: your own sound, a recogniser, and all that the search can be told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from html import escape

import ipywidgets
import numpy as np
import traitlets
from IPython.display import display

from asrlab.core.errors import AsrlabError
from asrlab.decode import Hypothesis
from asrlab.pages.listen import card, sound, spectrogram
from asrlab.recognizer import SILENCE, Recognizer
from asrlab.widgets.base import Widget
from asrlab.widgets.sound_input import SoundInput

BEAMS = (1, 2, 4, 8, 16, 32, 64)
WEIGHTS = (0.0, 0.2, 0.4, 0.8, 1.2, 1.6)


class DecodingLab:
    """Record or choose a sound, turn the knobs of the search, and read the n best answers with their words' times.

    It needs a kernel: in Jupyter, showing the lab is enough. While the book is built (`ASRLAB_BOOK` is set) it shows a
    recording of itself instead, for which `example` is decoded with every setting: see `recorded`.
    """

    def __init__(self, recognizer: Recognizer | None = None, example: np.ndarray | None = None, nbest: int = 5):
        """recognizer  with a CTC head; by default the one that comes with the package
        example     (N,) samples at the recogniser's rate to begin with, and for the recorded run

        Raises AsrlabError if the recogniser has no CTC head.
        """
        self.recognizer, self.nbest = recognizer or Recognizer.load(), nbest
        if self.recognizer.model.ctc is None:
            raise AsrlabError("this recogniser has an attention head alone; the lab searches over CTC's frames")
        self.samples: np.ndarray | None = None
        self.log_probs: np.ndarray | None = None
        self.only_words = self.recognizer.tokenizer.lexicon is not None  # phones make words by a lexicon alone
        beam = self.recognizer.beam
        self.sound = SoundInput(sample_rate=self.recognizer.sample_rate)
        self.beam = ipywidgets.SelectionSlider(
            options=BEAMS, value=min(BEAMS, key=lambda b: abs(b - beam.beam)), description="beam"
        )
        self.weight = ipywidgets.FloatSlider(
            beam.lm_weight, min=0, max=2, step=0.1, description="LM weight", disabled=self.recognizer.lm is None
        )
        self.bonus = ipywidgets.FloatSlider(beam.word_bonus, min=-2, max=6, step=0.5, description="word bonus")
        self.lexicon = ipywidgets.Checkbox(self.recognizer.lexicon is not None, description="words of the lexicon only",
                                           disabled=self.only_words or self.recognizer.lexicon is None)  # fmt: skip
        self.answer = ipywidgets.HTML()
        knobs = ipywidgets.VBox([self.beam, self.weight, self.bonus, self.lexicon])
        self.box = ipywidgets.VBox([self.sound, knobs, self.answer])
        self.sound.observe(lambda change: self._on_sound(), "wav")
        for knob in (self.beam, self.weight, self.bonus, self.lexicon):
            knob.observe(lambda change: self._show(), "value")
        if example is not None:
            self.listen(example)

    def listen(self, samples: np.ndarray) -> None:
        """Take `samples` (N,) at the recogniser's rate. Raises AsrlabError if they are silent or too short."""
        samples = np.asarray(samples, dtype=np.float32)
        if not len(samples) or np.abs(samples).max() < SILENCE:
            raise AsrlabError("the sound is silent: check the microphone, or choose another file")
        self.samples, (self.log_probs,) = samples, self.recognizer.log_probs([samples])
        self._show()

    def decode(self, beam: int, weight: float, bonus: float, lexicon: bool) -> list[Hypothesis]:
        """The n best answers for these settings, best first."""
        assert self.log_probs is not None  # `listen` comes first
        r = self.recognizer
        options = replace(r.beam, beam=beam, lm_weight=weight, word_bonus=bonus, nbest=self.nbest)
        words = r.lexicon if lexicon or self.only_words else None
        return r.with_decoder(options, r.lm if weight else None, words).decode(self.log_probs)

    def recorded(self) -> Widget:
        """What the lab shows for its example under every setting, as a widget that needs no kernel.

        Raises AsrlabError if the lab has no sound yet.
        """
        if self.samples is None:
            raise AsrlabError("nothing to record: give the lab an example, or a sound of your own, first")
        weights = WEIGHTS if self.recognizer.lm is not None else (0.0,)
        free = self.recognizer.lexicon is not None and not self.only_words
        settings = [(b, w, x) for b in BEAMS for w in weights for x in ((True, False) if free else (True,))]
        runs = {
            f"{b} {w:g} {int(x)}": [_for_page(h) for h in self.decode(b, w, self.bonus.value if w else 0.0, x)]
            for b, w, x in settings
        }
        rate = self.recognizer.sample_rate
        return DecodingLabRecording(
            data={
                "sound": sound(self.samples, rate), "picture": spectrogram(self.samples, rate),
                "seconds": round(len(self.samples) / rate, 3), "beams": list(BEAMS), "weights": list(weights),
                "lexicon": free, "runs": runs,
                "start": [self.beam.value, min(weights, key=lambda w: abs(w - self.weight.value)), True],
            }
        )  # fmt: skip

    def _ipython_display_(self) -> None:
        in_book = os.environ.get("ASRLAB_BOOK") and self.samples is not None
        display(self.recorded() if in_book else self.box)

    def _on_sound(self) -> None:
        try:
            self.listen(self.sound.samples())
        except AsrlabError as error:
            self._say(str(error))

    def _show(self) -> None:
        if self.samples is None:
            return
        try:
            found = self.decode(self.beam.value, self.weight.value, self.bonus.value, self.lexicon.value)
        except AsrlabError as error:
            return self._say(str(error))
        self.answer.value = self._table(found)

    def _say(self, message: str) -> None:
        self.answer.value = f"<p><b>{escape(message)}</b></p>"

    def _table(self, found: Sequence[Hypothesis]) -> str:
        assert self.samples is not None
        best = card(self.samples, self.recognizer.sample_rate, found[0].text, found[0].words)._repr_html_()
        rows = "".join(
            f"<tr><td>{escape(h.text) or '(nothing)'}</td><td>{h.score:.2f}</td>"
            f"<td>{h.parts.get('ctc', h.score):.2f}</td><td>{h.parts.get('lm', 0.0):.2f}</td>"
            f"<td>{escape(_times(h))}</td></tr>"
            for h in found
        )
        head = (
            "<tr><th>text</th><th>score</th><th>sound</th><th>language</th><th>words, from – to s, confidence</th></tr>"
        )
        return f"{best}<table>{head}{rows}</table>"


class DecodingLabRecording(Widget, module="decoding_lab", height=(632, 1149)):
    """The answers of a `DecodingLab` for one sound under every setting of beam, LM weight and lexicon."""

    data = traitlets.Dict().tag(sync=True)


def _times(hypothesis: Hypothesis) -> str:
    return ", ".join(f"{w.text} {w.start:.2f}–{w.end:.2f} ({w.confidence:.0%})" for w in hypothesis.words)


def _for_page(h: Hypothesis) -> dict:
    parts = [round(h.score, 2), round(h.parts.get("ctc", h.score), 2), round(h.parts.get("lm", 0.0), 2)]
    return {
        "parts": parts,
        "words": [[w.text, round(w.start, 2), round(w.end, 2), round(w.confidence, 2)] for w in h.words],
    }
