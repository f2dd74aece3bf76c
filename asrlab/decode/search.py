"""The compiled core of `BeamDecoder`: prefix beam search over a tree of prefixes.

A prefix is a node: its parent, its last token, the word that closed before that token (if any), its place in the trie
of the word being spelled, and the language model's state after the closed words.  A node is made only for a prefix that
survives a frame, and freed when nothing in the beam needs it.  Scores are products of probabilities, rescaled now and
then, so that the inner loop needs no logarithm; the language model's share (with its look-ahead) is a factor on the
edge from parent to child.  `reference.py` says the same in a page of plain Python.

All integers here are int64: a function is compiled once for each combination of types that it is called with.
"""

from typing import NamedTuple

import numpy as np

from asrlab.core.compiled import compiled, compiled_inner
from asrlab.decode.frames import keep_best
from asrlab.decode.words import OUTSIDE, ROOT, child_of, walk
from asrlab.language.ngram import END_ID, UNKNOWN_ID, score_word

# Columns of the two tables that hold the nodes; BEAM is a node's position in the beam, or NONE, or FREE.
PARENT, TOKEN, WORD, PLACE, STATE, CHILD, SIBLING, BEAM = range(8)
FACTOR, CLOSE = range(2)
NONE, FREE = -1, -2  # NONE: no word, no node; as a candidate's token: the prefix itself stays
SOURCE, NEXT, CLOSED, THERE = range(4)  # columns of the candidates' table
TOKENS, OPEN, LEXICON = range(3)  # what a search knows of words: nothing, their boundaries, a closed list
RESCALE_BELOW = 1e-60


class Weights(NamedTuple):
    """How much words count."""

    lm: float
    known: float  # nats added for each word
    unknown: float  # nats added for each word that the LM does not know
    ahead: np.ndarray  # (N + 1,) weighted look-ahead of each trie node, nats; last: of an unknown word
    exp_ahead: np.ndarray  # its exponential


class Beam(NamedTuple):
    """The prefixes after a frame, at positions 0, 1, ... of the arrays."""

    node: np.ndarray
    blank: np.ndarray  # probability of the paths of a prefix that end in blank
    spoken: np.ndarray  # and of those that end in its last token


class Scratch(NamedTuple):
    """What a frame needs for itself.  Candidate k has score value[k]; all else about it is in row order[k]."""

    value: np.ndarray
    order: np.ndarray
    row: np.ndarray  # position of the prefix itself (NEXT is NONE) or of its parent, token, closed word, place
    factor: np.ndarray  # of the edge from the parent
    blank: np.ndarray  # of prefixes that stay
    spoken: np.ndarray
    child: np.ndarray  # by position in the beam: one whose parent this is, and
    sibling: np.ndarray  # another with the same parent
    prob: np.ndarray  # (V,) of the frame, 0 for tokens that are not tried
    mark: np.ndarray  # (V,) tokens that lead from a prefix to another in the beam


@compiled_inner
def _close(trie, lm, weights, entry, state):
    """Close word `entry` of the trie (OUTSIDE: an unknown word): what it adds in nats, and the next LM state."""
    lm_word = UNKNOWN_ID if entry == OUTSIDE else int(trie.lm_word[entry])
    logp, after = score_word(lm, state, lm_word)
    gain = weights.unknown if lm_word == UNKNOWN_ID else weights.known
    if weights.lm > 0.0:
        gain += weights.lm * logp
    return gain, after


@compiled_inner
def _word_at(trie, place):
    """The word entry that letters spell at a place, or OUTSIDE."""
    if place == OUTSIDE or trie.word_first[place] == trie.word_first[place + 1]:
        return OUTSIDE
    return trie.word_first[place]


@compiled_inner
def _close_factor(trie, lm, weights, ints, reals, node, entry):
    """Factor on closing a word at a node, where it takes back the look-ahead; kept on the node for its first word."""
    place = ints[node, PLACE]
    first = entry == OUTSIDE or entry == trie.word_first[place]
    if first and reals[node, CLOSE] >= 0.0:
        return reals[node, CLOSE]
    factor = np.exp(_close(trie, lm, weights, entry, ints[node, STATE])[0] - weights.ahead[place])
    if first:
        reals[node, CLOSE] = factor
    return factor


@compiled_inner
def _find(ints, parent, token, word):
    """The child of a node with this token and closed word, or NONE."""
    node = ints[parent, CHILD]
    while node >= 0 and (ints[node, TOKEN] != token or ints[node, WORD] != word):
        node = ints[node, SIBLING]
    return node


@compiled_inner
def _push(s, count, score, source, token, word, place, factor):
    """Add a candidate; returns how many there are."""
    s.value[count] = score
    k = s.order[count]
    s.row[k, SOURCE], s.row[k, NEXT], s.row[k, CLOSED], s.row[k, THERE] = source, token, word, place
    s.factor[k] = factor
    return count + 1


@compiled_inner
def _prune(s, count, beam, keep_above):
    """Keep the best candidates; the score up to which nothing more can survive."""
    keep_best(s.value[:count], s.order[:count], beam)
    top, least = 0.0, np.inf
    for k in range(beam):
        top, least = max(top, s.value[k]), min(least, s.value[k])
    return max(top * keep_above, least)


@compiled_inner
def _extend_tokens(s, count, cut, i, base, repeat, last, tokens, probs, stamp):
    """Candidates from the prefix at position i where words do not matter.

    `base` is the prefix' probability, `repeat` that of its paths that end in blank, `last` its last token; a token
    whose mark is `stamp` leads to a prefix that is in the beam already.  A score up to `cut` cannot survive.
    """
    for k in range(len(tokens)):
        if base * probs[k] <= cut:
            break
        token = tokens[k]
        score = probs[k] * (repeat if token == last else base)
        if score > cut and s.mark[token] != stamp:
            count = _push(s, count, score, i, token, NONE, ROOT, 1.0)
    return count


@compiled_inner
def _extend_open(s, count, cut, i, base, repeat, last, tokens, probs, stamp, trie, weights, place, close):
    """Candidates from one prefix in an open vocabulary: letters go on or leave the trie, a word mark closes."""
    bound, here = base * max(1.0, close), 1.0 / weights.exp_ahead[place]
    for k in range(len(tokens)):
        if bound * probs[k] <= cut:
            break
        token = tokens[k]
        before, factor = place, here
        if trie.starts[token]:
            before, factor = ROOT, close
        score = probs[k] * (repeat if token == last else base) * factor
        if score * weights.exp_ahead[before] <= cut or s.mark[token] == stamp:
            continue
        after = walk(trie, before, token)
        factor *= weights.exp_ahead[after]
        score *= weights.exp_ahead[after]
        if score > cut:
            count = _push(s, count, score, i, token, NONE, after, factor)
    return count


@compiled_inner
def _extend_lexicon(s, count, cut, i, base, repeat, last, tokens, probs, stamp, trie, weights, place, close, entry,
                    ints, node):
    """Candidates from one prefix with a lexicon: on from `place` in the trie, which is the root if a word closed."""
    arc, end = trie.first[place], trie.first[place + 1]
    by_arc = end - arc < len(tokens)
    back = close / weights.exp_ahead[place]
    for k in range(end - arc if by_arc else len(tokens)):
        if by_arc:
            token, after = trie.symbol[arc + k], trie.child[arc + k]
            chance = s.prob[token]
        else:
            token, chance = tokens[k], probs[k]
            if base * chance * close <= cut:
                break
            after = child_of(trie, place, token)
            if after == OUTSIDE:
                continue
        factor = back * weights.exp_ahead[after]
        score = chance * (repeat if token == last else base) * factor
        if score <= cut:
            continue
        if s.mark[token] == stamp:
            there = _find(ints, node, token, entry)
            if there >= 0 and ints[there, BEAM] >= 0:
                continue
        count = _push(s, count, score, i, token, entry, after, factor)
    return count


@compiled_inner
def _make(ints, reals, node, trie, lm, weights, mode, parent, token, entry, place, factor):
    """A new node, first among its parent's children."""
    before, state = ints[parent, PLACE], ints[parent, STATE]
    if mode == OPEN and trie.starts[token] and before != ROOT:
        state = _close(trie, lm, weights, _word_at(trie, before), state)[1]
    elif entry != NONE:
        state = _close(trie, lm, weights, entry, state)[1]
    ints[node, PARENT] = parent
    ints[node, TOKEN] = token
    ints[node, WORD] = entry
    ints[node, PLACE] = place
    ints[node, STATE] = state
    ints[node, CHILD] = NONE
    ints[node, SIBLING] = ints[parent, CHILD]
    ints[parent, CHILD] = node
    reals[node, FACTOR] = factor
    reals[node, CLOSE] = -1.0


@compiled_inner
def _release(ints, node, free):
    """Free a node that left the beam, and its ancestors, as far as nothing in the beam needs them; the free list.

    So the tables hold what the beam can still read, a few hundred nodes that stay in the cache, and no more for an hour
    than for a minute.
    """
    while node > 0 and ints[node, CHILD] == NONE and ints[node, BEAM] == NONE:
        parent = ints[node, PARENT]
        k = ints[parent, CHILD]
        if k == node:
            ints[parent, CHILD] = ints[node, SIBLING]
        else:
            while ints[k, SIBLING] != node:
                k = ints[k, SIBLING]
            ints[k, SIBLING] = ints[node, SIBLING]
        ints[node, BEAM], ints[node, SIBLING] = FREE, free
        free, node = node, parent
    return free


@compiled_inner
def _stay(now, active, s, ints, reals, tokens, probs, p_blank, keep_above, beam):
    """Prefixes that stay: by blank, by their last token again, or reached from their parent.  Their number, the cut."""
    for k in range(len(tokens)):
        s.prob[tokens[k]] = probs[k]
    for i in range(active):
        s.child[i] = NONE
    count, top, least = 0, 0.0, np.inf
    for i in range(active):
        node = now.node[i]
        token, parent = ints[node, TOKEN], ints[node, PARENT]
        s.blank[i] = (now.blank[i] + now.spoken[i]) * p_blank
        s.spoken[i] = now.spoken[i] * s.prob[token]
        j = ints[parent, BEAM] if parent >= 0 else NONE
        if j >= 0:
            s.sibling[i] = s.child[j]
            s.child[j] = i
            mass = now.blank[j] if token == ints[parent, TOKEN] else now.blank[j] + now.spoken[j]
            s.spoken[i] += mass * s.prob[token] * reals[node, FACTOR]
        score = s.blank[i] + s.spoken[i]
        count = _push(s, count, score, i, NONE, NONE, ROOT, 1.0)
        top, least = max(top, score), min(least, score)
    return count, max(top * keep_above, least) if active == beam else top * keep_above


@compiled_inner
def _extend(now, active, s, count, cut, stamp, ints, reals, tokens, probs, trie, lm, weights, mode, beam, keep_above):
    """Children of the beam's prefixes that are not in the beam: at most `beam` candidates are left, the best."""
    enough = len(s.value) - len(s.prob)  # an extension adds at most V
    any_start = False
    for k in range(len(tokens)):
        any_start |= trie.starts[tokens[k]]
    for i in range(active):
        if count > enough:
            count, cut = beam, _prune(s, count, beam, keep_above)
        node = now.node[i]
        place, base, repeat, last = ints[node, PLACE], now.blank[i] + now.spoken[i], now.blank[i], ints[node, TOKEN]
        stamp += 1
        k = s.child[i]
        while k >= 0:
            s.mark[ints[now.node[k], TOKEN]] = stamp
            k = s.sibling[k]
        if mode == TOKENS:
            count = _extend_tokens(s, count, cut, i, base, repeat, last, tokens, probs, stamp)
        elif mode == OPEN:
            close = 1.0
            if any_start and place != ROOT:
                close = _close_factor(trie, lm, weights, ints, reals, node, _word_at(trie, place))
            count = _extend_open(s, count, cut, i, base, repeat, last, tokens, probs, stamp, trie, weights, place,
                                 close)
        else:
            for k in range(trie.word_first[place] - 1, trie.word_first[place + 1]):
                entry, close = NONE, 1.0  # first on within the word, then for each word that ends here on from the root
                if k >= trie.word_first[place]:
                    entry, close = k, _close_factor(trie, lm, weights, ints, reals, node, k)
                    if count > enough:
                        count, cut = beam, _prune(s, count, beam, keep_above)
                count = _extend_lexicon(s, count, cut, i, base, repeat, last, tokens, probs, stamp, trie, weights,
                                        place if entry == NONE else ROOT, close, entry, ints, node)
    for k in range(len(tokens)):
        s.prob[tokens[k]] = 0.0
    if count > beam:
        _prune(s, count, beam, keep_above)
        count = beam
    return count, stamp


@compiled_inner
def _settle(now, active, after, s, count, ints, reals, used, free, trie, lm, weights, mode, keep_above):
    """The candidates become the beam.

    Returns its size, rows of the tables used so far, the free list, and the best score if all were divided by it.
    """
    top = 0.0
    for k in range(count):
        top = max(top, s.value[k])
    cut, by = top * keep_above, top if 0.0 < top < RESCALE_BELOW else 1.0
    for i in range(active):
        ints[now.node[i], BEAM] = NONE
    kept = 0
    for k in range(count):
        if s.value[k] < cut or s.value[k] == 0.0:
            continue
        c = s.order[k]
        i, token = s.row[c, SOURCE], s.row[c, NEXT]
        node = now.node[i]
        if token == NONE:
            after.blank[kept] = s.blank[i] / by
            after.spoken[kept] = s.spoken[i] / by
        else:
            parent, word = node, s.row[c, CLOSED]
            node = _find(ints, parent, token, word)
            if node < 0:
                if free != NONE:
                    node, free = free, ints[free, SIBLING]
                else:
                    node = used
                    used += 1
                _make(ints, reals, node, trie, lm, weights, mode, parent, token, word, s.row[c, THERE], s.factor[c])
            after.blank[kept] = 0.0
            after.spoken[kept] = s.value[k] / by
        after.node[kept] = node
        ints[node, BEAM] = kept
        kept += 1
    for i in range(active):
        free = _release(ints, now.node[i], free)
    return kept, used, free, by


@compiled_inner
def _ends(trie, mode, place):
    """The words that may end at a place, as a range of word entries; one entry of NONE where none needs to."""
    if mode == TOKENS or place == ROOT:
        return NONE, NONE + 1
    if mode == LEXICON:
        return trie.word_first[place], trie.word_first[place + 1]
    entry = _word_at(trie, place)
    return entry, entry + 1


@compiled
def _finish(trie, lm, weights, mode, ints, now, active, scale):
    """Close the last word of every prefix in the beam, and the sentence: prefixes, word entries closed, scores."""
    count = 0
    for i in range(active):
        low, high = _ends(trie, mode, ints[now.node[i], PLACE])
        count += high - low
    nodes, words, scores = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    count = 0
    for i in range(active):
        node = now.node[i]
        place = ints[node, PLACE]
        low, high = _ends(trie, mode, place)
        for entry in range(low, high):
            score, state = np.log(now.blank[i] + now.spoken[i]) + scale, ints[node, STATE]
            if place != ROOT:
                gain, state = _close(trie, lm, weights, entry, state)
                score += gain - weights.ahead[place]
            if weights.lm > 0.0:
                score += weights.lm * score_word(lm, state, END_ID)[0]
            nodes[count], words[count], scores[count] = node, entry, score
            count += 1
    return nodes, words, scores


@compiled
def _grow(ints, reals):
    """Tables with twice the room: a full table would drop prefixes without a word.

    Copied in loops, since assigning slices takes seconds to compile.
    """
    more_ints, more_reals = np.empty((2 * len(ints), 8), np.int64), np.empty((2 * len(reals), 2))
    for node in range(len(ints)):
        for column in range(8):
            more_ints[node, column] = ints[node, column]
        for column in range(2):
            more_reals[node, column] = reals[node, column]
    return more_ints, more_reals


@compiled
def _new_beam(beam):
    return Beam(np.empty(beam, np.int64), np.empty(beam), np.empty(beam))


@compiled
def search(frames, trie, lm, start, weights, mode, beam, beam_threshold):
    """Run the beam search over all frames.

    Args:
        frames, trie, lm: `Frames`, `WordTrie`, `NGramArrays`; `start` is the LM's first state.
        weights: `Weights`.
        mode: TOKENS, OPEN or LEXICON.
        beam: prefixes kept after each frame; beam_threshold: nats below the best at which they are dropped.

    Returns:
        The node table, whose columns PARENT, TOKEN and WORD spell the prefixes; and for every complete hypothesis, in
        no order: its last prefix, the word entry that the end closed (or NONE), its score in nats.
    """
    ints, reals = np.empty((2 * beam + 1024, 8), np.int64), np.empty((2 * beam + 1024, 2))
    for column in range(8):
        ints[0, column] = NONE
    ints[0, TOKEN] = ints[0, PLACE] = ints[0, BEAM] = 0
    ints[0, STATE] = start
    reals[0, FACTOR] = reals[0, CLOSE] = -1.0
    used, free = 1, NONE

    now, after = _new_beam(beam), _new_beam(beam)
    now.node[0], now.blank[0], now.spoken[0], active = 0, 1.0, 0.0, 1
    size = len(trie.starts)
    room = 2 * beam + 64 + size
    s = Scratch(np.empty(room), np.empty(room, np.int64), np.empty((room, 4), np.int64), np.empty(room), np.empty(beam),
                np.empty(beam), np.empty(beam, np.int64), np.empty(beam, np.int64), np.empty(size),
                np.empty(size, np.int64))
    for k in range(room):
        s.order[k] = k
    for v in range(size):
        s.prob[v], s.mark[v] = 0.0, 0
    stamp, scale, keep_above = 0, 0.0, np.exp(-beam_threshold)

    for f in range(frames.count):
        scale += frames.scale[f]
        if frames.silent[f]:
            for i in range(active):
                now.blank[i] += now.spoken[i]
                now.spoken[i] = 0.0
            continue
        if len(ints) - used < beam:
            ints, reals = _grow(ints, reals)
        tokens = frames.token[frames.first[f] : frames.first[f + 1]]
        probs = frames.prob[frames.first[f] : frames.first[f + 1]]
        count, cut = _stay(now, active, s, ints, reals, tokens, probs, frames.blank[f], keep_above, beam)
        count, stamp = _extend(now, active, s, count, cut, stamp, ints, reals, tokens, probs, trie, lm, weights, mode,
                               beam, keep_above)
        active, used, free, by = _settle(now, active, after, s, count, ints, reals, used, free, trie, lm, weights, mode,
                                         keep_above)
        scale += np.log(by)
        now, after = after, now

    return ints, _finish(trie, lm, weights, mode, ints, now, active, scale)


@compiled
def trace(ints, node):
    """Tokens of a prefix, and for each the word entry that closed before it or NONE."""
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
