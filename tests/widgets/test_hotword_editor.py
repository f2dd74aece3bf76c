"""The hotword editor: its JavaScript earns and searches as asrlab.scratch.hotwords does, and reads what people type."""

import numpy as np
import pytest
from node import run_js, run_many

from asrlab.scratch import hotwords as hw

WEIGHTS = {"e r i c": 4.0, "e r i n": 4.0, "r i c k": 2.0, "r": -1.5, "i c": 1.0}
LEXICON = {"a": [[1], [2, 3]], "b": [[3, 1]], "be": [[3, 1], [3]], "c": [[2]]}


def test_sentences_earn_as_in_python():
    rng, hotwords = np.random.default_rng(0), hw.Hotwords(WEIGHTS)
    said = [rng.choice(list("ericknx"), size=rng.integers(0, 9)).tolist() for _ in range(60)]
    found = run_many("hotword_editor", "sentenceScore", [(WEIGHTS, words) for words in said])
    assert found == pytest.approx([hotwords.score(words) for words in said], abs=1e-12)


def test_every_frame_of_the_search_is_pythons():
    weights = {"a b": 2.0, "be c": 1.0, "b": -1.0}
    for seed in range(6):
        logits = 1.5 * np.random.default_rng(seed).standard_normal((10, 4))
        log_y = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).round(2)
        expected = hw.beam_search(log_y, LEXICON, hw.Hotwords(weights), beam=5)
        found = run_js("hotword_editor", "searchSummary", log_y.tolist(), LEXICON, weights, 5, 1000)
        assert len(found) == len(expected) == len(log_y) + 1
        for ours, python in zip(found, expected, strict=True):
            assert [(tuple(c[0]), tuple(c[1]), c[4]) for c in ours] == [(c.words, c.rest, c.kept) for c in python]
            assert [c[2] for c in ours] == pytest.approx([c.sound for c in python], abs=1e-9)
            assert [c[3] for c in ours] == pytest.approx([c.boost for c in python], abs=1e-9)


def test_what_people_type():
    lexicon = {word: [[1]] for word in [*"abc", "go"]}
    found = run_js("hotword_editor", "readList", "go A\n\n  abc  \nxyz\ngo a\n", lexicon)
    assert found["phrases"] == ["go a", "a b c"]
    assert found["errors"] == ['line 4: the recogniser does not know "xyz"', 'line 5: "go a" is there twice']
