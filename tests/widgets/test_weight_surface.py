"""The weights' surface: its JavaScript chooses the texts and counts the errors that asrlab.scoring.surface does."""

import numpy as np
import pytest
from node import run_many

from asrlab.core.errors import AsrlabError
from asrlab.decode import Hypothesis
from asrlab.decode.rescore import reweighted
from asrlab.scoring.surface import surface

WeightSurface = pytest.importorskip("asrlab.widgets.weight_surface", reason="anywidget is not installed").WeightSurface
X, Y = (0.0, 0.5, 1.0, 2.0), (-1.0, 0.0, 1.5)
TEXTS = ["a b c", "a b", "b c", "c", "", "a c"]


@pytest.fixture(scope="module")
def lists():
    rng = np.random.default_rng(0)
    return [
        {
            "said": str(rng.choice([t for t in TEXTS if t])),
            "parts": ["lm", "words", "ctc"],
            "texts": [
                [t, *np.round(rng.normal(size=3), 4).tolist()] for t in rng.choice(TEXTS, 4, replace=False).tolist()
            ],
        }
        for _ in range(15)
    ]


@pytest.fixture(scope="module")
def widget(lists):
    given = {"weights": {"lm": X, "words": Y}, "fixed": {"ctc": 0.8}, "lists": lists}
    return WeightSurface(given, {"lm": "model", "words": "bonus"}, {"lm": 0.6, "words": 9.0})


def hypotheses(one):
    return [Hypothesis(row[0], (), 0.0, dict(zip(one["parts"], row[1:], strict=True))) for row in one["texts"]]


def test_errors_are_pythons(lists, widget):
    (found,) = run_many("weight_surface", "surface", [(widget.data["lists"], X, Y)])
    nbest = [hypotheses(one) for one in lists]
    expected = surface([one["said"] for one in lists], nbest, {"lm": X, "words": Y}, {"ctc": 0.8})
    assert found == expected.errors.tolist()
    assert sum(one["words"] for one in widget.data["lists"]) == expected.words
    places = run_many("weight_surface", "without", [(found, X), (found, X[::-1])])
    assert places[0][0] == 0 and places[1][0] == 3
    assert found[0][places[0][1]] == min(found[0])


def test_changes_are_pythons(lists, widget):
    (found,) = run_many("weight_surface", "changes", [(widget.data["lists"], (0.0, 0.0), (2.0, -1.0))])
    rescued, spoiled = 0, 0
    for one, given in zip(lists, widget.data["lists"], strict=True):
        errors = {row["text"]: row["errors"] for row in given["texts"]}
        before, after = (
            errors[reweighted(hypotheses(one), {"ctc": 0.8, "lm": x, "words": y})[0].text]
            for x, y in ((0.0, 0.0), (2.0, -1.0))
        )
        rescued, spoiled = rescued + (after < before), spoiled + (after > before)
    assert (len(found["rescued"]), len(found["spoiled"])) == (rescued, spoiled) and rescued and spoiled
    assert all(a["gain"] >= b["gain"] for a, b in zip(found["rescued"], found["rescued"][1:], strict=False))


def test_it_starts_at_the_nearest_weights_that_were_tried(widget):
    assert [axis["start"] for axis in widget.data["axes"]] == [1, 2]
    assert [axis["label"] for axis in widget.data["axes"]] == ["model", "bonus"]


def test_what_does_not_fit_is_refused(lists):
    with pytest.raises(AsrlabError, match="two parts"):
        WeightSurface({"weights": {"lm": X}, "fixed": {}, "lists": lists}, {"lm": "model"})
    with pytest.raises(AsrlabError, match="labels: none for 'words'"):
        WeightSurface({"weights": {"lm": X, "words": Y}, "fixed": {}, "lists": lists}, {"lm": "model"})
