"""The recorded training lab in the built page: curves grow with the epochs, and the transcripts get better."""

import json
from pathlib import Path

import pytest
from visiting import AUDIT, AXE, PHONE, ROOT

pytestmark = pytest.mark.site
PAGE = "book/4-worked-code/labs.html"
RECORDING = json.loads((ROOT / Path("asrlab/widgets/recordings/training_lab.json")).read_text(encoding="utf-8"))
COUNT = "e => e.getAttribute('d').split('L').length"


@pytest.fixture
def lab(opened):
    page = opened(PAGE)
    widget = page.locator("[data-widget=training_lab]").first
    widget.scroll_into_view_if_needed()
    widget.locator(".tl-chart").first.wait_for()
    return page, widget


def test_curves_grow_epoch_by_epoch_with_the_recorded_numbers(lab):
    page, widget = lab
    lines = RECORDING["lines"]
    assert widget.locator("path.tl-loss").evaluate(COUNT) == len(lines)
    assert f"loss {lines[-1]['loss']:.1f} nats" in widget.locator(".tl-says").inner_text()
    widget.get_by_role("button", name="First").click()
    assert widget.locator("path.tl-loss").evaluate(COUNT) == 1
    assert f"loss {lines[0]['loss']:.1f} nats" in widget.locator(".tl-says").inner_text()
    for epoch in (2, 3):
        page.keyboard.press("ArrowRight")
        assert widget.locator("path.tl-loss").evaluate(COUNT) == epoch
        assert f"After epoch {epoch}:" in widget.locator(".tl-says").inner_text()


def test_the_transcripts_are_those_of_the_epoch(lab):
    _, widget = lab
    for name, snapshot in (("Last", RECORDING["snapshots"][-1]), ("First", RECORDING["snapshots"][0])):
        button = widget.get_by_role("button", name=name)
        if button.get_attribute("aria-disabled") != "true":
            button.click()
        heard = widget.locator(".tl-heard")
        assert heard.count() == len(snapshot["examples"])
        wrong = sum(kind != "equal" for example in snapshot["examples"] for kind, _, _ in example["ops"])
        assert heard.locator(".tl-substitute, .tl-delete, .tl-insert").count() == wrong


def test_on_a_phone_nothing_overflows_and_no_fault_is_found(lab):
    page, _ = lab
    page.add_script_tag(path=str(AXE))
    for mode in ("light", "dark"):
        page.evaluate("mode => { document.documentElement.dataset.theme = mode; }", mode)
        assert page.evaluate(AUDIT) == []
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
