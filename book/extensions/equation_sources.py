"""Which function of the package, and which test of it, says that it computes which equation: read from the sources.

Nothing is imported. At a function, a method or a class of asrlab stands `@equation("label")`; at its test stands
`@pytest.mark.equation("label")`, or `pytestmark = pytest.mark.equation("label")` for all tests of a file or a class.
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LINES = 60  # of a passage that a page shows; of a longer one, the statements that fit
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
MARKS = ("equation", "pytest.mark.equation", "equations.equation", "asrlab.core.equations.equation")


@dataclass(frozen=True)
class Passage:
    """A definition in a file of the project."""

    path: str  # from the project's folder, with slashes
    line: int  # of its `def` or `class`
    name: str  # "loss", "Attention.forward"
    code: str

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass
class Sources:
    """Label -> the passages that name it, and what is wrong with how they do."""

    code: dict = field(default_factory=dict)
    tests: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)

    def digest(self, label: str) -> str:
        """Changes when anything changes that a page shows at this equation."""
        return hashlib.sha256(repr((self.code.get(label), self.tests.get(label))).encode()).hexdigest()


def read(root: Path) -> Sources:
    """The marks in asrlab/ and tests/ below the project's folder."""
    sources = Sources()
    for folder, found in (("asrlab", sources.code), ("tests", sources.tests)):
        for path in sorted((root / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "equation" in text:
                _read_file(path.relative_to(root).as_posix(), text, found, sources.faults)
    return sources


def _read_file(path: str, text: str, found: dict, faults: list) -> None:
    tree, lines = ast.parse(text), text.splitlines()
    for labels, name, node, where in _marked(tree):
        if labels is None:
            faults.append(f"{path}:{where.lineno}: {name}: an equation's label is a text: " + 'equation("recurrence")')
            continue
        passage = Passage(path, node.lineno, name, _shown(node, lines, path))
        for label in labels:
            passages = found.setdefault(label, [])
            if passage not in passages:
                passages.append(passage)


def _marked(tree: ast.AST, prefix: str = "") -> Iterator[tuple]:
    """(labels, or None where they are no texts; name; definition; the mark's own node) of all that is marked."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Assign) and any(getattr(target, "id", None) == "pytestmark" for target in node.targets):
            marks = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
            tests = [one for one in tree.body if isinstance(one, FUNCTIONS) and one.name.startswith("test")]
            for mark in filter(_is_mark, marks):
                yield from ((_labels(mark), prefix + test.name, test, mark) for test in tests)
        elif isinstance(node, DEFINITIONS):
            for mark in filter(_is_mark, node.decorator_list):
                yield _labels(mark), prefix + node.name, node, mark
            if isinstance(node, ast.ClassDef):
                yield from _marked(node, f"{prefix}{node.name}.")


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in MARKS


def _labels(mark: ast.Call) -> "list | None":
    texts = [one.value for one in mark.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return texts if len(texts) == len(mark.args) and texts and not mark.keywords else None


def _shown(node: ast.AST, lines: list, path: str) -> str:
    """The definition's source without the mark; of a long one its first statements, and where the rest is."""
    others = [one for one in node.decorator_list if not _is_mark(one)]
    shown = [row for one in others for row in lines[one.lineno - 1 : one.end_lineno]]
    indent = " " * node.col_offset
    shown += lines[node.lineno - 1 : _last_line(node)]
    left = node.end_lineno - _last_line(node)
    if left:
        inside = " " * node.body[0].col_offset
        shown.append(f"{inside}...  # {left} more lines in {path}")
    return "\n".join(row.removeprefix(indent) for row in shown)


def _last_line(node: ast.AST) -> int:
    """The last line to show: the definition's own, or that of the last statement that still fits."""
    if node.end_lineno - node.lineno < LINES:
        return node.end_lineno
    ends = [one.end_lineno for one in _statements(node) if one.end_lineno - node.lineno < LINES]
    return max(ends, default=node.lineno + LINES - 1)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a function's body; in a class, those of its methods too."""
    for one in node.body:
        yield one
        if isinstance(node, ast.ClassDef) and isinstance(one, FUNCTIONS):
            yield from one.body
