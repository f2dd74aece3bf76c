"""Tries: sequences of symbols, merged as far as they begin alike."""

from typing import NamedTuple

import numpy as np


class Trie(NamedTuple):
    """A trie of N nodes, numbered level by level, node 0 the root; node n > 0 is entered by arc n - 1.

    So the arcs of node n, `first[n]:first[n + 1]`, ascend by symbol, and arc a leads to node a + 1.
    """

    first: np.ndarray  # (N + 1,) int64
    symbol: np.ndarray  # (N - 1,) int64
    parent: np.ndarray  # (N,) int64, -1 for the root
    level: np.ndarray  # (D + 2,) int64: the nodes of depth d are level[d]:level[d + 1]
    node: np.ndarray  # (P,) int64, the node at which each sequence ends


def build_trie(symbols: np.ndarray, lengths: np.ndarray) -> Trie:
    """The trie of P sequences, which lie one after the other in `symbols` (integers, 0 or more), `lengths` (P,)."""
    size = int(symbols.max(initial=0)) + 1
    begin = np.cumsum(lengths) - lengths
    node = np.zeros(len(lengths), np.int64)
    keys, level = [np.empty(0, np.int64)], [0, 1]
    alive = np.flatnonzero(lengths > 0)
    while len(alive):
        depth = len(level) - 2
        key, which = np.unique(node[alive] * size + symbols[begin[alive] + depth], return_inverse=True)
        node[alive] = level[-1] + which
        level.append(level[-1] + len(key))
        keys.append(key)
        alive = alive[lengths[alive] > depth + 1]
    key = np.concatenate(keys)
    parent = key // size
    return Trie(
        first=np.searchsorted(parent, np.arange(level[-1] + 1)),
        symbol=key % size,
        parent=np.concatenate([[-1], parent]),
        level=np.array(level, np.int64),
        node=node,
    )


def largest_below(trie: Trie, value: np.ndarray) -> np.ndarray:
    """(N,) the largest value (N,) at each node or anywhere below it."""
    value = value.copy()
    for low, end in zip(trie.level[-2:0:-1], trie.level[:1:-1], strict=True):
        np.maximum.at(value, trie.parent[low:end], value[low:end])
    return value
