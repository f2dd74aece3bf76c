"""The recorded training lab in the built page: curves grow with the epochs, and the transcripts get better."""

import json
from pathlib import Path

import pytest
from visiting import PHONE, ROOT, faults, width_on_a_phone

pytestmark = pytest.mark.site
PAGE = "book/4-worked-code/labs.html"
RECORDING = json.loads((ROOT / Path("asrlab/widgets/recordings/training_lab.json")).read_text(encoding="utf-8"))
COUNT = "e => e.getAttribute('d').split('L').length"


@pytest.fixture
def lab(mounted):
    return mounted(PAGE, "training_lab", ".tl-chart")


def test_curves_grow_epoch_by_epoch_with_the_recorded_numbers(lab):
    lines = RECORDING["lines"]
    assert lab.locator("path.tl-loss").evaluate(COUNT) == len(lines)
    assert f"loss {lines[-1]['loss']:.1f} nats" in lab.locator(".tl-says").inner_text()
    lab.get_by_role("button", name="First").click()
    assert lab.locator("path.tl-loss").evaluate(COUNT) == 1
    assert f"loss {lines[0]['loss']:.1f} nats" in lab.locator(".tl-says").inner_text()
    for epoch in (2, 3):
        lab.page.keyboard.press("ArrowRight")
        assert lab.locator("path.tl-loss").evaluate(COUNT) == epoch
        assert f"After epoch {epoch}:" in lab.locator(".tl-says").inner_text()


def test_the_transcripts_are_those_of_the_epoch(lab):
    for name, snapshot in (("Last", RECORDING["snapshots"][-1]), ("First", RECORDING["snapshots"][0])):
        button = lab.get_by_role("button", name=name)
        if button.get_attribute("aria-disabled") != "true":
            button.click()
        heard = lab.locator(".tl-heard")
        assert heard.count() == len(snapshot["examples"])
        wrong = sum(kind != "equal" for example in snapshot["examples"] for kind, _, _ in example["ops"])
        assert heard.locator(".tl-substitute, .tl-delete, .tl-insert").count() == wrong


def test_on_a_phone_nothing_overflows_and_no_fault_is_found(lab):
    assert faults(lab.page) == {"light": [], "dark": []}
    assert width_on_a_phone(lab.page) <= PHONE["width"]
