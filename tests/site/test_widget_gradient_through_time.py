"""The gradient through time in the built page: the sliders move the curve as Python says."""

import numpy as np
import pytest
from visiting import PHONE, width_on_a_phone

pytest.importorskip("anywidget", reason="anywidget is not installed; pip install asrlab[book]")

from asrlab.scratch import recurrence as scratch
from asrlab.widgets.gradient_through_time import weights

pytestmark = pytest.mark.site
PAGE = "book/3-mathematics/recurrence.html"


@pytest.fixture
def widget(mounted):
    return mounted(PAGE, "gradient_through_time", "svg.gt-picture")


def first_norm(widget) -> float:
    return float(widget.locator(".gt-result").get_attribute("data-norm"))


def expected(radius: float, steps: int, linear: bool) -> float:
    data = {name: np.array(value) for name, value in weights().items()}
    net = scratch.Elman(data["W"], radius * data["U"], np.zeros(8), data["last"][:, None], np.zeros(1), linear=linear)
    h, _ = scratch.elman(data["X"][:steps], net)
    dy = np.zeros((steps, 1))
    dy[-1] = 1
    return float(np.linalg.norm(scratch.state_gradients(h, dy, net)[0]))


def test_the_radius_decides_between_vanishing_and_exploding(widget):
    widget.get_by_role("radio", name="none").check()
    widget.get_by_role("slider", name="Steps").fill("100")
    for radius, word in ((0.5, "vanished"), (1.4, "exploded")):
        widget.get_by_label("Spectral radius of U").fill(str(radius))
        assert first_norm(widget) == pytest.approx(expected(radius, 100, linear=True), rel=1e-6)
        assert word in widget.locator(".gt-result").inner_text()
    assert widget.locator(".gt-first").get_attribute("cy") == "26"  # the top of the picture


def test_tanh_takes_more_away_than_nothing_does(widget):
    widget.get_by_label("Spectral radius of U").fill("1.1")
    shrunk = first_norm(widget)
    widget.get_by_role("radio", name="none").check()
    assert shrunk < first_norm(widget)


def test_the_forget_gates_keep_the_gradient(widget):
    widget.get_by_role("radio", name="LSTM").check()
    assert not widget.get_by_label("Spectral radius of U").is_visible()
    slider = widget.get_by_label("Bias of the forget gates")
    norms = []
    for bias in (-1, 1, 3, 5):
        slider.fill(str(bias))
        norms.append(first_norm(widget))
    assert norms == sorted(norms)


def test_by_keyboard_and_on_a_phone(widget):
    slider = widget.get_by_role("slider", name="Steps")
    slider.focus()
    before = widget.locator(".gt-gradient").get_attribute("d")
    slider.press("ArrowRight")
    assert widget.locator(".gt-gradient").get_attribute("d") != before
    assert width_on_a_phone(widget.page) <= PHONE["width"]
