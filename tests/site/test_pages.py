"""What must hold on every page."""

import pytest
from visiting import PHONE, pages

pytestmark = pytest.mark.site
MEGABYTE = 1_000_000
every_page = pytest.mark.parametrize("address", pages() or ["book/index.html"])


@every_page
def test_nothing_leaves_the_site_and_nothing_is_missing(visits, address):
    visit = visits(address)
    assert visit.foreign == []
    assert visit.broken == []


@every_page
def test_the_console_is_quiet(visits, address):
    assert visits(address).errors == []


@every_page
def test_maths_is_rendered(visits, address):
    facts = visits(address).facts
    assert facts["faulty"] == []
    assert facts["rendered"] == facts["maths"]


@every_page
def test_images_load_and_have_a_text(visits, address):
    for image in visits(address).facts["images"]:
        assert image["shown"], image["source"]
        assert image["alt"], image["source"]


@every_page
def test_sounds_load_and_their_cards_are_alive(visits, address):
    facts = visits(address).facts
    for sound in facts["sounds"]:
        assert sound["error"] is None
        assert sound["seconds"] > 0.1
    assert facts["alive"] == facts["cards"]


@every_page
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_no_serious_fault(visits, address, mode):
    assert visits(address).faults[mode] == []


@every_page
def test_nothing_overflows_on_a_phone(visits, address):
    assert visits(address).width <= PHONE["width"]


@every_page
def test_a_page_without_widgets_is_light(visits, address):
    visit = visits(address)
    if visit.facts["widgets"]:
        pytest.skip("carries the widget manager")
    assert visit.weight <= MEGABYTE


@every_page
def test_one_title_and_one_heading(visits, address):
    facts = visits(address).facts
    assert facts["headings"] >= 1
    assert "Cross-Modal Learning" in facts["title"]
