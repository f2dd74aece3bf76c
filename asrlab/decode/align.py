"""Forced alignment: which frames say which token (Viterbi over the CTC topology)."""

import numpy as np
from numba import njit

from asrlab.decode.hypothesis import Word
from asrlab.errors import AsrlabError


@njit(cache=True, nogil=True)
def _viterbi(log_probs, tokens):
    """Best path through blank, t_1, blank, t_2, ..., blank; (first, last) frame of each token, and its score."""
    frames, length = log_probs.shape[0], len(tokens)
    states = 2 * length + 1
    label = np.zeros(states, np.int64)
    skip = np.full(states, -np.inf)  # 0 where a path may come straight from the token before
    for k in range(length):
        label[2 * k + 1] = tokens[k]
        if k > 0 and tokens[k] != tokens[k - 1]:
            skip[2 * k + 1] = 0.0
    score = np.full(states + 2, -np.inf)  # two places of -inf in front spare the bounds checks
    new = np.full(states + 2, -np.inf)
    back = np.zeros((frames, states), np.int8)
    score[2] = log_probs[0, 0]
    if length:
        score[3] = log_probs[0, label[1]]
    for t in range(1, frames):
        # states outside low..high cannot be reached yet, or cannot reach the end any more
        low, high = max(0, states - 2 * (frames - t)), min(states, 2 * t + 2)
        row, step = log_probs[t], back[t]
        new[:] = -np.inf
        for s in range(low, high):
            stay, one, two = score[s + 2], score[s + 1], score[s] + skip[s]
            best, move = stay, 0
            if one > best:
                best, move = one, 1
            if two > best:
                best, move = two, 2
            new[s + 2] = best + row[label[s]]
            step[s] = move
        score, new = new, score
    s = states - 1
    if length and score[s + 1] > score[s + 2]:
        s -= 1
    total = score[s + 2]
    spans = np.full((length, 2), -1, np.int64)
    for t in range(frames - 1, -1, -1):
        if s % 2:
            spans[s // 2, 0] = t
            spans[s // 2, 1] = max(spans[s // 2, 1], t)
        s -= back[t, s]
    return spans, total


def align(log_probs: np.ndarray, tokens) -> tuple[np.ndarray, float]:
    """Align a token sequence to frames.

    Args:
        log_probs: (T, V), blank is token 0.
        tokens: (L,) token ids without blanks.

    Returns:
        Spans (L, 2), the first and the last frame of each token, and the log-probability of that path in nats.

    Raises:
        AsrlabError: the frames are too few for the tokens (T < L + repeats) or no path has any probability.
    """
    tokens = np.asarray(tokens, np.int64)
    repeats = int((tokens[1:] == tokens[:-1]).sum())
    if len(log_probs) < len(tokens) + repeats:
        raise AsrlabError(
            f"{len(log_probs)} frames for {len(tokens)} tokens with {repeats} repeats: pass more frames or fewer tokens"
        )
    spans, score = _viterbi(np.ascontiguousarray(log_probs), tokens)
    if not score > -np.inf:
        raise AsrlabError(f"no path of {len(log_probs)} frames says these {len(tokens)} tokens: all have probability 0")
    return spans, float(score)


def timed_words(log_probs: np.ndarray, spans: np.ndarray, tokens, words, frame_seconds: float) -> tuple[Word, ...]:
    """`Word`s from aligned tokens.

    A word lasts from its first token's first frame to its last token's last frame.  Its confidence is the geometric
    mean, over its tokens, of the token's mean posterior in the frames aligned to it: acoustic evidence only.

    Args:
        log_probs: (T, V).
        spans: (L, 2) from `align`.
        tokens: (L,) token ids.
        words: (text, first token, one past the last token) of each word.
        frame_seconds: seconds from one frame to the next.
    """
    logs = [
        float(np.log(max(np.exp(log_probs[a : b + 1, v], dtype=np.float64).mean(), 1e-30)))
        for (a, b), v in zip(spans.tolist(), tokens, strict=True)
    ]
    return tuple(
        Word(
            text,
            start=float(spans[a, 0]) * frame_seconds,
            end=float(spans[b - 1, 1] + 1) * frame_seconds,
            confidence=min(1.0, float(np.exp(sum(logs[a:b]) / (b - a)))),
        )
        for text, a, b in words
    )
