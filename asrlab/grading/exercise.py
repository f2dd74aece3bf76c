"""What an exercise is, and where the exercises are found."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from asrlab.core.errors import AsrlabError

Arguments = tuple  # of one call
Judge = Callable[[Sequence[Arguments], Sequence[Any]], "tuple[int, str] | None"]

# What no answer may call: the answers themselves, and doors out of Python that an answer never needs.
NEVER = ("asrlab.grading", "asrlab.scratch", "ctypes", "subprocess", "multiprocessing", "pty")
LEARNERS = ("asrlab.grading.check", "asrlab.grading.hint", "asrlab.grading.solution")  # of asrlab.grading, these


@dataclass(frozen=True)
class Exercise:
    """One function to write. Its mistakes and right answers are functions too, for the checks and for the tests."""

    name: str  # "ctc.forward"; a set has each name once
    title: str
    function: str  # the name that the learner's function has
    points: int
    minutes: int  # that it takes someone who has read the chapter
    cases: Callable[[np.random.Generator], Iterable[Arguments]]  # inputs, small ones first; edges, then fresh ones
    oracle: Callable[..., Any]  # the right answer, computed in another way than the solution's
    hints: tuple[str, str, str]  # from a nudge to nearly there; none of them is the code
    mistakes: tuple[Callable[..., Any], ...]  # typical wrong answers; the docstring of each is the hint that names it
    right: tuple[Callable[..., Any], ...]  # at least three right answers of different structure
    forbidden: tuple[str, ...] = ()  # modules and functions that would do the exercise, by their full names
    equations: tuple[str, ...] = ()  # labels of the book's equations that it trains
    tolerance: float = 0.0  # |x - wanted| <= tolerance (1 + |wanted|); compare.float32(roundings)
    judge: Judge | None = None  # where many answers are right: (case, what is wrong), or None; it sees lists, no arrays
    survivors: Mapping[str, str] = field(default_factory=dict)  # mutants of the solution that pass -> why they may

    def draw(self, seed: int) -> list[Arguments]:
        """The inputs of one check: another seed, other inputs."""
        return list(self.cases(np.random.default_rng([seed, *self.name.encode()])))

    @property
    def banned(self) -> tuple[str, ...]:
        return (*NEVER, *self.forbidden)

    @property
    def parameters(self) -> list[str]:
        return list(inspect.signature(self.oracle).parameters)


@dataclass(frozen=True)
class ExerciseSet:
    """The exercises of one notebook, book/exercises/NAME.md."""

    name: str  # "3-mathematics"
    title: str
    chapter: str  # the page that they follow: "book/3-mathematics/index"
    exercises: tuple[Exercise, ...]

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises)

    def __getitem__(self, name: str) -> Exercise:
        return _find(name, {one.name: one for one in self.exercises}, "exercise")


@functools.cache
def sets() -> dict[str, ExerciseSet]:
    """All sets by name: the SET of each module in asrlab/grading/sets."""
    from asrlab.grading import sets as folder

    modules = [
        importlib.import_module(f"{folder.__name__}.{found.name}") for found in pkgutil.iter_modules(folder.__path__)
    ]
    return {module.SET.name: module.SET for module in sorted(modules, key=lambda module: module.SET.name)}


def exercise_set(name: str) -> ExerciseSet:
    """A set by name; AsrlabError for one that does not exist."""
    return _find(name, sets(), "set")


def exercise(name: str) -> Exercise:
    """An exercise by name; AsrlabError for one that does not exist."""
    return _find(name, {one.name: one for group in sets().values() for one in group.exercises}, "exercise")


def hint_of(mistake: Callable[..., Any]) -> str:
    """The hint that names a mistake: the docstring of the function that makes it."""
    return " ".join((inspect.getdoc(mistake) or "").split())


def _find(name: str, known: Mapping[str, Any], what: str) -> Any:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(str(name), known, 1)
    guess = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise AsrlabError(f"{what} {name!r}: not known; {guess}")
