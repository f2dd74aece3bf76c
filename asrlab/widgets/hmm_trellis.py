"""The trellis of a small hidden Markov model over a real word: all its paths added up, or the best of them found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.pages.listen import sound, spectrogram
from asrlab.widgets.base import Widget

FRAMES, STATES = (2, 16), (2, 6)  # that the picture has room for
STAY = (0.05, 0.95)  # of the slider
FLOOR = -999.0  # nats; what fits a state worse is shown as if it fitted so well
DIGITS = 2


@dataclass(frozen=True)
class Take:
    """One recording of the word, or of another one."""

    name: str  # on the menu
    samples: np.ndarray  # (N,) in [-1, 1]
    log_b: np.ndarray  # (T, S): how well each frame fits each state, nats


class HmmTrellis(Widget, module="hmm_trellis", height=(950, 1417)):
    """A word's states against a recording's frames: step through the forward table or through Viterbi and its way back.

    Arrows are as thick as their share of the sum. Two sliders change how likely a state is kept and how much the sound
    counts; the table is computed anew in JavaScript, as `asrlab.scratch.hmm` would. The sound plays, and the state that
    the best path gives each frame lights up.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        word: str,
        takes: Sequence[Take],
        hop_seconds: float,
        stay: float = 0.5,
        weight: float = 1.0,
        sample_rate: int = 16000,
        **options,
    ):
        """stay and weight: where the sliders stand first; weight is a factor for log_b.

        Raises AsrlabError for takes with too many frames or states, fewer frames than states, or NaN."""
        if not takes:
            raise AsrlabError("takes: none given; pass at least one recording of the word")
        if not STAY[0] <= stay <= STAY[1]:
            raise AsrlabError(f"stay={stay}: must be from {STAY[0]} to {STAY[1]}, as on the slider")
        if not 0 <= weight <= 1:
            raise AsrlabError(f"weight={weight}: must be from 0 to 1, as on the slider")
        states = np.shape(takes[0].log_b)[-1]
        super().__init__(
            data={
                "word": word,
                "states": int(states),
                "hop": round(hop_seconds, 4),
                "stay": round(20 * stay) / 20,
                "weight": round(20 * weight) / 20,
                "recordings": [_recording(take, states, sample_rate) for take in takes],
            },
            **options,
        )


def _recording(take: Take, states: int, sample_rate: int) -> dict:
    log_b = np.asarray(take.log_b, dtype=float)
    if log_b.ndim != 2 or log_b.shape[1] != states or not STATES[0] <= states <= STATES[1]:
        raise AsrlabError(
            f"{take.name}: log_b {log_b.shape}; expected (T, S), S from {STATES[0]} to {STATES[1]}, alike in all takes"
        )
    if not max(FRAMES[0], states) <= len(log_b) <= FRAMES[1]:
        raise AsrlabError(
            f"{take.name}: {len(log_b)} frames for {states} states; take from {states} to {FRAMES[1]}, with longer or "
            "shorter steps between them"
        )
    if np.isnan(log_b).any():
        raise AsrlabError(f"{take.name}: log_b holds NaN; mend it before drawing")
    samples = np.asarray(take.samples, dtype=np.float32)
    return {
        "name": take.name,
        "seconds": round(len(samples) / sample_rate, 3),
        "log_b": np.maximum(log_b, FLOOR).round(DIGITS).tolist(),
        "sound": sound(samples, sample_rate),
        "picture": spectrogram(samples, sample_rate),
    }
