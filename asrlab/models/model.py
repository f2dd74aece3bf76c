"""The acoustic model: a branch for each stream of features, their fusion, a trunk, and heads that write text."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from asrlab.core.config import Options
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape, Stream
from asrlab.models.decoder import AttentionDecoder, DecoderOptions
from asrlab.models.encoders import Encoder, EncoderOptions
from asrlab.models.fusion import KINDS, Fused, FusionOptions, ticks


def _sound() -> dict[str, EncoderOptions]:
    return {"sound": EncoderOptions()}


@dataclass(frozen=True)
class ModelOptions(Options):
    branches: Mapping[str, EncoderOptions] = field(default_factory=_sound)  # the encoder of each stream
    fusion: FusionOptions = field(default_factory=FusionOptions)  # how several streams become one
    trunk: EncoderOptions | None = None  # blocks above the fusion (with subsampling 1), null: none
    ctc: bool = True  # a CTC head
    inner_ctc: bool = False  # another half-way up, in training (Lee and Watanabe 2021)
    decoder: DecoderOptions | None = None  # an attention head, null: none

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.branches:
            raise AsrlabError("branches={}: a model needs a stream; give branches.sound, say")
        if not self.ctc and self.decoder is None:
            raise AsrlabError("ctc=false, decoder=null: the model has no head; give it one of them")
        if len(self.branches) > 1 and self.fusion.onto not in self.branches:
            raise AsrlabError(f"fusion.onto={self.fusion.onto!r}: choose one of {', '.join(self.branches)}")
        if len(self.branches) > 1 and self.fusion.kind == "late" and self.trunk is not None:
            raise AsrlabError("trunk: late fusion is of heads, nothing stands above it; give null, and deeper branches")
        if self.trunk is not None and self.trunk.subsampling != 1:
            raise AsrlabError(f"trunk.subsampling={self.trunk.subsampling}: a trunk keeps the frames it gets; give 1")
        if self.trunk is not None and self.trunk.picture_rows:
            raise AsrlabError(f"trunk.picture_rows={self.trunk.picture_rows}: it reads frames, no pictures; give 0")
        if self.inner_ctc and (not self.ctc or (self.trunk is None and len(self.branches) > 1)):
            raise AsrlabError("inner_ctc=true: it needs ctc=true and, above several branches, a trunk; give both")
        if self.inner_ctc and (self.trunk or self.branches[self.clock]).layers < 2:
            raise AsrlabError("inner_ctc=true: an encoder of one layer has no middle; give false")

    @property
    def clock(self) -> str:
        """The stream whose frames the model's frames follow."""
        return self.fusion.onto if len(self.branches) > 1 else next(iter(self.branches))

    @property
    def encoders(self) -> list[EncoderOptions]:
        """The options of every stack of blocks."""
        return [*self.branches.values(), *([self.trunk] if self.trunk else [])]


@dataclass(frozen=True)
class Output:
    """What the model says of a batch."""

    frames: Tensor  # (B, T, D) encoded
    lengths: Tensor  # (B,) frames of each utterance, 0 where all its streams are absent
    log_probs: Tensor | None = None  # (B, T, V) CTC head, nats
    inner_log_probs: Tensor | None = None  # (B, T, V) the same half-way up, in training
    logits: Tensor | None = None  # (B, L + 1, V) attention head, if targets were given
    attention: Tensor | None = None  # (B, L + 1, T) where it looked
    gates: Tensor | None = None  # of the fusion, where it has some


class Model(nn.Module):
    """Streams of features to log-probabilities of `vocabulary` tokens, token 0 the blank.

    shapes  what the features of each branch are like: `Shape(dim, hop_seconds)`, or the front end that makes them
    """

    def __init__(self, shapes: Mapping[str, Shape] | nn.ModuleDict, vocabulary: int, options: ModelOptions):
        super().__init__()
        shapes = {name: Shape(one.dim, one.hop_seconds) for name, one in shapes.items()}  # type: ignore[arg-type]
        missing = [name for name in options.branches if name not in shapes]
        if missing:
            raise AsrlabError(f"branch {missing[0]!r}: no such input; there are {', '.join(shapes)}")
        self.options = options
        self.branches = nn.ModuleDict({name: Encoder(shapes[name].dim, o) for name, o in options.branches.items()})
        self.encoded = {
            name: Shape(o.dim, shapes[name].hop_seconds * o.subsampling) for name, o in options.branches.items()
        }
        several = len(options.branches) > 1
        self.fusion = KINDS[options.fusion.kind](self.encoded, options.fusion) if several else None
        dim = self.fusion.dim if self.fusion is not None else options.branches[options.clock].dim
        self.trunk = Encoder(dim, options.trunk) if options.trunk else None
        dim = options.trunk.dim if options.trunk else dim
        self.ctc = nn.Linear(dim, vocabulary) if options.ctc else None
        self.inner_ctc = nn.Linear(dim, vocabulary) if options.inner_ctc else None
        self.decoder = AttentionDecoder(dim, vocabulary, options.decoder) if options.decoder else None

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame of the output to the next."""
        return self.encoded[self.options.clock].hop_seconds

    def frames(self, lengths: Mapping[str, Tensor]) -> Tensor:
        """How many frames (B,) come out of so many frames of features of each stream, (B,)."""
        clock, longest = self.options.clock, {}
        for name, options in self.options.branches.items():
            halved = -(-lengths[name] // options.subsampling)
            longest[name] = ticks(halved, self.encoded[name].hop_seconds, self.frame_seconds)
        own = longest[clock]
        return torch.where(own > 0, own, torch.stack(list(longest.values())).amax(dim=0))

    def forward(self, streams: Mapping[str, Stream], targets: Tensor | None = None) -> Output:
        """`{name: (x (B, T, F), lengths (B,))}`; with `targets (B, L)`, padded with 0, the attention head runs as well.

        Raises AsrlabError if a stream that the model has a branch for is not there (an absent one has length 0).
        """
        missing = [name for name in self.branches if name not in streams]
        if missing:
            wanted = ", ".join(self.branches)
            raise AsrlabError(f"the model reads {wanted}; there is no {missing[0]}: give it, with length 0 if absent")
        fused, inner = self._encode(streams)
        log_probs = None if self.ctc is None else self._log_probs(self.ctc, fused.frames)
        inner_log_probs = None
        if self.inner_ctc is not None and inner is not None:
            inner_log_probs = self._log_probs(self.inner_ctc, inner)
        logits = attention = None
        if self.decoder is not None and targets is not None:
            logits, attention = self.decoder(fused.frames, fused.lengths, targets)
        return Output(fused.frames, fused.lengths, log_probs, inner_log_probs, logits, attention, fused.gates)

    def _encode(self, streams: Mapping[str, Stream]) -> tuple[Fused, Tensor | None]:
        """The frames below the heads and, in training, those half-way up for the inner head."""
        wants_inner = self.training and self.inner_ctc is not None
        if self.fusion is None and self.trunk is None:
            (name, branch), *_ = self.branches.items()
            y, lengths, inner = _climb(branch, streams[name], wants_inner)  # type: ignore[arg-type]  # of a ModuleDict
            return Fused(y, lengths), inner
        encoded = {name: Stream(*branch(*streams[name])) for name, branch in self.branches.items()}
        fused = self.fusion(encoded) if self.fusion is not None else Fused(*encoded[self.options.clock])
        if self.trunk is None:
            return fused, None
        y, lengths, inner = _climb(self.trunk, Stream(fused.frames, fused.lengths), wants_inner)
        return Fused(y, lengths, fused.gates), inner

    @staticmethod
    def _log_probs(head: nn.Linear, frames: Tensor) -> Tensor:
        with torch.autocast(frames.device.type, enabled=False):  # a softmax over log-probabilities wants all its bits
            return head(frames.float()).log_softmax(dim=-1)

    def parameter_count(self) -> int:
        """How many numbers training adjusts."""
        return sum(p.numel() for p in self.parameters())


def _climb(encoder: Encoder, stream: Stream, inner: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """What an encoder makes of a stream and, if wanted, its frames half-way up."""
    if inner:
        return encoder(*stream, tap=len(encoder.blocks) // 2 - 1)
    return *encoder(*stream), None
