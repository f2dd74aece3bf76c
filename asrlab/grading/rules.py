"""What an answer may not call, read from its code: the function, and what it uses of the rest of the notebook.

The rest may call what it likes: to compare one's own function with a library's is a good habit. The same names are
watched while the function runs (child.py), where code that is put together from texts shows itself too.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from asrlab.grading.exercise import LEARNERS
from asrlab.grading.notebook import Notebook, names_of

IMPORTERS = ("import_module", "__import__")


def violation(notebook: Notebook, function: str, banned: Sequence[str]) -> str | None:
    """The first banned name that the function reaches, with its place; None if there is none."""
    statements, aliases = _statements(notebook)
    waiting, seen = [function], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for number, node in statements.get(name, []):
            for found, line in _mentioned(node, aliases):
                if _is_banned(found, banned):
                    return f"{found} (cell {number}, line {line})"
            waiting += [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
    return None


def _is_banned(name: str, banned: Sequence[str]) -> bool:
    within = any(name == one or name.startswith(one + ".") for one in banned)
    return within and not any(name == one or name.startswith(one + ".") for one in LEARNERS)


def _statements(notebook: Notebook) -> tuple[dict, dict]:
    """{name: [(cell number, statement that defines it)]} and {name: full name} of what was imported anywhere."""
    statements: dict[str, list] = {}
    aliases: dict[str, str] = {}
    for cell in notebook.cells:
        tree = cell.tree()
        for statement in tree.body if tree else ():
            for name in names_of(statement):
                statements.setdefault(name, []).append((cell.number, statement))
        for node in ast.walk(tree) if tree else ():
            aliases.update(_imported(node))
    return statements, aliases


def _imported(node: ast.AST) -> dict[str, str]:
    if isinstance(node, ast.Import):
        return {a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {}


def _mentioned(node: ast.AST, aliases: dict[str, str]) -> list[tuple[str, int]]:
    """(full name, line) of all that a statement mentions: imported, called by attribute, imported by name."""
    found = []
    for one in ast.walk(node):
        if isinstance(one, ast.Import):
            found += [(alias.name, one.lineno) for alias in one.names]
        elif isinstance(one, ast.ImportFrom) and one.module:
            found += [(f"{one.module}.{alias.name}", one.lineno) for alias in one.names]
        elif isinstance(one, (ast.Attribute, ast.Name)):
            name = _dotted(one)
            root = name.split(".")[0]
            if root in aliases:
                found.append((aliases[root] + name[len(root) :], one.lineno))
        elif isinstance(one, ast.Call) and _dotted(one.func).split(".")[-1] in IMPORTERS and one.args:
            first = one.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.append((first.value, one.lineno))
    return found


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"
