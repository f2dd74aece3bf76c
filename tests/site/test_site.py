"""What the site does beside its text: captions, references, notes, search, sharing, phones, steady pages."""

import hashlib
import json
import re

import pytest
from visiting import LONGEST_TASK, PHONE, SITE, pages

pytestmark = pytest.mark.site
BOOK = [address for address in pages() if address.startswith("book/")]
every_page = pytest.mark.parametrize("address", BOOK or ["book/index.html"])
WITH_WIDGETS = [a for a in BOOK if "vnd.jupyter.widget-view+json" in (SITE / a).read_text(encoding="utf-8")]
with_widgets = pytest.mark.parametrize("address", WITH_WIDGETS)
SMALL_PHONE = {"width": 360, "height": 740}


def text_of(address: str) -> str:
    return (SITE / address).read_text(encoding="utf-8")


# --- figures ---


@every_page
def test_every_figure_has_a_numbered_caption(opened, address):
    page = opened(address)
    captions = page.locator("figure.plot, figure.drawn, p.widget-caption").evaluate_all(
        "all => all.map(one => (one.matches('p') ? one : one.querySelector('figcaption'))?.textContent.trim() ?? '')"
    )
    for number, caption in enumerate(captions, start=1):
        assert re.match(rf"Figure {number}\. \S", caption), caption


@every_page
def test_letters_in_figures_are_readable_on_a_small_phone(opened, address):
    page = opened(address)
    page.set_viewport_size(SMALL_PHONE)
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('figure.plot svg, .asrlab-widget svg')].flatMap(svg => {
          if (!svg.checkVisibility()) return [];
          return [...svg.querySelectorAll('text')].filter(t => t.textContent.trim() && t.checkVisibility()).map(t =>
            parseFloat(getComputedStyle(t).fontSize) * Math.hypot(t.getScreenCTM().b, t.getScreenCTM().a)); })"""
    )
    assert min(sizes, default=12) >= 9


def test_alignments_begin_at_the_left(opened):
    page = opened("book/4-worked-code/evaluation.html")
    places = page.locator(".asrlab-alignment").evaluate_all(
        "all => all.map(e => e.firstElementChild.getBoundingClientRect().left - e.getBoundingClientRect().left)"
    )
    assert len(places) >= 2 and all(abs(place) <= 1 for place in places)


# --- names ---

RAW = re.compile(r"\ben-(?:gb|us|029)[\w-]*|\blexicon_lm\b|\bdev_[wc]er\b|\bfsdd-[\w-]+|\bgmm-hmm\b")


@every_page
def test_no_raw_names_where_people_read(opened, address):
    if "/reference/" in address:
        pytest.skip("there names of code are what people look for")
    shown = opened(address).evaluate(
        """() => { const page = document.querySelector('.bd-article').cloneNode(true);
          page.querySelectorAll('pre, code, script, style, mjx-container').forEach(one => one.remove());
          const outputs = [...document.querySelectorAll('.cell_output pre')].map(one => one.textContent);
          return page.textContent + outputs.join(' '); }"""
    )
    assert RAW.findall(shown) == []


# --- references, notes, search ---


def test_references_are_by_author_and_year_with_doi_and_lead_back(opened):
    page = opened("book/references.html")
    entries = page.locator(".citation-list > .citation")
    labels = entries.locator(".label").all_inner_texts()
    assert len(labels) > 50 and labels == list(dict.fromkeys(labels))
    assert all(re.fullmatch(r".+ \d{4}[a-z]?", label) for label in labels)
    assert page.locator(".citation a[href^='https://doi.org/10.']").count() >= 60
    link = page.locator(".citation", has_text="Connectionist Temporal").locator(".cited-in a").first
    link.click()
    page.wait_for_url("**/book/**#*")
    place = page.evaluate("decodeURIComponent(location.hash.slice(1))")
    assert page.evaluate("id => document.getElementById(id)?.textContent ?? ''", place)


def test_each_citation_of_a_page_is_led_back_to():
    listed = text_of("book/references.html")
    for address in BOOK:
        if 'class="bibtex' in text_of(address) and address != "book/references.html":
            name = address.removeprefix("book/")
            assert f'href="{name}#' in listed, address


def test_search_shows_prose_ranks_pages_first_and_jumps_to_the_place(opened):
    page = opened("search.html?q=attention")
    results = page.locator("#search-results li")
    results.first.wait_for()
    links = results.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    later = [number for number, link in enumerate(links) if "references.html" in link or "equations.html" in link]
    assert all(number >= len(links) - len(later) for number in later)
    assert any("#" in link for link in links)
    passage = results.first.locator(".search-passage")
    assert "attention" in passage.locator("mark").first.inner_text().lower()
    assert len(passage.inner_text()) > 60
    target = next(link for link in links if "#" in link)
    page.locator(f'#search-results a[href="{target}"]').click()
    page.wait_for_url("**#*")
    assert page.evaluate("document.getElementById(location.hash.slice(1)).getBoundingClientRect().top") < 300


def test_search_works_in_a_folder_without_a_server(browser):
    page = browser.new_page()
    page.goto((SITE / "search.html").as_uri() + "?q=softmax")
    page.wait_for_selector("#search-results li .search-passage mark")
    page.locator("#search-results li a").first.click()
    page.wait_for_url("**/book/**")
    page.close()


def test_a_term_shows_its_note_to_pointer_and_keyboard(opened):
    page = opened("book/3-mathematics/attention.html")
    term, bubble = page.locator("a.term-note").first, page.locator("#term-note-bubble")
    assert bubble.is_hidden()
    term.hover()
    assert bubble.inner_text() == term.get_attribute("data-note")
    page.mouse.move(2, 2)
    assert bubble.is_hidden()
    term.focus()
    assert bubble.is_visible() and term.get_attribute("aria-describedby") == "term-note-bubble"
    page.keyboard.press("Escape")
    assert bubble.is_hidden() and term.get_attribute("aria-describedby") is None
    term.click()
    page.wait_for_url("**/glossary.html#term-*")


def test_terms_are_noted_once_on_a_page_and_never_in_a_title():
    noted = 0
    for address in BOOK:
        notes = re.findall(r'<a class="term-note"[^>]*data-note="([^"]*)"', text_of(address))
        assert len(notes) == len(set(notes)), address
        assert not re.search(r"<h[1-6][^>]*>(?:(?!</h).)*term-note", text_of(address)), address
        noted += len(notes)
    assert noted > 60


# --- sharing, weight ---


@every_page
def test_a_page_says_what_it_is_when_it_is_shared(address):
    text = text_of(address)
    found = dict(re.findall(r'<meta (?:name|property)="([\w:]+)" content="([^"]*)"', text))
    assert len(found["description"]) > 40 and found["og:title"] and found["og:description"] == found["description"]
    assert found["og:image"].endswith("_static/share.png") and (SITE / "_static" / "share.png").is_file()


def test_nothing_large_is_stored_twice():
    seen = {}
    for path in SITE.rglob("*"):
        if path.is_file() and path.stat().st_size > 100_000:
            seen.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), []).append(path.relative_to(SITE).as_posix())
    assert [names for names in seen.values() if len(names) > 1] == []


# --- phones ---


@every_page
def test_what_scrolls_on_a_phone_fades_at_its_edge(opened, address):
    page = opened(address)
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(300)
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.bd-article :is(pre, mjx-container[display], .aw-scroll, '
          + 'figure.plot > div, .pst-scrollable-table-container)')].filter(e => e.checkVisibility()
            && e.scrollWidth > e.clientWidth + 5 && getComputedStyle(e).overflowX !== 'visible')
          .map(e => [e.className, getComputedStyle(e).maskImage, e.textContent.slice(0, 30)])"""
    )
    assert [box for box in boxes if "gradient" not in box[1]] == []


def test_a_fade_goes_away_at_the_end(opened):
    page = opened("book/3-mathematics/attention.html")
    page.set_viewport_size(PHONE)
    box = page.locator(".more-right").first
    box.evaluate("e => { e.scrollLeft = e.scrollWidth; window.boxed = e; }")
    page.wait_for_function("window.boxed.matches('.more-left:not(.more-right)')")


@pytest.mark.parametrize(
    ("address", "name", "picture", "label"),
    [
        ("book/3-mathematics/attention.html", "attention_map", ".am-map", "Sharpness"),
        ("book/3-mathematics/front-end.html", "mel_explorer", ".me-stage", "Mel bands"),
    ],
)
def test_the_picture_stays_in_sight_above_the_sliders_that_change_it(opened, address, name, picture, label):
    page = opened(address)
    page.set_viewport_size(PHONE)
    widget = page.locator(f'[data-widget="{name}"]').first
    widget.locator("input[type=range]").last.evaluate("e => e.scrollIntoView({block: 'end'})")
    page.wait_for_timeout(200)
    box = widget.locator(picture).evaluate("e => { const b = e.getBoundingClientRect(); return [b.top, b.bottom]; }")
    assert box[0] >= 0 and box[1] <= PHONE["height"] and box[1] - box[0] > 80


# --- speed and steadiness ---

SLOWER, LONGEST_MS, SHIFT = 4, 200, 0.05


@pytest.mark.parametrize(
    ("address", "control"),
    [
        ("book/3-mathematics/attention.html", '[data-widget="attention_map"] button[aria-label="Forward"]'),
        ("book/3-mathematics/attention.html", '[data-widget="attention_map"] label:has-text("Sharpness") input'),
        ("book/3-mathematics/alignment-free.html", '[data-widget="ctc_lattice"] button:has-text("On")'),
        ("book/3-mathematics/alignment-free.html", '[data-widget="ctc_lattice"] button[aria-label="Back"]'),
    ],
)
def test_a_step_is_quick_on_a_slow_processor(opened, address, control):
    page = opened(address)
    if "Back" in control:
        page.locator('[data-widget="ctc_lattice"]').get_by_label("forward α").check()
    page.locator(control).first.scroll_into_view_if_needed()
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    assert min(page.locator(control).first.evaluate(LONGEST_TASK) for _ in range(4)) <= LONGEST_MS


COUNT_SHIFTS = """window.shifts = 0; new PerformanceObserver(list => { for (const one of list.getEntries())
  if (!one.hadRecentInput) window.shifts += one.value; }).observe({type: 'layout-shift', buffered: true});"""


@with_widgets
@pytest.mark.parametrize("size", [{"width": 1280, "height": 900}, PHONE], ids=["wide", "phone"])
def test_a_page_hardly_moves_while_it_loads(browser, site, address, size):
    context = browser.new_context(viewport=size)
    page = context.new_page()
    page.add_init_script(COUNT_SHIFTS)
    page.goto(site + address, wait_until="load")
    page.wait_for_function("!document.querySelector('.widget-place:is([data-state=waiting], [data-state=starting])')")
    page.wait_for_timeout(300)
    shift = page.evaluate("window.shifts")
    context.close()
    assert shift <= SHIFT


# --- the first screen ---


def test_the_first_screen_takes_words_away_and_gives_them_back(mounted):
    widget = mounted("book/index.html", "noise_context", ".nc-words span")
    assert widget.evaluate("e => e.getBoundingClientRect().top + window.scrollY") < 700  # before any scrolling
    states = json.loads(re.search(r'widget-state\+json">(.*?)</script>', text_of("book/index.html"), re.DOTALL)[1])[
        "state"
    ]
    data = next(one["state"]["data"] for one in states.values() if "levels" in one["state"].get("data", {}))
    slider = widget.locator("input[type=range]")
    wrong = {"alone": [], "context": []}
    for number, level in enumerate(data["levels"]):
        slider.fill(str(number))
        for line, name in enumerate(wrong):
            heard = [heard for _, _, heard in level[name] if heard]
            words = widget.locator(".nc-words").nth(line).inner_text().replace("…", " ").split()
            assert words == " ".join(heard).split()
            wrong[name].append(sum(kind != "equal" for kind, _, _ in level[name]))
    assert wrong["alone"][0] == wrong["context"][0] == 0 < wrong["alone"][-1]
    assert sum(wrong["context"]) < sum(wrong["alone"])
    assert wrong["alone"][data["start"]] > 0 == wrong["context"][data["start"]]


def test_the_first_screens_sound_plays(mounted):
    widget = mounted("book/index.html", "noise_context", ".nc-hear button")
    button = widget.locator(".nc-hear button")
    button.click()
    widget.page.wait_for_function("document.querySelector('.nc-hear path').getAttribute('d').startsWith('M6 6')")
