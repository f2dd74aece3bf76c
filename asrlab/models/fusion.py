"""Fusion: encoded streams of one utterance to one sequence of frames.

Streams tick at rates of their own and may be absent, which is a length of 0. What comes out ticks as one of them does,
the one named `onto`; where that is absent the others decide how long it is. All kinds have about as many parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asrlab.core.config import Count as Number
from asrlab.core.config import CountOrNone, Options
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape, Stream, length_mask
from asrlab.models.layers import rotary

Count = TypeVar("Count", int, Tensor)


@dataclass(frozen=True)
class FusionOptions(Options):
    kind: Literal["concat", "gate", "cross", "late"] = "concat"  # how several streams become one: see models.fusion
    onto: str = "sound"  # the stream whose clock the fused frames keep
    dim: CountOrNone = 0  # width of a fused frame, 0: that of the stream `onto` (late: of all streams together)
    heads: Number = 4  # attention heads (cross)


class Fused(NamedTuple):
    """What a fusion makes of several streams."""

    frames: Tensor  # (B, T, D)
    lengths: Tensor  # (B,) 0 where every stream is absent
    gates: Tensor | None = None  # (B, T) how far each frame was opened to the streams other than `onto`


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


class Gate(nn.Module):
    """Gated fusion: each stream through a map of its own, then a mean weighted by how far each is trusted now.

    The weights add to 1 and are read off all streams (Arevalo et al. 2017, arXiv:1702.01992); an absent stream has 0.
    """

    def __init__(self, shapes: Mapping[str, Shape], options: FusionOptions):
        super().__init__()
        self.shapes, self.onto = dict(shapes), options.onto
        self.dim = options.dim or shapes[options.onto].dim
        self.trust = Trust(shapes)
        self.maps = nn.ModuleDict({name: nn.Linear(shape.dim, self.dim) for name, shape in shapes.items()})

    def forward(self, streams: Mapping[str, Stream]) -> Fused:
        """As `Concat.forward`; the gates are what the other streams weigh together."""
        aligned = on_one_clock(streams, self.shapes, self.onto)
        weights = self.trust(aligned)
        mapped = [weights[name][..., None] * self.maps[name](aligned[name].values) for name in self.shapes]
        frames = torch.stack(mapped).sum(dim=0)
        return Fused(frames, fused_lengths(aligned, self.onto), opened(weights, self.onto))


class Cross(nn.Module):
    """Cross-attention: each frame of `onto` asks the frames of another stream, and adds what it is told.

    What is added is multiplied by tanh(g), and g begins at 0 (Alayrac et al. 2022, arXiv:2204.14198, section 2.2;
    Rouditchenko et al. 2024, arXiv:2406.10082): before training the other streams change nothing, and without them
    nothing ever changes. Positions are moments in time, so that streams with other clocks meet.
    """

    def __init__(self, shapes: Mapping[str, Shape], options: FusionOptions):
        super().__init__()
        self.shapes, self.onto, self.heads = dict(shapes), options.onto, options.heads
        self.dim = shapes[options.onto].dim
        if options.dim not in (0, self.dim):
            raise AsrlabError(f"fusion.dim={options.dim}: cross adds to the {self.dim} values of a frame; give 0")
        narrow = self.dim // 2  # of queries, keys and values: so it has as many parameters as `Concat`
        if narrow % (2 * self.heads):
            raise AsrlabError(f"fusion.heads={self.heads}: half of the {self.dim} values of a frame is not a multiple")
        others = {name: shape for name, shape in shapes.items() if name != self.onto}
        self.query = nn.Linear(self.dim, narrow)
        self.key_value = nn.ModuleDict({name: nn.Linear(shape.dim, 2 * narrow) for name, shape in others.items()})
        self.out = nn.ModuleDict({name: nn.Linear(narrow, self.dim) for name in others})
        self.opening = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in others})

    def forward(self, streams: Mapping[str, Stream]) -> Fused:
        """As `Concat.forward`; the gates are |tanh(g)|, 0 where the other stream is absent."""
        aligned = on_one_clock(streams, self.shapes, self.onto)
        x, gates = aligned[self.onto].values, torch.zeros(())
        query = self._split(self.query(x))
        for name, project in self.out.items():
            values, lengths = aligned[name]
            key, value = (self._split(part) for part in self.key_value[name](values).chunk(2, dim=-1))
            seen = length_mask(lengths, values.shape[1])
            hide = torch.zeros(seen.shape, dtype=x.dtype, device=x.device).masked_fill(~seen, -1e4)
            told = F.scaled_dot_product_attention(rotary(query), rotary(key), value, hide[:, None, None, :])
            share = self.opening[name].tanh() * (lengths > 0).to(x.dtype)[:, None]  # (B, 1)
            x = x + share[..., None] * project(told.transpose(1, 2).flatten(2))
            gates = gates + share.abs().expand(x.shape[:2])
        return Fused(x, fused_lengths(aligned, self.onto), gates)

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, heads, T, D / heads)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Late(nn.Module):
    """Late fusion: each stream has a head of its own, and their log-probabilities are added, weighted by trust.

    With a linear head U_m for each stream m, log-linear fusion says softmax(sum_m w_m (U_m x_m + b)), where the weights
    w_m of a moment add to 1. That is one linear head, U = [U_1 U_2 ...], over the frames w_m x_m side by side: so they
    are what this module gives, and nothing may stand between them and the head. Where a stream is absent w is 1 for the
    other, whose head then speaks alone. (On weighted streams: Potamianos et al. 2003, Proc. IEEE 91(9).)
    """

    def __init__(self, shapes: Mapping[str, Shape], options: FusionOptions):
        super().__init__()
        self.shapes, self.onto = dict(shapes), options.onto
        self.dim = sum(shape.dim for shape in shapes.values())
        if options.dim not in (0, self.dim):
            raise AsrlabError(f"fusion.dim={options.dim}: late puts {self.dim} values side by side; give 0")
        self.trust = Trust(shapes)

    def forward(self, streams: Mapping[str, Stream]) -> Fused:
        """As `Concat.forward`; the gates are what the other streams weigh together."""
        aligned = on_one_clock(streams, self.shapes, self.onto)
        weights = self.trust(aligned)
        frames = torch.cat([weights[name][..., None] * aligned[name].values for name in self.shapes], dim=-1)
        return Fused(frames, fused_lengths(aligned, self.onto), opened(weights, self.onto))


class Trust(nn.Module):
    """How far each stream is trusted at each moment: a softmax over streams of a linear map of all of them.

    It begins with equal trust. A stream has none where it is absent and beyond its end.
    """

    def __init__(self, shapes: Mapping[str, Shape]):
        super().__init__()
        self.names = tuple(shapes)
        self.score = nn.Linear(sum(shape.dim for shape in shapes.values()), len(self.names))
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, aligned: Mapping[str, Stream]) -> dict[str, Tensor]:
        """Streams on one clock -> weights (B, T) of each, adding to 1 where there is any."""
        scores = self.score(torch.cat([aligned[name].values for name in self.names], dim=-1))
        there = torch.stack([length_mask(aligned[n].lengths, scores.shape[1]) for n in self.names], dim=-1)
        weights = scores.masked_fill(~there, -1e4).softmax(dim=-1) * there.to(scores.dtype)
        return dict(zip(self.names, weights.unbind(dim=-1), strict=True))


def opened(weights: Mapping[str, Tensor], onto: str) -> Tensor:
    """What all streams but `onto` weigh together at each moment, (B, T)."""
    return torch.stack([weight for name, weight in weights.items() if name != onto]).sum(dim=0)


KINDS: Mapping[str, type[Concat | Gate | Cross | Late]] = {"concat": Concat, "gate": Gate, "cross": Cross, "late": Late}


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
