"""Waveform to frames: STFT, log-mel and MFCC, their derivatives and their normalisation.

Everything is batched, differentiable and runs on the device of its input. Waveforms are (B, N) floats in [-1, 1],
features (B, T, F), and lengths are absolute integers (B,) that travel beside them. Only whole windows make frames: T
= 1 + (N - window) // hop, and frame t begins at sample t hop.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from asrlab.core.config import Between, Count, Hertz, NotNegative, Options, Positive, Share
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import length_mask

BLOCK = 1024  # frames a step, whose spectra then stay in a core's cache
BAND = 16  # neighbouring filters whose frequency bins are multiplied together


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise AsrlabError(f"{name}={value!r}: expected one of {', '.join(known)}")


@dataclass(frozen=True)
class FrontEndOptions(Options):
    """What a FrontEnd computes."""

    kind: Literal["log_mel", "mfcc"] = "log_mel"  # mfcc: the cosine transform of log_mel
    sample_rate: Hertz = 16000  # Hz, of the waveforms that come in
    window_ms: Positive = 25.0  # how much sound one frame sees
    hop_ms: Positive = 10.0  # from one frame to the next
    n_fft: Annotated[int, Between(1, 2**17)] | None = None  # points of the Fourier transform, null: as needed
    n_mels: Count = 80  # triangular filters, also below MFCC
    n_mfcc: Count = 13  # cepstral coefficients kept, from the zeroth
    deltas: bool = False  # append first and second derivatives: three times the features
    f_min: NotNegative = 20.0  # Hz, lower edge of the lowest filter
    f_max: Positive | None = None  # Hz, upper edge of the highest filter; None: the Nyquist frequency
    mel_scale: Literal["htk", "slaney"] = "htk"  # "htk" or "slaney": where the filters lie
    pre_emphasis: Annotated[float, Between(-1, 1)] = 0.97  # x[n] - a x[n-1] before framing; 0 turns it off
    dither: Share = 0.0  # standard deviation of white noise added in training mode, in units of the waveform
    floor: Positive = 1e-8  # least mel power, about the quantisation noise of a 16-bit file
    normalise: Literal["utterance", "level", "running", "none"] = "utterance"  # level: all features as one
    running_seconds: Positive = 3.0  # time constant of the running statistics

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "mfcc" and self.n_mfcc > self.n_mels:
            raise AsrlabError(f"n_mfcc={self.n_mfcc}: at most n_mels={self.n_mels} coefficients exist; raise n_mels")
        if self.window < 1 or self.hop < 1:
            raise AsrlabError(f"window_ms={self.window_ms}, hop_ms={self.hop_ms}: less than a sample; give more")
        if self.window > 2**17:
            raise AsrlabError(f"window_ms={self.window_ms:g}: {self.window} samples, at most {2**17}; give less")
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


class FrontEnd(nn.Module):
    """Waveforms to normalised features, in float32 also under autocast (float64 for a float64 waveform)."""

    def __init__(self, options: FrontEndOptions | None = None):
        super().__init__()
        self.options = options or FrontEndOptions()
        _constants(self.options, torch.device("cpu"), torch.float32)  # impossible filters: an error now

    @property
    def dim(self) -> int:
        """Features per frame, F."""
        base = self.options.n_mels if self.options.kind == "log_mel" else self.options.n_mfcc
        return base * 3 if self.options.deltas else base

    @property
    def hop_seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.options.hop / self.options.sample_rate

    @property
    def rate(self) -> int:
        """Samples a second that it wants."""
        return self.options.sample_rate

    def frames(self, lengths: Tensor) -> Tensor:
        """How many frames (B,) come of so many samples (B,), none of less than a window."""
        whole = 1 + torch.div(lengths - self.options.window, self.options.hop, rounding_mode="floor")
        return whole.clamp(min=0)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) in [-1, 1] and samples (B,) -> features (B, T, F), zero beyond each utterance's end, and frames (B,).

        A length may be 0, for an utterance without sound: it has no frames. Raises AsrlabError if one has sound, but
        less than a window.
        """
        options = self.options
        self._check(waveforms, lengths)
        if waveforms.shape[1] < options.window:  # no utterance has sound
            waveforms = nn.functional.pad(waveforms, (0, options.window - waveforms.shape[1]))
        lengths = lengths.to(waveforms.device)
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
            if options.normalise in ("utterance", "level"):
                features = normalise_utterance(features, lengths, together=options.normalise == "level")
            elif options.normalise == "running":
                features, _ = normalise_running(features, options.running_seconds / self.hop_seconds)
            return features.masked_fill(~length_mask(lengths, features.shape[1])[..., None], 0.0), lengths

    def _check(self, waveforms: Tensor, lengths: Tensor) -> None:
        if waveforms.dim() != 2 or lengths.shape != waveforms.shape[:1]:
            raise AsrlabError(
                f"waveforms {tuple(waveforms.shape)} and lengths {tuple(lengths.shape)}: expected (B, N) and (B,)"
            )
        if torch.compiler.is_compiling() or (lengths.is_cuda and torch.cuda.is_current_stream_capturing()):
            return  # reading a value back would break the graph
        samples = lengths.tolist()
        if max(samples) > waveforms.shape[1]:
            raise AsrlabError(f"lengths: {max(samples)} samples named, but the batch holds {waveforms.shape[1]}")
        short = next((b for b, n in enumerate(samples) if n != 0 and n < self.options.window), None)
        if short is not None:
            raise AsrlabError(
                f"utterance {short} of the batch: {samples[short]} samples, but the shortest allowed is one window of "
                f"{self.options.window} ({self.options.window_ms:g} ms); pad it with zeros or leave it out"
            )


def stft(waveforms: Tensor, n_fft: int, window: Tensor, hop: int) -> Tensor:
    """Short-time Fourier transform of whole windows: (..., N), window (W,) -> complex (..., T, 1 + n_fft // 2).

    Raises AsrlabError if the waveforms are shorter than the window.
    """
    _long_enough(waveforms, len(window))
    return torch.fft.rfft(waveforms.unfold(-1, len(window), hop) * window, n=n_fft)


def power_spectrum(waveforms: Tensor, n_fft: int, window: Tensor, hop: int) -> Tensor:
    """|STFT|^2: (..., N), window (W,) -> (..., T, 1 + n_fft // 2)."""
    spectrum = torch.view_as_real(stft(waveforms, n_fft, window, hop))
    return spectrum[..., 0].square() + spectrum[..., 1].square()


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
    Raises AsrlabError unless 0 <= f_min < f_max <= Nyquist, and if a filter falls between two bins of the transform.
    """
    nyquist = sample_rate / 2
    f_max = nyquist if f_max is None else f_max
    if not 0 <= f_min < f_max <= nyquist:
        raise AsrlabError(f"f_min={f_min:g}, f_max={f_max:g} Hz: expected 0 <= f_min < f_max <= {nyquist:g} (Nyquist)")
    limits = hz_to_mel(torch.tensor([f_min, f_max], dtype=torch.float64), scale)
    mels = torch.linspace(limits[0], limits[1], n_mels + 2, dtype=torch.float64)
    edges = mel_to_hz(mels, scale)
    bins = torch.linspace(0, nyquist, 1 + n_fft // 2, dtype=torch.float64)[:, None]
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    bank = torch.minimum(rising, falling).clamp(min=0.0)
    peaks = bank.amax(dim=0)
    if not torch.compiler.is_compiling() and peaks.min() <= 0:
        raise AsrlabError(
            f"n_mels={n_mels} with n_fft={n_fft}: filter {int(peaks.argmin())} falls between two frequency bins; "
            f"use fewer filters, a larger n_fft or a higher f_min"
        )
    return bank * (2.0 / (upper - lower)) if scale == "slaney" else bank


def log_mel(waveforms: Tensor, options: FrontEndOptions = FrontEndOptions()) -> Tensor:
    """Natural logarithm of the power in each mel filter, not normalised: (B, N) -> (B, T, n_mels).

    On a CPU and without a gradient the same numbers come from a faster way. Raises AsrlabError if N is less than a
    window.
    """
    waveforms = _real(waveforms)
    _long_enough(waveforms, options.window)
    if options.pre_emphasis:
        waveforms = waveforms - options.pre_emphasis * nn.functional.pad(waveforms[..., :-1], (1, 0))
    wants_gradient = torch.is_grad_enabled() and waveforms.requires_grad
    if waveforms.device.type == "cpu" and not wants_gradient and not torch.compiler.is_compiling():
        return _log_mel_in_blocks(waveforms, options)
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
    if lengths is None:
        lengths = torch.full((batch,), frames)
    last = (lengths.to(features.device) - 1).clamp(min=0)
    time = torch.arange(frames, device=features.device)

    def shifted(by: int) -> Tensor:
        index = torch.minimum((time + by).clamp(min=0)[None], last[:, None])
        return features.gather(1, index[..., None].expand(-1, -1, dim))

    slope = sum((n * (shifted(n) - shifted(-n)) for n in range(1, reach + 1)), start=features.new_zeros(()))
    return slope / (2 * sum(n * n for n in range(1, reach + 1)))


def normalise_utterance(features: Tensor, lengths: Tensor, epsilon: float = 1e-5, together: bool = False) -> Tensor:
    """Give each feature zero mean and unit variance over each utterance's own frames: (B, T, F), (B,) -> (B, T, F).

    With `together` all features of an utterance share one mean and one variance: how loud it was goes, how its power
    lies over the bands stays. In a short word that is most of what tells one vowel from another.
    Padding becomes zero. `epsilon` is added to the variance, so that a constant feature becomes zero too.
    """
    lengths = lengths.to(features.device)
    mask = length_mask(lengths, features.shape[1])[..., None]
    over = (1, 2) if together else (1,)
    count = lengths[:, None, None].clamp(min=1) * (features.shape[2] if together else 1)
    mean = features.masked_fill(~mask, 0.0).sum(dim=over, keepdim=True) / count
    centred = (features - mean).masked_fill(~mask, 0.0)
    variance = centred.square().sum(dim=over, keepdim=True) / count
    return centred * (variance + epsilon).rsqrt()


@dataclass(frozen=True)
class RunningStatistics:
    """Where normalise_running stands after some frames; pass it on with the next ones."""

    weight: float  # sum of the decayed weights of all frames so far
    total: Tensor  # (B, F) decayed sum of the frames
    scatter: Tensor  # (B, F) decayed sum of their squared distances from the mean


def normalise_running(
    features: Tensor, time_constant: float, state: RunningStatistics | None = None, epsilon: float = 1e-5
) -> tuple[Tensor, RunningStatistics]:
    """Causal normalisation: each frame by the decaying mean and variance of itself and the frames before it.

    A frame's weight falls to 1/e after `time_constant` frames. (B, T, F) -> (B, T, F), and the state from which the
    next frames of the same utterances go on: pieces give what the whole gives. (West 1979, with weights that decay.)
    """
    if not time_constant > 0:
        raise AsrlabError(f"time_constant={time_constant}: give a positive number of frames")
    batch, frames, dim = features.shape
    decay = math.exp(-1.0 / time_constant)
    if state is None:
        state = RunningStatistics(0.0, features.new_zeros(batch, dim), features.new_zeros(batch, dim))
    age = torch.arange(1, frames + 1, dtype=torch.float64)
    weights = torch.expm1(-age / time_constant) / math.expm1(-1.0 / time_constant)
    weights += state.weight * torch.exp(-age / time_constant)
    weight, old_weight = (w.to(features.device, features.dtype)[:, None] for w in (weights, weights - 1))
    total = _decayed_sum(features, decay, state.total)
    old_total = decay * torch.cat([state.total[:, None], total[:, :-1]], dim=1)
    old_mean = torch.where(old_weight > 0, old_total / old_weight, features)
    spread = old_weight / weight * (features - old_mean).square()
    scatter = _decayed_sum(spread, decay, state.scatter)
    normalised = (features - total / weight) * (scatter / weight + epsilon).rsqrt()
    return normalised, RunningStatistics(float(weights[-1]), total[:, -1], scatter[:, -1])


def _real(waveforms: Tensor) -> Tensor:
    if not waveforms.is_floating_point():
        raise AsrlabError(f"waveforms of {waveforms.dtype}: give floats in [-1, 1] (audio.load returns them)")
    return waveforms if waveforms.dtype == torch.float64 else waveforms.float()


def _long_enough(waveforms: Tensor, window: int) -> None:
    if waveforms.shape[-1] < window:
        raise AsrlabError(
            f"waveform of {waveforms.shape[-1]} samples: the shortest allowed is one window of {window}; pad it"
        )


def _log_mel_in_blocks(waveforms: Tensor, options: FrontEndOptions) -> Tensor:
    """What log_mel computes, in blocks of frames, reused memory, and each band of filters from its own bins alone."""
    window, _ = _constants(options, waveforms.device, waveforms.dtype)
    bands = _bands(options, waveforms.dtype)
    rows = waveforms.detach().reshape(-1, waveforms.shape[-1])
    frames = rows.unfold(-1, options.window, options.hop)  # (B, T, W), a view
    batch, count, _ = frames.shape
    features = frames.new_empty(batch, count, options.n_mels)
    together = max(1, BLOCK // count)  # short utterances share a step
    padded = frames.new_zeros(min(BLOCK, batch * count), options.fft_size)
    power = frames.new_empty(len(padded), 1 + options.fft_size // 2)
    for utterances, outs in zip(torch.split(frames, together), torch.split(features, together), strict=True):
        for block, out in zip(torch.split(utterances, BLOCK, dim=1), torch.split(outs, BLOCK, dim=1), strict=True):
            out = out.flatten(0, 1)
            n = len(out)
            torch.mul(block, window, out=padded[:n].view(*block.shape[:2], -1)[..., : options.window])
            spectrum = torch.view_as_real(torch.fft.rfft(padded[:n])).square_()
            torch.add(spectrum[..., 0], spectrum[..., 1], out=power[:n])
            for bins, filters, weights in bands:
                torch.mm(power[:n, bins], weights, out=out[:, filters])
            out.clamp_(min=options.floor).log_()
    return features.view(*waveforms.shape[:-1], count, options.n_mels)


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # made within it, they could not serve a gradient later
def _constants(options: FrontEndOptions, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Periodic Hann window (W,) and mel filters (bins, n_mels)."""
    window = torch.hann_window(options.window, dtype=torch.float64)
    scale = options.mel_scale
    bank = mel_filterbank(options.n_mels, options.fft_size, options.sample_rate, options.f_min, options.f_max, scale)
    return window.to(device, dtype), bank.to(device, dtype)


@lru_cache(maxsize=16)
def _bands(options: FrontEndOptions, dtype: torch.dtype) -> list[tuple[slice, slice, Tensor]]:
    """The filters in groups: the bins that a group touches, its filters, and the weights between them."""
    _, bank = _constants(options, torch.device("cpu"), dtype)
    bands = []
    for first in range(0, options.n_mels, BAND):
        filters = slice(first, min(first + BAND, options.n_mels))
        touched = bank[:, filters].amax(dim=1).nonzero()
        bins = slice(int(touched[0]), int(touched[-1]) + 1)
        bands.append((bins, filters, bank[bins, filters].contiguous()))
    return bands


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _dct(n_mels: int, n_mfcc: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Orthonormal DCT-II as a matrix (n_mels, n_mfcc)."""
    angles = math.pi / n_mels * (torch.arange(n_mels, dtype=torch.float64)[:, None] + 0.5) * torch.arange(n_mfcc)
    matrix = torch.cos(angles) * math.sqrt(2.0 / n_mels)
    matrix[:, 0] /= math.sqrt(2.0)
    return matrix.to(device, dtype)


def _decayed_sum(x: Tensor, decay: float, initial: Tensor, block: int = 64) -> Tensor:
    """s[t] = decay s[t-1] + x[t] along dim 1 of (B, T, F), as one small triangular product a block of frames."""
    age = torch.arange(block, dtype=torch.float64)
    kernel = torch.tril(decay ** (age[:, None] - age).clamp(min=0)).to(x.device, x.dtype)
    carry = (decay ** (age + 1)).to(x.device, x.dtype)[:, None]
    sums = []
    for piece in torch.split(x, block, dim=1):
        n = piece.shape[1]
        piece = kernel[:n, :n] @ piece + carry[:n] * initial[:, None]
        initial = piece[:, -1]
        sums.append(piece)
    return torch.cat(sums, dim=1)
