"""Pictures to frames: what stands below an encoder that reads lips."""

import torch.nn.functional as F
from torch import Tensor, nn

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import length_mask

SPAN = 5  # pictures that the 3-D convolution sees at once: 0.2 s at 25 a second, most of a movement of the lips
GROUPS = 4  # of channels that are normalised together


class Pictures(nn.Module):
    """A 3-D convolution over a few neighbouring pictures, two 2-D ones over each, a linear map.

    (B, T, H W) -> (B, T, D). Each convolution halves height and width; their channels grow to `channels` by factors of
    two. As in LipNet (Assael et al. 2016, arXiv:1611.01599) movement is seen first. Normalisation is over the groups of
    channels of one picture (Wu and He 2018, arXiv:1803.08494): over a batch it would mix in padding and other faces.

    A 3-D convolution over one channel is a 2-D convolution whose channels are the neighbouring pictures: the same
    numbers, several times faster on a CPU.
    """

    def __init__(self, features: int, rows: int, dim: int, channels: int, causal: bool):
        super().__init__()
        if features % rows:
            raise AsrlabError(f"picture_rows={rows}: {features} features are no pictures of so many rows")
        if channels % (4 * GROUPS):
            raise AsrlabError(f"subsampling_channels={channels}: pictures ask for a multiple of {4 * GROUPS}")
        self.rows, self.causal = rows, causal
        widths = (SPAN, channels // 4, channels // 2, channels)
        kernels = (5, 3, 3)
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, k, stride=2, padding=k // 2) for i, o, k in zip(widths, widths[1:], kernels, strict=False)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, width) for width in widths[1:])
        height, width = rows, features // rows
        for _ in self.convs:
            height, width = (height + 1) // 2, (width + 1) // 2
        self.project = nn.Linear(channels * height * width, dim)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        batch, frames, features = x.shape
        x = x * length_mask(lengths, frames).to(x.dtype)[:, :, None]
        before = SPAN - 1 if self.causal else SPAN // 2
        x = F.pad(x, (0, 0, before, SPAN - 1 - before)).unfold(1, SPAN, 1)  # (B, T, H W, SPAN)
        x = x.transpose(2, 3).reshape(batch * frames, SPAN, self.rows, features // self.rows)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        return self.project(x.flatten(1)).view(batch, frames, -1), lengths
