"""The compiled core of `BeamDecoder`: prefix beam search over a tree of prefixes.

A prefix is a node: its parent, its last token, the word that closed before that token (if any), its place in the trie
of the word being spelled, and the language model's state after the closed words.  A node is made only for a prefix that
survives a frame.  Scores are products of probabilities, rescaled now and then, so that the inner loop needs no
logarithm; the language model's share (with its look-ahead) is a factor on the edge from parent to child.
`reference.py` says the same in a page of plain Python.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from asrlab.decode.frames import partition
from asrlab.decode.words import OUTSIDE, ROOT, child_of, walk
from asrlab.lm.ngram import END_ID, UNKNOWN_ID, score_word

# Columns of the two tables that hold the nodes.
PARENT, TOKEN, WORD, PLACE, STATE, CHILD, SIBLING, WORDS, UNKNOWNS, BEAM = range(10)
FACTOR, LM, CLOSE = range(3)
NO_WORD, STAY = -1, -1
TOKENS, OPEN, LEXICON = range(3)  # what a search knows of words: nothing, their boundaries, a closed list
RESCALE_BELOW = 1e-60


class Weights(NamedTuple):
    """How much words count."""

    lm: float
    known: float  # nats added for each word
    unknown: float  # nats added for each word that the LM does not know
    ahead: np.ndarray  # (N + 1,) weighted look-ahead of each trie node, nats; last: of an unknown word
    exp_ahead: np.ndarray  # its exponential


class Candidates(NamedTuple):
    """Prefixes that compete for the next beam: entry i has score value[i], all else is in slot order[i]."""

    value: np.ndarray
    order: np.ndarray
    source: np.ndarray  # position in the beam of the prefix itself (token STAY) or of its parent
    token: np.ndarray
    word: np.ndarray
    place: np.ndarray
    factor: np.ndarray


class Finals(NamedTuple):
    """Complete hypotheses, in no order."""

    node: np.ndarray  # last prefix
    word: np.ndarray  # trie word entry that the end of the utterance closed, or NO_WORD
    score: np.ndarray  # nats
    lm: np.ndarray  # nats, unweighted
    words: np.ndarray
    unknowns: np.ndarray


@njit(cache=True, nogil=True)
def _grow(ints, reals):
    more_ints = np.empty((2 * len(ints), ints.shape[1]), ints.dtype)
    more_reals = np.empty((2 * len(reals), reals.shape[1]), reals.dtype)
    more_ints[: len(ints)] = ints
    more_reals[: len(reals)] = reals
    return more_ints, more_reals


@njit(cache=True, nogil=True)
def _closing(trie, lm, weights, entry, state):
    """Close a word: log factor without look-ahead, LM log-probability, next LM state, 1 if the LM knows it not."""
    lm_word = UNKNOWN_ID if entry == OUTSIDE else trie.lm_word[entry]
    logp, after = score_word(lm, state, lm_word)
    total = weights.lm * logp if weights.lm > 0.0 else 0.0
    if lm_word == UNKNOWN_ID:
        return total + weights.unknown, logp, after, 1
    return total + weights.known, logp, after, 0


@njit(cache=True, nogil=True)
def _close_factor(trie, lm, weights, ints, reals, node, entry):
    """Factor on closing a word at a node, where it takes back the look-ahead; kept on the node for its first word."""
    place = ints[node, PLACE]
    first = entry == OUTSIDE or entry == trie.word_first[place]
    if first and reals[node, CLOSE] >= 0.0:
        return reals[node, CLOSE]
    factor = np.exp(_closing(trie, lm, weights, entry, ints[node, STATE])[0] - weights.ahead[place])
    if first:
        reals[node, CLOSE] = factor
    return factor


@njit(cache=True, nogil=True)
def _find(ints, parent, token, word):
    """The child of a node with this token and closed word, or -1."""
    node = ints[parent, CHILD]
    while node >= 0 and (ints[node, TOKEN] != token or ints[node, WORD] != word):
        node = ints[node, SIBLING]
    return node


@njit(cache=True, nogil=True)
def _push(pool, count, cut, beam, value, source, token, word, place, factor):
    """Add a candidate; when the pool is full, keep the best and raise the score below which nothing can survive."""
    slot = pool.order[count]
    pool.value[count] = value
    pool.source[slot] = source
    pool.token[slot] = token
    pool.word[slot] = word
    pool.place[slot] = place
    pool.factor[slot] = factor
    count += 1
    if count == len(pool.value):
        partition(pool.value, pool.order, 0, count, beam)
        count = beam
        cut = max(cut, pool.value[:beam].min())
    return count, cut


@njit(cache=True, nogil=True)
def _extend_tokens(pool, count, cut, beam, i, base, repeat, last, tokens, probs, mark, stamp):
    """Candidates from one prefix where words do not matter."""
    for k in range(len(tokens)):
        if base * probs[k] < cut:
            break
        token = tokens[k]
        value = probs[k] * (repeat if token == last else base)
        if value > cut and mark[token] != stamp:
            count, cut = _push(pool, count, cut, beam, value, i, token, NO_WORD, ROOT, 1.0)
    return count, cut


@njit(cache=True, nogil=True)
def _extend_open(pool, count, cut, beam, i, base, repeat, last, tokens, probs, mark, stamp,
                 trie, lm, weights, ints, reals, node, any_start):
    """Candidates from one prefix in an open vocabulary: letters go on or leave the trie, a word mark closes."""
    place = ints[node, PLACE]
    close = 1.0
    if any_start and place != ROOT:
        entry = OUTSIDE
        if place != OUTSIDE and trie.word_first[place] < trie.word_first[place + 1]:
            entry = trie.word_first[place]
        close = _close_factor(trie, lm, weights, ints, reals, node, entry)
    bound = max(1.0, close)
    for k in range(len(tokens)):
        if base * probs[k] * bound < cut:
            break
        token = tokens[k]
        if mark[token] == stamp:
            continue
        value = probs[k] * (repeat if token == last else base)
        if trie.starts[token]:
            if value * close <= cut:
                continue
            after = walk(trie, ROOT, token)
            factor = close * weights.exp_ahead[after]
        else:
            if value <= cut:
                continue
            after = walk(trie, place, token)
            factor = weights.exp_ahead[after] / weights.exp_ahead[place]
        if value * factor > cut:
            count, cut = _push(pool, count, cut, beam, value * factor, i, token, NO_WORD, after, factor)
    return count, cut


@njit(cache=True, nogil=True)
def _extend_lexicon(pool, count, cut, beam, i, base, repeat, last, tokens, probs, mark, stamp,
                    trie, lm, weights, ints, reals, node, prob):
    """Candidates from one prefix with a lexicon: down the trie, or close a word here and begin another."""
    place = ints[node, PLACE]
    arc, end = trie.first[place], trie.first[place + 1]
    by_arc = end - arc < len(tokens)
    for k in range(arc, end) if by_arc else range(len(tokens)):
        if by_arc:
            token, after = trie.symbol[k], trie.child[k]
            value = prob[token]
        else:
            token, value = tokens[k], probs[k]
            if base * value < cut:
                break
            after = child_of(trie, place, token)
        value *= repeat if token == last else base
        if after == OUTSIDE or value <= cut:
            continue
        factor = weights.exp_ahead[after] / weights.exp_ahead[place]
        if value * factor <= cut:
            continue
        if mark[token] == stamp:
            child = _find(ints, node, token, NO_WORD)
            if child >= 0 and ints[child, BEAM] >= 0:
                continue
        count, cut = _push(pool, count, cut, beam, value * factor, i, token, NO_WORD, after, factor)
    for entry in range(trie.word_first[place], trie.word_first[place + 1]):
        close = _close_factor(trie, lm, weights, ints, reals, node, entry)
        for k in range(len(tokens)):
            if base * probs[k] * close < cut:
                break
            token = tokens[k]
            after = trie.from_root[token]
            if after == OUTSIDE:
                continue
            factor = close * weights.exp_ahead[after]
            value = probs[k] * (repeat if token == last else base) * factor
            if value <= cut:
                continue
            if mark[token] == stamp:
                child = _find(ints, node, token, entry)
                if child >= 0 and ints[child, BEAM] >= 0:
                    continue
            count, cut = _push(pool, count, cut, beam, value, i, token, entry, after, factor)
    return count, cut


@njit(cache=True, nogil=True)
def _make(ints, reals, used, trie, lm, weights, mode, parent, token, entry, place, factor):
    """A new node at index `used`, first among its parent's children."""
    ints[used, PARENT] = parent
    ints[used, TOKEN] = token
    ints[used, WORD] = entry
    ints[used, PLACE] = place
    ints[used, CHILD] = -1
    ints[used, SIBLING] = ints[parent, CHILD]
    ints[parent, CHILD] = used
    reals[used, FACTOR] = factor
    reals[used, CLOSE] = -1.0
    state, words, unknowns, logp = ints[parent, STATE], ints[parent, WORDS], ints[parent, UNKNOWNS], reals[parent, LM]
    before = ints[parent, PLACE]
    closes = entry != NO_WORD if mode == LEXICON else mode == OPEN and trie.starts[token] and before != ROOT
    if closes:
        if mode == OPEN and before != OUTSIDE and trie.word_first[before] < trie.word_first[before + 1]:
            entry = trie.word_first[before]
        _, gain, state, unknown = _closing(trie, lm, weights, entry, state)
        words += 1
        unknowns += unknown
        logp += gain
    ints[used, STATE] = state
    ints[used, WORDS] = words
    ints[used, UNKNOWNS] = unknowns
    reals[used, LM] = logp


@njit(cache=True, nogil=True)
def _finish(trie, lm, weights, mode, ints, reals, nodes, total, scale):
    """Close the last word of every prefix in the beam, and the sentence."""
    room = len(nodes)
    if mode == LEXICON:
        for node in nodes:
            place = ints[node, PLACE]
            room += trie.word_first[place + 1] - trie.word_first[place]
    out = Finals(np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room), np.empty(room),
                 np.empty(room, np.int64), np.empty(room, np.int64))
    count = 0
    for i in range(len(nodes)):
        node = nodes[i]
        place = ints[node, PLACE]
        low, high = NO_WORD, NO_WORD + 1  # one way to end, which closes no word
        if mode != TOKENS and place != ROOT:
            if place != OUTSIDE:
                low, high = trie.word_first[place], trie.word_first[place + 1]
            if mode == OPEN and (place == OUTSIDE or low == high):
                low, high = OUTSIDE, OUTSIDE + 1
        for entry in range(low, high):
            score, logp, state = np.log(total[i]) + scale, reals[node, LM], ints[node, STATE]
            words, unknowns = ints[node, WORDS], ints[node, UNKNOWNS]
            if mode != TOKENS:
                if place != ROOT:
                    gain, gain_lm, state, unknown = _closing(trie, lm, weights, entry, state)
                    score += gain - weights.ahead[place]
                    logp += gain_lm
                    words += 1
                    unknowns += unknown
                end = score_word(lm, state, END_ID)[0]
                logp += end
                if weights.lm > 0.0:
                    score += weights.lm * end
            out.node[count] = node
            out.word[count] = entry
            out.score[count] = score
            out.lm[count] = logp
            out.words[count] = words
            out.unknowns[count] = unknowns
            count += 1
    return Finals(out.node[:count], out.word[:count], out.score[:count], out.lm[:count], out.words[:count],
                  out.unknowns[:count])


@njit(cache=True, nogil=True)
def search(frames, trie, lm, start, weights, mode, beam, beam_threshold):
    """Run the beam search over all frames.

    Args:
        frames, trie, lm: `Frames`, `WordTrie`, `NGramArrays`; `start` is the LM's first state.
        weights: `Weights`.
        mode: TOKENS, OPEN or LEXICON.
        beam: prefixes kept after each frame; beam_threshold: nats below the best at which they are dropped.

    Returns:
        The node table (whose columns PARENT, TOKEN and WORD spell the prefixes) and the `Finals`.
    """
    ints, reals = np.empty((1024, 10), np.int32), np.empty((1024, 3))
    ints[0] = 0
    ints[0, PARENT] = ints[0, WORD] = ints[0, CHILD] = ints[0, SIBLING] = -1
    ints[0, STATE] = start
    reals[0] = 0.0
    reals[0, CLOSE] = -1.0
    used = 1

    nodes, new_nodes = np.zeros(beam, np.int32), np.zeros(beam, np.int32)
    blank, new_blank = np.empty(beam), np.empty(beam)  # probability of the paths of a prefix that end in blank
    spoken, new_spoken = np.empty(beam), np.empty(beam)  # and of those that end in its last token
    stay_blank, stay_spoken = np.empty(beam), np.empty(beam)
    child, sibling = np.empty(beam, np.int32), np.empty(beam, np.int32)  # prefixes of the beam, by parent in the beam
    blank[0], spoken[0], active = 1.0, 0.0, 1

    many = 4 * beam + 256
    pool = Candidates(np.empty(many), np.arange(many), np.empty(many, np.int32), np.empty(many, np.int32),
                      np.empty(many, np.int32), np.empty(many, np.int32), np.empty(many))
    prob = np.zeros(len(trie.starts))
    mark, stamp = np.zeros(len(trie.starts), np.int64), 0
    scale, keep_above = 0.0, np.exp(-beam_threshold)

    for f in range(len(frames.blank)):
        scale += frames.scale[f]
        tokens = frames.token[frames.first[f] : frames.first[f + 1]]
        probs = frames.prob[frames.first[f] : frames.first[f + 1]]
        if frames.silent[f]:
            for i in range(active):
                blank[i] += spoken[i]
                spoken[i] = 0.0
            continue
        any_start = False
        for k in range(len(tokens)):
            prob[tokens[k]] = probs[k]
            any_start |= trie.starts[tokens[k]]

        # Prefixes that stay: by blank, by their last token again, or reached from their parent.
        count, cut, top, least = 0, 0.0, 0.0, np.inf
        child[:active] = -1
        for i in range(active):
            node = nodes[i]
            token = ints[node, TOKEN]
            stay_blank[i] = (blank[i] + spoken[i]) * frames.blank[f]
            stay_spoken[i] = spoken[i] * prob[token]
            parent = ints[node, PARENT]
            j = ints[parent, BEAM] if parent >= 0 else -1
            if j >= 0:
                sibling[i] = child[j]
                child[j] = i
                mass = blank[j] if token == ints[parent, TOKEN] else blank[j] + spoken[j]
                stay_spoken[i] += mass * prob[token] * reals[node, FACTOR]
        for i in range(active):
            value = stay_blank[i] + stay_spoken[i]
            top, least = max(top, value), min(least, value)
            if value > 0.0:
                count, cut = _push(pool, count, cut, beam, value, i, STAY, NO_WORD, ROOT, 1.0)
        cut = top * keep_above
        if active == beam:
            cut = max(cut, least)

        for i in range(active):
            node = nodes[i]
            stamp += 1
            k = child[i]
            while k >= 0:
                mark[ints[nodes[k], TOKEN]] = stamp
                k = sibling[k]
            base, repeat, last = blank[i] + spoken[i], blank[i], ints[node, TOKEN]
            if mode == TOKENS:
                count, cut = _extend_tokens(pool, count, cut, beam, i, base, repeat, last, tokens, probs, mark, stamp)
            elif mode == OPEN:
                count, cut = _extend_open(pool, count, cut, beam, i, base, repeat, last, tokens, probs, mark, stamp,
                                          trie, lm, weights, ints, reals, node, any_start)
            else:
                count, cut = _extend_lexicon(pool, count, cut, beam, i, base, repeat, last, tokens, probs, mark, stamp,
                                             trie, lm, weights, ints, reals, node, prob)
        for k in range(len(tokens)):
            prob[tokens[k]] = 0.0

        if count > beam:
            partition(pool.value, pool.order, 0, count, beam)
            count = beam
        top = 0.0
        for i in range(count):
            top = max(top, pool.value[i])
        cut = top * keep_above
        rescale = 1.0
        if 0.0 < top < RESCALE_BELOW:
            rescale = 1.0 / top
            scale += np.log(top)
        for i in range(active):
            ints[nodes[i], BEAM] = -1
        new_active = 0
        for c in range(count):
            if pool.value[c] < cut:
                continue
            slot = pool.order[c]
            i = pool.source[slot]
            node = nodes[i]
            if pool.token[slot] == STAY:
                new_blank[new_active] = stay_blank[i] * rescale
                new_spoken[new_active] = stay_spoken[i] * rescale
            else:
                parent = node
                node = _find(ints, parent, pool.token[slot], pool.word[slot])
                if node < 0:
                    if used == len(ints):
                        ints, reals = _grow(ints, reals)
                    node = used
                    _make(ints, reals, used, trie, lm, weights, mode, parent, pool.token[slot], pool.word[slot],
                          pool.place[slot], pool.factor[slot])
                    used += 1
                new_blank[new_active] = 0.0
                new_spoken[new_active] = pool.value[c] * rescale
            new_nodes[new_active] = node
            ints[node, BEAM] = new_active
            new_active += 1
        nodes, new_nodes = new_nodes, nodes
        blank, new_blank = new_blank, blank
        spoken, new_spoken = new_spoken, spoken
        active = new_active

    total = blank[:active] + spoken[:active]
    return ints, _finish(trie, lm, weights, mode, ints, reals, nodes[:active], total, scale)


@njit(cache=True, nogil=True)
def trace(ints, node):
    """Tokens of a prefix, and for each the word entry that closed before it or NO_WORD."""
    length, n = 0, node
    while n > 0:
        length += 1
        n = ints[n, PARENT]
    tokens, words = np.empty(length, np.int64), np.empty(length, np.int64)
    while node > 0:
        length -= 1
        tokens[length] = ints[node, TOKEN]
        words[length] = ints[node, WORD]
        node = ints[node, PARENT]
    return tokens, words
