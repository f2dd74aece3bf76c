"""Read a learner's notebook, of which nothing is to be trusted: its code cells, and what each of them defines."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path

from asrlab.core.errors import AsrlabError

MAX_BYTES = 50_000_000  # a notebook with its figures; more is none that anybody wrote
MAX_CELLS = 2_000
INSTALL = "install"  # tag of the cell that installs the package in a downloaded notebook
MAGIC = re.compile(r"^\s*[%!?].*$|^.*\?$", re.MULTILINE)  # a notebook's own commands: no Python


@dataclass(frozen=True)
class Cell:
    """A code cell: its number as people count, from 1, over all cells; its code without a notebook's own commands."""

    number: int
    source: str

    def tree(self) -> ast.Module | None:
        """Its syntax tree, None where it is no Python."""
        try:
            return ast.parse(self.source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


@dataclass(frozen=True)
class Notebook:
    path: Path
    cells: tuple[Cell, ...]
    set_name: str | None  # of the set that it was made for, as it says itself


def read(path: str | Path) -> Notebook:
    """A notebook's code cells. Raises AsrlabError for what is no notebook, naming file, fault and remedy."""
    path = Path(path)
    if not path.is_file():
        raise AsrlabError(f"{path}: no such file; give a notebook, .ipynb")
    if path.stat().st_size > MAX_BYTES:
        raise AsrlabError(f"{path}: {path.stat().st_size:,} bytes; clear its outputs and save it again")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = [(n, _text(cell["source"]), _tags(cell)) for n, cell in enumerate(content["cells"], start=1)
                 if cell["cell_type"] == "code"]  # fmt: skip
        about = content.get("metadata", {}).get("asrlab", {})
        name = about.get("set") if isinstance(about, dict) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AsrlabError(f"{path}: not a notebook ({type(error).__name__}); save it in Jupyter, as .ipynb") from None
    if len(cells) > MAX_CELLS:
        raise AsrlabError(f"{path}: {len(cells)} code cells, more than {MAX_CELLS}; hand in the notebook of one set")
    kept = tuple(Cell(number, _python(source)) for number, source, tags in cells if INSTALL not in tags)
    return Notebook(path, kept, name if isinstance(name, str) else None)


def _text(source: object) -> str:
    """A cell's source is a text, or a list of lines."""
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    if isinstance(source, str):
        return source
    raise TypeError("a cell's source is no text")


def _tags(cell: dict) -> list:
    tags = cell.get("metadata", {}).get("tags", [])
    return tags if isinstance(tags, list) else []


def _python(source: str) -> str:
    if source.lstrip().startswith("%%"):
        return ""
    if Cell(0, source).tree() is not None:
        return source
    return MAGIC.sub("pass", source)


def names_of(node: ast.AST) -> set[str]:
    """The names that a statement defines at the top level of a cell."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name.split(".")[0]) for alias in node.names}
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


def defined_later(notebook: Notebook, name: str, number: int) -> int | None:
    """The cell below cell `number` that defines a name, None if there is none."""
    for cell in notebook.cells:
        tree = cell.tree()
        if cell.number > number and tree and any(name in names_of(node) for node in tree.body):
            return cell.number
    return None
