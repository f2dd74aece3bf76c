"""Training losses: CTC with a check that names the utterance that cannot be learned, and label-smoothed cross-entropy.

Both return one number per utterance, (B,), in nats; `normalise` says by what each is divided:
    "tokens"  its number of target tokens: short and long utterances weigh the same (`.mean()` is torch's "mean")
    "none"    nothing: minus the log-probability of the whole utterance, which adds up over batches and processes
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import length_mask

IGNORED = -100  # torch's own label for positions that do not count


class InfeasibleError(AsrlabError):
    """An utterance has fewer frames than CTC needs for its tokens; `indices` are its (their) positions in the batch."""

    def __init__(self, message: str, indices: Sequence[int]):
        super().__init__(message)
        self.indices = tuple(indices)


def required_frames(targets: torch.Tensor, target_lengths: torch.Tensor) -> torch.Tensor:
    """The fewest frames that CTC can read each target from, (B,): one a token, and one for the blank in each double.

    targets         (B, U) integers, padded with anything
    target_lengths  (B,) integers
    """
    position = torch.arange(targets.shape[1], device=targets.device)[1:]
    double = (targets[:, 1:] == targets[:, :-1]) & (position < target_lengths[:, None])
    return target_lengths + double.sum(dim=1)


def check_feasible(
    lengths: Sequence[int] | torch.Tensor,
    targets: Sequence[Sequence[int] | torch.Tensor] | torch.Tensor,
    target_lengths: Sequence[int] | torch.Tensor | None = None,
    ids: Sequence[str] | None = None,
) -> None:
    """Raise InfeasibleError if an utterance has fewer frames than `required_frames`; names the first, counts the rest.

    lengths         (B,) frames that reach the loss, after all subsampling
    targets         (B, U) padded, or one list of token ids for each utterance (then target_lengths may be left out)
    target_lengths  (B,) tokens of each
    ids             (B,) names of the utterances, for the message

    Everything is compared at once, on the processor: call it where data are loaded and it costs training nothing.
    """
    targets, target_lengths = _padded(targets, target_lengths)
    lengths = torch.as_tensor(lengths).cpu()
    required = required_frames(targets, target_lengths)
    short = (lengths < required).nonzero().flatten().tolist()
    if short:
        b = short[0]
        T, L = int(lengths[b]), int(target_lengths[b])
        more = f" (and {len(short) - 1} more of {len(lengths)})" if len(short) > 1 else ""
        raise InfeasibleError(
            f"{_named(ids, b)}{more}: T={T} frames cannot hold L={L} tokens with {int(required[b]) - L} repeats,"
            f" which take {int(required[b])}; subsample less, use longer tokens (subwords, words), or leave it out",
            short,
        )


def ctc_loss(
    log_probs: torch.Tensor,
    lengths: torch.Tensor,
    targets: torch.Tensor,
    target_lengths: torch.Tensor,
    ids: Sequence[str] | None = None,
    normalise: str = "tokens",
    blank: int = 0,
    check: bool = True,
) -> torch.Tensor:
    """CTC loss of each utterance, (B,) nats (Graves et al., ICML 2006); `asrlab.scratch.ctc` shows how it is computed.

    log_probs       (B, T, V) log-softmax output of the model
    lengths         (B,) frames of each
    targets         (B, U) token ids, padded with anything
    target_lengths  (B,) tokens of each
    ids             (B,) names, for error messages
    check           False skips the checks, for batches that went through them when they were loaded

    Raises InfeasibleError for an utterance with too few frames (its loss would be infinite), AsrlabError for
    lengths and tokens out of range. The checks are done on the processor: pass lengths and targets that lie there
    and no GPU waits.
    """
    B, T, V = log_probs.shape
    if check:
        on_cpu = lengths.cpu(), targets.cpu(), target_lengths.cpu()
        _check_ranges(*on_cpu, B, T, V, blank, ids)
        check_feasible(*on_cpu, ids)
    losses = F.ctc_loss(
        log_probs.float().transpose(0, 1),  # half precision is too coarse for sums over hundreds of frames
        targets.to(log_probs.device, non_blocking=True),
        lengths,
        target_lengths,
        blank=blank,
        reduction="none",
    )
    return _normalised(losses, target_lengths, normalise)


def disagreement(log_probs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """How differently a model hears two copies of each utterance, (B,) nats.

    The consistency regularisation of CR-CTC (Yao et al. 2024, arXiv:2410.05101):

    log_probs  (2 B, T, V) the first copies, masked in one way by SpecAugment, then the second, masked in another
    lengths    (2 B,) frames of each

    Per frame, half the sum of both Kullback-Leibler divergences, each copy learning from the other as it is (no
    gradient flows into the teacher); summed over frames. It is 0 where both agree, and keeps a small corpus from being
    learned by heart.
    """
    first, second = log_probs.float().chunk(2)
    frames = length_mask(lengths[: len(first)].to(first.device), first.shape[1])

    def divergence(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
        teacher = teacher.detach()
        return (teacher.exp() * (teacher - student)).sum(dim=-1)

    both = 0.5 * (divergence(second, first) + divergence(first, second))
    return (both * frames).sum(dim=1)


def label_smoothed_cross_entropy(
    logits: torch.Tensor,
    targets: torch.Tensor,
    lengths: torch.Tensor,
    smoothing: float = 0.1,
    normalise: str = "tokens",
) -> torch.Tensor:
    """Cross-entropy with label smoothing (Szegedy et al., CVPR 2016) of each utterance, (B,) nats.

    The model is to give the right token 1 - smoothing and spread the rest evenly over all V:
    (1 - smoothing) * -log p[target] + smoothing * mean over v of -log p[v].

    logits     (B, U, V) unnormalised scores
    targets    (B, U) token ids, padded with anything
    lengths    (B,) tokens of each utterance, or a mask (B, U), True where a position counts
    smoothing  0 to below 1
    """
    if not 0 <= smoothing < 1:
        raise AsrlabError(f"label smoothing of {smoothing}; pass a share from 0 to below 1, usually 0.1")
    mask = lengths.to(targets.device)
    if mask.dtype != torch.bool:
        mask = length_mask(mask, targets.shape[1])
    labels = targets.masked_fill(~mask, IGNORED).to(logits.device)
    losses = F.cross_entropy(
        logits.float().flatten(0, 1),
        labels.flatten(),
        ignore_index=IGNORED,
        label_smoothing=smoothing,
        reduction="none",
    )
    return _normalised(losses.view(labels.shape).sum(dim=1), mask.sum(dim=1), normalise)


def _normalised(losses: torch.Tensor, tokens: torch.Tensor, normalise: str) -> torch.Tensor:
    if normalise == "none":
        return losses
    if normalise == "tokens":  # an empty target counts as one token
        return losses / tokens.to(losses.device, non_blocking=True).clamp(min=1)
    raise AsrlabError(f'normalise={normalise!r}; pass "tokens" or "none"')


def _padded(targets, target_lengths) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets (B, U) and their lengths (B,) on the processor, from either form."""
    if not isinstance(targets, torch.Tensor):
        rows = [torch.as_tensor(row, dtype=torch.long) for row in targets]
        if target_lengths is None:
            target_lengths = [len(row) for row in rows]
        targets = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    if target_lengths is None:
        raise AsrlabError("targets are padded and target_lengths is missing; pass the tokens of each utterance, (B,)")
    return targets.cpu(), torch.as_tensor(target_lengths).cpu()


def _check_ranges(lengths, targets, target_lengths, B: int, T: int, V: int, blank: int, ids) -> None:
    """Values that torch answers with a message about its inside, or by reading memory that is not its own."""
    if targets.ndim != 2 or not len(targets) == len(lengths) == len(target_lengths) == B:
        raise AsrlabError(
            f"log_probs are (B={B}, T={T}, V={V}), lengths {tuple(lengths.shape)}, targets {tuple(targets.shape)},"
            f" target_lengths {tuple(target_lengths.shape)}; pass (B,), (B, U) and (B,)"
        )
    for name, values, most in (("lengths", lengths, T), ("target_lengths", target_lengths, targets.shape[1])):
        wrong = ((values < 0) | (values > most)).nonzero().flatten().tolist()
        if wrong:
            b = wrong[0]
            raise AsrlabError(f"{_named(ids, b)}: {name}={int(values[b])}, the batch has room for 0 to {most}; mend it")
    counts = length_mask(target_lengths, targets.shape[1])
    wrong = (counts & ((targets < 0) | (targets >= V) | (targets == blank))).nonzero().tolist()
    if wrong:
        b, u = wrong[0]
        raise AsrlabError(
            f"{_named(ids, b)}: token {int(targets[b, u])} at position {u}; the model has tokens 0 to {V - 1}, of which"
            f" {blank} is the blank and no target; encode the text with the model's own tokenizer"
        )


def _named(ids: Sequence[str] | None, b: int) -> str:
    return f"utterance {ids[b]!r}" if ids is not None else f"utterance {b} of the batch"
