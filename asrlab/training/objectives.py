"""Objectives: what training makes small. Each is a plain function, named and weighted in the recipe.

    objective(model, output, batch) -> (B,) nats

The loss of each utterance, added over its frames or tokens, and 0 for an utterance that lacks a stream which the
objective needs. With `copies` of every utterance in the batch, all of them and then all of them again, the weighted sum
averages over the copies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from asrlab.core.errors import AsrlabError
from asrlab.models import Model, ModelOptions, Output
from asrlab.training.batching import PATH_RATE, Batch
from asrlab.training.losses import ctc_loss, disagreement, label_smoothed_cross_entropy

Objective = Callable[[Model, Output, Batch], Tensor]
T = TypeVar("T")


def ctc(model: Model, output: Output, batch: Batch) -> Tensor:
    """Minus the log-probability of the text by the CTC head (Graves et al. 2006)."""
    return _ctc(_there(output.log_probs, "CTC"), output, batch)


def inner_ctc(model: Model, output: Output, batch: Batch) -> Tensor:
    """The same by the head half-way up (Lee and Watanabe 2021, arXiv:2102.03216)."""
    return _ctc(_there(output.inner_log_probs, "inner CTC"), output, batch)


def path(model: Model, output: Output, batch: Batch) -> Tensor:
    """Minus the log-probability, by the CTC head, of one path: the word of each frame, and blank between words.

    The path is known where somebody has noted the times of the words. CTC asks only for the sum over all paths, and may
    take long to find any; this shows it one, from which it may then depart.
    """
    log_probs = _there(output.log_probs, "CTC")
    tokens, lengths = (value.to(log_probs.device, non_blocking=True) for value in batch.targets["path"])
    frame = torch.arange(log_probs.shape[1], device=log_probs.device)
    moment = ((frame + 0.5) * model.frame_seconds * PATH_RATE + 1e-3).long()  # 2.9999 is 3
    wanted = tokens[:, moment.clamp(max=tokens.shape[1] - 1)]
    nats = -log_probs.gather(2, wanted[..., None])[..., 0]
    real = (frame < output.lengths[:, None]) & (moment < lengths[:, None])
    return nats.masked_fill(~real, 0.0).sum(dim=1)


def attention(model: Model, output: Output, batch: Batch) -> Tensor:
    """Minus the log-probability of the text and its end by the attention head, with label smoothing."""
    text = batch.targets["text"]
    targets = F.pad(text.values, (0, 1))  # the end, token 0, follows each text
    logits = _there(output.logits, "attention")
    smoothing = _there(model.options.decoder, "attention").label_smoothing
    losses = label_smoothed_cross_entropy(logits, targets, text.lengths + 1, smoothing, "none")
    return torch.where(_both(output, batch), losses, 0.0)


def consistency(model: Model, output: Output, batch: Batch) -> Tensor:
    """What the two copies of an utterance, masked differently, disagree about (CR-CTC, Yao et al. 2024)."""
    return disagreement(_there(output.log_probs, "CTC"), output.lengths).repeat(2)


OBJECTIVES: dict[str, Objective] = {
    "ctc": ctc, "inner_ctc": inner_ctc, "path": path, "attention": attention, "consistency": consistency,
}  # fmt: skip
COPIES = {"consistency": 2}  # how often an objective must hear each utterance, if not once


def copies(weights: Mapping[str, float]) -> int:
    """How often every utterance stands in a batch for these objectives."""
    return max(COPIES.get(name, 1) for name, weight in weights.items() if weight)


def losses(
    weights: Mapping[str, float], model: Model, output: Output, batch: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, (B,) nats for each utterance, and every objective by its name, not weighted."""
    times = copies(weights)
    found = {
        name: OBJECTIVES[name](model, output, batch).view(times, -1).mean(dim=0)
        for name, weight in weights.items()
        if weight
    }
    return sum((weights[name] * value for name, value in found.items()), start=torch.zeros(())), found


def check(weights: Mapping[str, float], options: ModelOptions) -> None:
    """Raise AsrlabError for an unknown objective, a weight out of range, one whose head the model lacks, or a head that
    nothing trains."""
    heads = {"ctc": options.ctc, "inner_ctc": options.inner_ctc, "attention": options.decoder is not None}
    where = {"ctc": "model.ctc=true", "inner_ctc": "model.inner_ctc=true", "attention": "model.decoder={}"}
    for name, weight in weights.items():
        if name not in OBJECTIVES:
            raise AsrlabError(f"objectives: unknown {name!r}; there are {', '.join(OBJECTIVES)}")
        if weight and not heads.get(name, True):
            raise AsrlabError(f"objectives.{name}={weight}: the model has no such head; give {where[name]}")
    for name, does in {"consistency": "compares", "path": "teaches"}.items():
        if weights.get(name) and not options.ctc:
            raise AsrlabError(f"objectives.{name}: it {does} what the CTC head says; give model.ctc=true")
    trained = {"ctc": weights.get("ctc") or weights.get("path")}
    untrained = next(
        (name for name, there in heads.items() if there and not trained.get(name, weights.get(name))), None
    )
    if untrained:
        raise AsrlabError(f"objectives: nothing trains the {untrained} head; give objectives.{untrained} a weight")


def _there(found: T | None, head: str) -> T:
    if found is None:
        raise AsrlabError(f"objectives: the output has nothing of the {head} head; give the model one and train() it")
    return found


def _ctc(log_probs: Tensor, output: Output, batch: Batch) -> Tensor:
    text, there = batch.targets["text"], _both(output, batch)
    lengths = output.lengths.clamp(min=1)
    # Where a stream is absent the target is empty, so that loss and gradient are finite before they are set to 0.
    targets = torch.where(there, text.lengths.to(there.device, non_blocking=True), 0)
    found = ctc_loss(log_probs, lengths, text.values, targets, batch.ids, normalise="none", check=False)
    return torch.where(there, found, 0.0)


def _both(output: Output, batch: Batch) -> Tensor:
    """(B,) True where there are frames and a text."""
    return (output.lengths > 0) & (batch.targets["text"].lengths.to(output.lengths.device, non_blocking=True) > 0)
