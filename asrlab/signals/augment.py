"""New training data from old: SpecAugment hides parts of the features, a random channel colours them and cuts bands
off, speed perturbation plays faster or slower.

Both are batched and run on the device of their input.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
import torchaudio.transforms
from torch import Tensor, nn

from asrlab.core.config import Count, CountOrNone, NotNegative, Options, Share
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import length_mask


@dataclass(frozen=True)
class SpecAugmentOptions(Options):
    """How much SpecAugment hides (Park et al. 2019, with the adaptive masks of Park et al. 2020)."""

    time_masks: CountOrNone = 10  # stretches of frames hidden in each utterance
    time_fraction: Share = 0.05  # longest stretch, as a fraction of the utterance's own frames
    freq_masks: CountOrNone = 2  # bands of features hidden in each utterance
    freq_width: CountOrNone = 27  # widest band, in features
    value: float = 0.0  # what hidden cells become; 0 is the mean of normalised features


@dataclass(frozen=True)
class LipsAugmentOptions(Options):
    """How pictures of lips differ from hearing to hearing: seen in a mirror, and from a little aside."""

    mirror: Share = 0.0  # of the utterances that are seen in a mirror
    shift: CountOrNone = 0  # pixels by which a whole film may lie further left, right, up or down


def jitter(
    pictures: Tensor, options: LipsAugmentOptions = LipsAugmentOptions(), generator: torch.Generator | None = None
) -> Tensor:
    """Pictures (B, N, H, W) of each utterance mirrored or moved as one, their edge repeated: in a new tensor.

    Pictures of no utterance, (B, N), stay as they are. `generator` lives on the pictures' device.
    """
    if pictures.ndim != 4 or not (options.mirror or options.shift):
        return pictures
    draws = torch.rand(3, len(pictures), generator=generator, device=pictures.device)
    mirrored = draws[0] < options.mirror
    steps = (draws[1:] * (2 * options.shift + 1)).long() - options.shift
    height, width = pictures.shape[2:]
    rows = (torch.arange(height, device=pictures.device) + steps[0][:, None]).clamp(0, height - 1)  # (B, H)
    columns = (torch.arange(width, device=pictures.device) + steps[1][:, None]).clamp(0, width - 1)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    seen = torch.empty_like(pictures)
    for row, picture in enumerate(pictures):
        seen[row] = picture[:, rows[row]][:, :, columns[row]]
    return seen


def spec_augment(
    features: Tensor,
    lengths: Tensor,
    options: SpecAugmentOptions = SpecAugmentOptions(),
    generator: torch.Generator | None = None,
) -> Tensor:
    """Hide random stretches of time and bands of features, other ones in each utterance: (B, T, F), (B,) -> (B, T, F).

    Widths are uniform from 0 to the widest, places uniform where they fit. `generator` lives on the features' device.
    Raises AsrlabError if a band may be wider than the features.
    """
    if options.freq_masks and options.freq_width > features.shape[2]:
        raise AsrlabError(
            f"spec_augment.freq_width={options.freq_width}: wider than the {features.shape[2]} features; choose a "
            "third of them, or freq_masks=0"
        )
    lengths = lengths.to(features.device)
    widest_time = (lengths * options.time_fraction).long()
    bands = torch.full_like(lengths, features.shape[2])
    widest_band = torch.full_like(bands, options.freq_width)
    hidden_time = _random_spans(features.shape[1], lengths, widest_time, options.time_masks, generator)
    hidden_band = _random_spans(features.shape[2], bands, widest_band, options.freq_masks, generator)
    inside = length_mask(lengths, features.shape[1])
    hidden = (hidden_time[:, :, None] | hidden_band[:, None, :]) & inside[:, :, None]
    return features.masked_fill(hidden, options.value)


@dataclass(frozen=True)
class ChannelOptions(Options):
    """What other microphones and lines do to the bands of log-mel features, in standard deviations of an utterance.

    Every gain of a band, such as a microphone's, is a constant added to that band's log power.
    """

    share: Share = 0.0  # of the utterances that are heard through a channel
    colour: NotNegative = 0.3  # how far the gains stray: a curve over the bands of `waves` half waves, drawn anew
    waves: Count = 6  # half waves over all bands: more make a rougher curve
    cut: Share = 0.5  # of those heard through a channel, how many lose their highest bands, as in a telephone
    keep: Share = 0.6  # the least share of the bands that are left from below
    low: Share = 0.15  # the most that is lost from below, by half of those that are cut
    floor: NotNegative = 4.0  # how far below the mean lost bands lie at most


def random_channel(
    features: Tensor, lengths: Tensor, options: ChannelOptions, generator: torch.Generator | None = None
) -> Tensor:
    """Features as through another channel, drawn for each utterance: (B, T, F), (B,) -> (B, T, F).

    Gains are a cosine series over the bands with normal coefficients; bands that are cut get one value, 1 to `floor`
    standard deviations below the mean. The result is not normalised. `generator` lives on the features' device.
    """
    count, _, bands = features.shape
    device = features.device

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    through = rand(count) < options.share
    place = (torch.arange(bands, device=device) + 0.5) / bands
    curves = torch.cos(torch.pi * torch.arange(1, options.waves + 1, device=device)[:, None] * place)
    draws = torch.randn(count, options.waves, generator=generator, device=device)
    gains = options.colour * (2 / options.waves) ** 0.5 * draws @ curves  # of standard deviation `colour` in the mean
    cut = rand(count) < options.cut
    highest = torch.where(cut, options.keep + (1 - options.keep) * rand(count), 1.0)
    lowest = torch.where(cut & (rand(count) < 0.5), options.low * rand(count), 0.0)
    lost = (place > highest[:, None]) | (place < lowest[:, None])
    depth = 1 + (options.floor - 1) * rand(count)
    sent = torch.where(lost[:, None], -depth[:, None, None], features + gains[:, None])
    inside = length_mask(lengths.to(device), features.shape[1])
    return torch.where((through[:, None] & inside)[:, :, None], sent.to(features.dtype), features)


def speed_perturb(waveforms: Tensor, factor: float, sample_rate: int) -> Tensor:
    """Play `factor` times as fast, pitch and all: (..., N) -> (..., ceil(N / factor)), zeros beyond an end stay zeros.

    The factor is taken to the nearest fraction with a denominator of at most 100. Ko et al. 2015 use 0.9, 1.0 and 1.1.
    """
    speed = _speed(factor, sample_rate)
    if speed == 1:
        return waveforms
    resampler = _resampler(speed.numerator, speed.denominator, waveforms.device, waveforms.dtype)
    return resampler(waveforms)


def speed_lengths(lengths: Tensor, factor: float, sample_rate: int) -> Tensor:
    """How many samples speed_perturb makes of so many: (B,) -> (B,), ceil(lengths / factor)."""
    speed = _speed(factor, sample_rate)
    return -torch.div(-lengths * speed.denominator, speed.numerator, rounding_mode="floor")


def _speed(factor: float, sample_rate: int) -> Fraction:
    if not 0.1 <= factor <= 10:
        raise AsrlabError(f"factor={factor}: give a speed between 0.1 and 10")
    return Fraction(round(sample_rate * factor), sample_rate).limit_denominator(100)


@lru_cache(maxsize=64)
def _resampler(source: int, target: int, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Computing the filter costs more than using it: keep it."""
    with torch.inference_mode(False):
        return torchaudio.transforms.Resample(source, target, dtype=dtype).to(device)


def _random_spans(size: int, limits: Tensor, widest: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """(B, size) boolean: `count` random spans a row, each at most `widest` (B,) wide and within `limits` (B,)."""
    draws = torch.rand(2, len(limits), count, generator=generator, device=limits.device)
    width = (draws[0] * (widest[:, None] + 1)).long()
    start = (draws[1] * (limits[:, None] - width + 1)).long()
    at = torch.arange(size, device=limits.device)[None, :, None]
    return ((at >= start[:, None]) & (at < (start + width)[:, None])).any(dim=-1)
