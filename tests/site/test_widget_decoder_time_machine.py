"""The decoder time machine: its search answers as the Python decoder did when the page was executed."""

import pytest
from visiting import PHONE, slide, width_on_a_phone

pytestmark = pytest.mark.site
PAGE = "book/3-mathematics/decoding.html"


@pytest.fixture
def widget(mounted):
    return mounted(PAGE, "decoder_time_machine", ".tm-beam li")


def answer(widget, name):
    return widget.locator(f'dd[data-answer="{name}"]').inner_text()


def test_the_language_model_rescues_what_the_page_chose_for_it(widget):
    """The page picks recordings that Python decodes rightly with these settings and wrongly by the best path."""
    for recording in widget.get_by_role("radio").all():
        recording.check()
        for label, value in (("Beam", 8), ("Language model", 0), ("Word bonus", 0)):
            slide(widget, label, value)
        assert answer(widget, "best path") != answer(widget, "said")
        slide(widget, "Language model", 0.8)
        slide(widget, "Word bonus", 2)
        assert answer(widget, "this search") == answer(widget, "said")


def test_stepping_by_keyboard_moves_through_the_frames(widget):
    chart = widget.locator(".tm-chart")
    chart.focus()
    first = widget.locator(".tm-beam li").first.inner_text()
    for _ in range(12):
        chart.press("ArrowRight")
    assert "frame 13" in widget.locator(".aw-stepper output").inner_text()
    assert widget.locator(".tm-beam li").first.inner_text() != first
    chart.press("End")
    assert widget.locator(".tm-beam li").first.get_attribute("title") == answer(widget, "this search")
    assert "in the beam" in widget.locator(".aw-said").inner_text()


def test_a_beam_of_one_keeps_one(widget):
    slide(widget, "Beam", 1)
    widget.locator(".tm-chart").press("ArrowRight")
    assert widget.locator("ol.tm-beam li").count() == 1


def test_it_fits_a_phone(widget):
    assert width_on_a_phone(widget.page) <= PHONE["width"]


def test_the_spectrogram_and_the_chart_have_one_time_axis(widget):
    """The line in the picture and the line in the chart stand one above the other, in every frame."""
    steps = widget.get_by_label("Frame", exact=True).locator("input")
    for frame in (0, 3, 11):
        steps.fill(str(frame))
        line, cursor = (
            widget.locator(part).evaluate("e => { const b = e.getBoundingClientRect(); return b.left + b.width / 2; }")
            for part in (".tm-now", ".tm-cursor")
        )
        assert abs(line - cursor) <= 2, frame
