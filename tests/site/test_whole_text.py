"""Text that Markdown would swallow stops the build: both kinds planted in a small book of one page."""

import subprocess
import sys
from pathlib import Path

import pytest

EXTENSIONS = Path(__file__).resolve().parents[2] / "book" / "extensions"
pytest.importorskip("myst_nb", reason="the book's tools are not installed; pip install asrlab[book]")
sys.path.insert(0, str(EXTENSIONS))

import whole_text  # noqa: E402

HEAD = "---\nfile_format: mystnb\nkernelspec: {name: python3, display_name: Python 3}\n---\n# Title\n\n"
CONFIGURATION = f"""
import sys
sys.path.insert(0, {str(EXTENSIONS)!r})
extensions = ["myst_nb", "whole_text"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "colon_fence", "amsmath"]
"""


LOST = {
    "paragraph": ("The average is 8\n%. The rest is gone.\n", "this line is a comment and not shown: '%. The rest"),
    "list": ("- An average of 8\n  %. In a list.\n", "this line is a comment and not shown: '%. In a list.'"),
    "box": (":::{note}\n% Lost in a box\nof text.\n:::\n", "this line is a comment and not shown: '% Lost in"),
    "minus": ("Any of the $T + L\n- 1$ places.\n", "a $ is left in the text: 'Any of the $T + L'"),
    "plus": ("So $a = b\n+ c$ holds.\n", "a $ is left in the text: 'So $a = b'"),
    "number": ("Each of $a\n1. b$ is a list.\n", "a $ is left in the text: 'Each of $a'"),
}


def build(folder: Path, pages: dict) -> subprocess.CompletedProcess:
    (folder / "conf.py").write_text(CONFIGURATION)
    contents = "\n".join(["```{toctree}", *pages, "```"])
    for name, text in {"index": contents, **pages}.items():
        (folder / f"{name}.md").write_text(HEAD + text)
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "dummy",
        str(folder),
        str(folder / "_b"),
    ]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_whole_text_builds(tmp_path):
    text = "Of ten, 8 % fail: $a - b$.\n\n% a remark\n\nIt costs `$5`.\n\n$$\na % b\n- c\n$$\n"
    done = build(tmp_path, {"whole": text})
    assert (done.returncode, done.stderr) == (0, "")


def test_lost_text_stops_the_build(tmp_path):
    done = build(tmp_path, {name: text for name, (text, _) in LOST.items()})
    assert done.returncode != 0
    for name, (_, message) in LOST.items():
        assert any(f"{name}.md" in line and message in line for line in done.stderr.splitlines()), name


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\n% two\n", [2]),
        ("% one\ntwo\n", [1]),
        ("one\n\n% two\n% three\n\nfour", []),
        ("```python\nx\n%matplotlib\n```", []),
        ("```{code-cell}\nx = 5\n% y\n```\n\n5\n% z\n", [7]),
        ("````{note}\n```\n% code\nx\n```\nx\n% text\n````", [7]),
        ("$$\na\n% b\n$$ (label)\n\nc", []),
        ("---\na\n% b\n---\n\nc\n", []),
    ],
)
def test_comments_that_touch_text_are_found(text, lines):
    assert [line for line, _ in whole_text.swallowed(text)] == lines


def test_no_page_of_the_book_loses_text():
    found = {
        str(page): lines
        for page in EXTENSIONS.parent.rglob("*.md")
        if (lines := whole_text.swallowed(page.read_text(encoding="utf-8")))
    }
    assert found == {}
