"""The grammar editor: what it accepts, rejects and understands is what Python does."""

import pytest
from visiting import PHONE, width_on_a_phone

from asrlab.language import Grammar

pytestmark = pytest.mark.site
PAGE = "book/2-core-concepts/grammar.html"
DIGITS = "public <all> = (one | two)+ {number};"


@pytest.fixture
def widget(mounted):
    return mounted(PAGE, "grammar_editor", "textarea")


def test_a_sentence_is_accepted_with_its_meaning(widget):
    widget.get_by_label("Grammar", exact=True).fill(DIGITS)
    widget.get_by_label("Sentence", exact=True).fill("one two two")
    assert "accepted" in widget.locator(".ge-verdict").inner_text()
    cells = widget.locator(".ge-meaning").locator("th, td").all_inner_texts()
    assert dict(zip(cells[::2], cells[1::2], strict=True)) == Grammar.parse(DIGITS).interpret("one two two")


def test_where_it_leaves_the_grammar_is_told(widget):
    widget.get_by_label("Grammar", exact=True).fill(DIGITS)
    widget.get_by_label("Sentence", exact=True).fill("one three")
    assert "rejected" in widget.locator(".ge-verdict").inner_text()
    assert "after “one” comes “three”" in widget.locator(".ge-walked").inner_text()


def test_a_mistake_is_told_by_line_and_column(widget):
    widget.get_by_label("Grammar", exact=True).fill("public <all> = one\n | ;")
    assert widget.locator(".ge-problem").inner_text().startswith("Line 2, column 4: nothing before ';'")
    assert widget.get_by_role("button", name="Draw one at random").is_disabled()


def test_a_drawn_sentence_belongs_to_it(widget):
    widget.get_by_role("button", name="Draw one at random").click()
    assert "accepted" in widget.locator(".ge-verdict").inner_text()


def test_a_phone_is_wide_enough(widget):
    assert width_on_a_phone(widget.page) <= PHONE["width"]
