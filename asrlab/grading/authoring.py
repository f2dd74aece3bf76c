"""The notebooks in which exercises are written, solved: where they lie, their holes, their solutions."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.core.sources import PACKAGE
from asrlab.grading.exercise import Exercise, ExerciseSet, sets

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # as nbgrader has them
HOLE = ("# YOUR CODE HERE", "raise NotImplementedError()")  # and this too
FOLDERS = (PACKAGE.parent / "book" / "exercises", PACKAGE / "grading" / "solved")  # in a clone; in an installed package
CODE_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?P<body>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"\A(---\n.*?^---\n|(:[\w-]+:[^\n]*\n)+)?\n*", re.MULTILINE | re.DOTALL)


def page_of(group: ExerciseSet) -> Path:
    """The authoring notebook of a set. AsrlabError where it is not at hand."""
    for folder in FOLDERS:
        if (folder / f"{group.name}.md").is_file():
            return folder / f"{group.name}.md"
    raise AsrlabError(f"{FOLDERS[0] / group.name}.md: not found; take a clone of the book, or its archive of notebooks")


def code_cells(text: str) -> list[str]:
    """The sources of a page's code cells, without their options."""
    return [OPTIONS.sub("", found["body"], count=1).rstrip("\n") for found in CODE_CELL.finditer(text)]


def is_exercise(source: str) -> bool:
    """Does this cell hold a solution?"""
    return BEGIN in source


def function_of(source: str) -> str:
    """The one function that an exercise's cell defines at its top level. AsrlabError for none, or several."""
    names = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    if len(names) != 1:
        raise AsrlabError(f"a cell with {BEGIN!r} defines {names or 'no function'}; one function a cell")
    return names[0]


def stub(source: str) -> str:
    """The cell with a hole where each solution was. AsrlabError if the marks do not pair."""
    kept, inside = [], False
    for line in source.splitlines():
        mark = line.strip()
        if mark in (BEGIN, END):
            if inside == (mark == BEGIN):
                raise AsrlabError(f"{mark!r} without its partner in the cell that begins {source[:40]!r}")
            inside = mark == BEGIN
            if inside:
                indent = line[: len(line) - len(line.lstrip())]
                kept += [indent + text for text in HOLE]
        elif not inside:
            kept.append(line)
    if inside:
        raise AsrlabError(f"{BEGIN!r} without {END!r} in the cell that begins {source[:40]!r}")
    return "\n".join(kept)


def solved(source: str) -> str:
    """The cell without the marks."""
    return "\n".join(line for line in source.splitlines() if line.strip() not in (BEGIN, END))


def exercise_cells(group: ExerciseSet) -> dict[str, str]:
    """{function: cell with marks} of a set's authoring notebook."""
    cells = filter(is_exercise, code_cells(page_of(group).read_text(encoding="utf-8")))
    return {function_of(cell): cell for cell in cells}


def exercise_in(source: str) -> Exercise:
    """The exercise that a cell with a solution is of. AsrlabError where no set knows its function."""
    name = function_of(source)
    for group in sets().values():
        for exercise in group.exercises:
            if exercise.function == name:
                return exercise
    raise AsrlabError(f"{name}: no exercise has a function of this name; add it to a module of asrlab/grading/sets")


def solution_of(exercise: Exercise) -> str:
    """The code of the solution."""
    for group in sets().values():
        if exercise in group.exercises:
            return solved(exercise_cells(group)[exercise.function])
    raise AsrlabError(f"{exercise.name}: in no set")


def summary(exercise: Exercise) -> str:
    """What a reader wants to know before they begin."""
    return f"{exercise.name} · {exercise.points} points · about {exercise.minutes} minutes"
