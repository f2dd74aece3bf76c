"""Noise added to training sound as it goes by: another kind, another stretch, another level at each hearing.

The level is set over the utterance's *active* speech (`active_power`): with pauses counted in, an utterance with long
ones would get more noise than another with none.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Stream
from asrlab.signals import audio
from asrlab.signals.effects import ACTIVE_DB, ACTIVE_SECONDS

KINDS = ("white", "pink", "babble", "files")
TALKERS = 6  # the most that babble is made of
SOUND = "sound"


@dataclass(frozen=True)
class NoiseOptions:
    """Which noise an utterance is heard in, how often and how loud (as in Kaldi's and ESPnet's noise augmentation)."""

    kinds: tuple[str, ...] = ()  # drawn from: white, pink, babble (others of the batch), files; empty: no noise
    snr_db: tuple[float, ...] = (0.0, 20.0)  # dB of active speech above the noise: the least and the most, uniform
    share: float = 0.5  # of the utterances that get noise, drawn anew each time
    files: str = ""  # folder of recordings of noise, for the kind files

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise AsrlabError(f"noise.kinds={unknown[0]!r}: choose from {', '.join(KINDS)}")
        if len(self.snr_db) != 2 or not all(map(math.isfinite, self.snr_db)) or self.snr_db[0] > self.snr_db[1]:
            raise AsrlabError(f"noise.snr_db={list(self.snr_db)}: give the least and the most, such as [0, 20]")
        if not 0 <= self.share <= 1:
            raise AsrlabError(f"noise.share={self.share}: give a share from 0 to 1")
        if ("files" in self.kinds) != bool(self.files):
            raise AsrlabError(f"noise.files={self.files!r}: name a folder if kinds have files, and only then")


def add_to_sound(
    inputs: Mapping[str, Stream],
    options: NoiseOptions,
    rates: Mapping[str, float],
    generator: torch.Generator | None = None,
) -> dict[str, Stream]:
    """The streams of a batch, their sound with noise as `noisy` adds it. rates: values a second of each modality."""
    heard = dict(inputs)
    if SOUND in heard:
        values, lengths = heard[SOUND]
        heard[SOUND] = Stream(noisy(values, lengths, options, round(rates[SOUND]), generator), lengths)
    return heard


def noisy(
    waveforms: Tensor,
    lengths: Tensor,
    options: NoiseOptions,
    sample_rate: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Waveforms (B, N) of `lengths` (B,) samples, a share of them with noise, in a new tensor; zeros beyond each end.

    An utterance gets one kind of noise for its whole length, so loud that the power of its active speech is an SNR from
    `options.snr_db` above the noise's mean power. The sum is not clipped. Left as it is: what has no sound (length 0,
    or digital silence), and in babble what is alone in its batch. All chance is torch's: the same `generator`, which
    lives on the waveforms' device (None: the global one), gives the same. Raises AsrlabError for files that are none.
    """
    if not options.kinds or options.share == 0:
        return waveforms
    batch, device = len(waveforms), waveforms.device
    draws = torch.rand(3, batch, generator=generator, device=device)
    low, high = options.snr_db
    power = active_power(waveforms, lengths, sample_rate)
    wanted = (draws[0] < options.share) & (power > 0)
    noise_power = power / 10 ** ((low + (high - low) * draws[1]) / 10)
    kinds = (draws[2] * len(options.kinds)).long().tolist()
    heard = waveforms.clone()
    for row in wanted.nonzero().flatten().tolist():
        length, kind = int(lengths[row]), options.kinds[kinds[row]]
        if kind == "babble":
            noise = _babble(waveforms, lengths, power, row, generator)
        elif kind == "files":
            noise = _stretch(options.files, length, sample_rate, device, generator)
        else:
            noise = torch.randn(length, generator=generator, device=device)
            noise = _pink(noise) if kind == "pink" else noise
        own = noise.square().mean()
        gain = torch.where(own > 0, noise_power[row] / own, 0.0).sqrt()
        heard[row, :length] += (gain * noise).to(heard.dtype)
    return heard


def active_power(waveforms: Tensor, lengths: Tensor, sample_rate: int) -> Tensor:
    """Mean power (B,) of active speech in (B, N): what `effects.active_power` says of each utterance alone."""
    window = round(ACTIVE_SECONDS * sample_rate)
    x = waveforms.detach().float()
    x = x.masked_fill(torch.arange(x.shape[1], device=x.device) >= lengths.to(x.device)[:, None], 0.0)
    x = torch.nn.functional.pad(x, (0, -x.shape[1] % window))
    energy = x.view(len(x), -1, window).square().sum(dim=2)  # (B, frames)
    count = torch.div(lengths.to(x.device), window, rounding_mode="floor")
    whole = torch.arange(energy.shape[1], device=x.device) < count[:, None]
    short = energy.sum(dim=1) / lengths.to(x.device).clamp(min=1)  # for less than one frame
    level = energy.masked_fill(~whole, 0.0) / window
    active = whole & (level >= level.amax(dim=1, keepdim=True) * 10 ** (-ACTIVE_DB / 10))
    mean = level.masked_fill(~active, 0.0).sum(dim=1) / active.sum(dim=1).clamp(min=1)
    return torch.where(count > 0, mean, short)


def _babble(waveforms: Tensor, lengths: Tensor, power: Tensor, row: int, generator: torch.Generator | None) -> Tensor:
    """Others of the batch at once, equally loud, each from a place of its own and repeated: as long as this row."""
    length = int(lengths[row])
    others = [i for i in (power > 0).nonzero().flatten().tolist() if i != row]
    total = torch.zeros(length, device=waveforms.device)
    draws = torch.rand(2, len(others), generator=generator, device=waveforms.device)
    for place in draws[0].argsort()[:TALKERS].tolist():
        other = others[place]
        voice = waveforms[other, : int(lengths[other])].detach().float()
        start = int(draws[1, place] * len(voice))
        total += _repeated(voice.roll(-start), length) * power[other].rsqrt()
    return total


def _pink(white: Tensor) -> Tensor:
    """White noise made pink: 3 dB less in each octave, no offset."""
    spectrum = torch.fft.rfft(white)
    index = torch.arange(len(spectrum), device=white.device).clamp(min=1)
    spectrum = spectrum / index.sqrt()
    spectrum[0] = 0
    return torch.fft.irfft(spectrum, len(white)) if len(white) > 1 else white


def _stretch(
    folder: str, length: int, sample_rate: int, device: torch.device, generator: torch.Generator | None
) -> Tensor:
    """A random stretch of a random recording, longer recordings the likelier: (length,), repeated if it is shorter."""
    files = recordings(folder)
    draws = torch.rand(2, generator=generator, device=device, dtype=torch.float64).tolist()
    at = draws[0] * sum(seconds for _, seconds in files)
    path, seconds = files[-1]
    for path, seconds in files:  # noqa: B007 (the first whose end lies beyond the place)
        at -= seconds
        if at < 0:
            break
    wanted = length / sample_rate
    start = draws[1] * max(0.0, seconds - wanted)
    found = audio.load(path, sample_rate, start=start, seconds=min(wanted, seconds - start))
    return _repeated(torch.from_numpy(found).to(device), length)


def _repeated(values: Tensor, length: int) -> Tensor:
    """(N,) again and again, up to (length,)."""
    return values.repeat(-(-length // len(values)))[:length]


@lru_cache(maxsize=16)
def recordings(folder: str) -> tuple[tuple[Path, float], ...]:
    """(path, seconds) of the recordings below a folder, sorted. Raises AsrlabError if there are none, or no sound."""
    root = Path(folder).expanduser()
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in audio.SUFFIXES)
    if not paths:
        raise AsrlabError(f"noise.files={folder}: no {', '.join(audio.SUFFIXES)} below it; give a folder of recordings")
    return tuple((path, audio.info(path).seconds) for path in paths)
