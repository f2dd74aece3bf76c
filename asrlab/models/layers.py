"""The pieces that the encoders share: masks, positions, convolution over time, attention, feed-forward.

Every tensor of frames is `(B, T, D)`: batch, time, channel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asrlab.core.streams import length_mask


def chunk_mask(frames: int, chunk: int, left_chunks: int, device: torch.device | None = None) -> Tensor:
    """`(T, T)` mask of a chunked attention: a frame sees its own chunk and `left_chunks` before it (-1: all).

    With `chunk=1` it is the causal mask. The look-ahead, hence the latency, is at most one chunk
    (Zhang et al. 2020, arXiv:2012.05481).
    """
    index = torch.arange(frames, device=device) // chunk
    query, key = index[:, None], index[None, :]
    seen = key <= query
    return seen & (key >= query - left_chunks) if left_chunks >= 0 else seen


def rotary(x: Tensor) -> Tensor:
    """Rotate channel pairs of `(..., T, D)` by an angle that grows with the time index: relative positions.

    After it a query and a key meet at an angle that depends on their distance alone (Su et al. 2021, arXiv:2104.09864).
    """
    frames, half = x.shape[-2], x.shape[-1] // 2
    frequency = 10000.0 ** (-torch.arange(half, device=x.device) / half)
    angle = torch.arange(frames, device=x.device)[:, None] * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    across = x.roll(half, dims=-1)  # channel i is paired with i + D / 2
    return torch.addcmul(x * torch.cat([cos, cos], dim=-1), across, torch.cat([-sin, sin], dim=-1))


class Dropout(nn.Module):
    """Silence each value with probability `p`, below 0.99, and scale up the rest (Srivastava et al. 2014, JMLR 15).

    On a CPU drawing the mask costs more than the layers around it, so there one random 64-bit word decides for eight
    values: seven times faster than `nn.Dropout`, with `p` rounded to a multiple of 1/256.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        drop = round(256 * self.p)
        keep = torch.empty(x.shape, dtype=x.dtype)
        torch.ge(words.view(torch.uint8)[: x.numel()].view(x.shape), drop, out=keep)
        return x * keep.mul_(256 / (256 - drop))


class TimeConv(nn.Module):
    """Convolution over time, `(B, T, C_in) -> (B, ceil(T / stride), C_out)`; with `causal` it sees no future frame.

    It runs as a two-dimensional convolution of height one over channels-last memory, the same numbers as `nn.Conv1d`:
    on a CPU the grouped one-dimensional kernel is some twenty times slower.
    """

    def __init__(self, dim_in: int, dim_out: int, kernel: int, stride: int = 1, groups: int = 1, causal: bool = False):
        super().__init__()
        self.conv = nn.Conv2d(dim_in, dim_out, (1, kernel), (1, stride), groups=groups)
        self.pad = (kernel - 1, 0) if causal else ((kernel - 1) // 2, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, *self.pad))
        return self.conv(x.transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)


class SqueezeExcite(nn.Module):
    """Turn every channel up or down by what the whole utterance sounds like: its voice, its room, its microphone.

    The mean over time goes through a bottleneck, `reduction` times narrower, to a gain between 0 and 2 for each channel
    (Han et al. 2020, arXiv:2005.03191, section 2.2.3). With `causal` it is the mean of the frames so far.
    """

    def __init__(self, dim: int, reduction: int, causal: bool = False):
        super().__init__()
        narrow = max(1, dim // reduction)
        self.causal = causal
        self.gain = nn.Sequential(nn.Linear(dim, narrow), nn.SiLU(), nn.Linear(narrow, dim), nn.Sigmoid())

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """`x (B, T, D)`, `real (B, T)` True where there is a frame."""
        real = real[:, :, None]
        heard = x.masked_fill(~real, 0.0).to(torch.promote_types(x.dtype, torch.float32))  # sums want all their bits
        mean = self._added(heard) / self._added(real.to(heard.dtype)).clamp(min=1)
        return x * (2 * self.gain(mean)).to(x.dtype)

    def _added(self, x: Tensor) -> Tensor:
        return x.cumsum(dim=1) if self.causal else x.sum(dim=1, keepdim=True)


class SelfAttention(nn.Module):
    """Multi-head self-attention with rotary positions (Vaswani et al. 2017, arXiv:1706.03762, section 3.2)."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.project_in = nn.Linear(dim, 3 * dim)
        self.project_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`x (B, T, D)`, `mask` broadcastable to `(B, 1, T, T)`, True where a query may look."""
        batch, frames, dim = x.shape
        qkv = self.project_in(x).view(batch, frames, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        (q, k), v = rotary(qkv[:2]), qkv[2]
        hide = torch.zeros(mask.shape, dtype=q.dtype, device=x.device).masked_fill(~mask, -1e4)
        if x.device.type == "cpu" and q.dtype == torch.bfloat16:  # where torch's kernel is slower than its definition
            y = (q @ k.transpose(-1, -2) / (dim // self.heads) ** 0.5 + hide).softmax(dim=-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, hide)
        return self.project_out(y.transpose(1, 2).reshape(batch, frames, dim))


class FeedForward(nn.Sequential):
    """Two linear maps with a SiLU between them; the inner one is `expansion` times wider."""

    def __init__(self, dim: int, expansion: int, dropout: float):
        super().__init__(nn.Linear(dim, expansion * dim), nn.SiLU(), Dropout(dropout), nn.Linear(expansion * dim, dim))


class Subsampling(nn.Module):
    """Two-dimensional convolutions that halve time and frequency, then a linear map: `(B, T, F) -> (B, T / s, D)`.

    Letters last longer than a hop, so fewer, richer frames cost no accuracy and save most of the arithmetic
    (Gulati et al. 2020, arXiv:2005.08100). `subsampling` is 1 (the linear map alone), 2, 4 or 8.
    """

    def __init__(self, features: int, dim: int, subsampling: int, channels: int, causal: bool):
        super().__init__()
        steps = subsampling.bit_length() - 1
        self.causal = causal
        padding = (0 if causal else 1, 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(1 if i == 0 else channels, channels, 3, stride=2, padding=padding) for i in range(steps)
        )
        for _ in range(steps):
            features = (features + 1) // 2
        self.project = nn.Linear(channels * features if steps else features, dim)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = x * length_mask(lengths, x.shape[1]).to(x.dtype)[:, :, None]
        x = x[..., None].permute(0, 3, 1, 2)  # (B, 1, T, F) with the channels last in memory: faster convolutions
        for conv in self.convs:
            x = conv(F.pad(x, (0, 0, 2, 0)) if self.causal else x)
            lengths = (lengths + 1) // 2
            with torch.no_grad():  # the next kernel reaches over the end; where ReLU gives 0 no gradient flows anyway
                x.mul_(length_mask(lengths, x.shape[2])[:, None, :, None])
            x = F.relu(x, inplace=True)
        return self.project(x.permute(0, 2, 3, 1).flatten(2)), lengths
