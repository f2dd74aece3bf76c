"""The reference is made from docstrings: what is read from them, and that every folder of the package has its page."""

import ast
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

import asrlab

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "book" / "reference"
sys.path.insert(0, str(ROOT / "book" / "extensions"))

import reference_sources  # noqa: E402

MODULE = '''\
"""What the module is for."""

from dataclasses import dataclass


@dataclass
class Options:
    width: int = 3  # of a picture, in pixels
    _hidden: int = 0  # not shown
    name: str = "été # no comment"  # the comment


class Maker:
    """Makes."""

    def __init__(self, options: "Options", *, twice: bool = False):
        """options  what to make"""

    @property
    def size(self) -> int:
        """How large."""

    def silent(self): ...


@equation("a-label", "another")
def make(first, /, second: int = 1, *rest, last=None, **more) -> "Maker":
    """Make one."""


def _private():
    """Not shown."""


def unexplained(): ...
'''


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "asrlab" / "things.py"
    path.parent.mkdir()
    path.write_text(MODULE, encoding="utf-8")
    return reference_sources.read(tmp_path, path)


def test_public_is_what_has_a_docstring_or_commented_fields(module):
    assert (module.name, module.doc) == ("asrlab.things", "What the module is for.")
    assert [entry.name for entry in module.entries] == ["Options", "Maker", "make"]
    options, maker, make = module.entries
    assert options.fields == (
        ("width: int = 3", "of a picture, in pixels"), ("name: str = 'été # no comment'", "the comment"),
    )  # fmt: skip
    assert [(one.name, one.signature) for one in maker.members] == [("Maker.size", "size: int")]
    assert maker.docs == ("Makes.", "options  what to make")
    assert maker.signature == "class Maker(options: Options, *, twice: bool = False)"
    lines = ("make(", "    first,", "    second: int = 1,", "    *rest,", "    last=None,", "    **more,", ") -> Maker")
    assert make.signature == "\n".join(lines)  # too long for one line of a page
    assert make.equations == ("a-label", "another")


def test_a_docstring_in_all_its_shapes():
    doc = inspect.cleandoc("""
        A first sentence.  A second,
        on two lines.

        name          what it
                      means
        other, third  (B, T)

            as it is

            still

            one  a row
            two  another
        Args:
            x: (T,) samples; may
                be long.
        Returns:
            A number.

        - an item,
          continued
        - another
        Raises AsrlabError.

        How to
        ------
        1. One.
        2. Two,
           continued.
        """)
    found = [(block.kind, block.rows or block.text) for block in reference_sources.blocks(doc)]
    assert found == [
        ("paragraph", "A first sentence. A second, on two lines."),
        ("rows", (("name", "what it means"), ("other, third", "(B, T)"))),
        ("literal", "as it is\n\nstill\n\none  a row\ntwo  another"),
        ("title", "Args"),
        ("rows", (("x", "(T,) samples; may be long."),)),
        ("title", "Returns"),
        ("paragraph", "A number."),
        ("list", (("", "an item, continued"), ("", "another"))),
        ("paragraph", "Raises AsrlabError."),
        ("title", "How to"),
        ("list", (("1.", "One."), ("2.", "Two, continued."))),
    ]
    assert reference_sources.blocks("A sum:\n\n    one  a row\n    two  another")[1].kind == "rows"
    assert reference_sources.blocks("A score is  log p + log q.")[0].kind == "paragraph"


def test_a_long_signature_has_a_line_for_each_argument(tmp_path):
    (tmp_path / "long.py").write_text(f'def f({", ".join(f"argument_{i}: int" for i in range(9))}):\n    """It."""\n')
    signature = reference_sources.read(tmp_path, tmp_path / "long.py").entries[0].signature
    assert signature.splitlines() == ["f(", *(f"    argument_{i}: int," for i in range(9)), ")"]


def test_no_word_of_a_docstring_is_lost():
    for path in reference_sources.paths(ROOT, "asrlab"):
        module = reference_sources.read(ROOT, path)
        members = [member for entry in module.entries for member in entry.members]
        for doc in [module.doc, *(doc for entry in (*module.entries, *members) for doc in entry.docs)]:
            blocks = reference_sources.blocks(doc)
            shown = " ".join(part for block in blocks for part in (block.text, *(p for row in block.rows for p in row)))
            assert sorted(re.findall(r"\w+", shown)) == sorted(re.findall(r"\w+", doc)), f"{path}: {doc[:60]}"


def test_signatures_are_those_that_python_sees():
    for name in ("asrlab.scoring.score", "asrlab.core.streams", "asrlab.training.objectives"):
        module = reference_sources.read(ROOT, reference_sources.paths(ROOT, name)[0])
        for entry in module.entries:
            thing = getattr(import_module(name), entry.name)
            if inspect.isfunction(thing):
                written = ast.parse(f"def {entry.signature}: ...").body[0].args
                names = [one.arg for one in (*written.posonlyargs, *written.args, *written.kwonlyargs)]
                assert names == list(inspect.signature(thing).parameters), entry.signature


def test_every_folder_of_the_package_has_a_page_that_the_contents_list():
    folders = {path.parent.name for path in (ROOT / "asrlab").glob("*/__init__.py")}
    named = {path.stem: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md") if path.stem != "index"}
    assert set(named) == folders, "write book/reference/FOLDER.md, as the others are, and list it in _toc.yml"
    assert all(f"```{{reference}} asrlab.{name}\n" in text for name, text in named.items())
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    part = next(part for part in contents["parts"] if part["caption"] == "Reference")
    listed = {Path(section["file"]).name for section in part["chapters"][0]["sections"]}
    assert listed == folders
    index = (PAGES / "index.md").read_text(encoding="utf-8")
    assert all(f"({name}.md)" in index for name in folders)
    assert all(f"`asrlab.{name} <" in index for name in asrlab.__all__ if name != "__version__")
