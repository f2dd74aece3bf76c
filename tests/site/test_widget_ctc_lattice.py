"""The lattice of CTC in the built page: walked, swept and summed, with the numbers that asrlab.scratch gives."""

import re

import numpy as np
import pytest
from visiting import PHONE, faults, width_on_a_phone

from asrlab.scratch import ctc, transducer

pytestmark = pytest.mark.site
PAGE = "book/3-mathematics/alignment-free.html"


@pytest.fixture
def widget(mounted):
    return mounted(PAGE, "ctc_lattice", "svg.cl-picture")


def value(widget, term: str) -> str:
    return widget.locator(".cl-sums > div", has_text=term).locator("dd").inner_text()


def undecided(widget, text: str, frames: int):
    widget.get_by_label("undecided").check()
    widget.get_by_label("Text").fill(text)
    slider = widget.get_by_label("Frames T")
    slider.fill(str(frames))


def node(widget, t: int, r: int):
    return widget.locator(f'.cl-node[data-t="{t}"][data-r="{r}"]')


def test_count_and_loss_are_those_of_the_formulas(widget):

    for text, frames in (("cat", 9), ("tee", 5), ("tee", 12)):
        undecided(widget, text, frames)
        ids = ["∅aceht".index(letter) for letter in text]
        assert value(widget, "paths that read") == f"{ctc.count_paths(frames, ids):,}"
        loss = ctc.loss(np.full((frames, 6), -np.log(6)), ids)
        assert value(widget, "loss") == f"{loss:.2f} nats"


def test_a_path_is_walked_and_what_it_reads_is_shown(widget):
    undecided(widget, "tee", 5)
    says = widget.locator(".cl-says")
    for t, r in enumerate((1, 3, 4, 5)):
        node(widget, t, r).click()
    assert "t e ∅ e" in says.inner_text() and "“tee”" in says.inner_text()
    assert "so far" in says.inner_text()
    widget.get_by_role("button", name="Stay").click()
    assert "so far" not in says.inner_text()
    assert widget.locator(".cl-node.cl-on").count() == 5
    assert value(widget, "collected").startswith("1 path,")
    share = float(re.search(r"([\d.]+) %", value(widget, "collected")).group(1))
    assert share == pytest.approx(100 / ctc.count_paths(5, [5, 3, 3]), abs=0.05)  # undecided: all paths weigh the same


def test_what_is_not_allowed_is_explained(widget):
    undecided(widget, "tee", 6)
    box, says = widget.locator(".cl-box"), widget.locator(".cl-says")
    box.focus()
    for key in ("s", "s"):  # t, e
        box.press(key)
    box.press("s")  # over the blank between two e
    assert "blank is needed" in says.inner_text()
    assert widget.locator(".cl-node.cl-on").count() == 2
    box.press("ArrowDown")
    box.press("ArrowDown")
    assert "“tee”" in says.inner_text()
    box.press("ArrowLeft")
    assert widget.locator(".cl-node.cl-on").count() == 3


def test_too_few_frames_are_told(widget):
    undecided(widget, "tee", 3)
    says = widget.locator(".cl-says").inner_text()
    assert "needs 4 frames: 3 letters and 1 blank between equal neighbours" in says and "T = 3" in says
    assert value(widget, "paths that read") == "0" and value(widget, "loss") == "∞"
    widget.get_by_label("Text").fill("tzq")
    assert "others are left out" in widget.locator(".cl-says").inner_text()


def test_forward_fills_step_by_step_and_ends_in_the_loss(widget):

    undecided(widget, "cat", 6)
    widget.get_by_label("forward α").check()
    alpha = ctc.forward(np.full((6, 6), -np.log(6)), [2, 1, 5])
    for t, r in ((5, 5), (5, 6), (3, 2)):
        assert node(widget, t, r).text_content().replace("−", "-") == f"{alpha[t, r]:.1f}"
    widget.locator(".cl-box").focus()
    widget.locator(".cl-box").press("Home")
    assert all(text == "" for text in widget.locator(".cl-node").all_text_contents())
    for _ in range(9):  # the first frame has seven states
        widget.locator(".cl-box").press("ArrowRight")
    assert node(widget, 1, 1).text_content().replace("−", "-") == f"{alpha[1, 1]:.1f}"
    assert node(widget, 1, 2).text_content() == ""
    said = widget.locator(".cl-says").inner_text()
    assert said.startswith("Frame 2, “c”: (stay") and "+ on" in said


def test_shares_and_gradient(widget):
    widget.get_by_label("shares γ").check()
    undecided(widget, "cat", 9)
    picture = widget.locator("svg.cl-picture")
    assert "gradient" in picture.text_content()

    gamma = ctc.posteriors(np.full((9, 6), -np.log(6)), [2, 1, 5])
    for t, r in ((0, 0), (4, 3), (8, 5)):
        assert float(node(widget, t, r).text_content()) == pytest.approx(gamma[t, r], abs=0.0051)
    node(widget, 4, 3).click()
    assert f"{100 * gamma[4, 3]:.1f} %" in widget.locator(".cl-says").inner_text()


def test_the_transducers_grid(widget):
    undecided(widget, "cat", 4)
    widget.get_by_label("transducer", exact=True).check()
    assert value(widget, "paths that read") == str(transducer.count_paths(4, [2, 1, 5]))
    assert widget.locator(".cl-node").count() == 4 * 4
    widget.get_by_label("What was said counts").fill("0")
    weak = float(value(widget, "loss").split()[0])
    widget.get_by_label("What was said counts").fill("3")
    assert float(value(widget, "loss").split()[0]) < weak  # to know what comes next helps
    for label in ("Letter", "Blank", "Blank", "Blank", "Blank"):
        widget.get_by_role("button", name=label).click()
    assert "has not been said" in widget.locator(".cl-says").inner_text()
    for label in ("Letter", "Letter", "Blank"):
        widget.get_by_role("button", name=label).click()
    assert "reads “cat”" in widget.locator(".cl-says").inner_text()
    assert value(widget, "collected").startswith("1 path,")


def test_drawn_paths_add_up(widget):
    shares = []
    for _ in range(8):
        widget.get_by_role("button", name="Draw a path").click()
        shares.append(float(re.search(r"([\d.]+) %", value(widget, "collected")).group(1)))
    assert shares == sorted(shares) and 0 < shares[-1] <= 100


def test_on_a_phone_in_both_modes_nothing_sticks_out_and_axe_is_content(widget):
    for label in ("one path", "shares γ", "forward α"):
        widget.get_by_label(label).check()
        assert faults(widget.page) == {"light": [], "dark": []}
    assert width_on_a_phone(widget.page) <= PHONE["width"]
