"""From air pressure to features, one step a function: sampling, frames, Fourier, mel, logarithm, cosine, normalisation.

Everything is NumPy in float64 and says what it does in the order in which the equations say it. `signals.features` and
`signals.effects` compute the same faster; the tests hold the two equal.

Symbols, as in the equations:
    x      (N,)    samples of a waveform, in [-1, 1];  R = sample_rate, Hz
    W, H           samples in a window, and from one window to the next
    X      (T, K/2+1) what the Fourier transform of K points finds in each frame;  bin k is k R / K Hz
    P      (T, K/2+1) its power
    M      (T, F)  power in each of F mel filters
"""

from __future__ import annotations

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError

# --- sounds to try things on ----------------------------------------------------------------------


def tone(frequency: float, seconds: float, sample_rate: int, amplitude: float = 0.3) -> np.ndarray:
    """Samples (N,) of a sine of `frequency` Hz, taken `sample_rate` times a second."""
    n = np.arange(round(seconds * sample_rate))
    return amplitude * np.sin(2 * np.pi * frequency * n / sample_rate)


def sweep(low: float, high: float, seconds: float, sample_rate: int, amplitude: float = 0.3) -> np.ndarray:
    """Samples (N,) of a sine whose frequency climbs evenly from `low` to `high` Hz."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return amplitude * np.sin(2 * np.pi * (low * time + (high - low) * time**2 / (2 * seconds)))


# --- from air to numbers --------------------------------------------------------------------------


@equation("aliasing")
def heard_frequency(f: np.ndarray, sample_rate: float) -> np.ndarray:
    """Which frequency, 0 to R / 2 Hz, the samples of a tone of `f` Hz cannot be told from."""
    return np.abs(f - sample_rate * np.floor(f / sample_rate + 0.5))


@equation("quantisation")
def quantise(x: np.ndarray, bits: int) -> np.ndarray:
    """Round samples to the 2^bits levels that so many bits can name, from -1 to one step below 1."""
    step = 2.0 ** (1 - bits)
    return np.clip(step * np.floor(x / step + 0.5), -1, 1 - step)


@equation("mu-law")
def mu_law(x: np.ndarray, mu: float = 255.0) -> np.ndarray:
    """Bend [-1, 1] onto itself so that the quiet gets most of the room (ITU-T G.711)."""
    return np.sign(x) * np.log(1 + mu * np.abs(x)) / np.log(1 + mu)


def mu_law_inverse(y: np.ndarray, mu: float = 255.0) -> np.ndarray:
    """Bend it back."""
    return np.sign(y) * ((1 + mu) ** np.abs(y) - 1) / mu


def mu_law_quantise(x: np.ndarray, levels: int = 256) -> np.ndarray:
    """What is left of samples after the bend, a rounding to so many levels, and the bend back."""
    y = (mu_law(x, levels - 1) + 1) / 2 * (levels - 1)
    return mu_law_inverse(2 * np.floor(y + 0.5) / (levels - 1) - 1, levels - 1)


def signal_to_noise(x: np.ndarray, damaged: np.ndarray) -> float:
    """How many dB the power of x is above that of what was done to it."""
    return float(10 * np.log10(np.mean(x**2) / np.mean((damaged - x) ** 2)))


@equation("pre-emphasis")
def pre_emphasis(x: np.ndarray, a: float = 0.97) -> np.ndarray:
    """What is new in each sample: y[n] = x[n] - a x[n-1], with silence before the first."""
    before = np.concatenate([[0.0], x[:-1]])
    return x - a * before


@equation("filter-response")
def filter_response(b: np.ndarray, f: np.ndarray, sample_rate: float) -> np.ndarray:
    """Complex factor by which the filter y[n] = sum_i b[i] x[n-i] multiplies a wave of each frequency f, Hz."""
    i = np.arange(len(b))
    return np.exp(-2j * np.pi * np.outer(f, i) / sample_rate) @ b


@equation("compressor")
def compressor_gain_db(level_db: np.ndarray, threshold_db: float = -30.0, ratio: float = 4.0) -> np.ndarray:
    """dB that a dynamic range compressor adds to a sound of this level: above the threshold, `ratio` dB become one."""
    return -(1 - 1 / ratio) * np.maximum(level_db - threshold_db, 0)


# --- frames ---------------------------------------------------------------------------------------


@equation("hann-window")
def hann(W: int) -> np.ndarray:
    """(W,) one arch of a cosine, from 0 up to 1 and down (the periodic form: the next arch would begin with its 0)."""
    n = np.arange(W)
    return 0.5 - 0.5 * np.cos(2 * np.pi * n / W)


def hamming(W: int) -> np.ndarray:
    """(W,) the arch on a step of 0.08: lower side lobes near by, higher ones far away."""
    return 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(W) / W)


@equation("framing")
def frames(x: np.ndarray, window: np.ndarray, H: int) -> np.ndarray:
    """(T, W): frame t is the W samples from tH on, each times the window's value there. Only whole windows."""
    W = len(window)
    if len(x) < W:
        raise AsrlabError(f"{len(x)} samples: less than one window of {W}; give a longer sound or a shorter window")
    T = 1 + (len(x) - W) // H
    return np.stack([window * x[t * H : t * H + W] for t in range(T)])


@equation("dft")
def dft(x: np.ndarray, K: int) -> np.ndarray:
    """X (..., K // 2 + 1): how much of each wave is in frames x (..., W), W <= K, by comparing with each."""
    if np.shape(x)[-1] > K:
        raise AsrlabError(f"frames of {np.shape(x)[-1]} samples and K={K}: give at least as many points")
    n = np.arange(np.shape(x)[-1])
    k = np.arange(K // 2 + 1)
    waves = np.exp(-2j * np.pi * np.outer(n, k) / K)
    return x @ waves


@equation("power-spectrum")
def power(X: np.ndarray) -> np.ndarray:
    """P: the squared length of each complex number; where in its swing a wave begins is forgotten."""
    return X.real**2 + X.imag**2


@equation("voice-activity")
def is_speech(energy_db: np.ndarray, reach: int, margin_db: float = 6.0, least_db: float = -60.0) -> np.ndarray:
    """(T,) True where a frame's energy (T,), in dB, stands out of the quietest one among `reach` frames either way."""
    T = len(energy_db)
    floor = np.array([energy_db[max(0, t - reach) : t + reach + 1].min() for t in range(T)])
    return (energy_db > floor + margin_db) & (energy_db > least_db)


# --- mel, logarithm, cosine -----------------------------------------------------------------------


@equation("mel-scale")
def hz_to_mel(f: float | np.ndarray) -> np.ndarray:
    """Hz to mel: nearly even steps below 700 Hz, nearly even ratios above."""
    return 2595 * np.log10(1 + np.asarray(f) / 700)


def mel_to_hz(m: np.ndarray) -> np.ndarray:
    """The inverse of hz_to_mel."""
    return 700 * (10 ** (np.asarray(m) / 2595) - 1)


@equation("mel-filter")
def mel_filters(F: int, points: int, sample_rate: int, low: float = 20.0, high: float | None = None) -> np.ndarray:
    """(K/2+1, F) weights: triangle m rises from edge m to edge m+1 and falls to edge m+2; the edges are even in mel.

    A triangle that is narrower than a bin may fall between two bins and catch nothing: its column is zero.
    """
    high = sample_rate / 2 if high is None else high
    edges = mel_to_hz(np.linspace(hz_to_mel(low), hz_to_mel(high), F + 2))
    f = np.arange(points // 2 + 1) * sample_rate / points
    weights = np.zeros((len(f), F))
    for m in range(F):
        rising = (f - edges[m]) / (edges[m + 1] - edges[m])
        falling = (edges[m + 2] - f) / (edges[m + 2] - edges[m + 1])
        weights[:, m] = np.maximum(0, np.minimum(rising, falling))
    return weights


@equation("log-mel")
def log_mel(P: np.ndarray, weights: np.ndarray, floor: float = 1e-8) -> np.ndarray:
    """(T, F) natural logarithm of the power P (T, K/2+1) that weights (K/2+1, F) let through, `floor` at least."""
    return np.log(np.maximum(P @ weights, floor))


def spectrogram(x: np.ndarray, window: np.ndarray, H: int, points: int) -> np.ndarray:
    """P (T, K/2+1) of the samples: frames, their Fourier transform, its power."""
    return power(dft(frames(x, window, H), points))


def log_mel_of(x: np.ndarray, sample_rate: int = 16000, F: int = 80, a: float = 0.97) -> np.ndarray:
    """All steps in a row, with the usual numbers: 25 ms every 10 ms, F filters from 20 Hz up."""
    W, H = round(0.025 * sample_rate), round(0.010 * sample_rate)
    points = 2 ** int(np.ceil(np.log2(W)))
    P = spectrogram(pre_emphasis(x, a), hann(W), H, points)
    return log_mel(P, mel_filters(F, points, sample_rate))


@equation("cepstrum")
def cepstrum(features: np.ndarray, C: int = 13) -> np.ndarray:
    """(T, C) how much of each cosine is in a frame's row of F logarithms: the orthonormal DCT-II."""
    return features @ cosines(np.shape(features)[-1], C)


def cosines(F: int, C: int) -> np.ndarray:
    """(F, C) the first C cosines over F bands, each of length 1 and at right angles to the others."""
    basis = np.cos(np.pi / F * np.outer(np.arange(F) + 0.5, np.arange(C))) * np.sqrt(2 / F)
    basis[:, 0] /= np.sqrt(2)
    return basis


def envelope(features: np.ndarray, C: int = 13) -> np.ndarray:
    """(T, F) the features again, from their first C cosines alone: broad shapes stay, fine ripples go."""
    return cepstrum(features, C) @ cosines(np.shape(features)[-1], C).T


# --- change over time, and comparable size --------------------------------------------------------


@equation("deltas")
def deltas(c: np.ndarray, reach: int = 2) -> np.ndarray:
    """(T, F) slope of the straight line that fits each feature best over `reach` frames either way."""
    T = len(c)
    padded = np.concatenate([c[:1].repeat(reach, axis=0), c, c[-1:].repeat(reach, axis=0)])
    n = np.arange(-reach, reach + 1)
    slope = np.sum([step * padded[reach + step : reach + step + T] for step in n], axis=0)
    return slope / np.sum(n**2)


@equation("mean-variance")
def normalise(c: np.ndarray, epsilon: float = 1e-5) -> np.ndarray:
    """(T, F) each feature with mean 0 and variance 1 over the T frames; a feature that never moves becomes 0."""
    mean, variance = c.mean(axis=0), c.var(axis=0)
    return (c - mean) / np.sqrt(variance + epsilon)
