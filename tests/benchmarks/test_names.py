"""Names nobody spoke: kinds of utterances, and figures by kind against counting by hand."""

import pytest

from benchmarks import names


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("c i n d y", "listed"), ("c i n d i", "unlisted"), ("rubout g m e f three nine", "random"),
        ("x n k u eight", "random"), ("one five two", "other"), ("go", "other"), ("may second", "other"),
    ],
)  # fmt: skip
def test_kinds(text, kind):
    assert names.kind(text, {"cindy", "may"}) == kind


def test_shuffled_names_have_the_same_letters():
    listed = ["cindy", "melvin", "al"]
    other = names.shuffled(listed)
    assert other != listed
    assert list(map(sorted, other)) == list(map(sorted, listed))
    assert names.spell(listed, 2) == ["c i n d y", "m e l v i n"]
    assert len(names.spell(listed, 0)) == 3


def test_figures_by_kind():
    said = {"1": "c i n", "2": "a b", "3": "a one", "4": "go", "5": "c i n", "6": "go"}
    kinds = {"1": "listed", "2": "unlisted", "3": "random", "4": "other", "5": "listed", "6": "other"}
    speakers = {i: "f" if int(i) < 4 else "m" for i in said} | {"2": "m", "3": "m", "4": "f"}
    own = {**said, "1": "c i m", "5": "c e n"}
    better = {**said, "3": "a nine", "5": "c e n"}
    speakers |= {"2": "f"}
    found = names.metrics({"own": own, "mixed": better}, said, kinds, {**speakers, "3": "m"}, parts=("listed", "other"))
    assert found["words.all"] == 12 and found["words.listed"] == 6
    assert found["wer.own"] == pytest.approx(2 / 12) and found["wer.mixed"] == pytest.approx(2 / 12)
    assert found["wer.own.listed"] == pytest.approx(2 / 6)
    assert found["difference.mixed.listed"] == pytest.approx(-1 / 6)
    assert found["difference.mixed.listed.low"] <= -1 / 6 <= found["difference.mixed.listed.high"]
    assert found["difference.mixed.other"] == 0
