"""The hotword editor: a typed name is heard, a wrong one told, and the keyboard goes through the frames."""

import pytest
from visiting import PHONE, width_on_a_phone

pytestmark = pytest.mark.site
PAGE = "book/2-core-concepts/hotwords.html"


@pytest.fixture
def widget(mounted):
    return mounted(PAGE, "hotword_editor", "textarea")


def heard(widget) -> list[str]:
    """What was said, what is heard without hotwords, and with the list."""
    return widget.locator(".hw-answers dd").all_inner_texts()


def test_a_typed_name_is_heard(widget):
    said, without, with_list = heard(widget)
    assert with_list == without != said
    widget.get_by_label("Hotwords, a phrase a line").fill(said.replace(" ", ""))
    said, without, with_list = heard(widget)
    assert with_list == said != without


def test_a_word_that_nobody_can_spell_is_told(widget):
    widget.get_by_label("Hotwords, a phrase a line").fill("été")
    assert 'line 1: the recogniser does not know "été"' in widget.locator(".hw-told").inner_text()


def test_arrow_keys_go_through_the_frames(widget):
    strip = widget.locator(".hw-strip")
    strip.focus()
    strip.press("Home")
    first = widget.locator(".hw-beam").inner_text()
    strip.press("End")
    assert widget.locator(".hw-beam").inner_text() != first


def test_it_fits_a_phone(widget):
    assert width_on_a_phone(widget.page) <= PHONE["width"]
