"""What a reader does: arrive, listen, search, change the light, move about by keyboard, take a notebook home."""

import io
import json
import zipfile

import nbformat
import pytest
from visiting import PHONE, SITE

pytestmark = pytest.mark.site
LANDING = "book/index.html"


def test_the_root_leads_to_the_landing_page(opened, site):
    page = opened("search.html")
    page.goto(site)
    page.wait_for_url(f"**/{LANDING}")
    assert page.locator("h1").first.inner_text().startswith("Cross-modal learning")


def test_the_site_works_from_a_folder(browser):
    """Opened as a file, with no server at all."""
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((SITE / "book" / "3-mathematics" / "index.html").as_uri())
    page.wait_for_selector("mjx-container")
    page.goto((SITE / LANDING).as_uri())
    page.wait_for_selector(".listen-play")
    page.goto((SITE / "book" / "1-background" / "counting-errors.html").as_uri())
    page.wait_for_selector("[data-state=mounted] [data-widget=edit_distance]")
    page.close()
    assert errors == []


def test_a_recording_plays_and_its_words_light_up(opened):
    page = opened(LANDING)
    card = page.locator("figure.listen").first
    card.locator(".listen-play").click()
    page.wait_for_function("document.querySelector('figure.listen audio').currentTime > 0.3")
    page.wait_for_selector("figure.listen .listen-words .on")
    assert card.locator(".listen-play").get_attribute("aria-label") == "Pause"
    left = card.locator(".listen-playhead").evaluate("e => parseFloat(e.style.left)")
    assert left > 0
    card.locator(".listen-play").click()
    assert page.evaluate("document.querySelector('figure.listen audio').paused")


def test_one_word_plays_alone(opened):
    page = opened(LANDING)
    page.locator("figure.listen .listen-words button").nth(3).click()
    page.wait_for_function("document.querySelector('figure.listen audio').currentTime > 0")
    page.wait_for_function("document.querySelector('figure.listen audio').paused")
    stopped = page.evaluate("document.querySelector('figure.listen audio').currentTime")
    assert 0 < stopped < 0.8 * float(page.locator("figure.listen").first.get_attribute("data-seconds"))


def test_another_recording_stops_the_first(opened):
    page = opened("book/1-background/index.html")
    buttons = page.locator("figure.listen .listen-play")
    buttons.nth(0).click()
    buttons.nth(1).click()
    page.wait_for_function("document.querySelectorAll('figure.listen audio')[0].paused")


SEARCHES = [
    ("attention", "3-mathematics"),
    ("distillation", "5-future"),
    ("coarticulation", "1-background/recognition"),
    ("gaussian", "1-background/classical"),
    ("accent", "1-background/where-they-break"),
    ("cepstrum", "3-mathematics/front-end-mel"),
    ("kernel", "3-mathematics/convolution"),
    ("gradient", "3-mathematics/recurrence"),
    ("softmax", "3-mathematics/attention"),
    ("transducer", "3-mathematics/attention-and-transducer"),
    ("prefix", "3-mathematics/decoding"),
    ("budget", "3-mathematics/three-encoders"),
    ("microphone", "4-worked-code/labs"),
]


@pytest.mark.parametrize(("query", "expected"), SEARCHES)
def test_search_finds(opened, query, expected):
    if not (SITE / "book" / f"{expected.removesuffix('/index')}.html").exists() and "/" in expected:
        pytest.skip(f"{expected} is not in this site")
    page = opened(f"search.html?q={query}")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    assert any(expected in address for address in found)


def test_search_opens_from_a_page(opened):
    page = opened(LANDING)
    page.locator("button.search-button:visible, button.search-button-field:visible").first.click()
    page.keyboard.type("blank")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")


def test_light_and_dark(opened):
    page = opened(LANDING, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    dark = page.evaluate(background)
    while page.evaluate("document.documentElement.dataset.mode") != "light":
        page.locator("button.theme-switch-button").first.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate(background) != dark


def focused_by_tab(page, presses: int) -> list:
    """What the focus reaches, in order: tag, classes, label, and whether it can be seen that it is there."""
    described = """() => { const e = document.activeElement, style = getComputedStyle(e);
      return {tag: e.tagName, classes: String(e.className), text: (e.innerText || e.ariaLabel || e.title || '').trim(),
              visible: style.outlineStyle !== 'none' || style.boxShadow !== 'none'}; }"""
    reached = []
    for _ in range(presses):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(described))
    return reached


def test_the_keyboard_reaches_the_main_controls(opened):
    page = opened(LANDING)
    reached = focused_by_tab(page, 60)
    classes = " ".join(one["classes"] for one in reached)
    texts = [one["text"] for one in reached]
    for control in ("theme-switch-button", "search-button", "listen-play"):
        assert control in classes, control
    assert any("Mathematics" in text for text in texts)
    assert any(one["tag"] == "BUTTON" and one["text"] == "green" for one in reached)
    assert [one for one in reached if one["tag"] in ("A", "BUTTON") and not one["visible"]] == []


def test_a_recording_plays_by_keyboard(opened):
    page = opened(LANDING)
    page.locator(".listen-play").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('figure.listen audio').currentTime > 0.1")


def test_the_contents_open_on_a_phone(opened):
    page = opened(LANDING)
    page.set_viewport_size(PHONE)
    page.locator("button.primary-toggle, label.primary-toggle, .sidebar-toggle.primary-toggle").first.click()
    link = page.locator(".bd-sidebar-primary a", has_text="Worked code").first
    link.wait_for(state="visible")
    link.click()
    page.wait_for_url("**/4-worked-code/index.html")


def notebooks() -> list:
    return sorted((SITE / "_static" / "notebooks").rglob("*.ipynb"))


def test_every_page_with_code_offers_its_notebook(opened):
    assert notebooks()
    for path in notebooks():
        address = path.relative_to(SITE / "_static" / "notebooks").with_suffix(".html").as_posix()
        page = opened(f"book/{address}")
        link = page.locator("a.btn-download-notebook-button").first.evaluate("a => a.href")
        answer = page.request.get(link)
        assert answer.ok, link
        assert json.loads(answer.text()) == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_notebooks_are_valid_and_plain(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert "asrlab" in code[0].source
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert all("{" + mark not in cell.source for cell in notebook.cells for mark in ("cite", "ref}", "eq}", "note}"))


def test_the_archive_holds_the_notebooks_and_the_package(opened):
    page = opened("book/how-to-use.html")
    link = page.locator("a[href$='asrlab-notebooks.zip']").first
    answer = page.request.get(link.evaluate("a => a.href"))
    names = zipfile.ZipFile(io.BytesIO(answer.body())).namelist()
    assert {"asrlab-notebooks/pyproject.toml", "asrlab-notebooks/asrlab/__init__.py"} <= set(names)
    assert sum(name.endswith(".ipynb") for name in names) == len(notebooks())
