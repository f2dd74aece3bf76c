"""What a recogniser expects before it has heard anything, estimated so that it can be taken out.

A network that learned p(W | X) from transcripts has learned p(W) of the transcripts along the way.  Where another
language model speaks, that prior counts against it, and is divided out with a weight mu of its own:

    log p(W | X) + lambda log p_ext(W) - mu log p_int(W)

There are three estimates of p_int.  *Density ratio* (McDermott et al. 2019): an n-gram of the training transcripts,
which `BeamDecoder` takes as one more language, with the weight -mu.  *Label prior* (Manohar et al. 2015): how often CTC
expects each token at all, the mean of its posteriors.  *Zero context* (Meng et al. 2021): what an attention decoder
writes when there is nothing to attend to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.decode.attention import Decoder, token_log_probs
from asrlab.decode.hypothesis import Hypothesis

FLOOR = 1e-6  # a token that is never expected is not divided by 0


@equation("label-prior")
def label_prior(log_probs: Iterable[np.ndarray]) -> np.ndarray:
    """(V,) natural logarithms of the mean posterior of each token, over all frames of utterances (T, V).

    Use speech on which the model was trained, or more of its kind.

    Raises:
        AsrlabError: no frame, or values that are no log-probabilities.
    """
    total, frames = np.zeros(0), 0
    for one in log_probs:
        summed = np.exp(np.asarray(one, np.float64)).sum(axis=0)
        total, frames = (total + summed if frames else summed), frames + len(one)
    if not frames:
        raise AsrlabError("log_probs: none; a prior is a mean over at least one frame")
    mean = total / frames
    if not abs(mean.sum() - 1) < 1e-3:
        raise AsrlabError(f"log_probs: a frame's probabilities sum to {mean.sum():g}; pass log-probabilities")
    mean = np.maximum(mean, FLOOR)
    return np.log(mean / mean.sum())


@equation("prior-divided")
def divided_by_prior(log_probs: np.ndarray, prior: np.ndarray, weight: float) -> np.ndarray:
    """(T, V) log-probabilities less `weight` times the log prior (V,), each frame made to sum to 1 again.

    Every path crosses every frame once, so that what makes a frame sum to 1 is the same for all texts: it changes no
    ranking, and whatever decodes log-probabilities decodes these.

    Raises:
        AsrlabError: a prior of another number of tokens, or a weight that is no finite number.
    """
    if prior.shape != log_probs.shape[-1:] or not np.isfinite(prior).all():
        raise AsrlabError(f"prior {prior.shape}: expected finite logarithms of {log_probs.shape[-1]} tokens")
    if not np.isfinite(weight):
        raise AsrlabError(f"weight={weight}: give a finite number, 0 to leave the prior in")
    found = log_probs - weight * prior
    found = found - found.max(axis=-1, keepdims=True)
    return (found - np.log(np.exp(found).sum(axis=-1, keepdims=True))).astype(log_probs.dtype)


@dataclass(frozen=True)
class ZeroContext:
    """The language model inside an attention decoder: the same decoder with nothing to attend to.

    Its attention reads 0 everywhere, so that what it writes depends on what it wrote.  A `Scorer`.
    """

    decoder: Decoder
    memory_dim: int  # D, the width of encoded speech

    def memory(self) -> Tensor:
        """(1, D) encoded speech in which there is nothing."""
        return torch.zeros(1, self.memory_dim)

    def __call__(self, hypotheses: Sequence[Hypothesis]) -> list[float]:
        """Log-probability (nats) of each hypothesis' tokens and their end."""
        return token_log_probs(self.decoder, self.memory(), [h.tokens for h in hypotheses])


@dataclass(frozen=True)
class _Pair:
    """States of the decoder with the speech, and of the one without."""

    heard: Any
    silent: Any

    def select(self, rows: Tensor) -> "_Pair":
        return _Pair(self.heard.select(rows), self.silent.select(rows))


@dataclass(frozen=True)
class LessInternal:
    """An attention decoder less `weight` times the language model inside it: a `Decoder` for `AttentionBeam`.

    Its step gives  log p(y | y before, X) - weight log p_int(y | y before),  which is no longer a log-probability: it
    is compared, not summed to 1.
    """

    decoder: Decoder
    weight: float

    def start(self, memory: Tensor, lengths: Tensor) -> _Pair:
        """As `Decoder.start`."""
        one = torch.ones_like(lengths)
        nothing = memory.new_zeros(len(memory), 1, memory.shape[2])
        return _Pair(self.decoder.start(memory, lengths), self.decoder.start(nothing, one))

    def step(self, state: _Pair, tokens: Tensor) -> tuple[Tensor, _Pair]:
        """As `Decoder.step`, less the internal model."""
        heard, after = self.decoder.step(state.heard, tokens)
        silent, after_silent = self.decoder.step(state.silent, tokens)
        return heard - self.weight * silent, _Pair(after, after_silent)

    def __call__(self, memory: Tensor, lengths: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and attention weights of the decoder that listens: confidences and times are its own."""
        return self.decoder(memory, lengths, targets)
