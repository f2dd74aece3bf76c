"""Section 3: a language model that falls back, and the search over beginnings of texts."""

import collections
import itertools
import math

import numpy as np

from asrlab.grading.compare import float32
from asrlab.grading.exercise import Exercise, ExerciseSet

# --- falling back ---------------------------------------------------------------------------------


def histories(rng):
    """Tables of up to three words, with holes; histories of all lengths, known ones and others."""
    words = ["put", "red", "now"]
    for chance in (0.0, 0.3, 0.5, 0.7):
        table = {}
        for n in (1, 2, 3):
            for gram in itertools.product(words, repeat=n):
                if n == 1 or rng.random() < chance:
                    table[" ".join(gram)] = [math.log(rng.uniform(0.01, 0.5)), math.log(rng.uniform(0.1, 0.9))]
        for length in (0, 1, 2, 2, 4):
            yield table, rng.choice(words, length).tolist(), str(rng.choice(words))
    for gram in ("put red", "put red now"):
        table[gram] = [math.log(rng.uniform(0.01, 0.5)), math.log(rng.uniform(0.1, 0.9))]
    yield table, ["put", "red"], "now"  # known at once


def backoff_by_recursion(table, history, word):
    """The oracle: the equation of the chapter, read from the left."""
    history = history[-2:] if len(history) > 2 else history
    if " ".join([*history, word]) in table:
        return table[" ".join([*history, word])][0]
    return table.get(" ".join(history), (0.0, 0.0))[1] + backoff_by_recursion(table, history[1:], word)


def backoff_by_loop(table, history, word):
    total = 0.0
    for start in range(max(0, len(history) - 2), len(history) + 1):
        rest = history[start:]
        known = table.get(" ".join([*rest, word]))
        if known:
            return total + known[0]
        if " ".join(rest) in table:
            total += table[" ".join(rest)][1]
    raise ValueError(word)


def backoff_from_the_short_end(table, history, word):
    best = table[word][0]
    for n in range(1, min(2, len(history)) + 1):
        rest = " ".join(history[-n:])
        best = table[f"{rest} {word}"][0] if f"{rest} {word}" in table else best + table.get(rest, [0, 0])[1]
    return np.float32(best)


def backoff_by_search(table, history, word):
    ends = [history[len(history) - n :] for n in range(min(2, len(history)), -1, -1)]
    found = next(k for k, rest in enumerate(ends) if " ".join((*rest, word)) in table)
    weights = [table[" ".join(rest)][1] for rest in ends[:found] if " ".join(rest) in table]
    return math.fsum([table[" ".join((*ends[found], word))][0], *weights])


def pays_nothing(table, history, word):
    """Falling back costs nothing: add the weight of each history that does not know the word."""
    for start in range(max(0, len(history) - 2), len(history) + 1):
        if " ".join([*history[start:], word]) in table:
            return table[" ".join([*history[start:], word])][0]


def forgets_the_history(table, history, word):
    """The words before are not looked at: the longest history that the table knows with this word decides."""
    return table[word][0]


def falls_back_from_the_wrong_end(table, history, word):
    """The newest word is left out when the model falls back: leave out the oldest, it matters least."""
    history, total = history[-2:], 0.0
    while " ".join([*history, word]) not in table:
        total += table.get(" ".join(history), (0.0, 0.0))[1]
        history = history[:-1]
    return total + table[" ".join([*history, word])][0]


def pays_where_it_found_the_word(table, history, word):
    """The weight of the history that knows the word is paid too: pay only for those that were left."""
    history, total = history[-2:], 0.0
    while " ".join([*history, word]) not in table:
        total += table.get(" ".join(history), (0.0, 0.0))[1]
        history = history[1:]
    return total + table[" ".join([*history, word])][0] + table.get(" ".join(history), (0.0, 0.0))[1]


def takes_the_weight_of_the_shorter(table, history, word):
    """The weight is taken from the history that it falls back to: it belongs to the longer one, which failed."""
    history, total = history[-2:], 0.0
    while " ".join([*history, word]) not in table:
        history = history[1:]
        total += table.get(" ".join(history), (0.0, 0.0))[1]
    return total + table[" ".join([*history, word])][0]


def multiplies_logarithms(table, history, word):
    """Logarithms are multiplied: probabilities are, and their logarithms are added."""
    history, total = history[-2:], 1.0
    while " ".join([*history, word]) not in table:
        total *= table.get(" ".join(history), (0.0, 1.0))[1]
        history = history[1:]
    return total * table[" ".join([*history, word])][0]


BACKOFF = Exercise(
    name="ngram.backoff",
    title="A language model that falls back",
    function="backoff",
    points=10,
    minutes=20,
    equations=("ngram-backoff",),
    cases=histories,
    oracle=backoff_by_recursion,
    tolerance=float32(8),
    hints=(
        "Which words of a long history can the table know anything about? Begin with those.",
        "Ask for the longest entry first. If it is not there, note what that history charges, drop its oldest word and"
        " ask again.",
        "table[text][0] is the log-probability, table[text][1] the log-weight. A history that is not in the table"
        " charges 0. Every word alone is in the table, so this ends.",
    ),
    right=(backoff_by_recursion, backoff_by_loop, backoff_from_the_short_end, backoff_by_search),
    mistakes=(
        pays_nothing,
        forgets_the_history,
        falls_back_from_the_wrong_end,
        pays_where_it_found_the_word,
        takes_the_weight_of_the_shorter,
        multiplies_logarithms,
    ),
    forbidden=("asrlab.language", "asrlab.decode", "kenlm"),
)

# --- prefix beam search ---------------------------------------------------------------------------


def searches(rng):
    """Frames of log-probabilities and a beam: some that hold every text that can be, narrow ones, and one with numbers
    so small that only logarithms survive."""
    yield np.log([[0.6, 0.4], [0.6, 0.4]]), 2
    for T, V, beam in ((1, 3, 3), (3, 2, 3), (3, 3, 9), (4, 3, 15), (5, 3, 2), (6, 4, 3), (8, 4, 4)):
        x = rng.standard_normal((T, V)) * 1.5
        yield x - np.logaddexp.reduce(x, axis=1, keepdims=True), beam, int(rng.choice([0, V - 1]))
    x = rng.standard_normal((10, 3)) * 1.5
    yield x - np.logaddexp.reduce(x, axis=1, keepdims=True) - 120, 3, 0


def beam_by_ends(log_y, beam, blank=0):
    """The oracle: a mass for each prefix and last token of its paths, in probabilities whose scale is kept apart."""
    masses, scale = {((), blank): 1.0}, 0.0
    for frame in log_y:
        top = float(max(frame))
        y, after = [math.exp(float(v) - top) for v in frame], collections.defaultdict(float)
        for ((prefix, last), mass), (token, p) in itertools.product(masses.items(), enumerate(y)):
            grown = prefix if token in (blank, last) else (*prefix, token)
            after[grown, token] += mass * p
        totals = collections.Counter()
        for (prefix, _), mass in after.items():
            totals[prefix] += mass
        kept = dict(totals.most_common(beam))
        largest = max(kept.values())
        masses = {key: mass / largest for key, mass in after.items() if key[0] in kept}
        kept, scale = {prefix: mass / largest for prefix, mass in kept.items()}, scale + top + math.log(largest)
    return [[list(prefix), scale + math.log(mass)] for prefix, mass in kept.items()]


def beam_by_two_numbers(log_y, beam, blank=0):
    best = {(): (0.0, -math.inf)}
    for frame in log_y:
        after = {}
        for prefix, (quiet, spoken) in best.items():
            total = np.logaddexp(quiet, spoken)
            moves = [(prefix, 0, total + frame[blank])]
            for k in range(len(frame)):
                if k != blank and prefix[-1:] == (k,):
                    moves += [(prefix, 1, spoken + frame[k]), ((*prefix, k), 1, quiet + frame[k])]
                elif k != blank:
                    moves.append(((*prefix, k), 1, total + frame[k]))
            for end, kind, score in moves:
                pair = after.setdefault(end, [-math.inf, -math.inf])
                pair[kind] = np.logaddexp(pair[kind], score)
        best = dict(sorted(after.items(), key=lambda item: -np.logaddexp(*item[1]))[:beam])
    return [(list(prefix), np.logaddexp(*pair)) for prefix, pair in best.items()]


def beam_by_pulling(log_y, beam, blank=0):
    old = {(): (0.0, -np.inf)}
    none = (-np.inf, -np.inf)
    for frame in log_y:
        tokens = [k for k in range(len(frame)) if k != blank]
        new = {}
        for prefix in set(old) | {(*p, k) for p in old for k in tokens}:
            quiet = np.logaddexp(*old.get(prefix, none)) + frame[blank]
            spoken = -np.inf
            if prefix:
                before = old.get(prefix[:-1], none)
                grown = before[0] if prefix[-2:-1] == prefix[-1:] else np.logaddexp(*before)
                spoken = np.logaddexp(old.get(prefix, none)[1], grown) + frame[prefix[-1]]
            new[prefix] = quiet, spoken
        ranked = sorted(new, key=lambda p: np.logaddexp(*new[p]), reverse=True)
        old = {prefix: new[prefix] for prefix in ranked[:beam]}
    return [[prefix, float(np.logaddexp(*pair))] for prefix, pair in old.items()]


def beam_in_float32(log_y, beam, blank=0):
    log_y, masses = log_y.astype(np.float32), {((), blank): np.float32(0)}
    for frame in log_y:
        after, totals = {}, {}
        for (prefix, last), mass in masses.items():
            for token, value in enumerate(frame):
                key = ((*prefix, token) if token != blank and token != last else prefix, token)
                after[key] = np.logaddexp(after.get(key, np.float32(-np.inf)), mass + value)
        for (prefix, _), mass in after.items():
            totals[prefix] = np.logaddexp(totals.get(prefix, np.float32(-np.inf)), mass)
        kept = sorted(totals, key=totals.get)[: -beam - 1 : -1]
        masses = {key: mass for key, mass in after.items() if key[0] in kept}
    return [[list(prefix), totals[prefix]] for prefix in kept]


def doubles_without_a_blank(log_y, beam, blank=0):
    """A token that is held for a further frame is written again: twice the same token needs a blank between."""
    best = {(): 0.0}
    for frame in log_y:
        after = {}
        for prefix, score in best.items():
            for k, value in enumerate(frame):
                end = prefix if k == blank else (*prefix, k)
                after[end] = np.logaddexp(after.get(end, -math.inf), score + value)
        best = dict(sorted(after.items(), key=lambda item: -item[1])[:beam])
    return [(list(prefix), score) for prefix, score in best.items()]


def never_doubles(log_y, beam, blank=0):
    """The same token never comes twice in a row: after a blank it may."""
    best = {(): 0.0}
    for frame in log_y:
        after = {}
        for prefix, score in best.items():
            for k, value in enumerate(frame):
                end = prefix if k == blank or prefix[-1:] == (k,) else (*prefix, k)
                after[end] = np.logaddexp(after.get(end, -math.inf), score + value)
        best = dict(sorted(after.items(), key=lambda item: -item[1])[:beam])
    return [(list(prefix), score) for prefix, score in best.items()]


def keeps_the_best_path(log_y, beam, blank=0):
    """Of the paths that read the same, only the best is kept: add up their probabilities."""
    masses = {((), blank): 0.0}
    for frame in log_y:
        after, totals = {}, {}
        for (prefix, last), mass in masses.items():
            for token, value in enumerate(frame):
                key = ((*prefix, token) if token != blank and token != last else prefix, token)
                after[key] = max(after.get(key, -np.inf), mass + value)
        for (prefix, _), mass in after.items():
            totals[prefix] = max(totals.get(prefix, -np.inf), mass)
        kept = sorted(totals, key=totals.get)[: -beam - 1 : -1]
        masses = {key: mass for key, mass in after.items() if key[0] in kept}
    return [(list(prefix), totals[prefix]) for prefix in kept]


def prunes_the_halves(log_y, beam, blank=0):
    """The beam counts a prefix twice, once for its paths that end in a blank and once for the others: it is as many
    prefixes as that, each with both of its numbers."""
    masses = {((), blank): 0.0}
    for frame in log_y:
        after, totals = {}, {}
        for (prefix, last), mass in masses.items():
            for token, value in enumerate(frame):
                key = ((*prefix, token) if token != blank and token != last else prefix, token)
                after[key] = np.logaddexp(after.get(key, -np.inf), mass + value)
        masses = {key: after[key] for key in sorted(after, key=after.get)[: -beam - 1 : -1]}
        for (prefix, _), mass in masses.items():
            totals[prefix] = np.logaddexp(totals.get(prefix, -np.inf), mass)
    return [(list(prefix), totals[prefix]) for prefix in sorted(totals, key=totals.get, reverse=True)]


def never_prunes(log_y, beam, blank=0):
    """Every prefix is kept to the end, so the work grows without limit: after each frame keep the best `beam` of
    them."""
    masses = {((), blank): 0.0}
    for frame in log_y:
        after, totals = {}, {}
        for (prefix, last), mass in masses.items():
            for token, value in enumerate(frame):
                key = ((*prefix, token) if token != blank and token != last else prefix, token)
                after[key] = np.logaddexp(after.get(key, -np.inf), mass + value)
        for (prefix, _), mass in after.items():
            totals[prefix] = np.logaddexp(totals.get(prefix, -np.inf), mass)
        masses = after
    return [(list(prefix), totals[prefix]) for prefix in sorted(totals, key=totals.get)[: -beam - 1 : -1]]


def underflows(log_y, beam, blank=0):
    """Products of many small numbers become 0, and nothing can be told apart any more: stay with logarithms."""
    masses = {((), blank): 1.0}
    for frame in log_y:
        after, totals = {}, {}
        for (prefix, last), mass in masses.items():
            for token, value in enumerate(frame):
                key = ((*prefix, token) if token != blank and token != last else prefix, token)
                after[key] = after.get(key, 0.0) + mass * math.exp(value)
        for (prefix, _), mass in after.items():
            totals[prefix] = totals.get(prefix, 0.0) + mass
        kept = sorted(totals, key=totals.get)[: -beam - 1 : -1]
        masses = {key: mass for key, mass in after.items() if key[0] in kept}
    return [(list(prefix), np.log(totals[prefix])) for prefix in kept]


PREFIX_BEAM = Exercise(
    name="ctc.prefix_beam",
    title="Keep beginnings, not paths",
    function="prefix_beam_search",
    points=30,
    minutes=90,
    equations=("prefix-blank", "prefix-spoken"),
    cases=searches,
    oracle=beam_by_ends,
    tolerance=float32(8 * 10),  # at worst eight roundings a frame, each relative to a sum as large as the answer
    hints=(
        "After the frames a, a you hold the prefix a. After a, blank you hold the prefix a as well. What may an a in"
        " the next frame do in each case? So what must you remember?",
        "Keep two numbers for each prefix: its paths that end in the blank, and its paths that end in its last token."
        " Go through all prefixes and all tokens, and add what arrives to a new table.",
        "Token k on a prefix that ends in k: the spoken part stays on the prefix, the blank part makes it longer. Any"
        " other token takes both parts along. When the frame is done, sort by the sum of both and keep the best.",
    ),
    right=(beam_by_two_numbers, beam_by_pulling, beam_in_float32, beam_by_ends),
    mistakes=(
        doubles_without_a_blank,
        never_doubles,
        keeps_the_best_path,
        prunes_the_halves,
        never_prunes,
        underflows,
    ),
    forbidden=("asrlab.decode", "asrlab.widgets", "torchaudio", "pyctcdecode"),
)

SET = ExerciseSet(
    "3-mathematics-search", "From probabilities to a text", "book/3-mathematics/decoding", (BACKOFF, PREFIX_BEAM)
)
