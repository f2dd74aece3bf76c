"""The compiled core of `BeamDecoder`: prefix beam search over a tree of prefixes.

A prefix is a node: its parent, its last token, the word that closed before that token (if any), its place in the trie
of the word being spelled, and the language model's state after the closed words.  A node is made only for a prefix that
survives a frame.  Scores are products of probabilities, rescaled now and then, so that the inner loop needs no
logarithm; the language model's share (with its look-ahead) is a factor on the edge from parent to child.
`reference.py` says the same in a page of plain Python.

Compiling took 28 s before all integers here were int64 (a function is compiled once for each combination of types).
"""

from typing import NamedTuple

import numpy as np

from asrlab.compiled import compiled
from asrlab.decode.frames import partition
from asrlab.decode.words import OUTSIDE, ROOT, child_of, walk
from asrlab.lm.ngram import END_ID, UNKNOWN_ID, score_word

# Columns of the two tables that hold the nodes; BEAM is a node's position in the beam, or NONE.
PARENT, TOKEN, WORD, PLACE, STATE, CHILD, SIBLING, BEAM = range(8)
FACTOR, CLOSE = range(2)
SOURCE, S_TOKEN, S_WORD, S_PLACE = range(4)  # columns of the candidates' table
NONE = -1  # no word, no node; as a candidate's token: the prefix itself stays
TOKENS, OPEN, LEXICON = range(3)  # what a search knows of words: nothing, their boundaries, a closed list
RESCALE_BELOW = 1e-60


class Weights(NamedTuple):
    """How much words count."""

    lm: float
    known: float  # nats added for each word
    unknown: float  # nats added for each word that the LM does not know
    ahead: np.ndarray  # (N + 1,) weighted look-ahead of each trie node, nats; last: of an unknown word
    exp_ahead: np.ndarray  # its exponential


@compiled
def _close(trie, lm, weights, entry, state):
    """Close word `entry` of the trie (OUTSIDE: an unknown word): what it adds in nats, and the next LM state."""
    lm_word = UNKNOWN_ID if entry == OUTSIDE else int(trie.lm_word[entry])
    logp, after = score_word(lm, state, lm_word)
    gain = weights.unknown if lm_word == UNKNOWN_ID else weights.known
    if weights.lm > 0.0:
        gain += weights.lm * logp
    return gain, after


@compiled
def _word_at(trie, place):
    """The word entry that letters spell at a place, or OUTSIDE."""
    if place == OUTSIDE or trie.word_first[place] == trie.word_first[place + 1]:
        return OUTSIDE
    return trie.word_first[place]


@compiled
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


@compiled
def _find(ints, parent, token, word):
    """The child of a node with this token and closed word, or NONE."""
    node = ints[parent, CHILD]
    while node >= 0 and (ints[node, TOKEN] != token or ints[node, WORD] != word):
        node = ints[node, SIBLING]
    return node


@compiled
def _push(value, order, slots, factors, count, score, source, token, word, place, factor):
    """Add a candidate for the next beam: its score goes to value[count], all else to slot order[count].

    `source` is the position in the beam of the prefix itself (token NONE) or of its parent.
    """
    value[count] = score
    slot = order[count]
    slots[slot, SOURCE], slots[slot, S_TOKEN], slots[slot, S_WORD], slots[slot, S_PLACE] = source, token, word, place
    factors[slot] = factor
    return count + 1


@compiled
def _prune(value, order, count, beam, keep_above):
    """Keep the best candidates; the value up to which nothing more can survive."""
    partition(value[:count], order[:count], beam)
    top, least = 0.0, np.inf
    for k in range(beam):
        top, least = max(top, value[k]), min(least, value[k])
    return max(top * keep_above, least)


@compiled
def _extend_tokens(value, order, slots, factors, count, cut, i, base, repeat, last, tokens, probs, mark, stamp):
    """Candidates from the prefix at position i where words do not matter.

    `base` is the prefix' probability, `repeat` that of its paths that end in blank, `last` its last token; a token
    whose mark is `stamp` leads to a prefix that is in the beam already.  A value up to `cut` cannot survive.
    """
    for k in range(len(tokens)):
        if base * probs[k] <= cut:
            break
        token = tokens[k]
        score = probs[k] * (repeat if token == last else base)
        if score > cut and mark[token] != stamp:
            count = _push(value, order, slots, factors, count, score, i, token, NONE, ROOT, 1.0)
    return count


@compiled
def _extend_open(value, order, slots, factors, count, cut, i, base, repeat, last, tokens, probs, mark, stamp,
                 starts, first, symbol, child, from_root, letters_first, letters, exp_ahead, place, close):
    """Candidates from one prefix in an open vocabulary: letters go on or leave the trie, a word mark closes."""
    bound, here = base * max(1.0, close), 1.0 / exp_ahead[place]
    for k in range(len(tokens)):
        if bound * probs[k] <= cut:
            break
        token = tokens[k]
        before, factor = place, here
        if starts[token]:
            before, factor = ROOT, close
        score = probs[k] * (repeat if token == last else base) * factor
        if score * exp_ahead[before] <= cut or mark[token] == stamp:
            continue
        after = walk(first, symbol, child, from_root, letters_first, letters, before, token)
        factor *= exp_ahead[after]
        score *= exp_ahead[after]
        if score > cut:
            count = _push(value, order, slots, factors, count, score, i, token, NONE, after, factor)
    return count


@compiled
def _extend_lexicon(value, order, slots, factors, count, cut, i, base, repeat, last, tokens, probs, mark, stamp,
                    first, symbol, child, from_root, exp_ahead, place, close, entry, ints, node, prob):
    """Candidates from one prefix with a lexicon: on from `place` in the trie, which is the root if a word closed."""
    arc, end = first[place], first[place + 1]
    by_arc = end - arc < len(tokens)
    back = close / exp_ahead[place]
    for k in range(end - arc if by_arc else len(tokens)):
        if by_arc:
            token, after = symbol[arc + k], child[arc + k]
            chance = prob[token]
        else:
            token, chance = tokens[k], probs[k]
            if base * chance * close <= cut:
                break
            after = child_of(first, symbol, child, from_root, place, token)
            if after == OUTSIDE:
                continue
        factor = back * exp_ahead[after]
        score = chance * (repeat if token == last else base) * factor
        if score <= cut:
            continue
        if mark[token] == stamp:
            there = _find(ints, node, token, entry)
            if there >= 0 and ints[there, BEAM] >= 0:
                continue
        count = _push(value, order, slots, factors, count, score, i, token, entry, after, factor)
    return count


@compiled
def _grow(ints, reals):
    """Tables with twice the room.  Copied in loops: assigning slices takes seconds to compile."""
    more_ints, more_reals = np.empty((2 * len(ints), 8), np.int64), np.empty((2 * len(reals), 2))
    for node in range(len(ints)):
        for column in range(8):
            more_ints[node, column] = ints[node, column]
        for column in range(2):
            more_reals[node, column] = reals[node, column]
    return more_ints, more_reals


@compiled
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


@compiled
def _ends(trie, mode, place):
    """The words that may end at a place, as a range of word entries; one entry of NONE where none needs to."""
    if mode == TOKENS or place == ROOT:
        return NONE, NONE + 1
    if mode == LEXICON:
        return trie.word_first[place], trie.word_first[place + 1]
    entry = _word_at(trie, place)
    return entry, entry + 1


@compiled
def _finish(trie, lm, weights, mode, ints, nodes, blank, spoken, scale):
    """Close the last word of every prefix in the beam, and the sentence: prefixes, word entries closed, scores."""
    count = 0
    for i in range(len(nodes)):
        low, high = _ends(trie, mode, ints[nodes[i], PLACE])
        count += high - low
    out_nodes, out_words, out_scores = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    count = 0
    for i in range(len(nodes)):
        node = nodes[i]
        place = ints[node, PLACE]
        low, high = _ends(trie, mode, place)
        for entry in range(low, high):
            score, state = np.log(blank[i] + spoken[i]) + scale, ints[node, STATE]
            if place != ROOT:
                gain, state = _close(trie, lm, weights, entry, state)
                score += gain - weights.ahead[place]
            if weights.lm > 0.0:
                score += weights.lm * score_word(lm, state, END_ID)[0]
            out_nodes[count], out_words[count], out_scores[count] = node, entry, score
            count += 1
    return out_nodes, out_words, out_scores


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
    ints, reals = np.empty((1024, 8), np.int64), np.empty((1024, 2))
    ints[0] = NONE
    ints[0, TOKEN] = ints[0, PLACE] = ints[0, BEAM] = 0
    ints[0, STATE] = start
    reals[0] = -1.0
    used = 1

    nodes, new_nodes = np.empty(beam, np.int64), np.empty(beam, np.int64)
    blank, new_blank = np.empty(beam), np.empty(beam)  # probability of the paths of a prefix that end in blank
    spoken, new_spoken = np.empty(beam), np.empty(beam)  # and of those that end in its last token
    stay_blank, stay_spoken = np.empty(beam), np.empty(beam)
    child, sibling = np.empty(beam, np.int64), np.empty(beam, np.int64)  # prefixes of the beam, by parent in the beam
    nodes[0], blank[0], spoken[0], active = 0, 1.0, 0.0, 1

    size = len(trie.starts)
    enough = 2 * beam + 64  # candidates at which the hopeless are thrown out
    many = enough + size + 1
    value, order = np.empty(many), np.empty(many, np.int64)
    slots, factors = np.empty((many, 4), np.int64), np.empty(many)
    for k in range(many):
        order[k] = k
    prob, mark, stamp = np.empty(size), np.empty(size, np.int64), 0
    for v in range(size):
        prob[v], mark[v] = 0.0, stamp
    scale, keep_above = 0.0, np.exp(-beam_threshold)

    # Fields as variables: to read a field of a tuple counts a reference, atomically, which is slow in a loop.
    silent, f_scale, f_blank, f_first, f_token, f_prob = (
        frames.silent, frames.scale, frames.blank, frames.first, frames.token, frames.prob)
    starts, first, symbol, branch, from_root, word_first, letters_first, letters, exp_ahead = (
        trie.starts, trie.first, trie.symbol, trie.child, trie.from_root, trie.word_first, trie.letters_first,
        trie.letters, weights.exp_ahead)

    for f in range(frames.count):
        scale += f_scale[f]
        if silent[f]:
            for i in range(active):
                blank[i] += spoken[i]
                spoken[i] = 0.0
            continue
        tokens, probs = f_token[f_first[f] : f_first[f + 1]], f_prob[f_first[f] : f_first[f + 1]]
        any_start = False
        for k in range(len(tokens)):
            prob[tokens[k]] = probs[k]
            any_start |= starts[tokens[k]]

        # Prefixes that stay: by blank, by their last token again, or reached from their parent.
        count, top, least = 0, 0.0, np.inf
        for i in range(active):
            child[i] = NONE
        for i in range(active):
            node = nodes[i]
            token, parent = ints[node, TOKEN], ints[node, PARENT]
            stay_blank[i] = (blank[i] + spoken[i]) * f_blank[f]
            stay_spoken[i] = spoken[i] * prob[token]
            j = ints[parent, BEAM] if parent >= 0 else NONE
            if j >= 0:
                sibling[i] = child[j]
                child[j] = i
                mass = blank[j] if token == ints[parent, TOKEN] else blank[j] + spoken[j]
                stay_spoken[i] += mass * prob[token] * reals[node, FACTOR]
            score = stay_blank[i] + stay_spoken[i]
            count = _push(value, order, slots, factors, count, score, i, NONE, NONE, ROOT, 1.0)
            top, least = max(top, score), min(least, score)
        cut = max(top * keep_above, least) if active == beam else top * keep_above

        # And their children that are not in the beam.
        for i in range(active):
            node = nodes[i]
            place, base, repeat, last = ints[node, PLACE], blank[i] + spoken[i], blank[i], ints[node, TOKEN]
            if count > enough:
                count, cut = beam, _prune(value, order, count, beam, keep_above)
            stamp += 1
            k = child[i]
            while k >= 0:
                mark[ints[nodes[k], TOKEN]] = stamp
                k = sibling[k]
            if mode == TOKENS:
                count = _extend_tokens(value, order, slots, factors, count, cut, i, base, repeat, last, tokens, probs,
                                       mark, stamp)
            elif mode == OPEN:
                close = 1.0
                if any_start and place != ROOT:
                    close = _close_factor(trie, lm, weights, ints, reals, node, _word_at(trie, place))
                count = _extend_open(value, order, slots, factors, count, cut, i, base, repeat, last, tokens, probs,
                                     mark, stamp, starts, first, symbol, branch, from_root, letters_first, letters,
                                     exp_ahead, place, close)
            else:
                count = _extend_lexicon(value, order, slots, factors, count, cut, i, base, repeat, last, tokens, probs,
                                        mark, stamp, first, symbol, branch, from_root, exp_ahead, place, 1.0, NONE,
                                        ints, node, prob)
                for entry in range(word_first[place], word_first[place + 1]):
                    if count > enough:
                        count, cut = beam, _prune(value, order, count, beam, keep_above)
                    close = _close_factor(trie, lm, weights, ints, reals, node, entry)
                    count = _extend_lexicon(value, order, slots, factors, count, cut, i, base, repeat, last, tokens,
                                            probs, mark, stamp, first, symbol, branch, from_root, exp_ahead, ROOT,
                                            close, entry, ints, node, prob)
        if count > beam:
            count, cut = beam, _prune(value, order, count, beam, keep_above)
        for k in range(len(tokens)):
            prob[tokens[k]] = 0.0

        top = 0.0
        for k in range(count):
            top = max(top, value[k])
        cut, rescale = top * keep_above, 1.0
        if 0.0 < top < RESCALE_BELOW:
            rescale = 1.0 / top
            scale += np.log(top)
        for i in range(active):
            ints[nodes[i], BEAM] = NONE
        kept = 0
        for k in range(count):
            if value[k] < cut or value[k] == 0.0:
                continue
            slot = order[k]
            i, token = slots[slot, SOURCE], slots[slot, S_TOKEN]
            node = nodes[i]
            if token == NONE:
                new_blank[kept] = stay_blank[i] * rescale
                new_spoken[kept] = stay_spoken[i] * rescale
            else:
                parent, word = node, slots[slot, S_WORD]
                node = _find(ints, parent, token, word)
                if node < 0:
                    if used == len(ints):  # never full: a full table would drop prefixes without a word
                        ints, reals = _grow(ints, reals)
                    node = used
                    used += 1
                    _make(ints, reals, node, trie, lm, weights, mode, parent, token, word, slots[slot, S_PLACE],
                          factors[slot])
                new_blank[kept] = 0.0
                new_spoken[kept] = value[k] * rescale
            new_nodes[kept] = node
            ints[node, BEAM] = kept
            kept += 1
        active = kept
        nodes, new_nodes = new_nodes, nodes
        blank, new_blank = new_blank, blank
        spoken, new_spoken = new_spoken, spoken

    return ints, _finish(trie, lm, weights, mode, ints, nodes[:active], blank, spoken, scale)


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
