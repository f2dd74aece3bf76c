"""Hotwords: a sentence earns its phrases' weights, counted by looking for them, and never a part of one."""

import time

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language import automaton, context_graph
from asrlab.language.automaton import OTHER


def counted(phrases, words):
    """Each occurrence of each phrase, found by comparing."""
    return sum(
        weight
        for phrase, weight in phrases.items()
        for i in range(len(words))
        if words[i : i + len(phrase.split())] == phrase.split()
    )


def earned(graph, words):
    ids = np.array([graph.labels.get(w, OTHER) for w in words], np.int64)
    return automaton.score(graph.automaton, int(graph.automaton.start[0]), ids)


@pytest.mark.parametrize("seed", range(30))
def test_a_sentence_earns_the_phrases_in_it(seed):
    rng = np.random.default_rng(seed)
    alphabet = list("abc")  # few words: phrases that share beginnings and ends, and lie in one another
    phrases = {
        " ".join(rng.choice(alphabet, size=rng.integers(1, 5))): float(rng.normal(1, 3))
        for _ in range(rng.integers(1, 12))
    }
    graph = context_graph(phrases)
    automaton.check(graph.automaton)
    for _ in range(40):
        words = rng.choice([*alphabet, "other"], size=rng.integers(0, 12)).tolist()
        assert earned(graph, words) == pytest.approx(counted(phrases, words), abs=1e-9)


def test_a_phrase_is_paid_in_advance_and_half_a_phrase_pays_back():
    graph = context_graph({"new york city": 6.0, "york minster": 3.0})
    a, ids = graph.automaton, graph.labels
    nats, new = automaton.plain_step(a, 0, ids["new"])
    assert nats == pytest.approx(2.0)
    nats, york = automaton.plain_step(a, new, ids["york"])
    assert nats == pytest.approx(2.0)
    assert automaton.plain_step(a, york, ids["minster"])[0] == pytest.approx(3.0 - 4.0)
    assert automaton.plain_step(a, york, OTHER) == (pytest.approx(-4.0), 0)
    assert automaton.plain_finish(a, york) == pytest.approx(-4.0)
    assert (a.fail_weight <= 0).all()  # giving up never earns
    for half in ("new york", "new", "york", "new york york new york", "city"):
        assert earned(graph, half.split()) == pytest.approx(0.0, abs=1e-12)


def test_no_phrases_say_nothing():
    graph = context_graph({})
    automaton.check(graph.automaton)
    assert earned(graph, ["any", "words"]) == 0.0


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ({"": 1.0}, "no words"), ({" ": 1.0}, "no words"), ({"a": float("nan")}, "nan"), ({"a": float("inf")}, "inf"),
        ({"a": 101.0}, "from -100 to 100"),
        ({"a": "3"}, "'3'"), ({"a b": 1.0, "a  b": 2.0}, "there twice"), (["a"], "dict.fromkeys"),
    ],
)  # fmt: skip
def test_bad_phrases_are_told(phrases, message):
    with pytest.raises(AsrlabError, match=message):
        context_graph(phrases)


def test_a_hundred_thousand_phrases_are_ready_in_two_seconds():
    rng = np.random.default_rng(0)
    names = ["".join(map(chr, row)) for row in rng.integers(97, 123, size=(30_000, 7))]
    pairs = rng.choice(names, size=(100_000, 2))
    phrases = {" ".join(pair): 3.0 for pair in pairs.tolist()}
    began = time.process_time()
    graph = context_graph(phrases)
    assert time.process_time() - began < 2.0
    assert earned(graph, [*pairs[5], *pairs[7, :1]]) == pytest.approx(3.0 + counted(phrases, pairs[5, 1:].tolist()))
