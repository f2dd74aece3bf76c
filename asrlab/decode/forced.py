"""Forced alignment: which frames say which token (Viterbi over the CTC topology)."""

import numpy as np

from asrlab.core.compiled import compiled
from asrlab.core.errors import AsrlabError
from asrlab.decode.hypothesis import Word

#: Nats behind the best state of a frame at which alignment first gives a state up; if no path is left, none is.
WINDOW = 40.0


@compiled
def _viterbi(log_probs, tokens, window):
    """Best path through blank 0, token 0, blank 1, token 1, ..., blank L.

    States more than `window` nats behind the best of their frame are given up.

    Returns:
        Spans (L, 2), the first and last frame of each token; (L,) mean posterior of each token over its frames; the
        score of the path in nats, -inf if none is left.
    """
    length, count = log_probs.shape[0], len(tokens)
    # By k, one place further on: the best path that ends in blank k, in token k; with room for what lies outside.
    blank, spoken = np.empty(count + 2), np.empty(count + 2)
    new_blank, new_spoken = np.empty(count + 2), np.empty(count + 2)
    skip = np.empty(count + 1)  # 0 where token k may follow token k - 1 without a blank between them
    for k in range(count + 2):
        blank[k] = spoken[k] = new_blank[k] = new_spoken[k] = -np.inf
    for k in range(count):
        skip[k] = 0.0 if k > 0 and tokens[k] != tokens[k - 1] else -np.inf
    from_token = np.empty((length, count + 1), np.bool_)  # blank k comes from token k - 1, else from itself
    came = np.empty((length, count + 1), np.int8)  # token k comes from 0 itself, 1 blank k, 2 token k - 1
    blank[1] = log_probs[0, 0]
    if count:
        spoken[1] = log_probs[0, tokens[0]]
    low, high = 0, 0  # k of the states that a path may be in
    for t in range(1, length):
        high = min(high + 1, count)
        silence = log_probs[t, 0]
        for k in range(low, high + 1):
            stay, from_spoken = blank[k + 1], spoken[k]
            from_token[t, k] = from_spoken > stay
            new_blank[k + 1] = max(stay, from_spoken) + silence
        for k in range(low, min(high + 1, count)):
            stay, from_blank, jump = spoken[k + 1], blank[k + 1], spoken[k] + skip[k]
            best, move = stay, 0
            best, move = (from_blank, 1) if from_blank > best else (best, move)
            best, move = (jump, 2) if jump > best else (best, move)
            came[t, k] = move
            new_spoken[k + 1] = best + log_probs[t, tokens[k]]
        top = -np.inf
        for k in range(low + 1, high + 2):
            top = max(top, max(new_blank[k], new_spoken[k]))
        blank, new_blank = new_blank, blank
        spoken, new_spoken = new_spoken, spoken
        # What has fallen behind, or is too late to reach the end, is looked at no more: nor may it be read.
        floor = top - window
        while low < high and (max(blank[low + 1], spoken[low + 1]) < floor or count - low > length - t):
            blank[low + 1] = spoken[low + 1] = new_blank[low + 1] = new_spoken[low + 1] = -np.inf
            low += 1
        while high > low and max(blank[high + 1], spoken[high + 1]) < floor:
            blank[high + 1] = spoken[high + 1] = new_blank[high + 1] = new_spoken[high + 1] = -np.inf
            high -= 1
    spans, mean = np.empty((count, 2), np.int64), np.empty(count)
    silent, k = blank[count + 1] >= spoken[count], count
    total = blank[count + 1] if silent else spoken[count]
    if total == -np.inf:
        return spans, mean, total
    if not silent:
        k -= 1
    for j in range(count):
        spans[j, 1] = -1
        mean[j] = 0.0
    for t in range(length - 1, -1, -1):
        if silent:
            if t > 0 and from_token[t, k]:
                silent = False
                k -= 1
            continue
        spans[k, 0] = t
        spans[k, 1] = max(spans[k, 1], t)
        mean[k] += np.exp(log_probs[t, tokens[k]])
        if t > 0:
            silent = came[t, k] == 1
            k -= came[t, k] == 2
    for j in range(count):
        mean[j] /= spans[j, 1] - spans[j, 0] + 1
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
    if not words:
        return ()
    texts = [text for text, _, _ in words]
    first, past = (np.array([word[k] for word in words]) for k in (1, 2))
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.maximum(posteriors, 1e-30)))])
    confidence = np.minimum(np.exp((logs[past] - logs[first]) / (past - first)), 1.0)
    start, end = spans[first, 0] * frame_seconds, (spans[past - 1, 1] + 1) * frame_seconds
    return tuple(map(Word, texts, start.tolist(), end.tolist(), confidence.tolist()))
