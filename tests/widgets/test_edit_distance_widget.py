"""The edit-distance widget: its JavaScript gives what asrlab.scratch.edit_distance gives, ties included."""

import random

import pytest
from node import run_many

from asrlab.core.errors import AsrlabError
from asrlab.scratch.edit_distance import align, distance_table, edit_distance

RANDOM = random.Random(7)
PAIRS = [([], []), (["a"], []), ([], ["a", "b"]), (list("kitten"), list("sitting")), (["wörd", "字"], ["字", "😀"])] + [
    tuple(RANDOM.choices(("the", "a", "light", "on"), k=RANDOM.randint(0, 8)) for _ in range(2)) for _ in range(120)
]


def test_tables_are_pythons():
    for pair, table in zip(PAIRS, run_many("edit_distance", "distanceTable", PAIRS), strict=True):
        assert table == distance_table(*pair).tolist()


def test_alignments_are_pythons_where_several_are_equally_cheap_too():
    for pair, steps in zip(PAIRS, run_many("edit_distance", "align", PAIRS), strict=True):
        assert [tuple(step) for step in steps] == align(*pair)


def test_counts_and_rate():
    for (said, heard), found in zip(PAIRS, run_many("edit_distance", "counts", PAIRS), strict=True):
        assert found["edits"] == found["substitute"] + found["delete"] + found["insert"] == edit_distance(said, heard)
        assert found["rate"] == (pytest.approx(found["edits"] / len(said)) if said else None)


@pytest.mark.parametrize("text", ["", "  turn\tthe  light ", "ä 字😀 b"])
def test_units_are_pythons(text):
    words, letters = run_many("edit_distance", "unitsOf", [(text, "word"), (text, "character")])
    assert words == text.split()
    assert letters == list(" ".join(text.split()))


def test_what_does_not_fit_is_refused():
    widget = pytest.importorskip("asrlab.widgets.edit_distance", reason="anywidget is not installed")
    with pytest.raises(AsrlabError, match="unit='letter'"):
        widget.EditDistance("a", "b", unit="letter")
    with pytest.raises(AsrlabError, match="201 letters"):
        widget.EditDistance("a" * 201, "b")
    assert widget.EditDistance("a", "b", examples=(("one", "c", "d"),)).data["examples"][0]["hypothesis"] == "d"
