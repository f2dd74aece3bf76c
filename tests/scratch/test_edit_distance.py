"""Edit distance: against the recursive definition, against rapidfuzz, and the laws of a metric."""

import random
from functools import cache

import jiwer
import pytest
from rapidfuzz.distance import Levenshtein

from asrlab.core.errors import AsrlabError
from asrlab.scratch.edit_distance import align, count_alignments, distance_table, edit_distance, word_error_rate

RANDOM = random.Random(0)
PAIRS = [("", ""), ("abc", ""), ("", "ab"), ("kitten", "sitting")] + [
    tuple("".join(RANDOM.choices("abc", k=RANDOM.randint(0, 7))) for _ in range(2)) for _ in range(60)
]


def by_definition(reference, hypothesis):
    """Every way to edit, cheapest first: no table, no order of evaluation."""

    @cache
    def cost(i, j):
        if i == len(reference) or j == len(hypothesis):
            return (len(reference) - i) + (len(hypothesis) - j)
        return min(cost(i + 1, j + 1) + (reference[i] != hypothesis[j]), cost(i + 1, j) + 1, cost(i, j + 1) + 1)

    return cost(0, 0)


@pytest.mark.equation("edit-distance")
@pytest.mark.parametrize(("reference", "hypothesis"), PAIRS)
def test_distance_is_that_of_the_definition_and_of_rapidfuzz(reference, hypothesis):
    distance = edit_distance(reference, hypothesis)
    assert distance == by_definition(reference, hypothesis) == Levenshtein.distance(reference, hypothesis)


@pytest.mark.parametrize(("reference", "hypothesis"), PAIRS)
def test_alignment_costs_the_distance_and_rebuilds_both_sides(reference, hypothesis):
    steps = align(reference, hypothesis)
    assert sum(kind != "equal" for kind, _, _ in steps) == edit_distance(reference, hypothesis)
    assert "".join(reference[i] for kind, i, _ in steps if kind != "insert") == reference
    assert "".join(hypothesis[j] for kind, _, j in steps if kind != "delete") == hypothesis
    for kind, i, j in steps:
        if kind in ("equal", "substitute"):
            assert (reference[i] == hypothesis[j]) == (kind == "equal")


def test_every_cell_is_the_distance_of_two_prefixes():
    table = distance_table("sunday", "saturday")
    for i in range(7):
        for j in range(9):
            assert table[i, j] == Levenshtein.distance("sunday"[:i], "saturday"[:j])


def test_a_metric():
    for a, b in PAIRS:
        c = RANDOM.choice(PAIRS)[0]
        assert edit_distance(a, b) == edit_distance(b, a)
        assert (edit_distance(a, b) == 0) == (a == b)
        assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


@pytest.mark.equation("word-error-rate")
def test_word_error_rate_is_jiwers():
    references = ["turn the light on", "stop", "go to the red circle"]
    hypotheses = ["turn light on please", "", "go to a red a circle"]
    assert word_error_rate(references, hypotheses) == pytest.approx(jiwer.wer(references, hypotheses), abs=1e-12)


def test_a_rate_without_words_is_refused():
    with pytest.raises(AsrlabError, match="no word in 2 references"):
        word_error_rate(["", " "], ["a", "b"])


def listed(reference, hypothesis):
    """All alignments of two lengths, one by one."""
    if (reference, hypothesis) == (0, 0):
        return [()]
    steps = [(1, 1), (1, 0), (0, 1)]
    fitting = [(r, h) for r, h in steps if r <= reference and h <= hypothesis]
    return [(*way, step) for step in fitting for way in listed(reference - step[0], hypothesis - step[1])]


def test_alignments_are_counted_as_they_are_listed():
    for R in range(6):
        for H in range(5):
            assert count_alignments(R, H) == len(listed(R, H))
