"""Which files of the package a result depends on: read from their imports, so that the list is never out of date."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def sources(*modules: str) -> set[Path]:
    """The files of these modules of the package, of those that they import, and so on."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        path = _file(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting += _imports(ast.parse(path.read_text(encoding="utf-8")))
    return found


def _file(module: str) -> Path | None:
    """The file of a module of the package, None for anything else."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    if PACKAGE not in (path, *path.parents):
        return None
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)  # each a module, perhaps
