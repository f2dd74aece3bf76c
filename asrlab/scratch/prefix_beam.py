"""Decoding CTC: best path, the exact answer by enumeration, and prefix beam search with a language model.

A network says for each of T frames how probable each of V tokens is; token 0 is the blank. A *path* is one token a
frame and reads a text: repeats merged, blanks removed. What was said is the text whose paths are together the most
probable. There are V^T paths. Prefix beam search (Hannun et al. 2014, Graves & Jaitly 2014) goes through the frames
once and keeps the most promising *beginnings* of texts, each with the summed probability of all its paths.

Symbols, as in the equations:
    log_y     (T, V)  log-probabilities of the network, nats
    prefix    tuple of token ids, the beginning of a text
    blank     log p(paths so far that read as the prefix and end in a blank)
    spoken    log p(paths so far that read as the prefix and end in its last token)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.scratch.ctc import collapse

IMPOSSIBLE = -math.inf
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
WORD_MARK = "▁"  # a token that begins with it begins a word
MOST_PATHS = 2_000_000

#: An n-gram model: n-gram -> (log-probability of its last word after the others, log back-off weight), nats.
Table = Mapping[tuple[str, ...], tuple[float, float]]
#: log p(word | words before), nats.
LanguageModel = Callable[[Sequence[str], str], float]
Prefix = tuple[int, ...]


@equation("best-path")
def best_path(log_y: np.ndarray) -> list[int]:
    """What the single most probable path reads: the best token of each frame, collapsed."""
    return collapse(np.argmax(log_y, axis=1))


@equation("exact-answer")
def text_probabilities(log_y: np.ndarray) -> dict[Prefix, float]:
    """log p of every text that any path reads, by adding up all V^T paths.

    Raises AsrlabError if there are more than two million of them.
    """
    T, V = log_y.shape
    if V**T > MOST_PATHS:
        raise AsrlabError(f"log_y ({T}, {V}): {V}^{T} paths are too many to list; take fewer frames or tokens")
    found: dict[Prefix, float] = {}
    for path in product(range(V), repeat=T):
        text = tuple(collapse(path))
        found[text] = np.logaddexp(found.get(text, IMPOSSIBLE), sum(log_y[t, k] for t, k in enumerate(path)))
    return found


class Mass(NamedTuple):
    """The probability of a prefix, in two parts, since they differ in what may come next."""

    blank: float
    spoken: float

    @property
    def total(self) -> float:
        return np.logaddexp(self.blank, self.spoken)


EMPTY = Mass(blank=0.0, spoken=IMPOSSIBLE)  # nothing said yet, before the first frame


@equation("prefix-blank", "prefix-spoken")
def advance(beam: Mapping[Prefix, Mass], frame: np.ndarray, threshold: float = math.inf) -> dict[Prefix, Mass]:
    """The masses of all prefixes that one more frame (V,) makes of those in the beam.

    Tokens more than `threshold` nats below the frame's best are not tried.
    """
    likely = [k for k in range(1, len(frame)) if frame[k] >= frame.max() - threshold]
    after: dict[Prefix, Mass] = {}

    def add(prefix: Prefix, blank: float = IMPOSSIBLE, spoken: float = IMPOSSIBLE) -> None:
        before = after.get(prefix, Mass(IMPOSSIBLE, IMPOSSIBLE))
        after[prefix] = Mass(np.logaddexp(before.blank, blank), np.logaddexp(before.spoken, spoken))

    for prefix, mass in beam.items():
        add(prefix, blank=mass.total + frame[0])
        for k in likely:
            if prefix[-1:] == (k,):
                add(prefix, spoken=mass.spoken + frame[k])  # the same token, held for one more frame
                add((*prefix, k), spoken=mass.blank + frame[k])  # said twice: only with a blank between
            else:
                add((*prefix, k), spoken=mass.total + frame[k])
    return after


@equation("ngram-backoff")
def backoff(table: Table, history: Sequence[str], word: str) -> float:
    """log p(word | history) of a back-off n-gram model, nats: the longest n-gram that it has decides.

    Unknown words are looked up as `<unk>`; `history` is as long as it likes.
    """
    if (word,) not in table:
        word = UNKNOWN
    history = tuple(w if (w,) in table else UNKNOWN for w in history)[-max(map(len, table), default=1) + 1 :]
    weight = 0.0
    for start in range(len(history) + 1):
        shorter = history[start:]
        if (*shorter, word) in table:
            return weight + table[(*shorter, word)][0]
        weight += table.get(shorter, (0.0, 0.0))[1]
    return IMPOSSIBLE


def split(prefix: Prefix, tokens: Sequence[str]) -> tuple[list[str], str]:
    """The closed words of a prefix, and the word that is being spelled: its letters so far."""
    words = "".join(tokens[k] for k in prefix).split(WORD_MARK)
    if words[0] == "":
        words = words[1:]
    return words[:-1], words[-1] if words else ""


@equation("fusion-score")
def fusion_score(
    log_p_ctc: float, log_p_lm: float, words: int, lm_weight: float = 0.0, word_bonus: float = 0.0
) -> float:
    """What candidates are ranked by, nats: sound, text, and a bonus for each word that makes up for the text's cost."""
    return log_p_ctc + lm_weight * log_p_lm + word_bonus * words


@dataclass(frozen=True)
class Search:
    """How to search: beam, weights (see `fusion_score`), and how unlikely a token may be and still be tried."""

    beam: int = 8
    lm_weight: float = 0.0
    word_bonus: float = 0.0
    threshold: float = 10.0  # nats below the best token of a frame


class Candidate(NamedTuple):
    """A prefix after some frame."""

    prefix: Prefix
    mass: Mass
    log_p_lm: float  # of its closed words, nats
    score: float  # what it is ranked by
    kept: bool  # among the best `beam`
    kept_by_sound: bool  # would be, were the language model not asked


def language_score(words: Sequence[str], lm: LanguageModel | None, finished: bool = False) -> float:
    """log p of words one after the other, and with `finished` of the sentence's end, nats; 0 without a model."""
    if lm is None:
        return 0.0
    said = [BEGIN, *words, *([END] if finished else [])]
    return sum(lm(said[:i], said[i]) for i in range(1, len(said)))


@equation("prefix-rank")
def ranked(
    masses: Mapping[Prefix, Mass],
    tokens: Sequence[str],
    search: Search,
    lm: LanguageModel | None = None,
    finished: bool = False,
) -> list[Candidate]:
    """All prefixes with their scores, best first; those behind the first `beam` are not kept.

    A word counts when it is closed: by the next word's first token, or (`finished`) by the end of the recording.
    """
    scored = []
    for prefix, mass in masses.items():
        if mass.total == IMPOSSIBLE:  # a token said twice with no blank seen yet
            continue
        words, spelling = split(prefix, tokens)
        if finished and spelling:
            words = [*words, spelling]
        log_p_lm = language_score(words, lm, finished)
        score = fusion_score(mass.total, log_p_lm, len(words), search.lm_weight, search.word_bonus)
        scored.append((prefix, mass, log_p_lm, score))
    by_sound = sorted(scored, key=lambda c: (-c[1].total, c[0]))[: search.beam]
    sounding = {c[0] for c in by_sound}
    scored.sort(key=lambda c: (-c[3], c[0]))
    return [Candidate(*c, i < search.beam, c[0] in sounding) for i, c in enumerate(scored)]


def prefix_beam_search(
    log_y: np.ndarray, tokens: Sequence[str], search: Search = Search(), lm: LanguageModel | None = None
) -> list[list[Candidate]]:
    """The whole search, frame by frame: `history[t]` holds what was weighed after frame t, best first.

    The last element, `history[T]`, ranks the survivors as finished sentences; its first candidate is the answer.
    """
    beam: dict[Prefix, Mass] = {(): EMPTY}
    history = []
    for frame in log_y:
        candidates = ranked(advance(beam, frame, search.threshold), tokens, search, lm)
        history.append(candidates)
        beam = {c.prefix: c.mass for c in candidates if c.kept}
    return [*history, ranked(beam, tokens, search, lm, finished=True)]


@equation("search-error")
def is_search_error(found: float, truth: float) -> bool:
    """Did the search miss a better text? Both are scores of whole texts, nats.

    If the truth scores higher than what was found, the search threw it away on the way: a wider beam would help. If it
    scores lower, no search would find it: the models are wrong about it.
    """
    return truth > found
