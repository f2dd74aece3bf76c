"""The attention map on its page: letters light their frames, sound plays, and sliders change what would be written."""

import re

import pytest
from visiting import slide

PAGE = "book/3-mathematics/attention.html"
pytestmark = pytest.mark.site


@pytest.fixture
def card(mounted):
    return mounted(PAGE, "attention_map", ".am-cells")


def shades(card):
    """How dark each frame of the spectrogram is: 0 where the letter under the eye looked hardest."""
    return card.locator(".am-shade").evaluate_all("all => all.map(one => Number(one.getAttribute('fill-opacity')))")


def best(card):
    """The first of the letters to choose from, and its probability in per cent."""
    line = card.locator(".am-bars li").first
    share = line.locator(".aw-value").inner_text().removesuffix("%").strip()
    return line.locator(".am-name").inner_text(), float(share)


def chosen(card):
    return card.locator('.am-letter[aria-pressed="true"]')


def test_each_letter_lights_its_own_frames_and_first_letters_move_forward(card):
    firsts = card.locator(".am-word .am-letter:first-child")
    places = []
    for k in range(firsts.count() - 1):  # the last is the end of the text
        firsts.nth(k).click()
        frames = shades(card)
        places.append(frames.index(0))
        assert chosen(card).count() == 1 and chosen(card).inner_text() == firsts.nth(k).inner_text()
    assert len(places) >= 4 and places == sorted(places) and len(set(places)) == len(places)


def test_the_map_answers_to_keys_and_to_pointing(card):
    card.locator(".am-letter").first.click()
    box = card.locator(".am-map")
    box.focus()
    before = card.locator(".am-ring").get_attribute("y")
    box.press("ArrowDown")
    assert float(card.locator(".am-ring").get_attribute("y")) > float(before)
    assert (
        card.locator('.am-letter[aria-pressed="true"]').evaluate(
            "e => [...document.querySelectorAll('.am-letter')].indexOf(e)"
        )
        == 1
    )
    row = card.locator(".am-map svg text").nth(5)
    row.hover(force=True)
    assert card.locator(".aw-said").inner_text().startswith("Letter ")


def test_with_equal_weights_nothing_is_lit_and_a_first_letter_becomes_a_guess(card):
    firsts = card.locator(".am-word .am-letter:first-child")
    sure = []
    for sharpness in (1, 0):
        slide(card, "Sharpness", sharpness)
        odds = []
        for k in range(1, firsts.count() - 1):
            firsts.nth(k).click()
            odds.append(best(card)[1])
            if sharpness == 0:
                assert max(shades(card)) == 0  # every frame as bright as every other
        sure.append(sum(odds) / len(odds))
    assert sure[0] > sure[1] + 15
    card.get_by_role("button", name="As learned").click()
    assert max(shades(card)) > 0.5


def test_looking_aside_moves_the_light_by_as_many_frames(card):
    card.locator(".am-word .am-letter:first-child").nth(2).click()
    before = shades(card).index(0)
    slide(card, "Look aside", 3)
    assert shades(card).index(0) == before + 3
    assert "later" in card.locator("label", has_text="Look aside").inner_text()


def test_a_letter_is_heard_and_another_voice_can_be_chosen(card):
    card.get_by_role("button", name="Hear all of it").click()
    card.page.wait_for_function("() => document.querySelector('.am-head').getAttribute('visibility') === 'visible'")
    text = re.sub(r"\s", "", card.locator(".am-line").inner_text())
    card.locator(".aw-choice label").nth(1).click()
    assert re.sub(r"\s", "", card.locator(".am-line").inner_text()) != text
    assert card.locator(".am-head").get_attribute("visibility") == "hidden"
    card.get_by_role("button", name="Hear these frames").click()
    card.page.wait_for_function("() => document.querySelector('.am-head').getAttribute('visibility') === 'visible'")
