"""Waveform to frames: log-mel and MFCC, their normalisation, SpecAugment and speed perturbation.

Everything is batched, differentiable and runs on the device of its input. Waveforms are (B, N) floats in [-1, 1], features (B, T, F), and
lengths are absolute integers (B,) that travel beside them. Only whole windows make frames: T = 1 + (N - window) // hop.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torchaudio.functional
from torch import Tensor, nn

from asrlab.errors import AsrlabError


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise AsrlabError(f"{name}={value!r}: expected one of {', '.join(known)}")


@dataclass(frozen=True)
class FrontEndOptions:
    """What a FrontEnd computes."""

    kind: str = "log_mel"  # "log_mel", or "mfcc": its cosine transform
    sample_rate: int = 16000  # Hz, of the waveforms that come in
    window_ms: float = 25.0  # how much sound one frame sees
    hop_ms: float = 10.0  # from one frame to the next
    n_fft: int | None = None  # points of the Fourier transform; None: the power of two that holds a window
    n_mels: int = 80  # triangular filters, also below MFCC
    n_mfcc: int = 13  # cepstral coefficients kept, from the zeroth
    deltas: bool = False  # append first and second derivatives: three times the features
    f_min: float = 20.0  # Hz, lower edge of the lowest filter
    f_max: float | None = None  # Hz, upper edge of the highest filter; None: the Nyquist frequency
    mel_scale: str = "htk"  # "htk" or "slaney": where the filters lie
    pre_emphasis: float = 0.97  # x[n] - a x[n-1] before framing; 0 turns it off
    dither: float = 0.0  # standard deviation of white noise added in training mode, in units of the waveform
    floor: float = 1e-8  # least mel power, about the quantisation noise of a 16-bit file
    normalise: str = "utterance"  # "utterance", "running" (causal) or "none"
    running_seconds: float = 3.0  # time constant of the running statistics

    def __post_init__(self):
        _one_of("kind", self.kind, ("log_mel", "mfcc"))
        _one_of("mel_scale", self.mel_scale, ("htk", "slaney"))
        _one_of("normalise", self.normalise, ("utterance", "running", "none"))
        for name in ("sample_rate", "window_ms", "hop_ms", "n_mels", "n_mfcc", "floor", "running_seconds"):
            if not getattr(self, name) > 0:
                raise AsrlabError(f"{name}={getattr(self, name)}: give a positive number")
        if self.kind == "mfcc" and self.n_mfcc > self.n_mels:
            raise AsrlabError(f"n_mfcc={self.n_mfcc}: at most n_mels={self.n_mels} coefficients exist; raise n_mels")
        if self.fft_size < self.window:
            raise AsrlabError(f"n_fft={self.n_fft}: shorter than a window of {self.window} samples; use None")

    @property
    def window(self) -> int:
        """Window length in samples."""
        return round(self.window_ms * self.sample_rate / 1000)

    @property
    def hop(self) -> int:
        """Hop in samples."""
        return round(self.hop_ms * self.sample_rate / 1000)

    @property
    def fft_size(self) -> int:
        """Points of the Fourier transform."""
        return self.n_fft or 2 ** math.ceil(math.log2(self.window))


@dataclass(frozen=True)
class SpecAugmentOptions:
    """How much SpecAugment hides (Park et al. 2019, with the adaptive masks of Park et al. 2020)."""

    time_masks: int = 10  # stretches of frames hidden in each utterance
    time_fraction: float = 0.05  # longest stretch, as a fraction of the utterance's own frames
    freq_masks: int = 2  # bands of features hidden in each utterance
    freq_width: int = 27  # widest band, in features
    value: float = 0.0  # what hidden cells become; 0 is the mean of normalised features

    def __post_init__(self):
        if not 0 <= self.time_fraction <= 1:
            raise AsrlabError(f"time_fraction={self.time_fraction}: give a fraction between 0 and 1")
        for name in ("time_masks", "freq_masks", "freq_width"):
            if getattr(self, name) < 0:
                raise AsrlabError(f"{name}={getattr(self, name)}: give 0 or more")


class FrontEnd(nn.Module):
    """Waveforms to normalised features, always in float32 (or in float64, for a float64 waveform), also under autocast."""

    def __init__(self, options: FrontEndOptions | None = None):
        super().__init__()
        self.options = options or FrontEndOptions()

    @property
    def dim(self) -> int:
        """Features per frame, F."""
        base = self.options.n_mels if self.options.kind == "log_mel" else self.options.n_mfcc
        return base * 3 if self.options.deltas else base

    @property
    def hop_seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.options.hop / self.options.sample_rate

    def frames(self, lengths: Tensor) -> Tensor:
        """How many frames (B,) come of so many samples (B,)."""
        return 1 + torch.div(lengths - self.options.window, self.options.hop, rounding_mode="floor")

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) in [-1, 1] and samples (B,) -> features (B, T, F), zero beyond each utterance's end, and frames (B,).

        Raises AsrlabError if an utterance is shorter than one window.
        """
        options = self.options
        lengths = lengths.to(waveforms.device)
        self._check(waveforms, lengths)
        with torch.autocast(waveforms.device.type, enabled=False):
            waveforms = _real(waveforms)
            if self.training and options.dither > 0:
                waveforms = waveforms + options.dither * torch.randn_like(waveforms)
            features = log_mel(waveforms, options)
            lengths = self.frames(lengths)
            if options.kind == "mfcc":
                features = mfcc(features, options.n_mfcc)
            if options.deltas:
                first = deltas(features, lengths)
                features = torch.cat([features, first, deltas(first, lengths)], dim=-1)
            if options.normalise == "utterance":
                features = normalise_utterance(features, lengths)
            elif options.normalise == "running":
                features, _ = normalise_running(features, options.running_seconds / self.hop_seconds)
            return features.masked_fill(~frame_mask(lengths, features.shape[1])[..., None], 0.0), lengths

    def _check(self, waveforms: Tensor, lengths: Tensor) -> None:
        if waveforms.dim() != 2 or lengths.shape != waveforms.shape[:1]:
            raise AsrlabError(
                f"waveforms {tuple(waveforms.shape)} and lengths {tuple(lengths.shape)}: expected (B, N) and (B,)"
            )
        if torch.compiler.is_compiling() or (waveforms.is_cuda and torch.cuda.is_current_stream_capturing()):
            return  # reading a value back would break the graph
        shortest, longest = (int(n) for n in torch.aminmax(lengths))
        if longest > waveforms.shape[1]:
            raise AsrlabError(f"lengths: {longest} samples named, but the batch holds {waveforms.shape[1]}")
        if shortest < self.options.window:
            raise AsrlabError(
                f"utterance {int(lengths.argmin())} of the batch: {shortest} samples, shorter than one window; the shortest "
                f"allowed is {self.options.window} samples ({self.options.window_ms:g} ms): pad it with zeros or leave it out"
            )


def stft(waveforms: Tensor, n_fft: int, window: Tensor, hop: int) -> Tensor:
    """Short-time Fourier transform without padding at the edges: (..., N), window (W,) -> complex (..., T, 1 + n_fft // 2)."""
    _long_enough(waveforms, len(window))
    return torch.fft.rfft(waveforms.unfold(-1, len(window), hop) * window, n=n_fft)


def power_spectrum(waveforms: Tensor, n_fft: int, window: Tensor, hop: int) -> Tensor:
    """|STFT|^2: (..., N), window (W,) -> (..., T, 1 + n_fft // 2)."""
    return torch.view_as_real(stft(waveforms, n_fft, window, hop)).square().sum(dim=-1)


def hz_to_mel(hz: Tensor, scale: str = "htk") -> Tensor:
    """Hz to mel. "htk": 2595 log10(1 + f / 700); "slaney": linear below 1 kHz, logarithmic above (Slaney 1998)."""
    _one_of("scale", scale, ("htk", "slaney"))
    if scale == "htk":
        return 2595.0 * torch.log10(1.0 + hz / 700.0)
    return torch.where(hz < 1000.0, hz * 3 / 200, 15.0 + torch.log(hz.clamp(min=1e-3) / 1000.0) * 27 / math.log(6.4))


def mel_to_hz(mel: Tensor, scale: str = "htk") -> Tensor:
    """The inverse of hz_to_mel."""
    _one_of("scale", scale, ("htk", "slaney"))
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return torch.where(mel < 15.0, mel * 200 / 3, 1000.0 * torch.exp((mel - 15.0) * math.log(6.4) / 27))


def mel_filterbank(
    n_mels: int, n_fft: int, sample_rate: int, f_min: float = 20.0, f_max: float | None = None, scale: str = "htk"
) -> Tensor:
    """Triangular filters, equally wide in mel: (1 + n_fft // 2, n_mels) float64 weights.

    scale "htk" has peaks of 1; "slaney" divides each filter by half its width in Hz, so that all have the same area.
    Raises AsrlabError if the edges are not 0 <= f_min < f_max <= Nyquist, or a filter falls between two bins of the transform.
    """
    nyquist = sample_rate / 2
    f_max = nyquist if f_max is None else f_max
    if not 0 <= f_min < f_max <= nyquist:
        raise AsrlabError(f"f_min={f_min:g}, f_max={f_max:g} Hz: expected 0 <= f_min < f_max <= {nyquist:g} (half of {sample_rate})")
    limits = hz_to_mel(torch.tensor([f_min, f_max], dtype=torch.float64), scale)
    mels = torch.linspace(float(limits[0]), float(limits[1]), n_mels + 2, dtype=torch.float64)
    edges = mel_to_hz(mels, scale)
    bins = torch.linspace(0, nyquist, 1 + n_fft // 2, dtype=torch.float64)[:, None]
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    bank = torch.minimum(rising, falling).clamp(min=0.0)
    empty = (bank.amax(dim=0) <= 0).nonzero()
    if len(empty):
        raise AsrlabError(
            f"n_mels={n_mels} with n_fft={n_fft}: filter {int(empty[0])} falls between two frequency bins; "
            f"use fewer filters, a larger n_fft or a higher f_min"
        )
    return bank * (2.0 / (upper - lower)) if scale == "slaney" else bank


def log_mel(waveforms: Tensor, options: FrontEndOptions = FrontEndOptions()) -> Tensor:  # noqa: B008 (frozen)
    """Natural logarithm of the mel power: (B, N) -> (B, T, n_mels), no normalisation."""
    waveforms = _real(waveforms)
    if options.pre_emphasis:
        waveforms = waveforms - options.pre_emphasis * nn.functional.pad(waveforms[..., :-1], (1, 0))
    window, bank = _constants(options, waveforms.device, waveforms.dtype)
    power = power_spectrum(waveforms, options.fft_size, window, options.hop)
    return (power @ bank).clamp(min=options.floor).log()


def mfcc(log_mels: Tensor, n_mfcc: int = 13) -> Tensor:
    """Orthonormal DCT-II of log-mel features: (..., n_mels) -> (..., n_mfcc)."""
    return log_mels @ _dct(log_mels.shape[-1], n_mfcc, log_mels.device, log_mels.dtype)


def deltas(features: Tensor, lengths: Tensor | None = None, width: int = 5) -> Tensor:
    """Slope of a least-squares line through `width` (odd) frames around each: (B, T, F) -> (B, T, F).

    The first and the last frame of each utterance are repeated beyond its ends (HTK book, 5.9).
    """
    if width < 3 or width % 2 == 0:
        raise AsrlabError(f"width={width}: give an odd number of frames, 3 or more")
    reach = width // 2
    batch, frames, dim = features.shape
    last = (torch.full((batch,), frames, device=features.device) if lengths is None else lengths.to(features.device)) - 1
    time = torch.arange(frames, device=features.device)

    def shifted(by: int) -> Tensor:
        index = torch.minimum((time + by).clamp(min=0)[None], last[:, None])
        return features.gather(1, index[..., None].expand(-1, -1, dim))

    slope = sum(n * (shifted(n) - shifted(-n)) for n in range(1, reach + 1))
    return slope / (2 * sum(n * n for n in range(1, reach + 1)))


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """(B,) -> boolean (B, frames), True inside each utterance."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]


def normalise_utterance(features: Tensor, lengths: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Zero mean and unit variance of each feature over each utterance's own frames: (B, T, F), (B,) -> (B, T, F), padding zero."""
    mask = frame_mask(lengths.to(features.device), features.shape[1])[..., None]
    count = lengths.to(features.device)[:, None, None].clamp(min=1)
    mean = features.masked_fill(~mask, 0.0).sum(dim=1, keepdim=True) / count
    centred = (features - mean).masked_fill(~mask, 0.0)
    variance = centred.square().sum(dim=1, keepdim=True) / count
    return centred * (variance + epsilon).rsqrt()


@dataclass(frozen=True)
class RunningStatistics:
    """Where normalise_running stands after some frames; pass it on with the next ones."""

    weight: Tensor  # () sum of the decayed weights of all frames so far
    total: Tensor  # (B, F) decayed sum of the frames
    scatter: Tensor  # (B, F) decayed sum of squared distances to the running mean


def normalise_running(
    features: Tensor, time_constant: float, state: RunningStatistics | None = None, epsilon: float = 1e-5
) -> tuple[Tensor, RunningStatistics]:
    """Causal normalisation: each frame by the exponentially weighted mean and variance of itself and the frames before it.

    A frame's weight falls to 1/e after `time_constant` frames. (B, T, F) -> (B, T, F) and the state from which the next
    frames of the same utterances go on: pieces give what the whole gives. (West 1979, with decaying weights.)
    """
    batch, frames, dim = features.shape
    decay = math.exp(-1.0 / time_constant)
    if state is None:
        zero = features.new_zeros(batch, dim)
        state = RunningStatistics(features.new_zeros((), dtype=torch.float64), zero, zero)
    age = torch.arange(1, frames + 1, device=features.device, dtype=torch.float64)
    weight64 = (1 - decay**age) / (1 - decay) + state.weight * decay**age
    weight = weight64.to(features.dtype)[:, None]
    total = _decayed_sum(features, decay, state.total)
    mean = total / weight
    before = torch.cat([state.total[:, None], total[:, :-1]], dim=1) / ((weight - 1) / decay).clamp(min=1e-6)
    share = ((weight64 - 1) / weight64).to(features.dtype)[:, None]
    scatter = _decayed_sum(share * (features - before).square(), decay, state.scatter)
    normalised = (features - mean) * (scatter / weight + epsilon).rsqrt()
    return normalised, RunningStatistics(weight64[-1], total[:, -1], scatter[:, -1])


def spec_augment(
    features: Tensor,
    lengths: Tensor,
    options: SpecAugmentOptions = SpecAugmentOptions(),  # noqa: B008 (frozen)
    generator: torch.Generator | None = None,
) -> Tensor:
    """Hide random stretches of time and bands of features, other ones in each utterance: (B, T, F), (B,) -> (B, T, F).

    Widths are uniform from 0 to the largest, places uniform where they fit. `generator` lives on the device of the features.
    """
    lengths = lengths.to(features.device)
    widest_time = (lengths * options.time_fraction).floor()
    widest_freq = torch.full_like(widest_time, min(options.freq_width, features.shape[2]))
    bands = torch.full_like(lengths, features.shape[2])
    hidden = _random_spans(features.shape[1], lengths, widest_time, options.time_masks, generator)[:, :, None]
    hidden = hidden | _random_spans(features.shape[2], bands, widest_freq, options.freq_masks, generator)[:, None, :]
    return features.masked_fill(hidden, options.value)


def speed_perturb(waveforms: Tensor, factor: float, sample_rate: int) -> Tensor:
    """Play `factor` times as fast, pitch and all: (..., N) -> (..., ceil(N / factor)). (Ko et al. 2015 use 0.9, 1.0 and 1.1.)"""
    if not 0.1 <= factor <= 10:
        raise AsrlabError(f"factor={factor}: give a speed between 0.1 and 10")
    source = round(sample_rate * factor)
    if source == sample_rate:
        return waveforms
    return torchaudio.functional.resample(waveforms, source, sample_rate)


def _real(waveforms: Tensor) -> Tensor:
    if not waveforms.is_floating_point():
        raise AsrlabError(f"waveforms of {waveforms.dtype}: give floats in [-1, 1] (audio.load returns them)")
    return waveforms if waveforms.dtype == torch.float64 else waveforms.float()


def _long_enough(waveforms: Tensor, window: int) -> None:
    if waveforms.shape[-1] < window:
        raise AsrlabError(f"waveform of {waveforms.shape[-1]} samples: the shortest allowed is one window of {window} samples")


@lru_cache(maxsize=16)
def _constants(options: FrontEndOptions, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    window = torch.hann_window(options.window, dtype=torch.float64)
    bank = mel_filterbank(
        options.n_mels, options.fft_size, options.sample_rate, options.f_min, options.f_max, options.mel_scale
    )
    return window.to(device, dtype), bank.to(device, dtype)


@lru_cache(maxsize=16)
def _dct(n_mels: int, n_mfcc: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    angles = math.pi / n_mels * (torch.arange(n_mels, dtype=torch.float64)[:, None] + 0.5) * torch.arange(n_mfcc)
    matrix = torch.cos(angles) * math.sqrt(2.0 / n_mels)
    matrix[:, 0] /= math.sqrt(2.0)
    return matrix.to(device, dtype)


def _decayed_sum(x: Tensor, decay: float, initial: Tensor, block: int = 64) -> Tensor:
    """s[t] = decay s[t-1] + x[t] along dim 1, as one small triangular product a block instead of a step a frame."""
    age = torch.arange(block, device=x.device, dtype=torch.float64)
    kernel = torch.tril(decay ** (age[:, None] - age).clamp(min=0)).to(x.dtype)
    carry = (decay ** (age + 1)).to(x.dtype)[:, None]
    sums = []
    for piece in x.split(block, dim=1):
        n = piece.shape[1]
        piece = kernel[:n, :n] @ piece + carry[:n] * initial[:, None]
        initial = piece[:, -1]
        sums.append(piece)
    return torch.cat(sums, dim=1)


def _random_spans(size: int, limits: Tensor, widest: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """(B, size) boolean: `count` random spans a row, each at most `widest` (B,) wide and within `limits` (B,)."""
    draws = torch.rand(2, len(limits), count, generator=generator, device=limits.device)
    width = (draws[0] * (widest[:, None] + 1)).floor()
    start = (draws[1] * (limits[:, None] - width + 1)).floor()
    at = torch.arange(size, device=limits.device)[None, :, None]
    return ((at >= start[:, None]) & (at < (start + width)[:, None])).any(dim=-1)
