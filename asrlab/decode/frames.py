"""Which tokens of which frames a beam search looks at: the first of the two passes over the log-probabilities."""

from typing import NamedTuple

import numpy as np

from asrlab.core.compiled import compiled, compiled_inner, compiled_reduction
from asrlab.decode.hypothesis import TOLERANCE

LOWEST = -1e30  # nats: what is less likely is impossible


class Frames(NamedTuple):
    """The frames that a search goes through.  A run of frames that are surely blank is one frame without tokens.

    Probabilities are relative to the frame's largest, so that products over many frames stay in range; `scale` is
    what they lack, in nats.
    """

    count: int  # type: ignore[assignment]  # frames F; the arrays may be longer
    first: np.ndarray  # (F + 1,) int64: frame f's tokens are token[first[f]:first[f + 1]]
    token: np.ndarray  # int64, most probable first, no blank
    prob: np.ndarray  # float64, relative probability of each
    blank: np.ndarray  # (F,) float64, relative probability of blank
    scale: np.ndarray  # (F,) float64
    silent: np.ndarray  # (F,) bool, a run of frames that are surely blank


@compiled_inner
def keep_best(value, order, keep):
    """Bring the `keep` largest of more values, none below 0, to the front, and what `order` has beside them.

    Bisection by counting: unlike a quickselect it has no branches that a processor cannot foresee.  The bits of floats
    that are not negative, read as integers, are in the same order as the floats.
    """
    bits = value.view(np.int64)
    low, high = 0, 0x7FF0000000000000  # as many as wanted, or more, are >= low; fewer are >= high
    while high - low > 1:
        middle = low + ((high - low) >> 1)  # low + high may overflow
        count = 0
        for k in range(len(bits)):
            count += bits[k] >= middle
        if count >= keep:
            low = middle
            if count == keep:
                break
        else:
            high = middle
    end = 0
    for k in range(len(bits)):
        # Between `end` and k lies nothing to keep, so a swap in vain does no harm.  Of equal values the first are kept.
        inside = bits[k] >= low and end < keep
        bits[k], bits[end] = bits[end], bits[k]
        order[k], order[end] = order[end], order[k]
        end += inside


@compiled_inner
def _raise_floor(row, low, high, wanted):
    """A floor above which not many more than `wanted` values of a row are left."""
    middle = low
    for _ in range(10):
        middle = float(row.dtype.type(middle))
        count = 0
        for v in range(len(row)):
            count += row[v] >= middle
        if count > wanted:  # the blank may be one of them
            low = middle
            if count < wanted + wanted // 4 + 2:
                break
        elif middle > low:
            high = middle
        else:
            break
        middle = 0.5 * (low + high)
    return low


@compiled_inner
def _count_proper(row):
    """Values of a row that are no NaN and not above 0."""
    count, highest = np.int32(0), row.dtype.type(TOLERANCE)
    for v in range(len(row)):
        count += np.int32(row[v] <= highest)
    return count


@compiled_reduction
def _largest(row):
    top = row[0]
    for v in range(len(row)):
        top = max(top, row[v])
    return float(top)


@compiled
def select_frames(log_probs, token_threshold, max_tokens, blank_threshold):
    """Choose frames and tokens.

    A frame whose blank is at least `blank_threshold` (nats, 0 or less) is surely blank.  Of any other, a token within
    `token_threshold` nats of the frame's best is kept, at most the `max_tokens` best of them.

    Args:
        log_probs: (T, V) float32 or float64.

    Returns:
        `Frames`; their count is -1 if some value is NaN or above 0 or a frame has no probability.
    """
    length, size = log_probs.shape
    most = min(max_tokens, size - 1)
    room = length * most
    first, token, prob = np.empty(length + 1, np.int64), np.empty(room, np.int64), np.empty(room)
    blank, scale, silent = np.empty(length), np.empty(length), np.empty(length, np.bool_)
    value, which = np.empty(size + 1), np.empty(size + 1, np.int64)
    first[0] = end = f = 0
    for t in range(length):
        row = log_probs[t]
        silent[f] = row[0] >= blank_threshold
        scale[f] = row[0] if silent[f] else _largest(row)
        if _count_proper(row) < size or scale[f] < LOWEST:
            return Frames(-1, first, token, prob, blank, scale, silent)
        blank[f] = 1.0
        if silent[f]:
            if f > 0 and silent[f - 1]:
                scale[f - 1] += scale[f]
                continue
        else:
            blank[f] = np.exp(row[0] - scale[f])
            floor = max(scale[f] - token_threshold, LOWEST)
            if size > 2 * most:
                floor = _raise_floor(row, floor, scale[f], most)
            count = 0
            for v in range(1, size):
                value[count] = row[v]
                which[count] = v
                count += row[v] >= floor
            # Sorted by counting for each how many are larger, which takes no branches either.
            for k in range(count):
                rank, here = 0, value[k]
                for j in range(count):
                    rank += (value[j] > here) | ((value[j] == here) & (j < k))
                if rank < most:
                    token[end + rank] = which[k]
                    prob[end + rank] = np.exp(here - scale[f])
            end += min(count, most)
        f += 1
        first[f] = end
    return Frames(f, first, token, prob, blank, scale, silent)
