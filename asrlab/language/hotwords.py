"""Hotwords: a few phrases (names, places, products) that a decoder should expect, as a context graph.

The graph is an Aho-Corasick automaton over words.  A sentence earns a phrase's weight each time that the phrase is in
it, and nothing else.  A decoder must not wait for that until the phrase is complete: by then its beginning, which is
rare, has long fallen out of the beam.  So each word of a phrase earns a part of the weight in advance, and what does
not become a phrase after all pays back just what it got:

    phrase "new york", 4 nats            new +2  york +2     = 4
                                         new +2  car  -2     = 0        the failure arc pays back
                                         new +2  (end) -2    = 0        and so does the end of the sentence

With phi(s) for what state s has got in advance, a word that leads from s to t earns phi(t) - phi(s) and the weights of
the phrases that end there; failing from s to t earns phi(t) - phi(s) too.  Along any sentence the phi cancel.

A. Aho, M. Corasick, "Efficient string matching: an aid to bibliographic search" (1975); in a beam search: D. Zhao et
al., "Shallow-fusion end-to-end contextual biasing" (2019), who take back the bonus of phrases that were not completed.
"""

from collections.abc import Mapping

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.language.automaton import FORBIDDEN, Automaton, WordAutomaton
from asrlab.language.trie import Trie, build_trie, largest_below

MOST_NATS = 100.0  # of a phrase, either way: a factor of 10^43; far beyond, sums of probabilities overflow


def context_graph(phrases: Mapping[str, float]) -> WordAutomaton:
    """The automaton of phrases, each with its weight.

    Args:
        phrases: phrase (words with white space between them) -> nats that each of its occurrences earns; below 0 it is
            unwelcome.  Of phrases that overlap or lie in one another, each earns its own weight.  None: all words earn
            0.  For one weight for all, `dict.fromkeys(names, 3.0)`.

    Returns:
        A `Language`; it forbids no word.

    Raises:
        AsrlabError: a phrase without words or given twice, or a weight that is no number or beyond `MOST_NATS`.
    """
    if not isinstance(phrases, Mapping):
        raise AsrlabError(f"phrases: {type(phrases).__name__}; pass phrase -> nats, as dict.fromkeys(names, 3.0) makes")
    split = [tuple(phrase.split()) for phrase in phrases]
    labels = {word: label for label, word in enumerate(dict.fromkeys(w for words in split for w in words), start=1)}
    _check(phrases, split)
    symbols = np.array([labels[word] for words in split for word in words], np.int64)
    lengths = np.array([len(words) for words in split], np.int64)
    weights = np.array([*phrases.values()], np.float64)
    return WordAutomaton(_automaton(build_trie(symbols, lengths), lengths, weights, 1 + len(labels)), labels)


def _check(phrases: Mapping[str, float], split: list[tuple[str, ...]]) -> None:
    for phrase, weight in phrases.items():
        if not phrase or phrase.isspace():
            raise AsrlabError(f"phrase {phrase!r}: no words in it; remove it")
        if not isinstance(weight, (int, float, np.number)) or not abs(weight) <= MOST_NATS:
            raise AsrlabError(
                f"phrase {phrase!r}: weight {weight!r}; pass a number of nats from {-MOST_NATS:g} to {MOST_NATS:g}"
            )
    if len(set(split)) < len(split):
        again = next(words for k, words in enumerate(split) if words in split[:k])
        raise AsrlabError(f"phrase {' '.join(again)!r}: there twice, with other white space; keep one")


def _automaton(trie: Trie, lengths: np.ndarray, weights: np.ndarray, labels: int) -> Automaton:
    """The trie's nodes as states, of which the root has an arc for every label, so that it forbids none."""
    states = len(trie.parent)
    fail = _fail(trie)
    ending = np.zeros(states)
    ending[trie.node] = weights  # no phrase is there twice
    share = np.full(states, -np.inf)  # of a phrase's weight, for each word of it
    share[trie.node] = weights / lengths
    beyond = np.full(states, 0.0)  # the largest share of the phrases that go on after a node
    np.maximum.at(beyond, trie.parent[1:], largest_below(trie, share)[1:])
    advance = np.zeros(states)
    for depth in range(1, len(trie.level) - 1):
        nodes = slice(trie.level[depth], trie.level[depth + 1])
        ending[nodes] += ending[fail[nodes]]
        # No less than where it fails to, so that failing always pays back and never earns.
        advance[nodes] = np.maximum(depth * beyond[nodes], advance[fail[nodes]])
    earned = advance[1:] - advance[trie.parent[1:]] + ending[1:]
    root = np.arange(labels)
    entered = trie.symbol[: trie.first[1]]  # the labels that lead on from the root, to nodes 1, 2, ...
    weight, after = np.zeros(labels), np.zeros(labels, np.int64)
    weight[entered], after[entered] = earned[: len(entered)], 1 + np.arange(len(entered))
    return Automaton(
        start=np.zeros(1, np.int32),
        first=np.concatenate([[0], trie.first[1:] - len(entered) + labels]).astype(np.int32),
        label=np.concatenate([root, trie.symbol[len(entered) :]]).astype(np.int32),
        weight=np.concatenate([weight, earned[len(entered) :]]),
        next=np.concatenate([after, np.arange(1 + len(entered), states)]).astype(np.int32),
        fail=fail.astype(np.int32),
        fail_weight=np.where(fail >= 0, advance[fail] - advance, 0.0),
        final=-advance,
    )


def _fail(trie: Trie) -> np.ndarray:
    """For each node, that of the longest proper end of its words with which a phrase begins; -1 for the root."""
    size = int(trie.symbol.max(initial=0)) + 1
    keys = trie.parent[1:] * size + trie.symbol  # ascending, level by level
    fail = np.zeros(len(trie.parent), np.int64)
    fail[0] = FORBIDDEN
    for low, end in zip(trie.level[2:-1], trie.level[3:], strict=True):
        nodes = np.arange(low, end)
        at = fail[trie.parent[nodes]]
        while len(nodes):
            key = at * size + trie.symbol[nodes - 1]
            arc = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            found = keys[arc] == key
            fail[nodes[found]] = arc[found] + 1
            on = ~found & (at > 0)
            nodes, at = nodes[on], fail[at[on]]
    return fail
