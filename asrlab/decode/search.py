"""The compiled core of `BeamDecoder`: prefix beam search over a tree of prefixes.

A prefix is a node: its parent, its last token, the word that closed before that token (if any), its place in the trie
of the word being spelled, and for each of K languages the state of its automaton after the closed words.  A node is
made only for a prefix that survives a frame, and freed when nothing in the beam needs it.  Scores are products of
probabilities, rescaled now and then, so that the inner loop needs no logarithm; the languages' share (with its
look-ahead) is a factor on the edge from parent to child.  `reference.py` says the same in a page of plain Python.

All integers here are int64: a function is compiled once for each combination of types that it is called with.
"""

from typing import NamedTuple

import numpy as np

from asrlab.core.compiled import compiled, compiled_inline, compiled_inner
from asrlab.decode.frames import Frames, keep_best
from asrlab.decode.words import OUTSIDE, ROOT, WordTrie, child_of, walk
from asrlab.language import automaton

# Columns of the two tables that hold the nodes.  BEAM is a node's position in the beam, or NONE, or FREE; STATE is the
# first of K columns, the state of each automaton.
PARENT, TOKEN, WORD, PLACE, CHILD, SIBLING, BEAM, STATE = range(8)
FACTOR, CLOSE = range(2)
NONE, FREE = -1, -2  # NONE: no word, no node; as a candidate's token: the prefix itself stays
SOURCE, NEXT, CLOSED, THERE = range(4)  # columns of the candidates' table
TOKENS, OPEN, LEXICON = range(3)  # what a search knows of words: nothing, their boundaries, a closed list
RESCALE_BELOW = 1e-60


class Gains(NamedTuple):
    """What words add to a score.  Rows are the trie's entries or nodes; the last row is of a word outside the trie."""

    weight: np.ndarray  # (K,) of each language
    label: np.ndarray  # (W + 1, K) int64, the entry's word in each automaton
    bonus: np.ndarray  # (W + 1,) nats, whatever the words before
    ahead: np.ndarray  # (N + 1,) nats, look-ahead: added while the word is being spelled, and taken back on closing it
    exp_ahead: np.ndarray  # (N + 1,) its exponential
    most_ahead: np.ndarray  # (N + 1,) the largest exponential that one more token can lead to from here


class Task(NamedTuple):
    """What a search is to do, the same in every frame."""

    trie: WordTrie
    languages: automaton.Automaton  # K automata in one table
    gains: Gains
    mode: int  # TOKENS, OPEN or LEXICON
    beam: int  # prefixes kept after each frame
    beam_threshold: float  # nats below the best at which they are dropped


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


class Workshop(NamedTuple):
    """What all frames share: the task, the frames, the nodes' tables and room to work in."""

    task: Task
    frames: Frames
    ints: np.ndarray  # (rows, 7 + K)
    reals: np.ndarray  # (rows, 2)
    scratch: Scratch
    keep_above: float  # share of the best score below which a prefix is dropped


class Step(NamedTuple):
    """A frame's work."""

    task: Task
    tokens: np.ndarray  # that are tried, most probable first
    probs: np.ndarray
    ints: np.ndarray
    reals: np.ndarray
    now: Beam  # before the frame
    active: int  # prefixes in it
    scratch: Scratch
    keep_above: float


class Prefix(NamedTuple):
    """A prefix of the beam that is about to get one more token."""

    at: int  # its position in the beam
    node: int
    place: int  # in the trie
    last: int  # its last token
    base: float  # its probability
    repeat: float  # and that of its paths that end in blank, after which the last token may come again
    stamp: int  # a token marked with it leads to a prefix that is in the beam already


@compiled_inline
def _gain(task, ints, node, entry):
    """What closing word `entry` (OUTSIDE: one that no language knows) at a node adds, in nats."""
    gains = task.gains
    total = gains.bonus[entry]
    for k in range(len(gains.weight)):
        if gains.weight[k] != 0.0:
            nats, _ = automaton.step(task.languages, ints[node, STATE + k], gains.label[entry, k])
            if nats == -np.inf:
                return nats  # forbidden, whatever the weight
            total += gains.weight[k] * nats
    return total


@compiled_inner
def _word_at(trie, place):
    """The word entry that letters spell at a place, or OUTSIDE."""
    if place == OUTSIDE or trie.word_first[place] == trie.word_first[place + 1]:
        return OUTSIDE
    return trie.word_first[place]


@compiled_inline
def _close_factor(task, ints, reals, node, entry):
    """Factor on closing a word at a node, where it takes back the look-ahead; kept on the node for its first word."""
    place = ints[node, PLACE]
    first = entry == OUTSIDE or entry == task.trie.word_first[place]
    if first and reals[node, CLOSE] >= 0.0:
        return reals[node, CLOSE]
    factor = np.exp(_gain(task, ints, node, entry) - task.gains.ahead[place])
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


@compiled_inline
def _extend_tokens(step, prefix, count, cut):
    """Candidates from a prefix where words do not matter; a score up to `cut` cannot survive."""
    s = step.scratch
    for k in range(len(step.tokens)):
        if prefix.base * step.probs[k] <= cut:
            break
        token = step.tokens[k]
        score = step.probs[k] * (prefix.repeat if token == prefix.last else prefix.base)
        if score > cut and s.mark[token] != prefix.stamp:
            count = _push(s, count, score, prefix.at, token, NONE, ROOT, 1.0)
    return count


@compiled_inline
def _extend_open(step, prefix, count, cut, close):
    """Candidates from a prefix in an open vocabulary: letters go on or leave the trie, a word mark closes."""
    s, trie, gains = step.scratch, step.task.trie, step.task.gains
    here = 1.0 / gains.exp_ahead[prefix.place]
    bound = prefix.base * max(here * gains.most_ahead[prefix.place], close * gains.most_ahead[ROOT])
    for k in range(len(step.tokens)):
        if bound * step.probs[k] <= cut:
            break
        token = step.tokens[k]
        before, factor = prefix.place, here
        if trie.starts[token]:
            before, factor = ROOT, close
        score = step.probs[k] * (prefix.repeat if token == prefix.last else prefix.base) * factor
        if score * gains.most_ahead[before] <= cut or s.mark[token] == prefix.stamp:
            continue
        after = walk(trie, before, token)
        factor *= gains.exp_ahead[after]
        score *= gains.exp_ahead[after]
        if score > cut:
            count = _push(s, count, score, prefix.at, token, NONE, after, factor)
    return count


@compiled_inline
def _extend_lexicon(step, prefix, count, cut, place, close, entry):
    """Candidates from a prefix with a lexicon: on from `place` in the trie, which is the root if a word closed."""
    s, trie, gains, ints = step.scratch, step.task.trie, step.task.gains, step.ints
    arc, end = trie.first[place], trie.first[place + 1]
    by_arc = end - arc < len(step.tokens)
    back = close / gains.exp_ahead[place]
    bound = prefix.base * back * gains.most_ahead[place]
    for k in range(end - arc if by_arc else len(step.tokens)):
        if by_arc:
            token, after = trie.symbol[arc + k], arc + k + 1
            chance = s.prob[token]
        else:
            token, chance = step.tokens[k], step.probs[k]
            if bound * chance <= cut:
                break
            after = child_of(trie, place, token)
            if after == OUTSIDE:
                continue
        factor = back * gains.exp_ahead[after]
        score = chance * (prefix.repeat if token == prefix.last else prefix.base) * factor
        if score <= cut:
            continue
        if s.mark[token] == prefix.stamp:
            there = _find(ints, prefix.node, token, entry)
            if there >= 0 and ints[there, BEAM] >= 0:
                continue
        count = _push(s, count, score, prefix.at, token, entry, after, factor)
    return count


@compiled_inline
def _make(task, ints, reals, node, parent, token, entry, place, factor):
    """A new node, first among its parent's children."""
    before = ints[parent, PLACE]
    closes = entry != NONE
    if task.mode == OPEN and task.trie.starts[token] and before != ROOT:
        closes, entry = True, _word_at(task.trie, before)
    for k in range(len(task.gains.weight)):
        state = ints[parent, STATE + k]
        if closes:
            _, state = automaton.step(task.languages, state, task.gains.label[entry, k])
        ints[node, STATE + k] = state
    ints[node, PARENT] = parent
    ints[node, TOKEN] = token
    ints[node, WORD] = entry if task.mode == LEXICON else NONE
    ints[node, PLACE] = place
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


@compiled_inline
def _stay(step, p_blank):
    """Prefixes that stay: by blank, by their last token again, or reached from their parent.  Their number, the cut."""
    now, s, ints = step.now, step.scratch, step.ints
    for k in range(len(step.tokens)):
        s.prob[step.tokens[k]] = step.probs[k]
    for i in range(step.active):
        s.child[i] = NONE
    count, top, least = 0, 0.0, np.inf
    for i in range(step.active):
        node = now.node[i]
        token, parent = ints[node, TOKEN], ints[node, PARENT]
        s.blank[i] = (now.blank[i] + now.spoken[i]) * p_blank
        s.spoken[i] = now.spoken[i] * s.prob[token]
        j = ints[parent, BEAM] if parent >= 0 else NONE
        if j >= 0:
            s.sibling[i] = s.child[j]
            s.child[j] = i
            mass = now.blank[j] if token == ints[parent, TOKEN] else now.blank[j] + now.spoken[j]
            s.spoken[i] += mass * s.prob[token] * step.reals[node, FACTOR]
        score = s.blank[i] + s.spoken[i]
        count = _push(s, count, score, i, NONE, NONE, ROOT, 1.0)
        top, least = max(top, score), min(least, score)
    cut = top * step.keep_above
    return count, max(cut, least) if step.active == step.task.beam else cut


@compiled_inline
def _extend(step, count, cut, stamp):
    """Children of the beam's prefixes that are not in the beam: at most `beam` candidates are left, the best."""
    task, now, s, ints = step.task, step.now, step.scratch, step.ints
    trie, beam = task.trie, task.beam
    enough = len(s.value) - len(s.prob)  # an extension adds at most V
    any_start = False
    for k in range(len(step.tokens)):
        any_start |= trie.starts[step.tokens[k]]
    for i in range(step.active):
        if count > enough:
            count, cut = beam, _prune(s, count, beam, step.keep_above)
        node, stamp = now.node[i], stamp + 1
        place, base = ints[node, PLACE], now.blank[i] + now.spoken[i]
        prefix = Prefix(i, node, place, ints[node, TOKEN], base, now.blank[i], stamp)
        k = s.child[i]
        while k >= 0:
            s.mark[ints[now.node[k], TOKEN]] = stamp
            k = s.sibling[k]
        if task.mode == TOKENS:
            count = _extend_tokens(step, prefix, count, cut)
        elif task.mode == OPEN:
            close = 1.0
            if any_start and place != ROOT:
                close = _close_factor(task, ints, step.reals, node, _word_at(trie, place))
            count = _extend_open(step, prefix, count, cut, close)
        else:
            count = _extend_lexicon(step, prefix, count, cut, place, 1.0, NONE)  # on within the word
            for entry in range(trie.word_first[place], trie.word_first[place + 1]):  # or from the root, if one ends
                if count > enough:
                    count, cut = beam, _prune(s, count, beam, step.keep_above)
                close = _close_factor(task, ints, step.reals, node, entry)
                count = _extend_lexicon(step, prefix, count, cut, ROOT, close, entry)
    for k in range(len(step.tokens)):
        s.prob[step.tokens[k]] = 0.0
    if count > beam:
        _prune(s, count, beam, step.keep_above)
        count = beam
    return count, stamp


@compiled_inline
def _settle(step, after, count, used, free):
    """The candidates become the beam `after`.

    Returns its size, rows of the tables used so far, the free list, and the best score if all were divided by it.
    """
    now, s, ints = step.now, step.scratch, step.ints
    top = 0.0
    for k in range(count):
        top = max(top, s.value[k])
    cut, by = top * step.keep_above, top if 0.0 < top < RESCALE_BELOW else 1.0
    for i in range(step.active):
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
                _make(step.task, ints, step.reals, node, parent, token, word, s.row[c, THERE], s.factor[c])
            after.blank[kept] = 0.0
            after.spoken[kept] = s.value[k] / by
        after.node[kept] = node
        ints[node, BEAM] = kept
        kept += 1
    for i in range(step.active):
        free = _release(ints, now.node[i], free)
    return kept, used, free, by


@compiled_inline
def _advance(shop, f, now, active, after, used, free, stamp):
    """The beam `after` frame f from the beam `now`: its size, and what `_settle` and the next frame need."""
    low, end = shop.frames.first[f], shop.frames.first[f + 1]
    tokens, probs = shop.frames.token[low:end], shop.frames.prob[low:end]
    step = Step(shop.task, tokens, probs, shop.ints, shop.reals, now, active, shop.scratch, shop.keep_above)
    count, cut = _stay(step, shop.frames.blank[f])
    count, stamp = _extend(step, count, cut, stamp)
    active, used, free, by = _settle(step, after, count, used, free)
    return active, used, free, stamp, by


@compiled_inner
def _ends(task, place):
    """The words that may end at a place, as a range of word entries; one entry of NONE where none needs to."""
    if task.mode == TOKENS or place == ROOT:
        return NONE, NONE + 1
    if task.mode == LEXICON:
        return task.trie.word_first[place], task.trie.word_first[place + 1]
    entry = _word_at(task.trie, place)
    return entry, entry + 1


@compiled_inner
def _end_gain(task, ints, node, entry, closes):
    """What the end of the sentence adds at a node, in nats, with its last word if that closes too."""
    gains = task.gains
    total = _gain(task, ints, node, entry) - gains.ahead[ints[node, PLACE]] if closes else 0.0
    for k in range(len(gains.weight)):
        if gains.weight[k] != 0.0:
            state = ints[node, STATE + k]
            if closes:
                _, state = automaton.step(task.languages, state, gains.label[entry, k])
            nats = automaton.finish(task.languages, state)
            if nats == -np.inf:
                return nats
            total += gains.weight[k] * nats
    return total


@compiled
def _finish(task, ints, now, active, scale):
    """Close the last word of every prefix in the beam, and the sentence: prefixes, word entries closed, scores.

    What a language forbids is not among them.
    """
    count = 0
    for i in range(active):
        low, high = _ends(task, ints[now.node[i], PLACE])
        count += high - low
    nodes, words, scores = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    count = 0
    for i in range(active):
        node = now.node[i]
        place = ints[node, PLACE]
        low, high = _ends(task, place)
        for entry in range(low, high):
            gain = _end_gain(task, ints, node, entry, place != ROOT)
            if gain > -np.inf:
                nodes[count], words[count] = node, entry
                scores[count] = np.log(now.blank[i] + now.spoken[i]) + scale + gain
                count += 1
    return nodes[:count], words[:count], scores[:count]


@compiled
def _grow(ints, reals):
    """Tables with twice the room: a full table would drop prefixes without a word.

    Copied in loops, since assigning slices takes seconds to compile.
    """
    columns = ints.shape[1]
    more_ints, more_reals = np.empty((2 * len(ints), columns), np.int64), np.empty((2 * len(reals), 2))
    for node in range(len(ints)):
        for column in range(columns):
            more_ints[node, column] = ints[node, column]
        for column in range(2):
            more_reals[node, column] = reals[node, column]
    return more_ints, more_reals


@compiled
def _new_beam(beam):
    return Beam(np.empty(beam, np.int64), np.empty(beam), np.empty(beam))


@compiled
def _new_scratch(beam, size):
    room = 2 * beam + 64 + size
    s = Scratch(
        np.empty(room),
        np.empty(room, np.int64),
        np.empty((room, 4), np.int64),
        np.empty(room),
        np.empty(beam),
        np.empty(beam),
        np.empty(beam, np.int64),
        np.empty(beam, np.int64),
        np.empty(size),
        np.empty(size, np.int64),
    )
    for k in range(room):
        s.order[k] = k
    for v in range(size):
        s.prob[v], s.mark[v] = 0.0, 0
    return s


@compiled
def search(frames, task):
    """Run the beam search over all `Frames`, as a `Task` says.

    Returns:
        The node table, whose columns PARENT, TOKEN and WORD spell the prefixes; and for every complete hypothesis, in
        no order: its last prefix, the word entry that the end closed (or NONE), its score in nats.
    """
    beam, count = task.beam, len(task.gains.weight)
    ints, reals = np.empty((2 * beam + 1024, STATE + count), np.int64), np.empty((2 * beam + 1024, 2))
    for column in range(STATE):
        ints[0, column] = NONE
    ints[0, TOKEN] = ints[0, PLACE] = ints[0, BEAM] = 0
    for k in range(count):
        ints[0, STATE + k] = task.languages.start[k]
    reals[0, FACTOR] = reals[0, CLOSE] = -1.0
    used, free = 1, NONE

    now, after = _new_beam(beam), _new_beam(beam)
    now.node[0], now.blank[0], now.spoken[0], active = 0, 1.0, 0.0, 1
    scratch = _new_scratch(beam, len(task.trie.starts))
    stamp, scale, keep_above = 0, 0.0, np.exp(-task.beam_threshold)
    shop = Workshop(task, frames, ints, reals, scratch, keep_above)

    for f in range(frames.count):
        scale += frames.scale[f]
        if frames.silent[f]:
            for i in range(active):
                now.blank[i] += now.spoken[i]
                now.spoken[i] = 0.0
            continue
        if len(ints) - used < beam:
            ints, reals = _grow(ints, reals)
            shop = Workshop(task, frames, ints, reals, scratch, keep_above)
        active, used, free, stamp, by = _advance(shop, f, now, active, after, used, free, stamp)
        scale += np.log(by)
        now, after = after, now

    return ints, _finish(task, ints, now, active, scale)


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
