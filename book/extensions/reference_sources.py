"""What the reference shows, read from the sources of asrlab: modules, their public names and docstrings.

Nothing is imported, so the pages need no torch to be built. Public is what has no underscore before its name and either
a docstring or commented fields. A docstring is plain text in these shapes:

    name  meaning            rows, two or more spaces between; continued by lines that are indented
    Args:                    a title (Args, Returns, Raises, Attributes) above indented rows `name: meaning`, or text
    - text                   a list; or a numbered one, with 1.
    Title, underlined        with three or more -
        text                 indented below a paragraph: shown as it is
"""

import ast
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

WIDTH = 60  # letters that fit a line of code on a page
TITLE = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")
WORD = r"[\w.*…\"'`{}\[\]()/=-]+"
ROW = re.compile(rf"({WORD}(?:(?:, | \| | / ){WORD})*)  +(\S.*)")
ITEM = re.compile(r"^(-|\d+\.) ", re.MULTILINE)
ARGUMENT = re.compile(rf"({WORD}(?:, {WORD})*): +(\S.*)")


@dataclass(frozen=True)
class Block:
    """A part of a docstring."""

    kind: str  # paragraph, literal, rows, list or title
    text: str = ""
    rows: tuple[tuple[str, str], ...] = ()  # (name, meaning); of a list, ("" or "1.", item)


@dataclass(frozen=True)
class Entry:
    """A public function, class or method."""

    name: str  # below its module, such as Recognizer.load
    signature: str  # "" for a class that is made of its fields alone
    docs: tuple[str, ...]  # docstrings; of a class also that of __init__
    fields: tuple[tuple[str, str], ...] = ()  # (name: type = default, comment) of a dataclass or a NamedTuple
    members: tuple["Entry", ...] = ()
    equations: tuple[str, ...] = ()  # labels of the equations that it computes


@dataclass(frozen=True)
class Module:
    name: str  # with dots
    path: Path
    doc: str
    entries: tuple[Entry, ...]


def paths(root: Path, name: str) -> list[Path]:
    """The files of a module or of all modules of a folder, its own `__init__` first. Raises FileNotFoundError."""
    place = root.joinpath(*name.split("."))
    if place.is_dir():
        found = [path for path in place.rglob("*.py") if not path.stem.startswith("_") or path.stem == "__init__"]
        return sorted(found, key=lambda path: (path.parent, path.stem != "__init__", path.stem))
    if not place.with_suffix(".py").is_file():
        raise FileNotFoundError(f"{name}: no such module or folder in {root}")
    return [place.with_suffix(".py")]


def read(root: Path, path: Path) -> Module:
    """One module, from its source."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    entries = [_entry(node, source.splitlines()) for node in tree.body if _public(node)]
    return Module(name, path, ast.get_docstring(tree) or "", tuple(one for one in entries if one.docs or one.fields))


def blocks(doc: str) -> list[Block]:
    """The parts of a docstring, in order."""
    found: list[Block] = []
    lines = doc.splitlines()
    while lines:
        if not lines[0].strip():
            lines.pop(0)
        elif lines[0].startswith(" "):
            found += _indented(textwrap.dedent("\n".join(_take(lines, _deep))).strip("\n"))
        elif TITLE.fullmatch(lines[0]):
            found.append(Block("title", lines.pop(0)[:-1]))
            body = textwrap.dedent("\n".join(_take(lines, _deep)))
            rows = _rows(body, ARGUMENT)
            found += [Block("rows", rows=rows)] if rows else blocks(body)
        elif len(lines) > 1 and re.fullmatch(r"-{3,}", lines[1]):
            found.append(Block("title", lines.pop(0)))
            lines.pop(0)
        elif ITEM.match(lines[0]):
            text = "\n".join(_take(lines, lambda line: bool(ITEM.match(line)) or line.startswith("  ")))
            _, *parts = ITEM.split(text)
            items = zip(parts[::2], (" ".join(part.split()) for part in parts[1::2]), strict=True)
            found.append(Block("list", rows=tuple((mark.strip("-"), item) for mark, item in items)))
        elif ROW.fullmatch(lines[0]):
            body = _take(lines, lambda line: bool(ROW.fullmatch(line)) or line.startswith(" "))
            found.append(Block("rows", rows=_rows("\n".join(body), ROW)))
        else:
            first = lines.pop(0)
            rest = _take(lines, _continues)
            found.append(Block("paragraph", " ".join(" ".join([first, *rest]).split())))
    return found


def _take(lines: list[str], belongs) -> list[str]:
    taken = []
    while lines and belongs(lines[0]):
        taken.append(lines.pop(0))
    return taken


def _continues(line: str) -> bool:
    """Is this line the next of a paragraph? What an error is about begins a paragraph of its own."""
    return bool(line.strip()) and not (line.startswith((" ", "Raises ")) or ITEM.match(line) or TITLE.fullmatch(line))


def _deep(line: str) -> bool:
    return line.startswith(" ") or not line.strip()


def _indented(text: str) -> list[Block]:
    rows = _rows(text, ROW)
    return [Block("rows", rows=rows)] if len(rows) > 1 else [Block("literal", text)]


def _rows(text: str, pattern: re.Pattern) -> tuple[tuple[str, str], ...]:
    """(name, meaning) of each line and those that continue it; () if the text is anything else."""
    rows: list[list[str]] = []
    for line in text.splitlines():
        start = pattern.fullmatch(line)
        if start:
            rows.append([start[1], start[2].strip()])
        elif rows and line.startswith(" "):
            rows[-1][1] += " " + line.strip()
        elif line.strip():
            return ()
    return tuple((name, meaning) for name, meaning in rows)


def _public(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")


def _entry(node: ast.FunctionDef | ast.ClassDef, lines: list[str], owner: str = "") -> Entry:
    name = owner + node.name
    doc = ast.get_docstring(node)
    labels = tuple(
        ast.literal_eval(argument)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "equation"
        for argument in mark.args
    )
    if isinstance(node, ast.FunctionDef):
        return Entry(name, _function(node), (doc,) if doc else (), equations=labels)
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
    made = next((one for one in methods if one.name == "__init__"), None)
    docs = [doc, ast.get_docstring(made) if made else None]
    members = [_entry(one, lines, name + ".") for one in methods if _public(one)]
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    signature = f"class {node.name}({bases})" if bases else ""
    if made:
        signature = _folded(f"class {node.name}", _arguments(made), "")
    return Entry(
        name, signature, tuple(one for one in docs if one), _fields(node, lines),
        tuple(one for one in members if one.docs), labels,
    )  # fmt: skip


def _fields(node: ast.ClassDef, lines: list[str]) -> tuple[tuple[str, str], ...]:
    """Of a class whose fields are annotated: `name: type = default` and the comment behind it."""
    found = []
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and not one.target.id.startswith("_"):
            comment = lines[one.end_lineno - 1].encode()[one.end_col_offset :].decode().partition("# ")[2]
            found.append((ast.unparse(one), comment))
    return tuple(found) if any(comment for _, comment in found) else ()


def _function(node: ast.FunctionDef) -> str:
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    returns = f" -> {_type(node.returns)}" if node.returns else ""
    if any(mark in ("property", "cached_property") for mark in marks):
        return node.name + returns.replace(" -> ", ": ")
    return _folded(node.name, _arguments(node), returns)


def _arguments(node: ast.FunctionDef) -> list[str]:
    """Each argument as it is written, without the object itself."""
    a = node.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(plain) - len(a.defaults)) + a.defaults
    written = [_argument(one, default) for one, default in zip(plain, defaults, strict=True)]
    if a.vararg:
        written.append(f"*{_argument(a.vararg, None)}")
    elif a.kwonlyargs:
        written.append("*")
    written += [_argument(one, default) for one, default in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    if a.kwarg:
        written.append(f"**{_argument(a.kwarg, None)}")
    return written[1:] if plain and plain[0].arg in ("self", "cls") else written


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    annotation = f": {_type(one.annotation)}" if one.annotation else ""
    if default is None:
        return one.arg + annotation
    equals = " = " if annotation else "="
    return f"{one.arg}{annotation}{equals}{ast.unparse(default)}"


def _type(annotation: ast.expr) -> str:
    """An annotation; one that is written as text, for a class that is still in the making, without its quotes."""
    return str(annotation.value) if isinstance(annotation, ast.Constant) else ast.unparse(annotation)


def _folded(name: str, arguments: list[str], returns: str) -> str:
    """On one line where it fits, else one line for each argument."""
    line = f"{name}({', '.join(arguments)}){returns}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), f"){returns}"])
