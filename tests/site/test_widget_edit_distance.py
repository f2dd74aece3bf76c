"""The edit-distance stepper: what it shows is what Python computes, and each step of it."""

import pytest
from visiting import PHONE, width_on_a_phone

from asrlab.scratch.edit_distance import align, distance_table, word_error_rate

pytestmark = pytest.mark.site
PAGE = "book/1-background/counting-errors.html"
SAID, HEARD = "put the red circle there", "but a red a circle"


@pytest.fixture
def widget(mounted):
    return mounted(PAGE, "edit_distance", "input[type=text]")


def type_texts(widget, said=SAID, heard=HEARD):
    widget.get_by_label("What was said").fill(said)
    widget.get_by_label("What was heard").fill(heard)


def numbers(widget) -> list:
    """The table as it is drawn: None where a cell is still empty."""
    read = """rows => rows.map(row => [...row.querySelectorAll('td')].map(cell =>
        cell.classList.contains('ed-empty') ? null : Number(cell.lastElementChild.textContent)))"""
    return widget.locator(".ed-table tbody tr").evaluate_all(read)


def test_two_texts_give_pythons_table_and_rate(widget):
    type_texts(widget)
    assert numbers(widget) == distance_table(SAID.split(), HEARD.split()).tolist()
    assert f"= {100 * word_error_rate([SAID], [HEARD]):.1f} %" in widget.locator(".ed-rate").inner_text()
    widget.get_by_role("radio", name="characters").check()
    assert numbers(widget) == distance_table(SAID, HEARD).tolist()
    assert widget.locator(".ed-rate").inner_text().startswith("CER = ")


def test_the_alignment_is_pythons(widget):
    type_texts(widget)
    kinds = widget.locator(".ed-alignment tr").first.locator("td").evaluate_all("cells => cells.map(c => c.className)")
    assert kinds == [f"ed-{kind}" for kind, _, _ in align(SAID.split(), HEARD.split())]


def test_the_table_fills_one_cell_a_step_and_then_the_way_goes_back(widget):
    type_texts(widget)
    columns, inside = len(HEARD.split()), len(SAID.split()) * len(HEARD.split())
    box = widget.locator(".ed-box")
    box.focus()
    box.press("Home")
    for step in range(columns + 2):
        shown = [value for row in numbers(widget)[1:] for value in row[1:]]
        assert sum(value is not None for value in shown) == step
        assert shown[step:] == [None] * (inside - step)
        box.press("ArrowRight")
    assert widget.locator("td.ed-path").count() == 0
    assert not widget.locator(".ed-result").is_visible()
    box.press("End")
    assert widget.locator("td.ed-path").count() == 1 + len(align(SAID.split(), HEARD.split()))
    assert widget.locator(".ed-result").is_visible()


def test_buttons_and_play(widget):
    widget.get_by_role("button", name="First").click()
    assert widget.locator("td.ed-empty").count() > 0
    widget.get_by_role("button", name="Forward").click()
    left = widget.locator("td.ed-empty").count()
    widget.get_by_label("Speed").select_option("4")
    widget.get_by_role("button", name="Play").click()
    widget.page.wait_for_function(
        "left => document.querySelectorAll('td.ed-empty').length < left", arg=left, timeout=10_000
    )
    widget.get_by_role("button", name="Pause").click()


@pytest.mark.parametrize(("said", "heard"), [("", "a b"), ("a b", ""), ("", ""), ("word " * 60, "x " * 100)])
def test_odd_texts(widget, said, heard):
    type_texts(widget, said, heard)
    assert widget.locator(".ed-says").inner_text()
    if not said:
        assert "undefined" in widget.locator(".ed-rate").inner_text()
    assert len(numbers(widget)) <= 31


def test_an_example_fills_both_texts(widget):
    widget.get_by_label("Examples").select_option(label="more errors than words")
    assert widget.get_by_label("What was said").input_value() == "stop"
    assert "300.0 %" in widget.locator(".ed-rate").inner_text()


def test_a_phone_is_wide_enough(widget):
    type_texts(widget, "a considerably longer sentence about several extraordinary circumstances", HEARD)
    assert width_on_a_phone(widget.page) <= PHONE["width"]
