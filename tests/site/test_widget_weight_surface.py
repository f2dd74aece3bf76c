"""The weights' surface on its page: what is shown at a pair of weights is what the receipt's lists give."""

import json

import numpy as np
import pytest
from visiting import PHONE, width_on_a_phone

from asrlab.pages.course import RESULTS

pytestmark = pytest.mark.site
PAGE = "book/2-core-concepts/neighbours.html"


@pytest.fixture
def widget(mounted):
    return mounted(PAGE, "weight_surface", ".ws-here")


@pytest.fixture(scope="module")
def plane():
    return json.loads((RESULTS / "neighbours-an4.json").read_text(encoding="utf-8"))["surface"]


def move(widget, name: str, place: int) -> None:
    slider = widget.get_by_label(name)
    slider.fill(str(place))
    slider.dispatch_event("input")


def test_sliders_show_the_error_rate_of_their_weights(widget, plane):
    errors = np.array(plane["errors"])
    for i, j in ((0, 0), (3, 5), (errors.shape[0] - 1, errors.shape[1] - 1)):
        move(widget, "language model", i)
        move(widget, "bonus a word", j)
        assert widget.locator(".ws-result strong").inner_text() == f"{100 * errors[i, j] / plane['words']:.1f} %"


def test_the_button_goes_to_the_fewest_errors(widget, plane):
    widget.get_by_role("button", name="Go to the fewest errors").click()
    least = np.array(plane["errors"]).min()
    assert widget.locator(".ws-result strong").inner_text() == f"{100 * least / plane['words']:.1f} %"
    assert widget.locator(".ws-good").count() > 0


def test_a_press_on_the_map_moves_the_weights(widget):
    before = widget.locator(".ws-result").inner_text()
    box = widget.locator(".ws-map svg").bounding_box()
    widget.page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.8 * box["height"])
    assert widget.locator(".ws-result").inner_text() != before


def test_a_phone_is_wide_enough(widget):
    assert width_on_a_phone(widget.page) <= PHONE["width"]
