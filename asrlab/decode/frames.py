"""Which tokens of which frames a beam search looks at: the first of the two passes over the log-probabilities."""

from typing import NamedTuple

import numpy as np
from numba import njit


class Frames(NamedTuple):
    """F frames that a search goes through.  A run of frames that are surely blank is one frame without tokens.

    Probabilities are relative to the frame's largest, so that products over many frames stay in range; `scale` is
    what they lack, in nats.
    """

    first: np.ndarray  # (F + 1,) int64: frame f's tokens are token[first[f]:first[f + 1]]
    token: np.ndarray  # int32, most probable first, no blank
    prob: np.ndarray  # float64, relative probability of each
    blank: np.ndarray  # (F,) float64, relative probability of blank
    scale: np.ndarray  # (F,) float64
    silent: np.ndarray  # (F,) bool, a run of frames that are surely blank


@njit(cache=True, nogil=True)
def _sort_descending(value, token, start, end):
    """Sort value[start:end] and token with it: shell sort, which is short, in place and fast at these sizes."""
    gap = 1
    while gap < (end - start) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(start + gap, end):
            v, t = value[i], token[i]
            j = i
            while j >= start + gap and value[j - gap] < v:
                value[j] = value[j - gap]
                token[j] = token[j - gap]
                j -= gap
            value[j] = v
            token[j] = t
        gap //= 3


@njit(cache=True, nogil=True)
def partition(value, token, start, end, keep):
    """Bring the `keep` largest of value[start:end] to the front (quickselect), token with them."""
    low, high = start, end - 1
    target = start + keep - 1
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
        if target <= j:
            high = j
        elif target >= i:
            low = i
        else:
            return


@njit(cache=True, nogil=True)
def select_frames(log_probs, best, token_threshold, max_tokens, blank_threshold):
    """Choose frames and tokens.

    A frame whose blank is at least `blank_threshold` (nats, 0 or less) is surely blank.  Of any other, a token within
    `token_threshold` nats of the frame's best is kept, at most the `max_tokens` best of them.
    """
    count, size = log_probs.shape
    first = np.zeros(count + 1, np.int64)
    blank = np.empty(count)
    scale = np.empty(count)
    silence = np.zeros(count, np.bool_)
    token = np.empty(max(4096, size), np.int32)
    prob = np.empty(max(4096, size))
    f, end = 0, 0
    silent = False
    for t in range(count):
        row = log_probs[t]
        top = float(best[t])
        if row[0] >= blank_threshold:
            if silent:
                scale[f - 1] += row[0]
                continue
            silent = True
            silence[f] = True
            blank[f] = 1.0
            scale[f] = row[0]
        else:
            silent = False
            if end + size > len(token):
                more = np.empty(2 * len(token) + size, np.int32)
                more[:end] = token[:end]
                token = more
                wider = np.empty(len(more))
                wider[:end] = prob[:end]
                prob = wider
            start = end
            floor = top - token_threshold
            for v in range(1, size):
                if row[v] >= floor and row[v] > -np.inf:
                    token[end] = v
                    prob[end] = row[v]
                    end += 1
            if end - start > max_tokens:
                partition(prob, token, start, end, max_tokens)
                end = start + max_tokens
            _sort_descending(prob, token, start, end)
            for k in range(start, end):
                prob[k] = np.exp(prob[k] - top)
            blank[f] = np.exp(row[0] - top)
            scale[f] = top
        f += 1
        first[f] = end
    return Frames(first[: f + 1], token[:end], prob[:end], blank[:f], scale[:f], silence[:f])
