"""The book's lexicon: cuts against products of pronunciations, sums against the beam, nodes against a trie."""

import itertools
from collections import Counter

import numpy as np
import pytest

from asrlab.language.trie import build_trie
from asrlab.scratch import hotwords as hw
from asrlab.scratch import lexicon as lx

LEXICON = {"a": [(1,)], "b": [(2,), (2, 1)], "be": [(2,)], "bab": [(2, 1, 2)]}


@pytest.mark.equation("lexicon-sentences")
def test_cuts_are_products_of_pronunciations():
    ways = [(word, way) for word, of in LEXICON.items() for way in of]
    expected: dict = {}
    for n in range(5):
        for chosen in itertools.product(ways, repeat=n):
            tokens = tuple(t for _, way in chosen for t in way)
            expected.setdefault(tokens, Counter())[tuple(word for word, _ in chosen)] += 1
    for tokens in ((), (1,), (2, 1), (2, 1, 2), (2, 2, 1), (1, 2, 1, 2)):
        assert Counter(lx.sentences(tokens, LEXICON)) == expected[tokens]
    assert lx.sentences((3,), LEXICON) == []


@pytest.mark.equation("lexicon-answer")
def test_sums_over_pronunciations_are_those_of_a_wide_beam():
    logits = np.random.default_rng(0).normal(size=(5, 3))
    log_y = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    beam = hw.beam_search(log_y, LEXICON, hw.Hotwords({}), beam=100_000, threshold=np.inf)[-1]
    assert lx.sentence_probabilities(log_y, LEXICON) == pytest.approx({c.words: c.sound for c in beam})


@pytest.mark.equation("trie-nodes")
def test_nodes_are_those_of_the_trie():
    ways = [way for of in LEXICON.values() for way in of]
    trie = build_trie(np.array([t for way in ways for t in way]), np.array([len(way) for way in ways]))
    assert len(lx.beginnings(LEXICON)) == len(trie.parent)
