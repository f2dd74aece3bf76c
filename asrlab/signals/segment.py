"""Where the speech is: framing, voice activity by energy over an adaptive noise floor, and cuts at the quietest places.

All of it is linear in the length of the recording: an hour takes a fraction of a second.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from asrlab.core.config import NotNegative, Options, Positive
from asrlab.core.errors import AsrlabError
from asrlab.signals.effects import array

STEP = 0.01  # seconds from one measured level to the next
SILENCE_DB = -100.0  # what digital silence counts as, relative to full scale


@dataclass(frozen=True)
class SegmentOptions(Options):
    """What counts as speech, and how it is cut into segments."""

    margin_db: float = 6.0  # speech is this much louder than the noise floor
    least_db: float = -60.0  # and at least this loud, relative to full scale
    floor_seconds: NotNegative = 5.0  # the floor is the quietest level within this time on either side
    min_speech: NotNegative = 0.1  # seconds; shorter bursts are clicks
    min_silence: NotNegative = 0.3  # seconds; shorter pauses do not end a segment
    padding: NotNegative = 0.15  # seconds kept before and after, for weak consonants (the hangover)
    max_seconds: Positive | None = None  # longer segments are cut at their quietest places


def frame(samples: np.ndarray, length: int, hop: int) -> np.ndarray:
    """Overlapping frames as a read-only view: (..., N) -> (..., T, length), T = 1 + (N - length) // hop.

    Raises AsrlabError if the samples are shorter than one frame.
    """
    if length < 1 or hop < 1:
        raise AsrlabError(f"length={length}, hop={hop}: give at least one sample")
    samples = array(samples)
    if np.shape(samples)[-1] < length:
        raise AsrlabError(f"{np.shape(samples)[-1]} samples: the shortest allowed is one frame of {length}")
    return np.lib.stride_tricks.sliding_window_view(samples, length, axis=-1)[..., ::hop, :]


def segment_speech(
    samples: np.ndarray, sample_rate: int, options: SegmentOptions = SegmentOptions()
) -> list[tuple[float, float]]:
    """Stretches of speech as (start, end) in seconds, in order and apart; none in silence or in steady noise.

    Speech is where the level over 50 ms exceeds the noise floor, which is the quietest 90 ms around, by a margin.
    Digital silence, as editors leave it, says nothing of the noise and does not count. Nor has a recording of less
    than a second pauses enough to show its noise: there only `least_db` decides.
    """
    samples = array(samples)
    power = _power(samples, sample_rate)
    heard = np.where(power > _from_db(SILENCE_DB), uniform_filter1d(power, 9, mode="nearest"), np.inf)
    floor = minimum_filter1d(heard, 1 + 2 * round(options.floor_seconds / STEP), mode="nearest")
    if len(power) * STEP < 1.0:
        floor[:] = _from_db(SILENCE_DB)
    floor[np.isinf(floor)] = _from_db(SILENCE_DB)
    least = np.maximum(floor * _from_db(options.margin_db), _from_db(options.least_db))
    runs = _runs(uniform_filter1d(power, 5, mode="nearest") > least) * STEP
    spans = _pad(_long_runs(runs, options), options.padding, len(samples) / sample_rate)
    if options.max_seconds is None:
        return spans
    pieces: list[tuple[float, float]] = []
    for start, end in spans:
        part = samples[int(start * sample_rate) : int(end * sample_rate)]
        cuts = cut_at_quiet(part, sample_rate, options.max_seconds)
        inner = [start + stop for _, stop in cuts[:-1]]
        pieces += zip([start, *inner], [*inner, end], strict=True)
    return pieces


def cut_at_quiet(samples: np.ndarray, sample_rate: int, max_seconds: float) -> list[tuple[float, float]]:
    """Cut a recording into pieces (start, end) in seconds, each of at most `max_seconds`, at its quietest places.

    Together they cover everything. Each cut lies in the later half of what is allowed, and leaves no crumb at the end.
    """
    limit = int(max_seconds / STEP)
    if limit < 20:
        raise AsrlabError(f"max_seconds={max_seconds}: too short to hold a word; give 0.2 or more")
    power = uniform_filter1d(_power(samples, sample_rate), 9, mode="nearest")
    total = len(samples) / sample_rate
    cuts = [0]
    while total - cuts[-1] * STEP > max_seconds:
        rest = len(power) - cuts[-1]
        first, last = limit // 2, max(limit // 2 + 1, min(limit, rest - limit // 4))
        cuts.append(cuts[-1] + first + int(np.argmin(power[cuts[-1] + first : cuts[-1] + last])))
    edges = [cut * STEP for cut in cuts] + [total]
    return list(itertools.pairwise(edges))


def _power(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean power of each 10 ms, without its mean value: a constant offset is no sound."""
    samples = array(samples)
    step = round(STEP * sample_rate)
    if samples.ndim != 1 or step < 1:
        raise AsrlabError(f"samples of shape {samples.shape} at {sample_rate} Hz: give a vector (N,) at 100 Hz or more")
    count = len(samples) // step
    if count == 0:
        return np.zeros(1)
    steps = samples[: count * step].reshape(count, step)
    power = np.einsum("ij,ij->i", steps, steps, dtype=np.float64) / step - steps.mean(axis=1, dtype=np.float64) ** 2
    if not np.isfinite(power).all():
        at = int(np.argmin(np.isfinite(power))) * STEP
        raise AsrlabError(f"samples: NaN or infinity near {at:.2f} s; replace them")
    return np.maximum(power, 0.0)


def _from_db(decibels: float) -> float:
    return 10 ** (decibels / 10)


def _runs(mask: np.ndarray) -> np.ndarray:
    """Stretches of True: (R, 2) first index, index after the last."""
    return np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]))).reshape(-1, 2)


def _long_runs(runs: np.ndarray, options: SegmentOptions) -> np.ndarray:
    """Bridge short pauses, then drop short bursts."""
    if len(runs) == 0:
        return runs
    apart = runs[1:, 0] - runs[:-1, 1] >= options.min_silence
    starts = runs[np.concatenate([[True], apart]), 0]
    ends = runs[np.concatenate([apart, [True]]), 1]
    long = ends - starts >= options.min_speech
    return np.stack([starts[long], ends[long]], axis=1)


def _pad(runs: np.ndarray, padding: float, total: float) -> list[tuple[float, float]]:
    """Widen each run, at most to the middle of the pause or the end of the recording."""
    if len(runs) == 0:
        return []
    middles = (runs[1:, 0] + runs[:-1, 1]) / 2
    starts = np.maximum(runs[:, 0] - padding, np.concatenate([[0.0], middles]))
    ends = np.minimum(runs[:, 1] + padding, np.concatenate([middles, [total]]))
    return [(float(start), float(end)) for start, end in zip(starts, ends, strict=True)]
