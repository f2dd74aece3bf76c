"""What came of a notebook, as a text, as JSON, as JUnit for a build server, as a page, and for Gradescope."""

from __future__ import annotations

import base64
import binascii
import re
from html import escape
from typing import Any
from xml.etree import ElementTree

from asrlab.grading.exercise import exercise_set
from asrlab.grading.grade import Grade
from asrlab.grading.judge import Verdict

# What neither XML nor a terminal has a use for.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
PNG = b"\x89PNG\r\n\x1a\n"
WALLS = {"limits": "memory and time", "files": "files", "calls": "network and processes"}
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#232832}
h2{font-size:1.1rem;margin:1.6rem 0 .3rem}.passed{color:#0c6f77}.failed{color:#ad3a1f}pre{white-space:pre-wrap}
img{max-width:100%}"""


def clean(text: str) -> str:
    """A text from a learner's process without what a terminal or an XML file cannot hold."""
    return UNPRINTABLE.sub("?", text)


def lines_of(verdict: Verdict) -> list[str]:
    """What is wrong and what may help, line by line."""
    return [clean(line) for line in (*verdict.message.splitlines(), verdict.hint) if line]


def text(grade: Grade) -> str:
    """For a terminal."""
    lines = [f"{grade.path.name}: {grade.points} of {grade.of} points, {grade.set_name}"]
    for verdict in grade.verdicts:
        state = "ok " if verdict.passed else "not"
        lines.append(f"  {state}  {verdict.exercise:<24}{verdict.points:>4} of {verdict.of}")
        lines += [] if verdict.passed else [f"         {line}" for line in lines_of(verdict)]
    lines += [f"  cell {number}: {clean(message)}" for number, message in grade.cells.items()]
    missing = [what for wall, what in WALLS.items() if not grade.in_force.get(wall)]
    if missing:
        lines.append(f"  This system could not close off {' and '.join(missing)}: grade strangers' work elsewhere.")
    return "\n".join([*lines, f"  seed {grade.seed}, {grade.seconds:.1f} s"])


def to_json(grade: Grade) -> dict[str, Any]:
    """All of it but the figures, the seed included: for the instructor."""
    return {
        "file": grade.path.name, "set": grade.set_name, "points": grade.points, "of": grade.of, "seed": grade.seed,
        "seconds": round(grade.seconds, 2), "in_force": grade.in_force, "cells": grade.cells,
        "exercises": [verdict.to_dict() for verdict in grade.verdicts],
    }  # fmt: skip


def junit(grade: Grade) -> str:
    """For a build server: a test for each exercise."""
    failures = sum(not verdict.passed for verdict in grade.verdicts)
    suite = ElementTree.Element(
        "testsuite", name=grade.set_name, tests=str(len(grade.verdicts)), failures=str(failures), errors="0",
        time=f"{grade.seconds:.2f}",
    )  # fmt: skip
    for verdict in grade.verdicts:
        case = ElementTree.SubElement(suite, "testcase", classname=grade.set_name, name=verdict.exercise)
        if not verdict.passed:
            what = lines_of(verdict)
            ElementTree.SubElement(case, "failure", type=verdict.kind, message=what[0]).text = "\n".join(what)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def html(grade: Grade) -> str:
    """For the learner: a page of its own, with the figures of the notebook, and without the seed."""
    group, parts = exercise_set(grade.set_name), []
    for verdict in grade.verdicts:
        state = "passed" if verdict.passed else "failed"
        title = f"{escape(group[verdict.exercise].title)} ({verdict.exercise})"
        parts.append(f'<h2 class="{state}">{title}: {verdict.points} of {verdict.of}</h2>')
        parts += [f"<p>{escape(line)}</p>" for line in lines_of(verdict)]
    if grade.cells:
        parts.append("<h2>Cells that did not run to their end</h2>")
        parts += [f"<p>Cell {number}: {escape(clean(message))}</p>" for number, message in grade.cells.items()]
    shown = [_picture(number, picture) for number, found in sorted(grade.figures.items()) for picture in found]
    if any(shown):
        parts += ["<h2>Your figures</h2>", *shown]
    title = f"{escape(group.title)}: {grade.points} of {grade.of} points"
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    body = f"<h1>{title}</h1>{''.join(parts)}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _picture(cell: int, picture: str) -> str:
    """A figure, if it is one: what came back is no more than a claim."""
    try:
        data = base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError):
        return ""
    if not data.startswith(PNG):
        return ""
    return f'<p><img alt="Figure of cell {cell}" src="data:image/png;base64,{base64.b64encode(data).decode()}"></p>'


def gradescope(grade: Grade) -> dict[str, Any]:
    """results.json of a Gradescope autograder."""
    tests = [
        {"name": verdict.exercise, "score": verdict.points, "max_score": verdict.of,
         "status": "passed" if verdict.passed else "failed", "output": "\n".join(lines_of(verdict))}
        for verdict in grade.verdicts
    ]  # fmt: skip
    return {
        "score": grade.points, "execution_time": round(grade.seconds, 2), "visibility": "visible",
        "stdout_visibility": "hidden", "tests": tests,
    }  # fmt: skip


def progress(grade: Grade) -> dict[str, Any]:
    """What the pages of the book import: which exercises are done."""
    done = {verdict.exercise: True for verdict in grade.verdicts if verdict.passed}
    return {"format": "asrlab-progress", "version": 1, "done": done}
