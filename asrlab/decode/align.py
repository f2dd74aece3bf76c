"""Forced alignment: which frames say which token (Viterbi over the CTC topology)."""

import math

import numpy as np

from asrlab.compiled import compiled
from asrlab.decode.hypothesis import Word
from asrlab.errors import AsrlabError

#: Nats behind the best state of a frame at which alignment first gives a state up; if no path is left, none is.
WINDOW = 60.0


@compiled
def _viterbi(log_probs, tokens, window):
    """Best path through blank, t_1, blank, t_2, ..., blank.

    States more than `window` nats behind the best of their frame are given up.

    Returns:
        Spans (L, 2), the first and last frame of each token; (L,) mean posterior of each token over its frames; the
        score of the path in nats, -inf if none is left.
    """
    length, count = log_probs.shape[0], len(tokens)
    states = 2 * count + 1
    score, new = np.empty(states + 2), np.empty(states + 2)  # two places in front spare the bounds checks
    for s in range(states + 2):
        score[s] = new[s] = -np.inf
    back = np.empty((length, states), np.int8)
    score[2] = log_probs[0, 0]
    if count:
        score[3] = log_probs[0, tokens[0]]
    low, high = 0, min(1, states - 1)  # states that a path may be in
    for t in range(1, length):
        high = min(high + 2, states - 1)
        top = -np.inf
        for s in range(low, high + 1):
            best, move, label = score[s + 2], 0, 0
            if score[s + 1] > best:
                best, move = score[s + 1], 1
            if s & 1:
                k = s >> 1
                label = tokens[k]
                if score[s] > best and (k == 0 or tokens[k - 1] != label):
                    best, move = score[s], 2
            best += log_probs[t, label]
            new[s + 2] = best
            back[t, s] = move
            top = max(top, best)
        score, new = new, score
        floor = top - window
        # What is behind the window, or too late to reach the end, will not be looked at again: nor may it be read.
        while low < high and (score[low + 2] < floor or low < states - 2 * (length - t)):
            score[low + 2] = new[low + 2] = -np.inf
            low += 1
        while high > low and score[high + 2] < floor:
            score[high + 2] = new[high + 2] = -np.inf
            high -= 1
    spans, mean = np.empty((count, 2), np.int64), np.empty(count)
    s = states - 1
    if count and score[s + 1] > score[s + 2]:
        s -= 1
    total = score[s + 2]
    if total == -np.inf:
        return spans, mean, total
    for k in range(count):
        spans[k, 1] = -1
        mean[k] = 0.0
    for t in range(length - 1, -1, -1):
        if s & 1:
            k = s >> 1
            spans[k, 0] = t
            spans[k, 1] = max(spans[k, 1], t)
            mean[k] += np.exp(log_probs[t, tokens[k]])
        if t > 0:
            s -= back[t, s]
    for k in range(count):
        mean[k] /= spans[k, 1] - spans[k, 0] + 1
    return spans, mean, total


def align(log_probs: np.ndarray, tokens) -> tuple[np.ndarray, np.ndarray, float]:
    """Align a token sequence to frames.

    Args:
        log_probs: (T, V), blank is token 0.
        tokens: (L,) token ids without blanks.

    Returns:
        Spans (L, 2), the first and the last frame of each token; (L,) the mean posterior of each token over its frames;
        the log-probability of that path in nats.

    Raises:
        AsrlabError: the frames are too few for the tokens (T < L + repeats) or no path has any probability.
    """
    tokens = np.asarray(tokens, np.int64)
    log_probs = np.ascontiguousarray(log_probs)
    for window in (WINDOW, np.inf):
        spans, mean, score = _viterbi(log_probs, tokens, window)
        if score > -np.inf:
            return spans, mean, score
    repeats = int((tokens[1:] == tokens[:-1]).sum())
    if len(log_probs) < len(tokens) + repeats:
        raise AsrlabError(
            f"{len(log_probs)} frames for {len(tokens)} tokens with {repeats} repeats: pass more frames or fewer tokens"
        )
    raise AsrlabError(f"no path of {len(log_probs)} frames says these {len(tokens)} tokens: all have probability 0")


def timed_words(spans, posteriors, words, frame_seconds: float) -> tuple[Word, ...]:
    """`Word`s from aligned tokens.

    A word lasts from its first token's first frame to its last token's last frame.  Its confidence is the geometric
    mean of its tokens' posteriors (each the mean over the frames aligned to the token): acoustic evidence only.

    Args:
        spans: (L, 2) first and last frame of each token; posteriors: (L,) of each token; both as from `align`.
        words: (text, first token, one past the last token) of each word.
        frame_seconds: seconds from one frame to the next.
    """
    spans = np.asarray(spans).tolist()
    logs = np.log(np.maximum(posteriors, 1e-30)).tolist()
    return tuple(
        Word(
            text,
            start=spans[a][0] * frame_seconds,
            end=(spans[b - 1][1] + 1) * frame_seconds,
            confidence=min(1.0, math.exp(sum(logs[a:b]) / (b - a))),
        )
        for text, a, b in words
    )
