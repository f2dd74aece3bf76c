"""Equations that are code: what is read from the sources, what is complained about, and what the pages then show."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("sphinx", reason="the book's tools are not installed; pip install asrlab[book]")
sys.path.insert(0, str(ROOT / "book" / "extensions"))

import equation_sources  # noqa: E402
import equations  # noqa: E402

FUNCTION = '''\
from asrlab.core.equations import equation

@equation("sum", "mean")
@cached
def add(a, b):
    """a + b"""
    return a + b

class Cell:
    @equation("cell")
    def forward(self, x):
        return x
'''
TEST = """\
import pytest

class TestAdd:
    @pytest.mark.equation("sum")
    def test_it(self):
        assert add(1, 2) == 3
"""


@pytest.fixture
def project(tmp_path):
    """A project with one file of code and one of tests; write(path, text) adds to it."""

    def write(path: str, text: str) -> Path:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        return tmp_path

    write("asrlab/sums.py", FUNCTION)
    write("tests/test_sums.py", TEST)
    return write


def test_marks_are_found_with_their_places(project):
    found = equation_sources.read(project("asrlab/empty.py", ""))
    assert {label: [one.name for one in passages] for label, passages in found.code.items()} == {
        "sum": ["add"], "mean": ["add"], "cell": ["Cell.forward"],
    }  # fmt: skip
    assert found.code["sum"][0].place == "asrlab/sums.py:5"
    assert found.tests["sum"][0].name == "TestAdd.test_it"
    assert found.faults == []


def test_a_passage_is_the_definition_without_its_mark(project):
    found = equation_sources.read(project("asrlab/empty.py", ""))
    assert found.code["sum"][0].code == '@cached\ndef add(a, b):\n    """a + b"""\n    return a + b'
    assert found.code["cell"][0].code == "def forward(self, x):\n    return x"


def test_a_mark_of_a_whole_file_counts_for_each_of_its_tests(project):
    text = 'pytestmark = [pytest.mark.equation("mean"), pytest.mark.slow]\ndef test_a(): pass\ndef helper(): pass\n'
    found = equation_sources.read(project("tests/test_mean.py", text))
    assert [one.name for one in found.tests["mean"]] == ["test_a"]


def test_a_mark_of_a_class_of_tests_counts(project):
    text = '@pytest.mark.equation("mean")\nclass TestMean:\n    def test_a(self): pass\n'
    found = equation_sources.read(project("tests/test_mean.py", text))
    assert [one.name for one in found.tests["mean"]] == ["TestMean"]


def test_a_long_function_is_cut_between_two_statements(project):
    body = "".join(f"    x = [\n        {n},\n    ]\n" for n in range(40))
    found = equation_sources.read(project("asrlab/long.py", f'@equation("long")\ndef f():\n{body}    return x\n'))
    code = found.code["long"][0].code.splitlines()
    assert len(code) <= equation_sources.LINES + 1
    assert code[-2] == "    ]"
    shown = len(code) - 1
    assert code[-1] == f"    ...  # {122 - shown} more lines in asrlab/long.py"


@pytest.mark.parametrize("label", ["LABEL", "", '"a", LABEL', 'label="a"'])
def test_a_label_that_cannot_be_read_is_refused_with_its_place(project, label):
    found = equation_sources.read(project("asrlab/odd.py", f"@equation({label})\ndef f(): pass\n"))
    assert len(found.faults) == 1 and found.faults[0].startswith("asrlab/odd.py:1: f: ")


def test_a_digest_changes_with_the_test_too(project):
    before = equation_sources.read(project("asrlab/empty.py", ""))
    after = equation_sources.read(project("tests/test_sums.py", TEST.replace("1, 2", "2, 1")))
    assert before.digest("sum") != after.digest("sum")
    assert before.digest("mean") == after.digest("mean")


PAGES = {"sum": ("book/page", 7, "a + b"), "mean": ("book/page", 9, r"\frac{a}{2}")}


def complaints(project, pages: dict, complete: bool = True) -> list:
    return equations.faults(pages, equation_sources.read(project("asrlab/empty.py", "")), complete)


def test_what_is_missing_is_named_with_label_place_and_remedy(project):
    found = complaints(project, {**PAGES, "new": ("book/page", 11, "y =\n  x")})
    assert found[0][1:] == ("book/page", 11)
    assert found[0][0].startswith("equation 'new' has no code (y = x)") and '@equation("new")' in found[0][0]
    texts = "\n".join(message for message, _, _ in found)
    assert "asrlab/sums.py:5: add: equation 'mean' has no test: mark one of it with @pytest.mark.equation" in texts
    assert "asrlab/sums.py:11: Cell.forward: code of equation 'cell', which no page of the book defines" in texts


def test_labels_are_not_missed_on_pages_that_were_not_read(project):
    assert not any("no page" in message for message, _, _ in complaints(project, PAGES, complete=False))


def test_a_test_of_no_equation_is_a_fault(project):
    project("tests/test_none.py", '@pytest.mark.equation("none")\ndef test_a(): pass\n')
    texts = [message for message, _, _ in complaints(project, PAGES)]
    assert any(
        text.startswith("tests/test_none.py:2: test_a: test of equation 'none', which no page") for text in texts
    )


def test_a_page_is_read_again_when_its_function_changes(project):
    app = SimpleNamespace(equation_sources=equation_sources.read(project("asrlab/empty.py", "")))
    env = SimpleNamespace(
        equation_pages={**PAGES, "cell": ("book/other", 1, "c")},
        equation_lists={"book/list"},
        equation_digests=equations.digests(app),
    )
    assert equations.outdated(app, env, set(), set(), set()) == []
    app.equation_sources = equation_sources.read(
        project("asrlab/sums.py", FUNCTION.replace("return x", "return 2 * x"))
    )
    assert equations.outdated(app, env, set(), set(), set()) == ["book/list", "book/other"]


def test_the_package_and_the_tests_are_marked_without_fault():
    sources = equation_sources.read(ROOT)
    assert sources.faults == []
    assert sorted(set(sources.code) - set(sources.tests)) == []
    assert sorted(set(sources.tests) - set(sources.code)) == []


# --- in the built book ----------------------------------------------------------------------------

MATHEMATICS = "book/3-mathematics/index.html"


@pytest.mark.site
def test_the_mark_opens_the_function_and_its_test(opened):
    page = opened(MATHEMATICS)
    mark = page.locator("#equation-recurrence + details.equation-code")
    code = mark.locator("pre").first
    assert not code.is_visible()
    mark.locator("summary").focus()
    page.keyboard.press("Enter")
    code.wait_for(state="visible")
    passage = equation_sources.read(ROOT).code["recurrence"][0]
    assert code.inner_text().strip() == passage.code.strip()
    assert mark.locator(".place").first.inner_text() == passage.place
    assert "assert" in mark.locator("pre").last.inner_text()
    page.keyboard.press("Enter")
    code.wait_for(state="hidden")


@pytest.mark.site
def test_opened_marks_stay_within_a_phone(opened):
    page = opened(MATHEMATICS, color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("document.querySelectorAll('details.equation-code').forEach(e => { e.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heights = page.locator("details.equation-code > summary").evaluate_all("es => es.map(e => e.offsetHeight)")
    assert heights and min(heights) >= 40


@pytest.mark.site
def test_every_numbered_equation_of_the_book_is_in_the_list_and_leads_to_its_page(opened):
    page = opened("book/equations.html")
    entries = page.locator(".equation-entry")
    numbers = entries.locator("p > a").all_inner_texts()
    assert len(numbers) == len(set(numbers)) >= 10
    assert entries.locator("math").count() == len(numbers)
    assert all(re.fullmatch(r"\(\d[\d.]*\)", number) for number in numbers)
    for entry in entries.all():
        assert {*entry.locator("dt").all_text_contents()} == {"code", "test"}
    address = entries.locator("p > a").first.evaluate("a => a.href")
    page.goto(address)
    target = page.locator(f"[id='{address.partition('#')[2]}']")
    assert numbers[0] in target.inner_text()
