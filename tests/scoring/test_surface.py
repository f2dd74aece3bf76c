"""The surface of errors over two weights is what choosing at every point gives; the oracle is a lower bound."""

import itertools

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.decode import Hypothesis
from asrlab.decode.rescore import reweighted
from asrlab.scoring import score
from asrlab.scoring.surface import oracle, surface, word_errors

TEXTS = ["a b c", "a b", "b c", "a c c", "c", "", "a b c a"]


def lists(seed, utterances=12):
    rng = np.random.default_rng(seed)
    said, nbest = [], []
    for _ in range(utterances):
        texts = rng.choice(TEXTS, size=5, replace=False).tolist()
        said.append(str(rng.choice([t for t in TEXTS if t])))
        nbest.append([
            Hypothesis(t, (), 0.0, {"ctc": float(rng.normal()), "lm": float(rng.normal()), "words": len(t.split())})
            for t in texts
        ])  # fmt: skip
    return said, nbest


def test_the_surface_is_what_every_pair_of_weights_chooses():
    said, nbest = lists(0)
    lm, words = (0.0, 0.3, 1.0, 2.5), (-1.0, 0.0, 1.0)
    found = surface(said, nbest, {"lm": lm, "words": words}, {"ctc": 0.7})
    for (i, x), (j, y) in itertools.product(enumerate(lm), enumerate(words)):
        chosen = [reweighted(h, {"ctc": 0.7, "lm": x, "words": y})[0].text for h in nbest]
        assert found.errors[i, j] == sum(e.total for e in score.errors(said, chosen).values())
        assert found.rates[i, j] == pytest.approx(score.wer(said, chosen))
    i, j = lm.index(found.best["lm"]), words.index(found.best["words"])
    assert found.errors[i, j] == found.errors.min() and found.best["ctc"] == 0.7


@pytest.mark.equation("oracle-error")
def test_no_weights_beat_the_oracle_and_none_of_its_choices_can_be_improved():
    said, nbest = lists(1)
    best = [oracle(s, h) for s, h in zip(said, nbest, strict=True)]
    for s, h, chosen in zip(said, nbest, best, strict=True):
        assert word_errors(s, chosen.text) == min(score.errors([s], [x.text])[0].total for x in h)
    total = sum(word_errors(s, h.text) for s, h in zip(said, best, strict=True))
    grid = np.linspace(-3, 3, 13)
    assert total <= surface(said, nbest, {"lm": grid, "words": grid}, {"ctc": 1.0}).errors.min()


def test_an_optimum_at_the_edge_is_told():
    right = Hypothesis("a", (), 0.0, {"x": 1.0, "y": 0.0, "ctc": 0.0})
    wrong = Hypothesis("b", (), 0.0, {"x": 0.0, "y": 0.0, "ctc": 2.5})
    narrow = surface(["a"], [[wrong, right]], {"x": (1.0, 2.0, 3.0), "y": (0.0, 1.0, 2.0)}, {"ctc": 1.0})
    wide = surface(["a"], [[wrong, right]], {"x": (1.0, 2.0, 3.0, 4.0), "y": (0.0, 1.0, 2.0)}, {"ctc": 1.0})
    assert narrow.at_edge == ("x",) and wide.at_edge == ()
    no_use = surface(["b"], [[wrong, right]], {"x": (0.0, 9.0)}, {"ctc": 1.0})
    assert no_use.best["x"] == 0.0 and no_use.at_edge == ()


def test_surfaces_of_utterances_add_up():
    said, nbest = lists(3)
    grid = {"lm": (0.0, 0.5, 1.0), "words": (-1.0, 0.0)}
    whole, first, rest = (
        surface(said[k], nbest[k], grid, {"ctc": 1.0}) for k in (slice(None), slice(5), slice(5, None))
    )
    assert np.array_equal((first + rest).errors, whole.errors) and (first + rest).words == whole.words
    assert np.array_equal((whole - first).errors, rest.errors) and (whole - first).words == rest.words
    with pytest.raises(AsrlabError, match="other weights"):
        whole + surface(said, nbest, {"lm": (0.0,)}, {"ctc": 1.0})


def test_bad_input_is_refused():
    said, nbest = lists(2)
    with pytest.raises(AsrlabError, match="none to choose"):
        oracle("a", [])
    with pytest.raises(AsrlabError, match="lists"):
        surface(said, nbest[1:], {"lm": (0.0,)}, {})
    with pytest.raises(AsrlabError, match="lists"):
        surface(said, [[], *nbest[1:]], {"lm": (0.0,)}, {})
    with pytest.raises(AsrlabError, match="'neural'"):
        surface(said, nbest, {"neural": (0.0,)}, {})
    for nothing in ({}, {"lm": ()}):
        with pytest.raises(AsrlabError, match="at least one weight"):
            surface(said, nbest, nothing, {})
