"""Encoders: frames of features to frames of meaning. CNN, LSTM, Transformer, Conformer under one interface.

`encoder(x (B, T, F), lengths (B,)) -> (y (B, T', D), lengths' (B,))`, where `T' = ceil(T / subsampling)`. What lies
beyond a length never reaches a real frame: a padded batch gives what each utterance gives alone. A length may be 0.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from asrlab.core.config import AtLeast, Between, Chance, Count, CountOrNone, Options, Width
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import length_mask
from asrlab.models.layers import (
    Dropout,
    FeedForward,
    SelfAttention,
    SqueezeExcite,
    Subsampling,
    TimeConv,
    chunk_mask,
)
from asrlab.models.pictures import Pictures


@dataclass(frozen=True)
class EncoderOptions(Options):
    kind: Literal["cnn", "lstm", "transformer", "conformer"] = "conformer"  # what its blocks are
    dim: Width = 176  # width of a frame, D
    layers: Annotated[int, Between(1, 200)] = 8  # how many blocks
    heads: Count = 4  # attention heads (transformer, conformer)
    kernel: Count = 15  # width of the convolution over time, in subsampled frames (cnn, conformer)
    squeeze: CountOrNone = 0  # gains from the whole utterance, through so many times fewer channels (cnn, conformer)
    expansion: Annotated[int, Between(1, 64)] = 4  # inner width of a feed-forward layer, in multiples of dim
    dropout: Chance = 0.1  # probability that a value is silenced in training
    layer_drop: Chance = 0.0  # probability that a whole residual block is skipped in training (stochastic depth)
    subsampling: Literal[1, 2, 4, 8] = 4  # input frames for one output frame
    subsampling_channels: Count = 64  # channels of the convolutions that subsample, or that read pictures
    picture_rows: CountOrNone = 0  # features are pictures of so many rows, read by 3-D and 2-D convolutions; 0: no
    causal: bool = False  # convolutions and recurrences see no future frame
    chunk: CountOrNone = 0  # attention sees chunks of so many frames (0: everything); streaming needs causal and chunk
    left_chunks: Annotated[int, AtLeast(-1)] = -1  # chunks of the past that attention sees (-1: all of them)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind in ("transformer", "conformer") and self.dim % (2 * self.heads):
            raise AsrlabError(f"dim={self.dim}: not a multiple of 2 x heads={self.heads}")
        if self.kind == "lstm" and not self.causal and self.dim % 2:
            raise AsrlabError(f"dim={self.dim}: two directions share it, give an even one")
        if self.picture_rows and self.subsampling != 1:
            raise AsrlabError(f"subsampling={self.subsampling}: pictures come slowly enough; give 1 with picture_rows")


class Encoder(nn.Module):
    """Subsampling, a stack of blocks, a final normalisation."""

    def __init__(self, features: int, options: EncoderOptions):
        super().__init__()
        self.options = options
        self.dim = options.dim
        channels = options.subsampling_channels
        self.subsample = (
            Pictures(features, options.picture_rows, options.dim, channels, options.causal)
            if options.picture_rows
            else Subsampling(features, options.dim, options.subsampling, channels, options.causal)
        )
        self.dropout = Dropout(options.dropout)
        self.blocks = nn.ModuleList(BLOCKS[options.kind](options) for _ in range(options.layers))
        self.norm = nn.LayerNorm(options.dim)

    def forward(self, x: Tensor, lengths: Tensor, tap: int | None = None) -> tuple[Tensor, ...]:
        """`(y, lengths')`; with `tap=i` also the frames after block `i`, for a loss in the middle of the stack."""
        x, lengths = self.subsample(x, lengths)
        x = self.dropout(x)
        real = length_mask(lengths, x.shape[1])
        see = real[:, None, None, :]
        if self.options.chunk:
            see = see & chunk_mask(x.shape[1], self.options.chunk, self.options.left_chunks, x.device)
        tapped = None
        for i, block in enumerate(self.blocks):
            dropped = self.training and self.options.layer_drop and i and torch.rand(()) < self.options.layer_drop
            x = x if dropped else block(x, real, see, lengths)
            tapped = x if i == tap else tapped
        y = self.norm(x)
        if tap is None:
            return y, lengths
        assert tapped is not None, f"tap={tap}: there are {len(self.blocks)} blocks"
        return y, lengths, tapped


class ConvModule(nn.Module):
    """Gate, depth-wise convolution over time, normalisation, SiLU (Gulati et al. 2020, section 2.2), gains."""

    def __init__(self, options: EncoderOptions):
        super().__init__()
        dim = options.dim
        self.gate = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GLU())
        self.conv = TimeConv(dim, dim, options.kernel, groups=dim, causal=options.causal)
        self.finish = nn.Sequential(nn.LayerNorm(dim), nn.SiLU(), nn.Linear(dim, dim))
        self.squeeze = SqueezeExcite(dim, options.squeeze, options.causal) if options.squeeze else None

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        x = self.finish(self.conv(self.gate(x) * real.to(x.dtype)[:, :, None]))
        return x if self.squeeze is None else self.squeeze(x, real)


class ConformerBlock(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, each added to what it reads."""

    def __init__(self, options: EncoderOptions):
        super().__init__()
        dim = options.dim
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(5))
        self.feed_in = FeedForward(dim, options.expansion, options.dropout)
        self.attend = SelfAttention(dim, options.heads)
        self.convolve = ConvModule(options)
        self.feed_out = FeedForward(dim, options.expansion, options.dropout)
        self.dropout = Dropout(options.dropout)

    def forward(self, x: Tensor, real: Tensor, see: Tensor, lengths: Tensor) -> Tensor:
        norm_in, norm_attend, norm_convolve, norm_out, norm = self.norms
        x = x + 0.5 * self.dropout(self.feed_in(norm_in(x)))
        x = x + self.dropout(self.attend(norm_attend(x), see))
        x = x + self.dropout(self.convolve(norm_convolve(x), real))
        x = x + 0.5 * self.dropout(self.feed_out(norm_out(x)))
        return norm(x)


class TransformerBlock(nn.Module):
    """Attention, then feed-forward, each normalised first (pre-norm) and added to what it reads."""

    def __init__(self, options: EncoderOptions):
        super().__init__()
        self.norm_attend, self.norm_feed = nn.LayerNorm(options.dim), nn.LayerNorm(options.dim)
        self.attend = SelfAttention(options.dim, options.heads)
        self.feed = FeedForward(options.dim, options.expansion, options.dropout)
        self.dropout = Dropout(options.dropout)

    def forward(self, x: Tensor, real: Tensor, see: Tensor, lengths: Tensor) -> Tensor:
        x = x + self.dropout(self.attend(self.norm_attend(x), see))
        return x + self.dropout(self.feed(self.norm_feed(x)))


class CnnBlock(nn.Module):
    """A gated convolution over time, then feed-forward: a Conformer block without its attention."""

    def __init__(self, options: EncoderOptions):
        super().__init__()
        self.norm_convolve, self.norm_feed = nn.LayerNorm(options.dim), nn.LayerNorm(options.dim)
        self.convolve = ConvModule(options)
        self.feed = FeedForward(options.dim, options.expansion, options.dropout)
        self.dropout = Dropout(options.dropout)

    def forward(self, x: Tensor, real: Tensor, see: Tensor, lengths: Tensor) -> Tensor:
        x = x + self.dropout(self.convolve(self.norm_convolve(x), real))
        return x + self.dropout(self.feed(self.norm_feed(x)))


class LstmBlock(nn.Module):
    """One LSTM layer, in both directions unless causal, added to what it reads."""

    def __init__(self, options: EncoderOptions):
        super().__init__()
        both = not options.causal
        self.norm = nn.LayerNorm(options.dim)
        self.lstm = nn.LSTM(options.dim, options.dim // (1 + both), batch_first=True, bidirectional=both)
        self.dropout = Dropout(options.dropout)

    def forward(self, x: Tensor, real: Tensor, see: Tensor, lengths: Tensor) -> Tensor:
        lengths = lengths.cpu().clamp(min=1)  # an absent stream: something that nobody reads
        packed = nn.utils.rnn.pack_padded_sequence(self.norm(x), lengths, batch_first=True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])
        return x + self.dropout(y)


BLOCKS = {"cnn": CnnBlock, "lstm": LstmBlock, "transformer": TransformerBlock, "conformer": ConformerBlock}
