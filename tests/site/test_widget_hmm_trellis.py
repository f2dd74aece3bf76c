"""The trellis in the page about the classical recogniser: step through it, change its sliders, hear it."""

from itertools import pairwise

import pytest
from visiting import slide

pytestmark = pytest.mark.site

PAGE = "book/1-background/classical.html"


@pytest.fixture
def trellis(mounted):
    return mounted(PAGE, "hmm_trellis", ".ht-node")


def number(trellis, name: str) -> float:
    """One of the facts below the table, as a number."""
    text = trellis.locator(".ht-sums div", has_text=name).locator("dd").inner_text()
    return float(text.split()[0].replace("−", "-").replace(",", ""))


def column(trellis, t: int) -> list:
    """The shares of frame t that are shown, in per cent."""
    texts = trellis.locator(f'[data-node^="{t},"] text').all_text_contents()
    return [float(text) for text in texts if text not in ("", "–")]


def test_the_table_fills_node_by_node_and_each_frame_adds_up_to_a_hundred(trellis):
    nodes = int(number(trellis, "Nodes to fill"))
    assert trellis.locator(".ht-node").count() == nodes
    assert all(abs(sum(column(trellis, t)) - 100) <= 3 for t in range(4))
    first = trellis.locator("button[aria-label=First]")
    first.click()
    assert column(trellis, 0) == []
    box = trellis.locator(".ht-box")
    box.focus()
    box.press("ArrowRight")
    assert column(trellis, 0) == [100]
    assert "begins here" in trellis.locator(".ht-says").inner_text()
    box.press("ArrowRight")
    assert len(column(trellis, 1)) == 1


def test_viterbi_walks_back_along_one_path_whose_states_never_fall(trellis):
    trellis.get_by_role("radio", name="keep the best (Viterbi)").check()
    lit = [node.get_attribute("data-node") for node in trellis.locator(".ht-on").all()]
    states = [int(s) for _, s in sorted((int(t), s) for t, s in (node.split(",") for node in lit))]
    assert states[0] == 0 and states == sorted(states)
    assert all(b - a in (0, 1) for a, b in pairwise(states))
    assert trellis.locator(".ht-segment-name").all_text_contents() == [str(s + 1) for s in states]
    trellis.locator("button[aria-label=Back]").click()
    assert trellis.locator(".ht-on").count() == len(states) - 1


def test_without_the_sound_the_sum_counts_paths(trellis):
    slide(trellis, "The sound counts", 0)
    slide(trellis, "Stay in a state", 0.5)
    frames = trellis.locator(".ht-frame").count()
    paths, share = number(trellis, "Paths through"), number(trellis, "The best path alone")
    # Every step costs log 2, the last out of the word too; all paths are alike.
    assert share == pytest.approx(-0.693147 * frames, abs=0.06)
    assert 2.718281828 ** (number(trellis, "All paths") - share) == pytest.approx(paths, rel=0.15)
    before = number(trellis, "The best path alone")
    slide(trellis, "The sound counts", 1)
    assert number(trellis, "The best path alone") < before


def test_the_sound_plays_and_its_states_light_up(trellis):
    trellis.get_by_role("radio", name="keep the best (Viterbi)").check()
    trellis.get_by_role("button", name="Hear it").click()
    trellis.locator(".ht-heard").first.wait_for(state="attached", timeout=5000)
    trellis.page.wait_for_function(
        "() => !document.querySelector('[data-widget=hmm_trellis] .ht-heard')", timeout=5000
    )  # and go out at its end


def test_another_recording_is_another_sum(trellis):
    before = number(trellis, "All paths")
    trellis.get_by_role("radio", name="eleven").check()
    assert number(trellis, "All paths") < before  # the model is of "seven"


def test_the_title_names_the_recording_that_is_shown(trellis):
    titles = []
    for label in trellis.locator(".aw-choice").first.locator("label").all():
        label.click()
        titles.append(trellis.locator(".aw-title").inner_text())
        assert label.inner_text() in titles[-1]
    assert len(set(titles)) == len(titles) > 1


def test_on_a_phone_it_opens_at_its_beginning_and_follows_the_steps(trellis):
    trellis.page.set_viewport_size({"width": 390, "height": 844})
    trellis.page.wait_for_timeout(300)
    box = trellis.locator(".ht-box")
    trellis.locator(".aw-choice").first.locator("label").nth(1).click()
    assert box.evaluate("e => e.scrollWidth > e.clientWidth && e.scrollLeft === 0")
    trellis.get_by_role("button", name="Back").click()
    assert box.evaluate("e => e.scrollLeft") > 0
