"""A recording as a card for a notebook or a page: its waveform and spectrogram to see, its words and sound to hear.

The card is one piece of HTML that needs nothing else. In the built book a script (`book/static/listen.js`) adds a
playhead and words that light up; without it the browser's own audio controls do.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import soundfile
import torch
from matplotlib import colormaps
from PIL import Image

from asrlab.core.errors import AsrlabError
from asrlab.decode.hypothesis import Word
from asrlab.pages.names import readable
from asrlab.signals.features import FrontEndOptions, log_mel

COLOUR_MAP = "magma"
COLOURS = 64  # as many as the eye tells apart here; 256 would make the picture half as large again
DYNAMIC_RANGE = 9.0  # nats below the loudest that are still told apart from black; about 39 dB
PEAKS = 240  # columns of the drawn waveform


@dataclass(frozen=True)
class Card:
    """What `card` returns; notebooks and pages show it by themselves."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def card(
    samples: np.ndarray,
    sample_rate: int = 16000,
    text: str = "",
    words: Sequence[Word] = (),
    title: str = "",
) -> Card:
    """Show `samples` (N,), in [-1, 1] at `sample_rate` Hz, with the text that was said or recognised.

    `words` with their times light up while the sound plays, and each can be played alone; `text` is their text unless
    given. Codes of synthetic voices in the title become what people call them. Raises AsrlabError if the samples are
    not one channel or shorter than one analysis window.
    """
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1:
        raise AsrlabError(f"samples {samples.shape}: expected (N,); mix the channels first, for instance by their mean")
    text, title = text or " ".join(word.text for word in words), readable(title)
    seconds = len(samples) / sample_rate
    picture = f"Spectrogram of {text or title or 'the recording'}: {seconds:.1f} seconds, 0 to {sample_rate // 2} Hz"
    spans = [_word(word) for word in words] or [f"<span>{escape(word)}</span>" for word in text.split()]
    caption = f'<figcaption class="listen-title">{escape(title)}</figcaption>' if title else ""
    return Card(
        f'<figure class="listen" data-seconds="{seconds:.3f}">{caption}'
        f'<div class="listen-view">'
        f'<svg class="listen-wave" viewBox="0 -1 {PEAKS} 2" preserveAspectRatio="none" width="100%" height="48" '
        f'aria-hidden="true"><path fill="currentColor" d="{_outline(samples)}"/></svg>'
        f'<img class="listen-spectrogram" width="100%" height="160" alt="{escape(picture)}" '
        f'src="data:image/png;base64,{spectrogram(samples, sample_rate)}"></div>'
        f'<p class="listen-words">{" ".join(spans)}</p>'
        f'<audio controls preload="auto" src="data:audio/flac;base64,{sound(samples, sample_rate)}"></audio></figure>'
    )


def _word(word: Word) -> str:
    times = f'data-start="{word.start:.3f}" data-end="{word.end:.3f}" data-confidence="{word.confidence:.2f}"'
    return f"<span {times}>{escape(word.text)}</span>"


def _outline(samples: np.ndarray) -> str:
    """The waveform's envelope as a closed SVG path, y from -1 to 1 of the loudest sample."""
    loudest = max(float(np.abs(samples).max()), 1e-9)
    parts = [part / loudest for part in np.array_split(samples, PEAKS) if len(part)]
    upper = [f"{x} {-part.max():.2f}" for x, part in enumerate(parts)]
    lower = [f"{x} {0.01 - part.min():.2f}" for x, part in enumerate(parts)]  # never thinner than a line
    return "M" + "L".join(upper + lower[::-1]) + "Z"


def spectrogram(samples: np.ndarray, sample_rate: int) -> str:
    """PNG of the log-mel spectrogram, low frequencies at the bottom, in base64."""
    options = FrontEndOptions(sample_rate=sample_rate, hop_ms=5.0, f_min=0.0)
    energy = log_mel(torch.from_numpy(samples)[None], options)[0].numpy()  # (T, F)
    loudness = np.clip(1 + (energy - energy.max()) / DYNAMIC_RANGE, 0, 1)
    image = Image.fromarray(np.round(loudness.T[::-1] * (COLOURS - 1)).astype(np.uint8), mode="P")
    palette = colormaps[COLOUR_MAP](np.linspace(0, 1, COLOURS))[:, :3] * 255
    image.putpalette(palette.astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def sound(samples: np.ndarray, sample_rate: int) -> str:
    """FLAC of samples (N,), 16 bits, in base64."""
    buffer = io.BytesIO()
    # Half of a WAV, the same samples, and no delay at its beginning as in an MP3.
    soundfile.write(buffer, np.clip(samples, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(buffer.getvalue()).decode()
