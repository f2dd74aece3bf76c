"""From the answers that a function gave to a verdict: the same for the notebook and for the sandbox."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from asrlab.grading import values
from asrlab.grading.compare import difference
from asrlab.grading.exercise import Arguments, Exercise, hint_of

NOT_WRITTEN = "stub"


class Fault(Exception):
    """Why a call gave no answer. kind: "error", "stub", "time", "memory", "forbidden", ...; `fatal` ends the check."""

    def __init__(self, kind: str, message: str, fatal: bool = False):
        super().__init__(message)
        self.kind, self.message, self.fatal = kind, message, fatal


@dataclass(frozen=True)
class Reply:
    """What a call gave: the value, and the arguments as they were after it."""

    value: Any
    arguments: Any


Call = Callable[[Arguments], Reply]  # raises Fault


@dataclass(frozen=True)
class Verdict:
    """What a check found."""

    exercise: str
    passed: bool
    kind: str  # "passed", "wrong", "shape", "nan", "changed", "stub", "error", "time", ...
    message: str  # what is wrong, for people
    points: int  # all of them or none
    of: int
    seed: int  # draws the same inputs again
    hint: str = ""  # names the mistake, where it is a known one
    case: int | None = None  # which input it was, counted from 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def fresh_seed() -> int:
    return secrets.randbits(48)


def refused(exercise: Exercise, fault: Fault, seed: int, case: int | None = None) -> Verdict:
    """The verdict where there was no answer to look at."""
    return Verdict(exercise.name, False, fault.kind, fault.message, 0, exercise.points, seed, case=case)


def judge(exercise: Exercise, call: Call, seed: int) -> Verdict:
    """Ask for an answer to each of the exercise's inputs, and say what is wrong with the first that is not right."""
    cases = exercise.draw(seed)
    outcomes: list[Reply | Fault] = []
    for number, arguments in enumerate(cases):
        try:
            outcomes.append(call(arguments))
        except Fault as fault:
            if fault.fatal or fault.kind == NOT_WRITTEN:
                return refused(exercise, fault, seed, number)
            outcomes.append(fault)
    found = _first_fault(exercise, cases, outcomes)
    if found is None:
        return Verdict(exercise.name, True, "passed", f"All {len(cases)} inputs are right.", exercise.points,
                       exercise.points, seed)  # fmt: skip
    case, kind, message, hint = found
    where = f"Input {case + 1} of {len(cases)}: {shown(exercise, cases[case])}"
    return Verdict(exercise.name, False, kind, f"{message}\n{where}", 0, exercise.points, seed, hint, case)


def _first_fault(
    exercise: Exercise, cases: Sequence[Arguments], outcomes: Sequence[Reply | Fault]
) -> tuple[int, str, str, str] | None:
    """(case, kind, message, hint), or None."""
    for case, outcome in enumerate(outcomes):
        if isinstance(outcome, Reply) and difference(values.copied(list(cases[case])), outcome.arguments):
            return case, "changed", "Your function changed its input: work on a copy, others still need the input.", ""
    if exercise.judge:
        for case, outcome in enumerate(outcomes):
            if isinstance(outcome, Fault):
                return case, outcome.kind, outcome.message, known_mistake(exercise, cases, outcomes)
        try:
            answers = [_listed(outcome.value) for outcome in outcomes if isinstance(outcome, Reply)]
            found = exercise.judge(cases, answers)
        except (TypeError, ValueError, LookupError, AttributeError):  # an answer of a form that no judge expects
            return 0, "type", "It returned something of another form than the one that is asked for.", ""
        return found and (found[0], "wrong", found[1], "")
    for case, (arguments, outcome) in enumerate(zip(cases, outcomes, strict=True)):
        if isinstance(outcome, Fault):
            return case, outcome.kind, outcome.message, known_mistake(exercise, cases, outcomes)
        wanted = values.plain(exercise.oracle(*values.copied(list(arguments))))
        wrong = difference(wanted, outcome.value, exercise.tolerance)
        if wrong:
            return case, *wrong, known_mistake(exercise, cases, outcomes)
    return None


def _listed(value: Any) -> Any:
    """Arrays as lists, so that a judge has one form to look at."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_listed(one) for one in value] if isinstance(value, list) else value


def known_mistake(exercise: Exercise, cases: Sequence[Arguments], outcomes: Sequence[Reply | Fault]) -> str:
    """The hint of the typical mistake that gives exactly these wrong answers; "" if it is none of them."""
    for mistake in exercise.mistakes:
        if all(_alike(mine, other, exercise) for mine, other in zip(outcomes, _answers(mistake, cases), strict=False)):
            return hint_of(mistake)
    return ""


def _answers(function: Callable[..., Any], cases: Sequence[Arguments]) -> Iterator[Any]:
    for arguments in cases:
        try:
            with np.errstate(all="ignore"):
                yield values.plain(function(*values.copied(list(arguments))))
        except Exception as error:
            yield error


def _alike(mine: Reply | Fault, other: Any, exercise: Exercise) -> bool:
    if isinstance(mine, Fault) or isinstance(other, Exception):
        return isinstance(mine, Fault) and isinstance(other, Exception) and type(other).__name__ in mine.message
    return difference(other, mine.value, exercise.tolerance) is None


def shown(exercise: Exercise, arguments: Arguments) -> str:
    """An input for people: arrays by their shape, unless they are tiny."""
    parts = []
    for name, value in zip(exercise.parameters, arguments, strict=False):
        text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
        if len(text) > 60:
            text = f"array of shape {value.shape}" if isinstance(value, np.ndarray) else f"{text[:57]}..."
        parts.append(f"{name} = {text}")
    return ", ".join(parts)
