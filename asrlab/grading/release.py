"""Notebooks for others, made from the authoring notebooks: for students, for instructors, for nbgrader."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asrlab.core.errors import AsrlabError
from asrlab.core.sources import PACKAGE
from asrlab.grading import authoring
from asrlab.grading.exercise import Exercise, ExerciseSet, exercise_set

KINDS = ("students", "instructors", "nbgrader")
CONFIG = """\
# nbgrader generate_assignment, autograde, generate_feedback and export, one after the other, in this folder.
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "asrlab"
c.ExecutePreprocessor.timeout = 120  # seconds a cell
c.ClearSolutions.code_stub = {"python": "%s"}
"""


def release(set_name: str, kind: str, out: Path, seed: int | None = None) -> list[Path]:
    """Write a set for its readers; returns the files. AsrlabError for an unknown set or kind, or without the book.

    students     the notebook with holes
    instructors  that, and the solved one
    nbgrader     a course folder of nbgrader with the solved notebook; with a seed its checks use these inputs too
    """
    if kind not in KINDS:
        raise AsrlabError(f"release for {kind!r}: not known; there are {', '.join(KINDS)}")
    group = exercise_set(set_name)
    if kind == "nbgrader":
        notebook = for_nbgrader(converted(group, lambda source: source), seed)
        files = {f"source/{group.name}/{group.name}.ipynb": notebook}
    else:
        files = {f"{group.name}.ipynb": converted(group, authoring.stub)}
    if kind == "instructors":
        files[f"{group.name}-solved.ipynb"] = converted(group, authoring.solved)
    texts = {name: json.dumps(notebook, indent=1, ensure_ascii=False) + "\n" for name, notebook in files.items()}
    if kind == "nbgrader":
        texts["nbgrader_config.py"] = CONFIG % "\\n".join(authoring.HOLE)
    for name, text in texts.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")
    return [out / name for name in texts]


def converted(group: ExerciseSet, exercise_cell: Callable[[str], str]) -> dict[str, Any]:
    """The authoring notebook as the book's tools make notebooks, with its exercise cells put through a function."""
    book = PACKAGE.parent / "book"
    if not (book / "tools" / "notebooks.py").is_file():
        raise AsrlabError(f"{book}: not there; releases are made in a clone of the book's repository")
    sys.path.insert(0, str(book))
    try:
        from tools import notebooks  # type: ignore[import-not-found]
    except ImportError as error:
        raise AsrlabError(f"the book's tools cannot be loaded ({error}); pip install 'asrlab[book]'") from error
    finally:
        sys.path.remove(str(book))
    return notebooks.convert(authoring.page_of(group), notebooks.citations(), notebooks.notebook_pages(), exercise_cell)


def for_nbgrader(notebook: dict[str, Any], seed: int | None) -> dict[str, Any]:
    """The notebook with nbgrader's marks: solution cells that students fill, check cells that are graded and locked."""
    last: Exercise | None = None
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        if authoring.is_exercise(cell["source"]):
            last = authoring.exercise_in(cell["source"])
            cell["metadata"]["nbgrader"] = _marks(last.function, solution=True)
        elif last and cell["source"].startswith(f'check("{last.name}"'):
            cell["source"] = check_cell(last, seed)
            cell["metadata"]["nbgrader"] = _marks(f"{last.function}-check", points=last.points)
    return notebook


def check_cell(exercise: Exercise, seed: int | None) -> str:
    """A cell that fails unless the exercise passes, and ends in its points; an instructor's inputs are hidden."""
    ask = f'check("{exercise.name}", {exercise.function}'
    lines = [f"{ask}).require().points"]
    if seed is not None:
        lines += ["### BEGIN HIDDEN TESTS", f"{ask}, seed={seed}).require().points", "### END HIDDEN TESTS"]
    return "\n".join(lines)


def _marks(name: str, solution: bool = False, points: int | None = None) -> dict[str, Any]:
    marks = {"schema_version": 3, "grade_id": name, "solution": solution, "grade": points is not None, "task": False,
             "locked": points is not None}  # fmt: skip
    return marks if points is None else {**marks, "points": points}
