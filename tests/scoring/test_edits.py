"""Alignments: cheapest, complete, and rendered so that nothing in a text can break the page or the terminal."""

import random
import re
from html.parser import HTMLParser

import pytest

from asrlab.core.errors import AsrlabError
from asrlab.scoring.edits import align, display_width, to_html, to_text
from asrlab.scratch.edit_distance import edit_distance

RANDOM = random.Random(0)
TEXTS = [" ".join(RANDOM.choices(["a", "bb", "ccc", "dd"], k=RANDOM.randint(0, 9))) for _ in range(80)]
PAIRS = list(zip(TEXTS[::2], TEXTS[1::2], strict=True))


@pytest.mark.parametrize("unit", ["word", "character"])
@pytest.mark.parametrize(("reference", "hypothesis"), [("", ""), ("a b", ""), ("", "a"), *PAIRS])
def test_cheapest_and_complete(reference, hypothesis, unit):
    ops = align(reference, hypothesis, unit)
    said, heard = (text.split() if unit == "word" else list(text) for text in (reference, hypothesis))
    assert sum(op.kind != "equal" for op in ops) == edit_distance(said, heard)
    assert [op.reference for op in ops if op.reference is not None] == said
    assert [op.hypothesis for op in ops if op.hypothesis is not None] == heard
    i = j = 0
    for op in ops:
        assert (op.reference_index, op.hypothesis_index) == (i, j)
        assert (op.kind == "insert") == (op.reference is None)
        assert (op.kind == "delete") == (op.hypothesis is None)
        if op.kind in ("equal", "substitute"):
            assert (op.reference == op.hypothesis) == (op.kind == "equal")
        i, j = i + (op.reference is not None), j + (op.hypothesis is not None)


def test_unknown_unit_is_told():
    with pytest.raises(AsrlabError, match="unit='phone'"):
        align("a", "b", "phone")


@pytest.mark.parametrize(("reference", "hypothesis"), PAIRS)
@pytest.mark.parametrize("width", [20, 100])
def test_text_says_all_in_the_width_given(reference, hypothesis, width):
    text = to_text(align(reference, hypothesis), colour=False, width=width)
    lines = text.splitlines()
    assert all(display_width(line) <= width for line in lines)
    for head, expected in (("REF:", reference), ("HYP:", hypothesis)):
        words = [word for line in lines if line.startswith(head) for word in line[4:].split() if set(word) != {"*"}]
        assert words == expected.split()
    marks = sum(len(line.split()) for line in lines if line.startswith("    "))
    assert marks == edit_distance(reference.split(), hypothesis.split())
    coloured = to_text(align(reference, hypothesis), colour=True, width=width)
    plain = re.sub(r"\033\[\d+m", "", coloured)
    assert [line.rstrip() for line in plain.splitlines() if line.strip()] == lines


def test_columns_line_up_in_chinese():
    reference, hypothesis, marks = to_text(align("打开 红 灯", "打开 绿色 灯"), colour=False).splitlines()
    assert display_width(reference[: reference.index("灯")]) == display_width(hypothesis[: hypothesis.index("灯")])
    assert len(marks) - 1 == display_width(reference[: reference.index("红")])


class Cells(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.rows = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append([dict(attrs).get("class", ""), ""])

    def handle_data(self, data):
        self.rows[-1][-1][1] += data


def test_html_holds_every_word_and_its_kind():
    ops = align("show the red circle", "show a red large circle")
    rows = Cells(to_html(ops)).rows
    assert [text for _, text in rows[0]] == ["said", "show", "the", "red", "·", "circle"]
    assert [text for _, text in rows[1]] == ["heard", "show", "a", "red", "large", "circle"]
    for row in rows:
        assert [name for name, _ in row[1:]] == [f"asrlab-{op.kind}" for op in ops]


def test_html_escapes_what_was_recognised():
    evil = "<script>alert(1)</script> \"'& </td>"
    page = to_html(align(evil, evil.replace("1", "2")))
    parsed = Cells(page)
    assert set(parsed.tags) == {"div", "table", "tbody", "tr", "th", "td"}
    assert [text for _, text in parsed.rows[0]][1:] == evil.split()


def test_control_characters_do_not_reach_the_terminal():
    text = to_text(align("a\x1b[2Jb", "a\x1b[2Jc"), colour=False)
    assert "\x1b" not in text and "a�[2Jb" in text
