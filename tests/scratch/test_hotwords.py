"""The book's hotwords: the automaton against counting and against the compiled one, the beam against enumeration."""

import itertools
from collections import defaultdict

import numpy as np
import pytest

from asrlab.language import automaton, context_graph
from asrlab.language.automaton import OTHER
from asrlab.scratch import hotwords as hw
from asrlab.scratch.prefix_beam import text_probabilities

PHRASES = {"e r i c": 4.0, "e r i n": 4.0, "r i c k": 2.0, "r": -1.5, "i c": 1.0}
LETTERS = ["e", "r", "i", "c", "k", "n", "x"]


def counted(phrases, words):
    spans = [tuple(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)]
    return sum(weight * spans.count(tuple(phrase.split())) for phrase, weight in phrases.items())


@pytest.mark.equation("hotword-step", "hotword-end")
def test_a_sentence_earns_the_phrases_in_it_and_half_a_phrase_nothing():
    rng, hotwords = np.random.default_rng(0), hw.Hotwords(PHRASES)
    for _ in range(300):
        words = rng.choice(LETTERS, size=rng.integers(0, 9)).tolist()
        assert hotwords.score(words) == pytest.approx(counted(PHRASES, words), abs=1e-12)


@pytest.mark.equation("hotword-failure", "hotword-advance")
def test_each_step_is_that_of_the_compiled_automaton():
    rng, hotwords, graph = np.random.default_rng(1), hw.Hotwords(PHRASES), context_graph(PHRASES)
    for _ in range(100):
        node, state = (), int(graph.automaton.start[0])
        for word in rng.choice(LETTERS, size=12).tolist():
            nats, node = hotwords.step(node, word)
            theirs, state = automaton.plain_step(graph.automaton, state, graph.labels.get(word, OTHER))
            assert nats == pytest.approx(theirs, abs=1e-12)
            assert hotwords.finish(node) == pytest.approx(graph.automaton.final[state], abs=1e-12)


def test_the_longest_beginning_is_an_end_of_the_words():
    beginnings = hw.advances(PHRASES)
    assert hw.longest_beginning(("x", "e", "r", "i"), beginnings) == ("e", "r", "i")
    assert hw.longest_beginning(("e", "r", "i", "c", "k"), beginnings) == ("r", "i", "c", "k")
    assert hw.longest_beginning(("x",), beginnings) == ()


def test_a_wide_beam_finds_what_enumeration_finds():
    rng = np.random.default_rng(2)
    lexicon, hotwords = {"a": [(1,)], "b": [(2,), (2, 1)], "be": [(2,)]}, hw.Hotwords({"a b": 1.5, "be": -0.5})
    for _ in range(5):
        logits = rng.normal(size=(5, 3))
        log_y = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        expected: dict = defaultdict(lambda: -np.inf)
        for tokens, sound in text_probabilities(log_y).items():
            for words in _sentences(tokens, lexicon):
                expected[words] = np.logaddexp(expected[words], sound)
        final = hw.beam_search(log_y, lexicon, hotwords, beam=100_000, threshold=np.inf)[-1]
        assert {c.words: c.sound for c in final} == pytest.approx(dict(expected))
        totals = [c.sound + hotwords.score(c.words) for c in final]
        assert totals == sorted(totals, reverse=True)


def _sentences(tokens, lexicon):
    if not tokens:
        return [()]
    firsts = [(w, way) for w, ways in lexicon.items() for way in ways if tokens[: len(way)] == tuple(way)]
    return list(
        itertools.chain(*([(w, *rest) for rest in _sentences(tokens[len(way) :], lexicon)] for w, way in firsts))
    )
