"""The condition explorer in the built page: bars follow the slider, and their lengths are the rates."""

import pytest

pytestmark = pytest.mark.site

PAGE = "book/1-background/where-they-break.html"


@pytest.fixture
def widget(mounted):
    return mounted(PAGE, "condition_explorer", ".ce-row")


def bars(widget) -> dict:
    """{system: (its rate, the width of its bar in the picture's units)} as drawn."""
    return widget.evaluate(
        """el => Object.fromEntries([...el.querySelectorAll('.ce-row')].map(row => [row.dataset.system,
        [Number(row.dataset.rate), Number(row.querySelector('.ce-bar').getAttribute('width'))]]))"""
    )


def test_noise_lengthens_the_bars_in_proportion(widget):
    before, slider = bars(widget), widget.locator("input[type=range]").first
    slider.focus()
    widget.page.keyboard.press("End")
    after = bars(widget)
    assert set(before) == set(after)
    assert sum(rate for rate, _ in after.values()) > sum(rate for rate, _ in before.values())
    scales = [width / rate for rate, width in after.values() if rate > 0.05]
    assert max(scales) - min(scales) < 0.01 * max(scales)


def test_another_axis_has_other_places_and_speaks_of_them(widget):
    said = widget.locator("[aria-live]").first
    before = said.text_content()
    widget.locator("select").first.select_option("accent")
    assert said.text_content() != before
    slider = widget.locator("input[type=range]").first
    heard = set()
    for _ in range(3):
        heard.add(said.text_content())
        slider.focus()
        widget.page.keyboard.press("ArrowRight")
    assert len(heard) == 3


def test_the_other_training_is_another_picture_in_noise(widget):
    widget.locator("input[type=range]").first.focus()
    widget.page.keyboard.press("End")
    before = bars(widget)
    widget.locator("label", has_text="words in noise").click()
    assert bars(widget) != before


def test_a_recording_can_be_heard(widget):
    button = widget.locator("button.aw-hear").first
    words = button.text_content()
    button.click()
    assert button.text_content() == words  # it would say so if the browser could not
