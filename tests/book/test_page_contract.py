"""What every page of the course promises, read off its source: captions that say what to see, and no times by hand."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
jupytext = pytest.importorskip("jupytext", reason="the book's tools are not installed; pip install asrlab[book]")
pytest.importorskip("myst_nb", reason="the book's tools are not installed; pip install asrlab[book]")
sys.path.insert(0, str(BOOK))
sys.path.insert(0, str(BOOK / "extensions"))

import site_pages  # noqa: E402
from tools import execute, prose  # noqa: E402

from asrlab.widgets.base import Widget  # noqa: E402

FEWEST_WORDS = 6  # fewer only name a figure


def course(pages: list) -> list:
    return [page for page in pages if prose.COURSE.match(page.relative_to(BOOK.parent).with_suffix("").as_posix())]


def name(page: Path) -> str:
    return page.relative_to(BOOK).as_posix()


PAGES = course(execute.pages())
NOTEBOOKS = course(execute.notebook_pages())


def uncaptioned(source: str) -> list:
    """Lines of code that show a figure without a caption, or with one that is its alternative text again."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("plot.picture"):
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            caption = given.get("caption")
            alt = given.get("alt") or next(iter(call.args[1:]), None)
            short = isinstance(caption, ast.Constant) and len(caption.value.split()) < FEWEST_WORDS
            if caption is None or short or (alt and ast.dump(alt) == ast.dump(caption)):
                found.append(ast.unparse(call)[:80])
    return found


def widgets(source: str) -> set:
    """Names in the code that are widgets."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asrlab.widgets."):
            module = importlib.import_module(node.module)
            for one in node.names:
                thing = getattr(module, one.name)
                if isinstance(thing, type) and issubclass(thing, Widget):
                    names.add(one.asname or one.name)
    return names


def shows(source: str, names: set) -> bool:
    """Whether the last line of a cell is one of these widgets, and so shown."""
    body = ast.parse(source).body
    last = body[-1] if body else None
    made = isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)
    return made and isinstance(last.value.func, ast.Name) and last.value.func.id in names


@pytest.mark.parametrize("page", NOTEBOOKS, ids=name)
def test_every_figure_and_widget_has_a_caption(page):
    cells, known = jupytext.read(page, fmt="md:myst").cells, set()
    for number, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        assert uncaptioned(cell.source) == []
        known |= widgets(cell.source)
        if shows(cell.source, known):
            after = cells[number + 1] if number + 1 < len(cells) else None
            text = after.source if after is not None and after.cell_type == "markdown" else ""
            assert text.startswith("{.widget-caption}\n"), f"no caption below {cell.source.splitlines()[-1]}"
            assert len(text.split("\n\n")[0].split()) > FEWEST_WORDS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_drawn_figure_has_a_caption(page):
    text = page.read_text(encoding="utf-8")
    files = re.findall(r"^```\{raw\} html\n:file: (\S+)", text, re.MULTILINE)
    for html in (text, *((page.parent / path).read_text(encoding="utf-8") for path in files)):
        for figure in re.findall(r"<figure class=\"drawn\".*?</figure>", html, re.DOTALL):
            words = re.search(r"<figcaption>(.*?)</figcaption>", figure, re.DOTALL)
            assert words and len(words[1].split()) >= FEWEST_WORDS, figure[:80]


BOXES = {"source": "What the article says", "correction": "What we would add"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_boxes_of_a_kind_have_one_title(page):
    text = page.read_text(encoding="utf-8")
    for title, kind in re.findall(r"^:::\{admonition\} (.*)\n:class: (source|correction)$", text, re.MULTILINE):
        assert title == BOXES[kind]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_is_pressed_to_unfold_holds_no_link(page):
    titles = re.findall(r"^:{3,}\{dropdown\} (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [title for title in titles if re.search(r"\]\(|\{(?:eq|cite|ref|doc|numref|term)\b", title)] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_states_how_long_it_takes(page):
    text = "\n".join(prose.outside_of_code(page.read_text(encoding="utf-8").splitlines()))
    assert not re.search(r"minutes? to read|This notebook takes", text), "the build computes reading times"


def test_the_checks_see_what_they_are_for():
    assert uncaptioned("plot.picture(ax, alt='a b c d e f g')")
    assert uncaptioned("plot.picture(ax, alt='a', caption='two words')")
    assert not uncaptioned("plot.picture(ax, 'alt', caption='one two three four five six')")
    source = "from asrlab.widgets.edit_distance import EditDistance\nEditDistance('a', 'b')"
    assert widgets(source) == {"EditDistance"} and shows(source, {"EditDistance"})
    assert not shows("lab = EditDistance('a', 'b')", {"EditDistance"})


def numbered(body: str) -> str:
    context = {"body": body}
    site_pages.number_figures(None, "page", "page.html", context, None)
    return context["body"]


def test_figures_and_widgets_share_one_count():
    found = numbered(
        '<figure class="plot"><svg></svg><figcaption>One.</figcaption></figure><figure class="listen"><figcaption>Sound'
        '</figcaption></figure><p class="widget-caption">Two.</p><figure class="drawn"><figcaption>Three.</figcaption>'
    )
    assert re.findall(r"Figure (\d)\.</span> (\w+)", found) == [("1", "One"), ("2", "Two"), ("3", "Three")]
    assert found.count("Figure") == 3


# --- how long a page takes ------------------------------------------------------------------------

PAGE = """---
settings: here
---
# Two words

{.lead}
Four words {eq}`here` and `one` [link](to/an/address.md).

```{code-cell}
nothing = "of this counts"
```

$$
x = y
$$ (label)

:::{dropdown} One question?
An answer.
:::
"""


def test_only_words_that_are_read_count():
    assert prose.words(PAGE) == 2 + 6 + 2  # the heading, the lead with its link, the answer


def test_minutes_grow_with_words_and_formulas():
    assert prose.minutes("word " * prose.WORDS_A_MINUTE * 7) == 7
    formulas = 3 * 60 // prose.FORMULA_SECONDS
    assert prose.minutes("word " * prose.WORDS_A_MINUTE * 7 + "\n" + formulas * "$$\nx\n$$\n\n") == 10
    assert prose.minutes("") == 1


def test_pages_of_the_course_say_so_and_others_do_not(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("word " * prose.WORDS_A_MINUTE * 2, encoding="utf-8")
    assert prose.reading_time("book/3-mathematics/learning", page) == "About 2 minutes to read"
    assert prose.reading_time("book/glossary", page) == ""
    page.write_text("word", encoding="utf-8")
    assert prose.reading_time("book/index", page) == "About 1 minute to read"
