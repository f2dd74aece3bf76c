"""Which tokens of which frames a beam search looks at: the first of the two passes over the log-probabilities."""

from typing import NamedTuple

import numpy as np

from asrlab.compiled import compiled, compiled_inner

LOWEST = -1e30  # nats: what is less likely is impossible


class Frames(NamedTuple):
    """The frames that a search goes through.  A run of frames that are surely blank is one frame without tokens.

    Probabilities are relative to the frame's largest, so that products over many frames stay in range; `scale` is
    what they lack, in nats.
    """

    count: int  # frames F; the arrays may be longer
    first: np.ndarray  # (F + 1,) int64: frame f's tokens are token[first[f]:first[f + 1]]
    token: np.ndarray  # int64, most probable first, no blank
    prob: np.ndarray  # float64, relative probability of each
    blank: np.ndarray  # (F,) float64, relative probability of blank
    scale: np.ndarray  # (F,) float64
    silent: np.ndarray  # (F,) bool, a run of frames that are surely blank


@compiled_inner
def _sort_descending(value, token):
    """Sort values and their tokens in place: shell sort, which is short and fast at these sizes."""
    gap = 1
    while gap < len(value) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, len(value)):
            v, t = value[i], token[i]
            j = i
            while j >= gap and value[j - gap] < v:
                value[j] = value[j - gap]
                token[j] = token[j - gap]
                j -= gap
            value[j] = v
            token[j] = t
        gap //= 3


@compiled_inner
def partition(value, token, keep):
    """Bring the `keep` largest values to the front (quickselect), and their tokens with them."""
    low, high = 0, len(value) - 1
    while low < high:
        pivot = value[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while value[i] > pivot:
                i += 1
            while value[j] < pivot:
                j -= 1
            if i <= j:
                value[i], value[j] = value[j], value[i]
                token[i], token[j] = token[j], token[i]
                i += 1
                j -= 1
        if keep - 1 <= j:
            high = j
        elif keep - 1 >= i:
            low = i
        else:
            return


@compiled_inner
def _raise_floor(row, low, high, wanted):
    """A floor above which not many more than `wanted` values of a row are left: counting is faster than sorting."""
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


@compiled
def select_frames(log_probs, best, token_threshold, max_tokens, blank_threshold):
    """Choose frames and tokens.

    A frame whose blank is at least `blank_threshold` (nats, 0 or less) is surely blank.  Of any other, a token within
    `token_threshold` nats of the frame's best is kept, at most the `max_tokens` best of them.

    Args:
        log_probs: (T, V) float32 or float64; best: (T,) the largest of each frame.
    """
    length, size = log_probs.shape
    room = length * min(max_tokens, size - 1)
    first, token, prob = np.empty(length + 1, np.int64), np.empty(room, np.int64), np.empty(room)
    blank, scale, silent = np.empty(length), np.empty(length), np.empty(length, np.bool_)
    value, which = np.empty(size), np.empty(size, np.int64)
    first[0] = end = f = 0
    for t in range(length):
        silent[f] = log_probs[t, 0] >= blank_threshold
        scale[f] = best[t]
        blank[f] = 1.0
        if silent[f]:
            scale[f] = log_probs[t, 0]
            if f > 0 and silent[f - 1]:
                scale[f - 1] += scale[f]
                continue
        else:
            blank[f] = np.exp(log_probs[t, 0] - scale[f])
            floor = max(scale[f] - token_threshold, LOWEST)
            count = 0
            if size > 4 * max_tokens:
                floor = _raise_floor(log_probs[t], floor, scale[f], max_tokens)
            for v in range(1, size):
                if log_probs[t, v] >= floor:
                    value[count] = log_probs[t, v]
                    which[count] = v
                    count += 1
            if count > max_tokens:
                partition(value[:count], which[:count], max_tokens)
                count = max_tokens
            _sort_descending(value[:count], which[:count])
            for k in range(count):
                token[end] = which[k]
                prob[end] = np.exp(value[k] - scale[f])
                end += 1
        f += 1
        first[f] = end
    return Frames(f, first, token, prob, blank, scale, silent)
