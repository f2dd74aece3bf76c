"""Edit distance: against the recursive definition, against rapidfuzz, and the laws of a metric."""

import random
from functools import cache

import jiwer
import pytest
from rapidfuzz.distance import Levenshtein

from asrlab.scratch.edit_distance import align, distance_table, edit_distance, word_error_rate

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


def test_word_error_rate_is_jiwers():
    references = ["turn the light on", "stop", "go to the red circle"]
    hypotheses = ["turn light on please", "", "go to a red a circle"]
    assert word_error_rate(references, hypotheses) == pytest.approx(jiwer.wer(references, hypotheses), abs=1e-12)
