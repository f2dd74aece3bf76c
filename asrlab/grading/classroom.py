"""Grade a class: every notebook of a folder, several at a time, and tables that course systems import."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.grading import report
from asrlab.grading.exercise import exercise_set
from asrlab.grading.grade import Grade, grade
from asrlab.grading.judge import fresh_seed
from asrlab.grading.sandbox import Limits, Wrapper

MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w+?_?$")  # a folder of Moodle's download
CANVAS = re.compile(r"^(?P<name>[^_]+)(_LATE)?_(?P<id>\d+)_\d+_.+$")  # a file of Canvas's download


@dataclass(frozen=True)
class Submission:
    """One student's notebook. `identity` is the course system's number, "" where the name does not say it."""

    student: str
    identity: str
    path: Path


@dataclass(frozen=True)
class Result:
    """A submission with its grade, or with the reason why there is none."""

    submission: Submission
    grade: Grade | None
    trouble: str = ""

    @property
    def points(self) -> int:
        return self.grade.points if self.grade else 0

    @property
    def feedback(self) -> str:
        """A line for each exercise that did not pass."""
        if self.grade is None:
            return self.trouble
        return " | ".join(f"{v.exercise}: {' '.join(report.lines_of(v))}" for v in self.grade.verdicts if not v.passed)


def submissions(folder: Path) -> list[Submission]:
    """The notebooks of a folder: files, or a folder for each student, as Canvas and Moodle download them.

    Raises AsrlabError for an empty folder, and for a student with several notebooks.
    """
    if not folder.is_dir():
        raise AsrlabError(f"{folder}: no such folder; unpack the submissions there")
    found = [_of_file(path) for path in sorted(folder.glob("*.ipynb")) if path.is_file()]
    for one in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        paths = [path for path in sorted(one.rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
        if len(paths) > 1:
            raise AsrlabError(f"{one}: {len(paths)} notebooks; leave the one that counts")
        known = MOODLE.match(one.name)
        name, identity = (known["name"], known["id"]) if known else (one.name, "")
        found += [Submission(name, identity, path) for path in paths]
    if not found:
        raise AsrlabError(f"{folder}: no notebook in it, nor in its folders; expected .ipynb files")
    return found


def _of_file(path: Path) -> Submission:
    known = CANVAS.match(path.stem)
    return Submission(known["name"], known["id"], path) if known else Submission(path.stem, "", path)


def grade_class(
    folder: Path,
    set_name: str,
    jobs: int = 1,
    seed: int | None = None,
    limits: Limits | None = None,
    wrapper: Wrapper | None = None,
    after_each: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Grade all submissions of a folder, `jobs` at a time, on the same inputs; in the order of the submissions."""
    if jobs < 1:
        raise AsrlabError(f"jobs={jobs}; pass how many notebooks may run side by side, at least 1")
    exercise_set(set_name)
    seed = fresh_seed() if seed is None else seed

    def one(submission: Submission) -> Result:
        try:
            result = Result(submission, grade(submission.path, set_name, seed, limits, wrapper))
        except AsrlabError as error:
            result = Result(submission, None, str(error))
        except Exception as error:  # the fault is ours; the other students shall not wait for it
            result = Result(submission, None, f"not graded, look at it by hand: {type(error).__name__}: {error}")
        after_each(result)
        return result

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, submissions(folder)))


# --- tables ---------------------------------------------------------------------------------------


def canvas(results: Sequence[Result], set_name: str) -> str:
    """A grade book that Canvas imports."""
    group = exercise_set(set_name)
    rows: list[list[object]] = [
        ["Student", "ID", "SIS Login ID", "Section", group.name],
        ["    Points Possible", "", "", "", group.points],
    ]
    rows += [[_cell(r.submission.student), r.submission.identity, "", "", r.points] for r in results]
    return _table(rows)


def moodle(results: Sequence[Result], set_name: str) -> str:
    """A grading worksheet that Moodle imports."""
    group = exercise_set(set_name)
    rows: list[list[object]] = [["Identifier", "Full name", "Grade", "Maximum Grade", "Feedback comments"]]
    for result in results:
        identity = f"Participant {result.submission.identity}" if result.submission.identity else ""
        name = _cell(result.submission.student)
        rows.append([identity, name, result.points, group.points, _cell(result.feedback)])
    return _table(rows)


def summary(results: Sequence[Result], set_name: str) -> str:
    """How the class did: how many passed each exercise, and which mistakes were frequent."""
    group, lines = exercise_set(set_name), []
    grades = [result.grade for result in results if result.grade]
    mean = sum(result.points for result in results) / len(results)
    lines.append(f"{len(results)} submissions of {group.name}, {mean:.1f} of {group.points} points on average")
    for number, exercise in enumerate(group.exercises):
        verdicts = [one.verdicts[number] for one in grades]
        lines.append(f"  {exercise.name:<24}{sum(v.passed for v in verdicts):>4} passed")
        frequent = Counter(v.hint or v.kind for v in verdicts if not v.passed).most_common(3)
        lines += [f"      {count:>4} x {report.clean(what)}" for what, count in frequent]
    lines += [f"  {result.submission.path.name}: {result.trouble}" for result in results if result.trouble]
    return "\n".join(lines)


def write(results: Sequence[Result], set_name: str, out: Path) -> list[Path]:
    """Everything into a folder: the two tables, all grades as JSON, and for each student a page and results.json."""
    files = {
        "canvas.csv": canvas(results, set_name), "moodle.csv": moodle(results, set_name),
        "summary.txt": summary(results, set_name) + "\n",
        "grades.json": json.dumps([_row(result) for result in results], indent=1) + "\n",
    }  # fmt: skip
    for number, result in enumerate(results, start=1):
        name = f"{number:03d}-{re.sub(r'[^A-Za-z0-9.-]+', '_', result.submission.student)[:60]}"
        if result.grade:
            files[f"feedback/{name}.html"] = report.html(result.grade)
            files[f"gradescope/{name}/results.json"] = json.dumps(report.gradescope(result.grade), indent=1) + "\n"
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(content, encoding="utf-8", errors="replace")
    return [out / name for name in files]


def _row(result: Result) -> dict:
    about = {"student": result.submission.student, "identity": result.submission.identity, "trouble": result.trouble}
    return {**about, **(report.to_json(result.grade) if result.grade else {"points": 0})}


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = report.clean(" ".join(text.split()))
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _table(rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
