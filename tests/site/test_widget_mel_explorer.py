"""The mel explorer in the built page: what is drawn is what the settings say, and sounds are made."""

import re

import pytest
from visiting import PHONE, faults, slide, width_on_a_phone

pytestmark = pytest.mark.site
PAGE = "book/3-mathematics/front-end.html"
COLUMN = """k => { const c = document.querySelector('[data-widget=mel_explorer] .me-picture');
  const pixels = c.getContext('2d').getImageData(Math.floor(k * (c.width - 1)), 0, 1, c.height).data;
  const bright = Array.from({length: c.height}, (_, y) => pixels[4 * y] + pixels[4 * y + 1] + pixels[4 * y + 2]);
  return 1 - bright.indexOf(Math.max(...bright)) / c.height; }"""


@pytest.fixture
def explorer(mounted):
    widget = mounted(PAGE, "mel_explorer", ".me-facts")
    facts(widget.page, "frames")
    return widget.page, widget


def facts(page, wanted):
    page.wait_for_function(
        "w => document.querySelector('[data-widget=mel_explorer] .me-facts')?.textContent.includes(w)", arg=wanted
    )


def frequencies(widget):
    return [int(hz) for hz in re.findall(r"(\d+) Hz", widget.locator(".me-found").inner_text())]


def test_size_of_the_picture_is_what_hop_and_bands_say(explorer):
    page, widget = explorer
    size = "() => { const c = document.querySelector('.me-picture'); return [c.width, c.height]; }"
    frames, bands = page.evaluate(size)
    assert bands == 80 and 120 < frames < 140  # 1.35 s
    slide(widget, "Mel bands", 20)
    facts(page, "of 20 numbers")
    slide(widget, "Hop", 20)
    facts(page, "1,000 numbers a second")
    assert page.evaluate(size)[1] == 20 and abs(page.evaluate(size)[0] - frames / 2) < 2
    widget.get_by_role("radio", name="all bins").check()
    facts(page, "of 257 numbers")
    assert page.evaluate(size)[1] == 257


def test_a_sweep_rises_across_the_picture(explorer):
    page, widget = explorer
    widget.get_by_role("radio", name="a sweep").check()
    facts(page, "148 frames")
    heights = [page.evaluate(COLUMN, k) for k in (0.05, 0.3, 0.6, 0.95)]
    assert heights == sorted(heights) and heights[-1] > heights[0] + 0.4


def test_a_longer_window_parts_two_tones(explorer):
    page, widget = explorer
    widget.get_by_role("radio", name="two tones").check()
    facts(page, "98 frames")
    slide(widget, "Window", 10)
    facts(page, "window of 10 ms")
    assert not all(any(abs(f - tone) < 20 for f in frequencies(widget)) for tone in (1000, 1080))
    slide(widget, "Window", 64)
    facts(page, "window of 64 ms")
    found = frequencies(widget)
    assert len(found) == 2 and abs(found[0] - 1000) < 20 and abs(found[1] - 1080) < 20


def test_narrow_filters_that_catch_nothing_are_told(explorer):
    page, widget = explorer
    slide(widget, "Window", 5)
    slide(widget, "Mel bands", 128)
    facts(page, "catch nothing")


def test_the_place_moves_by_key_and_by_press(explorer):
    page, widget = explorer
    place = widget.locator(".me-plane .me-here").last
    before = place.evaluate("e => parseFloat(e.style.left)")
    widget.get_by_label("Look at").focus()
    page.keyboard.press("End")
    assert place.evaluate("e => parseFloat(e.style.left)") > before + 40
    box = widget.locator(".me-picture").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 50)
    assert place.evaluate("e => parseFloat(e.style.left)") == pytest.approx(25, abs=2)


def test_it_sounds_and_the_picture_sounds(explorer):
    page, widget = explorer
    widget.get_by_role("button", name="Hear it").click()
    page.wait_for_timeout(200)
    slide(widget, "Hop", 16)
    facts(page, "5,000 numbers a second")
    widget.get_by_role("button", name="Hear what the picture keeps").click()
    page.wait_for_function(
        "document.querySelector('[data-widget=mel_explorer] .aw-said')?.textContent.includes('rebuilt')", timeout=60000
    )


def test_on_a_phone_nothing_overflows_and_no_fault_is_found(explorer):
    page, _ = explorer
    assert faults(page) == {"light": [], "dark": []}
    assert width_on_a_phone(page) <= PHONE["width"]
