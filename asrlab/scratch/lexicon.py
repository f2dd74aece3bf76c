"""A lexicon as the book tells it: sentences of its words alone, and the trie that shares their beginnings.

A *lexicon* says for each word in which ways its tokens (phones, letters) can go; token 0 is CTC's blank.  The decoder
walks `asrlab.decode.words.WordTrie`, the same tree in arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from asrlab.core.equations import equation
from asrlab.scratch.prefix_beam import text_probabilities

Lexicon = Mapping[str, Sequence[Sequence[int]]]  # word -> its pronunciations


@equation("lexicon-sentences")
def sentences(tokens: Sequence[int], lexicon: Lexicon) -> list[tuple[str, ...]]:
    """All word sequences with pronunciations that give just these tokens, one for each way to cut them."""
    if not len(tokens):
        return [()]
    found = []
    for word, ways in lexicon.items():
        for way in ways:
            if tuple(tokens[: len(way)]) == tuple(way):
                found += [(word, *rest) for rest in sentences(tokens[len(way) :], lexicon)]
    return found


@equation("lexicon-answer")
def sentence_probabilities(log_y: np.ndarray, lexicon: Lexicon) -> dict[tuple[str, ...], float]:
    """log p of every word sequence, by adding up its pronunciations; `log_y` (T, V) as in `text_probabilities`."""
    found: dict[tuple[str, ...], float] = {}
    for tokens, sound in text_probabilities(log_y).items():
        for words in sentences(tokens, lexicon):
            found[words] = float(np.logaddexp(found.get(words, -np.inf), sound))
    return found


@equation("trie-nodes")
def beginnings(lexicon: Lexicon) -> set[tuple[int, ...]]:
    """The nodes of the trie: every beginning of a pronunciation, the empty one included, each once."""
    return {tuple(way[:k]) for ways in lexicon.values() for way in ways for k in range(len(way) + 1)}
