"""Best-path decoding: the most probable token of each frame, repeats merged, blanks removed."""

import numpy as np

from asrlab.decode.forced import timed_words
from asrlab.decode.hypothesis import HasTokens, Hypothesis, check_log_probs, marks_words, split_words


def greedy(log_probs: np.ndarray, tokenizer: HasTokens, frame_seconds: float = 0.04) -> Hypothesis:
    """Decode with the best path (Graves et al. 2006, section 3.2).

    Args:
        log_probs: (T, V) log-probabilities, blank is token 0.
        tokenizer: has `tokens`, V strings.
        frame_seconds: seconds from one frame to the next, for word times.

    Returns:
        A `Hypothesis`; its score and "ctc" part are the log-probability of the one best path.

    Raises:
        AsrlabError: see `check_log_probs`.
    """
    log_probs, best = check_log_probs(log_probs, len(tokenizer.tokens))
    path = log_probs.argmax(axis=1)
    changed = np.flatnonzero(np.diff(path, prepend=-1))
    ends = np.append(changed[1:], len(path)) - 1
    spoken = path[changed] != 0
    tokens = tuple(int(v) for v in path[changed][spoken])
    spans = np.stack([changed[spoken], ends[spoken]], axis=1)
    posteriors = [np.exp(best[a : b + 1], dtype=np.float64).mean() for a, b in spans]
    said = split_words([tokenizer.tokens[v] for v in tokens], marks_words(tokenizer.tokens))
    words = timed_words(spans, posteriors, said, frame_seconds)
    score = float(best.sum(dtype=np.float64))
    return Hypothesis(" ".join(w.text for w in words), tokens, score, {"ctc": score}, words)
