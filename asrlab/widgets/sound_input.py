"""A sound from the reader: a file, or the microphone."""

from __future__ import annotations

import io

import numpy as np
import soundfile
import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.widgets.base import Widget


class SoundInput(Widget, module="sound_input"):
    """Choose a file or press record; `samples()` is what was given.

    The browser decodes whatever it can play and hands over one channel at `sample_rate` Hz. A refused permission, a
    missing microphone or a file that is no sound is told beside the buttons, and nothing is handed over.
    """

    sample_rate = traitlets.Int(16000).tag(sync=True)
    max_seconds = traitlets.Float(20.0).tag(sync=True)
    # The latest sound, empty before the first; a browser's bytes arrive as a memoryview.
    wav = traitlets.Bytes(b"").tag(sync=True, from_json=lambda value, widget: bytes(value))
    name = traitlets.Unicode("").tag(sync=True)  # of the file, or "microphone"

    def samples(self) -> np.ndarray:
        """float32 (N,) in [-1, 1] at `sample_rate`. Raises AsrlabError if nothing was given yet, or too much."""
        if not self.wav:
            raise AsrlabError("no sound yet: choose a file or press Record")
        samples, rate = soundfile.read(io.BytesIO(bytes(self.wav)), dtype="float32")
        if rate != self.sample_rate or samples.ndim != 1:
            raise AsrlabError(
                f"{self.name}: {rate} Hz, shape {samples.shape}; expected one channel at {self.sample_rate} Hz"
            )
        if len(samples) > (self.max_seconds + 1) * rate:
            raise AsrlabError(f"{self.name}: {len(samples) / rate:.0f} s; give at most {self.max_seconds:g} s")
        return samples
