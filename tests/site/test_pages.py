"""What must hold on every page."""

import pytest
from visiting import LONGEST_TASK, PHONE, SITE, pages

pytestmark = pytest.mark.site
MEGABYTE = 1_000_000
LONGEST_MS = 200  # a reader takes a longer wait for a hang
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
        pytest.skip("carries the data of its widgets")
    assert visit.weight <= MEGABYTE
    assert not any("widgets.js" in url for url in visit.asked)


@every_page
def test_widgets_take_no_program_but_their_own(visits, address):
    heavy = ("require.js", "html-manager", "embed-amd", "tex-mml-chtml", "anywidget")
    assert [url for url in visits(address).asked if any(name in url for name in heavy)] == []


@every_page
def test_every_widget_is_mounted(visits, address):
    facts = visits(address).facts
    assert len(facts["places"]) == facts["widgets"]
    for place in facts["places"]:
        assert place["state"] == "mounted", place
        assert place["name"] and place["height"] > 60, place
        assert place["focusable"] > 0, place


with_widgets = pytest.mark.parametrize(
    "address", [a for a in pages() if "vnd.jupyter.widget-view+json" in (SITE / a).read_text(encoding="utf-8")]
)


@with_widgets
def test_a_press_keeps_no_reader_waiting(opened, address):
    page = opened(address)
    places = page.locator(".widget-place")
    for k in range(places.count()):
        places.nth(k).scroll_into_view_if_needed()
        for control in ("button:not(:disabled)", "input[type=range]", "input[type=radio]:not(:checked)"):
            found = places.nth(k).locator(control)
            if found.count():
                # The best of three: the first may compile what it calls, and the machine may have other work.
                assert min(found.first.evaluate(LONGEST_TASK) for _ in range(3)) <= LONGEST_MS, f"{k}: {control}"


@with_widgets
def test_the_keyboard_reaches_every_widget(opened, address):
    page = opened(address)
    for k in range(page.locator(".widget-place").count()):
        # From the last thing that can hold the focus before the widget, one press of Tab must lead into it.
        page.evaluate(
            """k => { const mark = document.createElement('span');
            document.querySelectorAll('.widget-place')[k].before(mark); mark.tabIndex = -1; mark.focus(); }""",
            k,
        )
        page.keyboard.press("Tab")
        assert page.evaluate(
            "k => document.querySelectorAll('.widget-place')[k].contains(document.activeElement)", k
        ), f"widget {k}"


@every_page
def test_one_title_and_one_heading(visits, address):
    facts = visits(address).facts
    assert facts["headings"] >= 1
    assert "Cross-Modal Learning" in facts["title"]
