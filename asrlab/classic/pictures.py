"""What a GMM-HMM made of a recording, drawn: the walk through its states, over the spectrogram."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes

from asrlab.classic.gmm_hmm import Decoded, GmmHmm
from asrlab.pages import plot
from asrlab.signals.features import FrontEndOptions, log_mel

CONTRAST = 9.0  # nats below the loudest that are still told apart


def state_path(model: GmmHmm, samples: np.ndarray, decoded: Decoded, ax: Axes | None = None) -> Axes:
    """The spectrogram of samples (N,) at the model's rate, the units of the best path above, the path as a stair.

    Each unit climbs its states from 1; at 0 the path is in silence.
    """
    options, first = model.options.front_end, model.options.silence_states
    front_end = FrontEndOptions(sample_rate=options.sample_rate, window_ms=options.window_ms, hop_ms=options.hop_ms)
    mel = log_mel(torch.as_tensor(samples, dtype=torch.float32)[None], front_end)[0]
    hop = model.front_end.hop_seconds
    ax = plot.spectrogram(mel.clamp(min=mel.max() - CONTRAST).numpy(), hop, words=decoded.units, ax=ax)
    level = np.where(decoded.states < first, 0, (decoded.states - first) % model.options.states + 1)
    with plot.style():
        stair = ax.twinx()
        times = np.arange(len(level) + 1) * hop
        for width, colour in ((3.4, "#000000"), (1.6, "#ffffff")):  # white on black reads on any part of a spectrogram
            stair.step(times, np.append(level, level[-1]), where="post", color=colour, linestyle="-", linewidth=width)
        stair.set(ylabel="state", ylim=(-0.5, 2.2 * model.options.states), yticks=range(model.options.states + 1))
        stair.tick_params(length=0)
    return ax
