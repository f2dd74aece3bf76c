"""Rescoring adds what it says, and refuses what is no score."""

import math

import pytest

from asrlab.core.errors import AsrlabError
from asrlab.decode import Hypothesis
from asrlab.decode.rescore import by_text, merged, rescore, reweighted, score_of, with_parts
from asrlab.language import NGram

LIST = [
    Hypothesis("go left", (1,), -1.0, {"ctc": -1.0, "words": 2}),
    Hypothesis("go", (2,), -2.0, {"ctc": -2.0, "words": 1}),
    Hypothesis("", (), -3.0, {"ctc": -3.0, "words": 0}),
]


def letters(hypotheses):
    return [float(len(h.text)) for h in hypotheses]


def test_rescoring_adds_weighted_scores_and_keeps_them_as_parts():
    lm = NGram.train(["go", "go", "go left"], order=2)
    found = rescore(LIST, {"letters": (-0.5, letters), "lm": (2.0, by_text(lm))})
    expected = {h.text: h.score - 0.5 * len(h.text) + 2 * lm.logprob(h.text) for h in LIST}
    assert [h.text for h in found] == sorted(expected, key=expected.get, reverse=True)
    for h in found:
        assert h.score == pytest.approx(expected[h.text])
        assert h.parts["letters"] == len(h.text) and h.parts["lm"] == pytest.approx(lm.logprob(h.text))
    assert rescore(LIST, {}) == LIST


def test_a_forbidden_text_comes_last_unless_its_judge_has_no_weight():
    def judge(hypotheses):
        return [-math.inf if h.text == "go left" else 0.0 for h in hypotheses]

    assert rescore(LIST, {"judge": (0.1, judge)})[-1].text == "go left"
    assert rescore(LIST, {"judge": (0.0, judge)})[0].text == "go left"


@pytest.mark.equation("rescoring-score")
def test_new_weights_forget_those_of_the_search():
    assert score_of(LIST[0], {"ctc": 2.0, "words": -3.0}) == pytest.approx(-8.0)
    found = reweighted(LIST, {"ctc": 2.0, "words": -3.0})
    assert [(h.text, h.score) for h in found] == [("", -6.0), ("go", -7.0), ("go left", -8.0)]


def test_lists_are_merged_by_text():
    better = Hypothesis("go", (3,), 9.0, {"ctc": -1.5})
    found = merged([LIST, [better]])
    assert [h.text for h in found] == ["go left", "go", ""] and found[1] is better


@pytest.mark.parametrize(
    ("scorer", "why"),
    [(lambda h: [math.nan] * 3, "finite"), (lambda h: [math.inf] * 3, "finite"), (lambda h: [0.0], "for 3 texts")],
)
def test_what_is_no_score_is_refused(scorer, why):
    with pytest.raises(AsrlabError, match=f"scorer 'bad': .*{why}"):
        rescore(LIST, {"bad": (1.0, scorer)})


def test_names_are_checked():
    with pytest.raises(AsrlabError, match="'ctc': the hypotheses have a part"):
        with_parts(LIST, {"ctc": letters})
    with pytest.raises(AsrlabError, match="weight of 'lm': the hypotheses have parts ctc, words"):
        reweighted(LIST, {"lm": 1.0})
