"""In the notebook: check an answer at once, ask for a hint, look at the solution after it passed.

Everything here runs in the learner's own process. It is for learning: who fools it fools nobody else. For credit
there is `asrlab grade`, which runs the answer elsewhere and keeps the expected results to itself.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from html import escape
from typing import Any

from asrlab.core.errors import AsrlabError
from asrlab.grading import values
from asrlab.grading.authoring import solution_of
from asrlab.grading.exercise import exercise
from asrlab.grading.judge import Fault, Reply, Verdict, fresh_seed, judge, refused

_passed: set[str] = set()  # names of exercises, in this process
_hints_seen: dict[str, int] = {}


class Shown:
    """A verdict or a text as a notebook shows it; in a terminal, its words."""

    def __init__(self, title: str, text: str, code: str = "", verdict: Verdict | None = None):
        self.title, self.text, self.code, self.verdict = title, text, code, verdict

    def __bool__(self) -> bool:
        return self.verdict is None or self.verdict.passed

    @property
    def points(self) -> int:
        return self.verdict.points if self.verdict else 0

    def __repr__(self) -> str:
        return "\n".join(part for part in (self.title, self.text, self.code) if part)

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in self.text.splitlines() if line)
        code = f"<pre>{escape(self.code)}</pre>" if self.code else ""
        kind = "passed" if self else "failed"
        return f'<div class="exercise-{kind}"><p><strong>{escape(self.title)}</strong></p>{lines}{code}</div>'

    def require(self) -> Shown:
        """Raise AssertionError unless it passed: for a grader that counts cells which do not fail."""
        if not self:
            raise AssertionError(str(self))
        return self


def check(name: str, function: Callable[..., Any], seed: int | None = None) -> Shown:
    """Try a function on fresh inputs. Takes at most a second, unless the function itself is slow.

    name      "ctc.forward"
    function  the function that was asked for
    seed      of a failure, to see it again
    """
    asked, seed = exercise(name), fresh_seed() if seed is None else seed
    if callable(function):
        verdict = judge(asked, _caller(function), seed)
    else:
        given = type(function).__name__
        verdict = refused(
            asked, Fault("type", f"Hand over the function itself, {asked.function}; this is a {given}."), seed
        )
    if verdict.passed:
        _passed.add(name)
        return Shown(f"{name}: passed, {verdict.points} of {verdict.of} points", f"{verdict.message} "
                     f'All hints: hint("{name}"). Our solution: solution("{name}").', verdict=verdict)  # fmt: skip
    advice = verdict.hint or f'A hint: hint("{name}"). The same inputs again: check("{name}", ..., seed={seed}).'
    return Shown(f"{name}: not yet", f"{verdict.message}\n{advice}", verdict=verdict)


def hint(name: str) -> Shown:
    """The next of three hints; all of them once the exercise has passed."""
    hints = exercise(name).hints
    if name in _passed:
        return Shown(f"{name}: all hints", "\n".join(f"{k}. {text}" for k, text in enumerate(hints, start=1)))
    seen = _hints_seen[name] = min(_hints_seen.get(name, 0) + 1, len(hints))
    return Shown(f"{name}: hint {seen} of {len(hints)}", hints[seen - 1])


def solution(name: str) -> Shown:
    """One solution, once yours has passed."""
    asked = exercise(name)
    if name not in _passed:
        raise AsrlabError(f'solution("{name}"): first pass check("{name}", {asked.function}); hint("{name}") helps')
    return Shown(f"{name}: one solution", "", solution_of(asked))


def _caller(function: Callable[..., Any]) -> Callable[[tuple], Reply]:
    def call(arguments: tuple) -> Reply:
        given = values.copied(list(arguments))
        try:
            value = function(*given)
        except NotImplementedError:
            raise Fault("stub", "Not written yet: replace `raise NotImplementedError()` by your code.") from None
        except Exception as error:
            raise Fault("error", told(error)) from None
        except SystemExit:
            raise Fault("exit", "Your function calls exit(): return the answer instead.") from None
        try:
            return Reply(values.plain(value), values.plain(given))
        except values.ValueRefused as refusal:
            raise Fault("type", f"It returned {refusal}; return numbers, lists or arrays.") from None

    return call


def told(error: BaseException) -> str:
    """An exception in a line: its type, its text, and the line of the learner's code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    where = f" in line {frames[0].lineno}: {frames[0].line}" if frames else ""
    return f"{type(error).__name__}: {str(error)[:300]}{where}"
