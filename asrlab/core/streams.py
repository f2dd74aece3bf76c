"""What travels from the front ends to the losses: padded values with their lengths, for every kind of data alike."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Stream(NamedTuple):
    """One modality of a batch: each utterance's own stretch, padded to a common length with 0."""

    values: Tensor  # (B, N, ...) samples, frames, features or token ids; N is at least 1
    lengths: Tensor  # (B,) integers, how much of each is real; 0: this utterance does not have it

    def to(self, device: torch.device | str) -> Stream:
        """The same on another device."""
        return Stream(self.values.to(device, non_blocking=True), self.lengths.to(device, non_blocking=True))

    def repeat(self, times: int) -> Stream:
        """All utterances, then all of them again, and so on."""
        return Stream(torch.cat([self.values] * times), torch.cat([self.lengths] * times))


class Shape(NamedTuple):
    """What a model must know of a stream of features; a front end has both."""

    dim: int  # features per frame
    hop_seconds: float = 0.01  # from one frame to the next


def length_mask(lengths: Tensor, frames: int) -> Tensor:
    """`(B,)` lengths to a `(B, T)` mask, True where there is something real."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


def stack(pieces: list[Tensor]) -> Stream:
    """Pad pieces `(N, ...)` to one stream; an empty piece is absent, whatever its shape and type."""
    lengths = torch.tensor([len(piece) for piece in pieces])
    like = next((piece for piece in pieces if len(piece)), torch.zeros(1))
    values = like.new_zeros(len(pieces), max(1, int(lengths.max())), *like.shape[1:])
    for row, piece in zip(values, pieces, strict=True):
        if len(piece):
            row[: len(piece)] = piece
    return Stream(values, lengths)
