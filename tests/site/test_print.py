"""On paper: always light, nothing clipped, widgets as still pictures, and the whole book as one PDF."""

import re
import sys

import pytest
from visiting import ROOT, SITE, pages

pytestmark = pytest.mark.site
sys.path.insert(0, str(ROOT / "book"))
SHEET = {"width": 672, "height": 990}  # what A4 leaves between its margins, in CSS pixels
BOOK = [address for address in pages() if address.startswith("book/")]
every_page = pytest.mark.parametrize("address", BOOK or ["book/index.html"])

ON_PAPER = """() => {
  const shown = e => e.checkVisibility({visibilityProperty: true});
  const article = document.querySelector('.bd-article'), room = document.documentElement.clientWidth;
  const outside = [...article.querySelectorAll('pre, table, svg, img, canvas, mjx-container, p, figure')].filter(shown)
    .filter(e => e.getBoundingClientRect().right > room + 2 && !e.closest('mjx-assistive-mml'));
  const boxes = 'pre, .pst-scrollable-table-container, .aw-scroll, mjx-container[display]';
  const clipped = [...article.querySelectorAll(boxes)].filter(shown)
    .filter(e => getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 2);
  const name = e => e.tagName + '.' + (e.className.baseVal ?? e.className) + ' ' + e.textContent.trim().slice(0, 40);
  const rgb = e => getComputedStyle(e).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
  return {
    theme: document.documentElement.dataset.theme, ground: getComputedStyle(document.body).backgroundColor,
    ink: Math.max(...[...article.querySelectorAll('p')].filter(shown).slice(0, 5).map(e => Math.min(...rgb(e)))),
    outside: outside.map(name).slice(0, 4), clipped: clipped.map(name).slice(0, 4),
    controls: [...document.querySelectorAll('input[type=range], .aw-button, audio, .bd-sidebar-primary, .listen-play')]
      .filter(shown).map(name).slice(0, 4),
    title: [...document.querySelectorAll('h1')].filter(shown).length,
    widgets: [...document.querySelectorAll('[data-widget]')].map(e => e.getBoundingClientRect().height),
  };
}"""


def on_paper(opened, address: str, **options):
    page = opened(address, **options)
    page.set_viewport_size(SHEET)
    page.wait_for_timeout(100)  # widgets are drawn anew for the new size
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    return page, page.evaluate(ON_PAPER)


@every_page
def test_a_page_prints_light_and_whole(opened, address):
    page, seen = on_paper(opened, address, color_scheme="dark")
    assert seen["theme"] == "light" and seen["ground"] == "rgb(255, 255, 255)"
    assert seen["ink"] <= 110  # dark letters
    assert seen["title"] == 1
    assert seen["outside"] == [] and seen["clipped"] == [] and seen["controls"] == []
    assert all(height > 60 for height in seen["widgets"])
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_what_unfolds_is_open_on_paper_and_shut_again(opened):
    page = opened("book/index.html")
    page.evaluate("""() => { const more = document.createElement('details'); more.id = 'answer';
        more.innerHTML = '<summary>Why?</summary>Because.'; document.querySelector('.bd-article').append(more); }""")
    is_open = "document.getElementById('answer').open"
    for event, expected in (("beforeprint", True), ("afterprint", False)):
        page.evaluate(f"window.dispatchEvent(new Event('{event}'))")
        assert page.evaluate(is_open) is expected


def test_the_pdf_holds_all_pages_in_their_order():
    from tools import pdf

    if not SITE.exists():
        pytest.skip("no built site")
    found = pdf.pages(SITE)
    assert found[0] == "book/index.html" and found[-1] == "book/references.html"
    assert sorted(found) == sorted(BOOK)


def test_pages_are_printed_into_one_pdf_with_an_outline(tmp_path, browser):
    from subprocess import run

    wanted = ["book/how-to-use.html", "book/3-mathematics/attention.html"]
    command = [sys.executable, str(ROOT / "book" / "tools" / "pdf.py"), "--output", str(tmp_path / "some.pdf"), *wanted]
    done = run(command, capture_output=True, text=True)  # in a process of its own: this one has a browser running
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "some.pdf").read_bytes()
    assert content.startswith(b"%PDF") and b"/Outlines" in content
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 8
    assert [path.name for path in tmp_path.iterdir()] == ["some.pdf"]
