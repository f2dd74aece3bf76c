"""Grade a notebook: for each exercise of its set a verdict, with the points, which only this process can give."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.grading import rules
from asrlab.grading.exercise import ExerciseSet, exercise_set, sets
from asrlab.grading.judge import Fault, Verdict, fresh_seed, judge, refused
from asrlab.grading.notebook import Notebook, read
from asrlab.grading.sandbox import Limits, Session, Wrapper


@dataclass(frozen=True)
class Grade:
    """What came of one notebook."""

    path: Path
    set_name: str
    verdicts: tuple[Verdict, ...]
    cells: dict[int, str]  # cell -> what went wrong in it
    figures: dict[int, list[str]]  # cell -> its pictures, PNG in base64
    in_force: dict[str, bool]  # which walls stood around the notebook
    seed: int
    seconds: float

    @property
    def points(self) -> int:
        return sum(verdict.points for verdict in self.verdicts)

    @property
    def of(self) -> int:
        return sum(verdict.of for verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


def grade(
    path: str | Path,
    set_name: str | None = None,
    seed: int | None = None,
    limits: Limits | None = None,
    wrapper: Wrapper | None = None,
) -> Grade:
    """Grade a notebook in a process of its own.

    set_name  of which set it is; the notebook itself says so, or its file name does
    seed      draws the inputs; a fresh one each time unless given

    Raises AsrlabError where the file is no notebook. Whatever the notebook does is no error, but a verdict.
    """
    started, limits = time.monotonic(), limits or Limits()
    notebook = read(path)
    group, seed = set_of(notebook, set_name), fresh_seed() if seed is None else seed
    with Session(notebook, limits, wrapper) as session:
        verdicts = tuple(_verdict(exercise, notebook, session, seed, limits) for exercise in group.exercises)
        cells = {number: fault.message for number, fault in sorted(session.faults.items())}
    return Grade(notebook.path, group.name, verdicts, cells, session.figures, session.in_force, seed,
                 time.monotonic() - started)  # fmt: skip


def _verdict(exercise, notebook: Notebook, session: Session, seed: int, limits: Limits) -> Verdict:
    found = rules.violation(notebook, exercise.function, exercise.banned)
    if found:
        message = f"It uses {found}, which would do the exercise for you: write it yourself."
        return refused(exercise, Fault("forbidden", message), seed)
    clock: list[float] = []

    def call(arguments):
        if not clock:  # the clock starts when the cells have run
            session.prepare()
            clock.append(time.monotonic() + limits.call_seconds)
        return session.call(exercise, arguments, clock[0])

    return judge(exercise, call, seed)


def set_of(notebook: Notebook, name: str | None) -> ExerciseSet:
    """The set that a notebook belongs to: as asked for, as it says itself, or as its file is called."""
    if name:
        return exercise_set(name)
    if notebook.set_name in sets():
        return exercise_set(notebook.set_name)
    named = [known for known in sets() if known in notebook.path.stem]
    if named:
        return exercise_set(max(named, key=len))  # one set's name may begin another's
    raise AsrlabError(f"{notebook.path}: of which set? Pass --set with one of {', '.join(sets())}")
