"""What happens to sound on its way: quantisation, codecs, a telephone line, dynamic range, filters and noise.

Every function takes samples (N,), floats in [-1, 1] as an array or a tensor, and gives a float32 array of that length.
"""

import io
import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, BinaryIO

import numpy as np
import soundfile
import soxr

from asrlab.core.config import AtLeast, NotNegative, Options
from asrlab.core.errors import AsrlabError

ACTIVE_SECONDS = 0.02  # of a frame in which speech is active or not
ACTIVE_DB = 30.0  # a frame so far below the loudest is a pause
BLOCK = 1 << 16  # samples a step. libsndfile crashes when it encodes a long OGG in one write


def mu_law_encode(samples: np.ndarray, levels: int = 256) -> np.ndarray:
    """Compand logarithmically (the curve of ITU-T G.711) and round: [-1, 1] -> (N,) int64 in 0 ... levels - 1."""
    samples = vector(samples)
    mu = levels - 1
    companded = np.sign(samples) * np.log1p(mu * np.abs(np.clip(samples, -1, 1))) / np.log1p(mu)
    return ((companded + 1) / 2 * mu + 0.5).astype(np.int64)


def mu_law_decode(codes: np.ndarray, levels: int = 256) -> np.ndarray:
    """The inverse of mu_law_encode, up to its rounding: (N,) whole numbers -> (N,) float32 in [-1, 1]."""
    codes = np.asarray(codes)
    mu = levels - 1
    if codes.size and not 0 <= codes.min() <= codes.max() <= mu:
        raise AsrlabError(f"codes from {codes.min()} to {codes.max()}: with levels={levels} they lie in 0 ... {mu}")
    companded = codes.astype(np.float32) / mu * 2 - 1
    return (np.sign(companded) * np.expm1(np.abs(companded) * np.log1p(mu)) / mu).astype(np.float32)


def telephone(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Through an old telephone exchange: 300 to 3400 Hz, 8 kHz, 8 bits of mu-law, and back to `sample_rate` Hz."""
    samples = vector(samples)
    narrow = soxr.resample(samples, sample_rate, 8000)
    narrow = mu_law_decode(mu_law_encode(band_pass(narrow, 8000, 300, 3400)))
    return fit(soxr.resample(narrow, 8000, sample_rate), len(samples))


def codec_round_trip(samples: np.ndarray, sample_rate: int, codec: str = "mp3", quality: float = 0.5) -> np.ndarray:
    """Encode as "mp3" or "ogg" (Vorbis) in memory and decode again; quality from 0 (smallest) to 1 (best).

    Raises AsrlabError for another codec or a rate that it lacks.
    """
    samples = vector(samples)
    if codec not in ("mp3", "ogg"):
        raise AsrlabError(f"codec={codec!r}: expected mp3 or ogg")
    if not 0 <= quality <= 1:
        raise AsrlabError(f"quality={quality}: give a number from 0 (smallest file) to 1 (best sound)")
    memory = io.BytesIO()
    try:
        level = 0.99 * (1 - quality)  # the MP3 encoder refuses 1.0
        write_blocks(memory, np.clip(samples, -1, 1), sample_rate, codec.upper(), compression_level=level)
    except soundfile.SoundFileError:
        raise AsrlabError(f"{sample_rate} Hz: {codec} has no such rate; resample to 16000 Hz first") from None
    memory.seek(0)
    decoded, _ = soundfile.read(memory, dtype="float32")
    return fit(decoded, len(samples))


@dataclass(frozen=True)
class CompressorOptions(Options):
    """How a dynamic range compressor turns the loud down."""

    threshold_db: float = -30.0  # level, relative to full scale, above which it acts
    ratio: Annotated[float, AtLeast(1)] = 4.0  # 1: no compression; how many dB above the threshold become one
    knee_db: NotNegative = 6.0  # width of the soft bend around the threshold
    attack_ms: NotNegative = 5.0  # time constant of turning down
    release_ms: NotNegative = 100.0  # time constant of letting go
    make_up_db: float = 0.0  # gain applied to everything afterwards


def compress(samples: np.ndarray, sample_rate: int, options: CompressorOptions = CompressorOptions()) -> np.ndarray:
    """Feed-forward dynamic range compression in the logarithmic domain, with a smooth decoupled peak detector.

    Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design", 2012, equations 4 and 17. There is no
    loop over samples: y[n] = max(x[n], a y[n-1]) is a running maximum of x[n] / a^n.
    """
    samples = vector(samples)
    attack = _decay(options.attack_ms, sample_rate)
    release = _decay(options.release_ms, sample_rate)
    compressed = np.empty_like(samples)
    peak, state = 0.0, np.zeros(1)
    for start in range(0, len(samples), BLOCK):
        block = samples[start : start + BLOCK]
        reduction = _reduction_db(block, options)
        held = _hold_peaks(reduction, release, peak)
        peak = held[-1]
        smooth, state = _filters().lfilter([1 - attack], [1, -attack], held, zi=state)
        compressed[start : start + BLOCK] = block * 10 ** ((options.make_up_db - smooth) / 20)
    return compressed


def pre_emphasis(samples: np.ndarray, coefficient: float = 0.97) -> np.ndarray:
    """y[n] = x[n] - coefficient x[n-1], with x[-1] = 0: lifts the high frequencies."""
    samples = vector(samples)
    lifted = samples.copy()
    lifted[1:] -= np.float32(coefficient) * samples[:-1]
    return lifted


def de_emphasis(samples: np.ndarray, coefficient: float = 0.97) -> np.ndarray:
    """The inverse of pre_emphasis: y[n] = x[n] + coefficient y[n-1]."""
    if not -1 < coefficient < 1:
        raise AsrlabError(f"coefficient={coefficient}: the inverse is unstable; give a number between -1 and 1")
    return _filters().lfilter([1.0], [1.0, -coefficient], vector(samples).astype(np.float64)).astype(np.float32)


def band_pass(
    samples: np.ndarray, sample_rate: int, low: float | None = 300.0, high: float | None = 3400.0, order: int = 4
) -> np.ndarray:
    """Causal Butterworth filter that keeps `low` to `high` Hz (None: open on that side), -3 dB at each edge."""
    samples = vector(samples)
    nyquist = sample_rate / 2
    edges = [edge for edge in (low, high) if edge is not None]
    if not edges:
        return samples.copy()
    if min(edges) <= 0 or max(edges) >= nyquist or (len(edges) == 2 and edges[0] >= edges[1]):
        raise AsrlabError(
            f"low={low}, high={high} Hz: expected 0 < low < high < {nyquist:g} (half of {sample_rate} Hz)"
        )
    kind = "bandpass" if len(edges) == 2 else "highpass" if high is None else "lowpass"
    sections = _filters().butter(order, edges if len(edges) == 2 else edges[0], kind, fs=sample_rate, output="sos")
    return _filters().sosfilt(sections, samples.astype(np.float64)).astype(np.float32)


def remove_dc(samples: np.ndarray) -> np.ndarray:
    """Subtract the mean."""
    samples = vector(samples)
    return samples - np.float32(samples.mean(dtype=np.float64))


def active_power(samples: np.ndarray, sample_rate: int) -> float:
    """Mean power of active speech: of the 20 ms frames of (N,) that are at most 30 dB below the loudest of them.

    Pauses are left out, as in the active speech level of ITU-T P.56 (which finds its threshold from the level itself).
    Less than one frame counts as a whole.
    """
    samples = vector(samples).astype(np.float64)
    window = round(ACTIVE_SECONDS * sample_rate)
    count = len(samples) // window
    if count == 0:
        return float(np.mean(samples**2))
    level = np.mean(samples[: count * window].reshape(count, window) ** 2, axis=1)
    return float(level[level >= level.max() * 10 ** (-ACTIVE_DB / 10)].mean())


def add_noise(
    samples: np.ndarray,
    noise: np.ndarray,
    snr_db: float,
    generator: np.random.Generator | None = None,
    sample_rate: int = 16000,
) -> np.ndarray:
    """Add `noise` (M,) so loud that the power of active speech in samples / mean power of noise is `snr_db` decibels.

    Longer noise is cut, shorter noise repeated, from a place that `generator` draws (None: from its beginning). The
    sum is not clipped. `sample_rate` in Hz is that of both; see `active_power`. Raises AsrlabError if either is silent.
    """
    samples, noise = vector(samples), vector(noise, "noise")
    if not np.isfinite(snr_db):
        raise AsrlabError(f"snr_db={snr_db}: give a finite number of decibels")
    start = 0 if generator is None else int(generator.integers(len(noise)))
    if len(noise) > len(samples):
        start %= len(noise) - len(samples) + 1
    noise = np.take(noise, np.arange(start, start + len(samples)), mode="wrap")
    powers = active_power(samples, sample_rate), float(np.mean(noise.astype(np.float64) ** 2))
    for name, power in zip(("samples", "noise"), powers, strict=True):
        if power == 0:
            raise AsrlabError(f"{name}: silent, so that no signal-to-noise ratio exists; give a sound")
    gain = np.sqrt(powers[0] / powers[1] / 10 ** (snr_db / 10))
    return samples + np.float32(gain) * noise


def array(samples: np.ndarray) -> np.ndarray:
    """Samples as an array: also those of a tensor with a gradient, on another device, or in bfloat16."""
    if hasattr(samples, "detach"):
        tensor: Any = samples.detach().cpu()
        samples = tensor.float() if tensor.is_floating_point() else tensor
    return np.asarray(samples)


def vector(samples: np.ndarray, name: str = "samples") -> np.ndarray:
    """The samples, an array or a tensor, as a float32 array (N,).

    Raises AsrlabError unless they are floats, finite, one channel and at least one.
    """
    samples = array(samples)
    if samples.ndim != 1 or len(samples) == 0 or not np.issubdtype(samples.dtype, np.floating):
        raise AsrlabError(
            f"{name}: {samples.dtype} of shape {samples.shape}; give floats in [-1, 1] of shape (N,), N > 0"
        )
    if not np.isfinite(samples).all():
        at = int(np.argmin(np.isfinite(samples)))
        raise AsrlabError(f"{name}: sample {at} is {samples[at]}; replace NaN and infinity")
    return samples.astype(np.float32, copy=False)


def fit(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut, or lengthen with zeros, to (length,)."""
    return samples[:length] if len(samples) >= length else np.pad(samples, (0, length - len(samples)))


def write_blocks(
    target: str | Path | BinaryIO,
    samples: np.ndarray,
    sample_rate: int,
    kind: str,
    compression_level: float | None = None,
) -> None:
    """Encode samples (N,) as `kind` (soundfile's name of a format), a block at a time."""
    options = {} if compression_level is None else {"compression_level": compression_level}
    # As bytes, a name need not be UTF-8.
    name = os.fsencode(target) if isinstance(target, Path) and os.name == "posix" else target
    with soundfile.SoundFile(name, "w", sample_rate, 1, format=kind, **options) as file:
        for start in range(0, len(samples), BLOCK):
            file.write(samples[start : start + BLOCK])


def _decay(milliseconds: float, sample_rate: int) -> float:
    """Factor a sample of a smoother with this time constant."""
    return float(np.exp(-1000.0 / (milliseconds * sample_rate))) if milliseconds > 0 else 0.0


def _reduction_db(samples: np.ndarray, options: CompressorOptions) -> np.ndarray:
    """How many dB the static curve takes away from each sample's level; zero below the knee."""
    level = 20 * np.log10(np.maximum(np.abs(samples.astype(np.float64)), 1e-8))
    over = level - options.threshold_db
    half = options.knee_db / 2
    bend = (over + half) ** 2 / (2 * options.knee_db) if half > 0 else 0.0
    excess = np.where(over < -half, 0.0, np.where(over > half, over, bend))
    return excess * (1 - 1 / options.ratio)


def _hold_peaks(values: np.ndarray, decay: float, before: float) -> np.ndarray:
    """y[n] = max(values[n], decay y[n-1]), with y[-1] = before, for values of 0 and more."""
    if decay == 0:
        return values
    with np.errstate(divide="ignore"):  # the logarithm of no reduction is -infinity, as it should be
        steps = np.log(decay) * np.arange(1, len(values) + 1)
        peaks = np.maximum.accumulate(np.log(values) - steps)
        return np.exp(np.maximum(peaks, np.log(before)) + steps)


def _filters() -> ModuleType:
    """scipy's filters, which take a second to import: only who filters waits for them."""
    return import_module("scipy.signal")
