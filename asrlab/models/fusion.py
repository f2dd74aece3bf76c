"""Fusion: encoded streams of one utterance to one sequence of frames.

Streams tick at rates of their own and may be absent, which is a length of 0. What comes out ticks as one of them does,
the one named `onto`; where that is absent the others decide how long it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from asrlab.core.config import CountOrNone, Options
from asrlab.core.streams import Shape, Stream

Count = TypeVar("Count", int, Tensor)


@dataclass(frozen=True)
class FusionOptions(Options):
    kind: Literal["concat"] = "concat"  # how several streams become one: concat, side by side and then through a matrix
    onto: str = "sound"  # the stream whose clock the fused frames keep
    dim: CountOrNone = 0  # width of a fused frame, 0: that of the stream `onto`


class Fused(NamedTuple):
    """What a fusion makes of several streams."""

    frames: Tensor  # (B, T, D)
    lengths: Tensor  # (B,) 0 where every stream is absent
    gates: Tensor | None = None  # (B, T) or (B, T, D) how far each frame was opened to the other streams


class Concat(nn.Module):
    """Early fusion: the frames of all streams at a moment side by side, zeros for an absent one; then a linear map."""

    def __init__(self, shapes: Mapping[str, Shape], options: FusionOptions):
        super().__init__()
        self.shapes, self.onto = dict(shapes), options.onto
        self.dim = options.dim or shapes[options.onto].dim
        self.project = nn.Linear(sum(shape.dim for shape in shapes.values()), self.dim)

    def forward(self, streams: Mapping[str, Stream]) -> Fused:
        """`{name: (x (B, T, D), lengths (B,))}` with the names and widths that the module was made for."""
        aligned = on_one_clock(streams, self.shapes, self.onto)
        frames = torch.cat([aligned[name].values for name in self.shapes], dim=-1)
        return Fused(self.project(frames), fused_lengths(aligned, self.onto))


KINDS = {"concat": Concat}


def on_one_clock(streams: Mapping[str, Stream], shapes: Mapping[str, Shape], onto: str) -> dict[str, Stream]:
    """Every stream with as many frames as `onto` has in the same time: each moment by the frame that lies nearest.

    An absent stream, and what lies beyond a stream's own end, is 0.
    """
    clock = shapes[onto].hop_seconds
    longest = max(ticks(stream.values.shape[1], shapes[name].hop_seconds, clock) for name, stream in streams.items())
    aligned = {}
    for name, (x, lengths) in streams.items():
        hop = shapes[name].hop_seconds
        now = ticks(lengths, hop, clock)
        moment = torch.arange(longest, device=x.device)
        nearest = ((moment + 0.5) * (clock / hop)).long().clamp(max=x.shape[1] - 1)
        aligned[name] = Stream(x[:, nearest] * (moment < now[:, None])[..., None].to(x.dtype), now)
    return aligned


def fused_lengths(aligned: Mapping[str, Stream], onto: str) -> Tensor:
    """How long each utterance is once fused, (B,): as the stream `onto`, or as the longest where that is absent."""
    own = aligned[onto].lengths
    longest = torch.stack([stream.lengths for stream in aligned.values()]).amax(dim=0)
    return torch.where(own > 0, own, longest)


def ticks(lengths: Count, hop: float, clock: float) -> Count:
    """How many frames of `clock` seconds cover so many of `hop` seconds (an integer or a tensor of them)."""
    if hop == clock:
        return lengths
    thousandths = round(1000 * hop / clock)  # integers: a tensor rounds as a number does
    return (lengths * thousandths + 999) // 1000
