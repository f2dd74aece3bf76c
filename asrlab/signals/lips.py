"""Lips as frames: pictures of a mouth, normalised and flattened. Light and skin go, movement and shape stay."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asrlab.core.config import Count, Options, Positive
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import length_mask


@dataclass(frozen=True)
class LipsOptions(Options):
    """What a LipsFrontEnd expects."""

    height: Count = 32  # of a picture, in pixels
    width: Count = 48  # of a picture, in pixels
    rate: Positive = 25.0  # pictures a second; a film with another rate is brought to it


class LipsFrontEnd(nn.Module):
    """Grey pictures to features, each utterance with zero mean and unit variance over all its pixels. No weights."""

    def __init__(self, options: LipsOptions | None = None):
        super().__init__()
        self.options = options or LipsOptions()

    @property
    def dim(self) -> int:
        """Features per frame: the pixels of a picture, row by row."""
        return self.options.height * self.options.width

    @property
    def rate(self) -> float:
        """Pictures a second that it wants."""
        return self.options.rate

    @property
    def hop_seconds(self) -> float:
        """Seconds from one frame to the next."""
        return 1 / self.options.rate

    def frames(self, lengths: Tensor) -> Tensor:
        """How many frames (B,) come of so many pictures (B,)."""
        return lengths

    def forward(self, pictures: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, H, W), bytes or floats, and pictures (B,) -> features (B, N, H W), 0 beyond an end, and frames (B,).

        A length may be 0, for an utterance without pictures; where no utterance has any, (B, 1) will do.
        Raises AsrlabError for pictures of another size.
        """
        expected = (self.options.height, self.options.width)
        lengths = lengths.to(pictures.device)
        if pictures.ndim == 2 and not bool(lengths.any()):
            return torch.zeros(len(lengths), pictures.shape[1], self.dim, device=pictures.device), lengths
        if pictures.ndim != 4 or tuple(pictures.shape[2:]) != expected:
            raise AsrlabError(
                f"pictures of lips {tuple(pictures.shape)}: expected (B, N, {expected[0]}, {expected[1]}); crop and "
                "scale them, or change inputs.lips.height and inputs.lips.width"
            )
        x = pictures.float().flatten(2)
        real = length_mask(lengths, x.shape[1])[:, :, None]
        count = (lengths.clamp(min=1) * self.dim)[:, None, None]
        mean = x.masked_fill(~real, 0.0).sum(dim=(1, 2), keepdim=True) / count
        centred = (x - mean).masked_fill(~real, 0.0)
        variance = centred.square().sum(dim=(1, 2), keepdim=True) / count
        return centred * (variance + 1e-5).rsqrt(), lengths
