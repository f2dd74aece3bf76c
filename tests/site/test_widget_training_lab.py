"""The recorded training lab in the built page: curves grow with the epochs, and the transcripts get better."""

import pytest
from visiting import PHONE, faults, width_on_a_phone

from asrlab.scoring import receipt
from asrlab.widgets.training_lab import RECORDED

pytestmark = pytest.mark.site
PAGE = "book/4-worked-code/labs.html"
RUNS = {one.title: receipt.read(one.path(name))["lab"] for name, one in RECORDED.items()}
COUNT = "e => e.getAttribute('d').split('L').length"


@pytest.fixture
def lab(mounted):
    return mounted(PAGE, "training_lab", ".tl-chart")


def test_it_starts_at_the_first_epoch_and_curves_grow_with_the_recorded_numbers(lab):
    lines = next(iter(RUNS.values()))["lines"]
    assert lab.locator("path.tl-loss").evaluate(COUNT) == 1
    assert f"loss {lines[0]['loss']:.1f} nats" in lab.locator(".tl-says").inner_text()
    lab.get_by_role("button", name="First").focus()
    for epoch in (2, 3):
        lab.page.keyboard.press("ArrowRight")
        assert lab.locator("path.tl-loss").evaluate(COUNT) == epoch
        assert f"After epoch {epoch}:" in lab.locator(".tl-says").inner_text()
    lab.get_by_role("button", name="Last").click()
    assert lab.locator("path.tl-loss").evaluate(COUNT) == len(lines)
    assert f"loss {lines[-1]['loss']:.1f} nats" in lab.locator(".tl-says").inner_text()


@pytest.mark.parametrize("title", RUNS)
def test_each_recorded_run_can_be_chosen_and_begins_at_its_beginning(lab, title):
    lab.get_by_label(title).check()
    data = RUNS[title]
    assert lab.locator(".tl-says").inner_text().startswith("After epoch 1:")
    assert f"learning rate {data['settings']['learning_rate']}" in lab.locator(".tl-what").inner_text()
    lab.get_by_role("button", name="Last").click()
    assert data["message"] in lab.locator(".tl-says").inner_text()
    assert lab.locator(".tl-attention canvas").count() == int(data["settings"]["decoder"])


def test_the_transcripts_are_those_of_the_epoch(lab):
    snapshots = next(iter(RUNS.values()))["snapshots"]
    for name, snapshot in (("Last", snapshots[-1]), ("First", snapshots[0])):
        lab.get_by_role("button", name=name).click()
        heard = lab.locator(".tl-heard")
        assert heard.count() == len(snapshot["examples"])
        wrong = sum(kind != "equal" for example in snapshot["examples"] for kind, _, _ in example["ops"])
        assert heard.locator(".tl-substitute, .tl-delete, .tl-insert").count() == wrong


def test_on_a_phone_nothing_overflows_and_no_fault_is_found(lab):
    assert faults(lab.page) == {"light": [], "dark": []}
    assert width_on_a_phone(lab.page) <= PHONE["width"]
