"""Around the verdicts: comparing, notebooks, reports, classes, releases, the command line."""

import csv
import io
import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import notebooks
import numpy as np
import pytest
import torch

from asrlab.cli import main
from asrlab.core.errors import AsrlabError
from asrlab.grading import authoring, check, classroom, report, rules, values
from asrlab.grading.compare import FLOAT32, difference, float32
from asrlab.grading.exercise import exercise, exercise_set, sets
from asrlab.grading.grade import grade
from asrlab.grading.notebook import defined_later, read
from asrlab.language import automaton
from asrlab.language.hotwords import context_graph
from asrlab.pages.broken_trainings import planted_logs
from asrlab.scoring.edits import align as library_align
from asrlab.scratch import attention, ctc, edit_distance, front_end, hmm, prefix_beam

GROUP = exercise_set("3-mathematics")
ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="the sandbox needs Linux or macOS")


# --- the oracles ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_oracles_agree_with_others(seed):
    """Each with a computation that its author did not write: jiwer, listing all paths, torch."""
    for said, heard in exercise("edit.distance").draw(seed):
        other = sum(op.kind != "equal" for op in library_align(" ".join(said), " ".join(heard)))
        assert exercise("edit.distance").oracle(said, heard) == other == edit_distance.edit_distance(said, heard)
    for log_y, target, *blank in exercise("ctc.forward").draw(seed):
        alpha = exercise("ctc.forward").oracle(log_y, target, *blank)
        total = np.logaddexp.reduce(alpha[-1, -2:])
        if log_y.shape[1] ** len(log_y) < 20_000:
            assert total == pytest.approx(-ctc.brute_force_loss(log_y, target, *blank), abs=1e-9)
        losses = torch.nn.functional.ctc_loss(
            torch.tensor(log_y)[:, None], torch.tensor(target).view(1, -1), [len(log_y)], [len(target)],
            *blank, reduction="sum",
        )  # fmt: skip
        assert total == pytest.approx(-losses.item(), rel=1e-9)
    for Q, K, V, mask in exercise("attention.mask").draw(seed):
        wanted = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (Q, K, V, mask))).numpy()
        np.testing.assert_allclose(exercise("attention.mask").oracle(Q, K, V, mask), wanted, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(attention.attention(Q, K, V, mask), wanted, rtol=1e-9, atol=1e-9)
    for path, *blank in exercise("ctc.collapse").draw(seed):
        assert exercise("ctc.collapse").oracle(path, *blank) == ctc.collapse(path, *blank)


def test_the_oracle_of_adam_is_torch_over_several_steps():
    rng = np.random.default_rng(3)
    w = rng.standard_normal(6)
    parameter = torch.nn.Parameter(torch.tensor(w))
    optimizer = torch.optim.Adam([parameter], lr=0.05, betas=(0.9, 0.98), eps=1e-3)
    m = v = np.zeros(6)
    for t in range(1, 8):
        g = rng.standard_normal(6)
        parameter.grad = torch.tensor(g)
        optimizer.step()
        w, m, v = exercise("adam.step").oracle(w, g, m, v, t, 0.05, 0.9, 0.98, 1e-3)
        np.testing.assert_allclose(w, parameter.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_oracles_of_models_agree_with_the_package(seed):
    """Hidden Markov models, filters, convolutions, gradients through time: with the package, or with torch."""
    for pi, A, log_b in exercise("hmm.forward").draw(seed):
        wanted = hmm.forward(pi, A, log_b)
        np.testing.assert_allclose(exercise("hmm.forward").oracle(pi, A, log_b), wanted, rtol=1e-9)
    for pi, A, B, sequences in exercise("hmm.em").draw(seed):
        model = hmm.Hmm(pi=pi, A=A, emission=hmm.Symbols(B), end=None)
        new = hmm.reestimate(model, [np.array(x) for x in sequences])
        found = exercise("hmm.em").oracle(pi, A, B, sequences)
        for mine, theirs in zip(found, (new.pi, new.A, new.emission.B), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    for F, points, rate, low, high in exercise("mel.filters").draw(seed):
        wanted = front_end.mel_filters(F, points, rate, low, high)
        np.testing.assert_allclose(exercise("mel.filters").oracle(F, points, rate, low, high), wanted, atol=1e-9)
    for x, W, b, stride, padding, dilation in exercise("conv.matmul").draw(seed):
        weights = torch.tensor(W).permute(2, 1, 0)
        wanted = torch.nn.functional.conv1d(
            torch.tensor(x).T[None], weights, torch.tensor(b), stride, padding, dilation
        )
        found = exercise("conv.matmul").oracle(x, W, b, stride, padding, dilation)
        np.testing.assert_allclose(found, wanted[0].T.numpy(), rtol=1e-9, atol=1e-9)
    for X, W, U, b, V, G in exercise("rnn.bptt").draw(seed):
        W_, U_, b_ = (torch.tensor(one, requires_grad=True) for one in (W, U, b))
        h = total = torch.zeros(len(b), dtype=torch.float64)
        for x, g in zip(X, G, strict=True):
            h = torch.tanh(W_ @ torch.tensor(x) + U_ @ h + b_)
            total = total + (h @ torch.tensor(V)) @ torch.tensor(g)
        total.sum().div(len(b)).backward()
        for mine, theirs in zip(exercise("rnn.bptt").oracle(X, W, U, b, V, G), (W_, U_, b_), strict=True):
            np.testing.assert_allclose(mine, theirs.grad.numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_oracles_of_decoding_and_fusion_agree_with_the_package(seed):
    """Wide beams with all texts listed, hotwords with the package, InfoNCE with torch, logs with their label."""
    for log_y, beam, *blank in exercise("ctc.prefix_beam").draw(seed):
        if (blank or [0]) == [0] and beam >= 9 and len(log_y) < 5:
            listed = prefix_beam.text_probabilities(log_y)
            for tokens, score in exercise("ctc.prefix_beam").oracle(log_y, beam):
                assert score == pytest.approx(listed[tuple(tokens)], abs=1e-9)
    for phrases, words, bonus in exercise("hotwords.automaton").draw(seed):
        graph = context_graph({" ".join(map(str, p)): bonus * len(p) for p in phrases})
        text = np.random.default_rng(seed).integers(0, words, 40).tolist()
        after, reward, final = exercise("hotwords.automaton").oracle(phrases, words, bonus)
        state = total = 0
        for word in text:
            total, state = total + reward[state][word], after[state][word]
        labels = np.array([graph.labels.get(str(word), 0) for word in text])
        assert total + final[state] == pytest.approx(automaton.score(graph.automaton, 0, labels), abs=1e-9)
    for X, Z, temperature in exercise("contrast.info_nce").draw(seed):
        one, other = (torch.nn.functional.normalize(torch.tensor(Y)) for Y in (X, Z))
        scores, right = one @ other.T / temperature, torch.arange(len(X))
        wanted = sum(torch.nn.functional.cross_entropy(table, right) for table in (scores, scores.T)) / 2
        assert exercise("contrast.info_nce").oracle(X, Z, temperature) == pytest.approx(wanted.item(), abs=1e-9)
    for *log, kind in planted_logs(np.random.default_rng(seed)):
        assert exercise("training.diagnose").oracle(*log) == kind


# --- comparing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        (3, 3.0), (3, np.float32(3)), ([1, 2], (1, 2)), ([1, 2], np.array([1, 2])), ([], ()), ([], np.zeros(0)),
        ((1.0, 2.0), torch.tensor([1.0, 2.0])), ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])), (True, np.True_),
        (-np.inf, float("-inf")), ([1, [2, "a"]], (1, (2, "a"))), ({"a": 1}, {"a": 1.0}), ("x", "x"),
        (range(3), [0, 1, 2]),
    ],
)  # fmt: skip
def test_the_same_in_another_form_is_right(wanted, got):
    assert difference(values.copied(wanted), values.copied(got)) is None


@pytest.mark.parametrize(
    ("wanted", "got", "kind"),
    [
        (3, None, "none"), (3, "3", "type"), ([1, 2], [1, 2, 3], "shape"), (3, [3], "shape"), ([1.0], [np.nan], "nan"),
        (1.0, 1.1, "wrong"), ("x", "y", "wrong"), ({"a": 1}, {"b": 1}, "shape"), ({"a": 1}, {"a": 2}, "wrong"),
        ([1, "a"], [1, "b"], "wrong"), (np.inf, -np.inf, "wrong"), ([[1, 2]], [1, 2], "shape"), ("x", 3, "type"),
    ],
)  # fmt: skip
def test_a_difference_is_named_and_never_answered(wanted, got, kind):
    found, message = difference(values.copied(wanted), values.copied(got))
    assert found == kind
    assert "expected" not in message


def test_the_tolerance_covers_float32_and_little_more():
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal(1000)
    total = np.cumsum(numbers.astype(np.float32), dtype=np.float32)[-1]
    assert difference(float(numbers.sum()), float(total), float32(1000)) is None
    assert difference(1.0, 1.0 + 8 * FLOAT32, float32(2))


def test_in_the_notebook_and_for_credit_one_value_is_compared():
    given = [np.arange(6, dtype=np.int32).reshape(2, 3), (1, 2.5), "text", None, {"a": [True]}]
    copy = values.copied(given)
    assert copy[0].dtype == np.int64 and copy[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert copy[1:] == [[1, 2.5], "text", None, {"a": [True]}]


# --- notebooks and rules --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"cells": 3}', '{"cells": [{}]}', '{"cells": [{"cell_type": "code", "source": 3}]}'],
)  # fmt: skip
def test_what_is_no_notebook_is_named(tmp_path, content):
    (tmp_path / "x.ipynb").write_text(content)
    with pytest.raises(AsrlabError, match=r"x\.ipynb: not a notebook"):
        read(tmp_path / "x.ipynb")
    with pytest.raises(AsrlabError, match="no such file"):
        read(tmp_path / "y.ipynb")


def test_a_later_definition_is_found(tmp_path):
    notebook = read(notebooks.write(tmp_path / "x.ipynb", ["a = b", "def f(): pass", "b, c = 1, 2", "b = 3"]))
    assert [defined_later(notebook, name, 1) for name in ("b", "f", "a")] == [3, 2, None]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["import jiwer", "def f(x): return jiwer.wer(x, x)"], "jiwer.wer (cell 2, line 1)"),
        (["from jiwer import wer as w", "def f(x):\n    return w(x, x)"], "jiwer.wer (cell 2, line 2)"),
        (["def f(x):\n    import jiwer as j\n    return j.wer(x)"], "jiwer (cell 1, line 2)"),
        (["import importlib", "def f(x): return importlib.import_module('jiwer')"], "jiwer (cell 2, line 1)"),
        (["import torch.nn.functional as F", "loss = F.ctc_loss", "def g(x): return loss(x)", "def f(x): return g(x)"],
         "torch.nn.functional.ctc_loss (cell 2, line 1)"),
        (["import jiwer", "def f(x): return x", "print(jiwer.wer('a', 'b'))"], None),
        (["import torch", "def f(x): return torch.exp(x)"], None),
        (["from asrlab.grading import check", "def f(x): return check"], None),
        (["def f(x): return x.jiwer"], None),
    ],
)  # fmt: skip
def test_only_what_the_function_reaches_is_looked_at(tmp_path, cells, found):
    notebook = read(notebooks.write(tmp_path / "x.ipynb", cells))
    banned = ("jiwer", "torch.nn.functional.ctc_loss", "asrlab.grading")
    assert rules.violation(notebook, "f", banned) == found


# --- holes ----------------------------------------------------------------------------------------


def test_a_stub_is_the_solution_with_holes():
    for group in sets().values():
        for cell in authoring.exercise_cells(group).values():
            holes = list(authoring.HOLE)
            stub, solved = (text(cell).splitlines() for text in (authoring.stub, authoring.solved))
            outside = [line for line in stub if line.strip() not in holes]
            begin = next(k for k, line in enumerate(solved) if line not in outside)
            inside = len(solved) - len(outside)
            assert inside > 0 and solved[:begin] + solved[begin + inside :] == outside
            assert len(stub) == len(outside) + len(holes)


@pytest.mark.parametrize("cell", ["### BEGIN SOLUTION\nx = 1", "x = 1\n### END SOLUTION",
                                  "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"])  # fmt: skip
def test_marks_without_a_partner_are_refused(cell):
    with pytest.raises(AsrlabError, match="without"):
        authoring.stub(cell)


def test_a_student_s_notebook_holds_no_line_of_a_solution_and_no_stray_file_is_left(tmp_path):
    pytest.importorskip("jupytext", reason="the book's tools are not installed; pip install asrlab[book]")
    from asrlab.grading.release import release

    for kind, extra in (("students", ""), ("instructors", "-solved")):
        for name in sets():
            release(name, kind, tmp_path / kind)
        wanted = {f"{name}{end}.ipynb" for name in sets() for end in {"", extra}}
        assert {path.name for path in (tmp_path / kind).rglob("*")} == wanted
    for name, group in sets().items():
        text = (tmp_path / "students" / f"{name}.ipynb").read_text(encoding="utf-8")
        code = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        for exercise_, cell in authoring.exercise_cells(group).items():
            assert authoring.stub(cell) in code
            hole = set(authoring.solved(cell).splitlines()) - set(authoring.stub(cell).splitlines())
            assert hole and not [line for line in hole if len(line.strip()) > 12 and line in "\n".join(code)], exercise_
        assert "SOLUTION" not in text


def test_the_example_of_the_students_page_is_what_the_check_says():
    from asrlab.grading.sets.mathematics import removes_blanks_first

    page = (ROOT / "book" / "exercises" / "index.md").read_text(encoding="utf-8")
    assert str(check("ctc.collapse", removes_blanks_first)) in page


# --- reports --------------------------------------------------------------------------------------


@pytest.fixture
def half(tmp_path):
    """A grade with a pass, a mistake, an error with odd characters, and a figure."""
    answers = {
        "ctc_forward": notebooks.source_of(exercise("ctc.forward").mistakes[0], "ctc_forward"),
        "masked_attention": (
            'def masked_attention(Q, K, V, mask):\n    raise ValueError("<b>\\x00\\x1b[31m \\ud800 & ]]>")'
        ),
    }
    cells = [*notebooks.cells_of(GROUP, answers), "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"]
    return grade(notebooks.write(tmp_path / "half.ipynb", cells, GROUP.name), seed=7)


@posix
def test_reports_say_the_same_and_survive_odd_texts(half):
    assert [verdict.passed for verdict in half.verdicts] == [True, False, False] and half.points == 5
    told = report.text(half)
    told.encode("utf-8")
    assert "5 of 45 points" in told and "may be skipped" not in told and "\x1b" not in told and "seed 7" in told
    tree = ElementTree.fromstring(report.junit(half))
    assert tree.attrib["tests"] == "3" and tree.attrib["failures"] == "2"
    assert [case.attrib["name"] for case in tree] == [one.name for one in GROUP.exercises]
    page = report.html(half)
    page.encode("utf-8")
    assert "&lt;b&gt;" in page and "<b>" not in page and page.count("data:image/png") == 1 and "seed" not in page
    results = report.gradescope(half)
    assert results["score"] == 5 and sum(test["max_score"] for test in results["tests"]) == 45
    assert "seed" not in json.dumps(results)
    assert report.progress(half)["done"] == {"ctc.collapse": True}
    assert json.loads(json.dumps(report.to_json(half)))["points"] == 5


@posix
def test_a_figure_that_is_none_is_not_shown(half):
    half.figures[1] = ["PHNjcmlwdD4=", "<script>", "é"]
    assert report.html(half).count("<img") == 1


@posix
def test_the_same_seed_gives_the_same_verdict_in_notebook_and_terminal(half):
    again = check("ctc.forward", exercise("ctc.forward").mistakes[0], seed=7).verdict
    assert again == half.verdicts[1]


# --- a class --------------------------------------------------------------------------------------


def class_of(folder, count, group=GROUP):
    """So many submissions: full ones, stubs, mistakes, and every tenth a hostile one."""
    hostile = [
        "while True: pass",
        "import os\nos._exit(0)",
        "x = [0] * 10**11",
        "import os\nwhile True: os.fork()",
        "(",
    ]
    for number in range(count):
        answers = {one.function: notebooks.source_of(one.mistakes[number % len(one.mistakes)], one.function)
                   for one in group.exercises} if number % 3 == 1 else None  # fmt: skip
        cells = notebooks.cells_of(group, answers, solved=number % 3 != 2)
        if number % 10 == 9:
            cells.append(hostile[number // 10 % len(hostile)])
        student = folder / f"student{number:03d}"
        student.mkdir(parents=True)
        notebooks.write(student / f"{group.name}.ipynb", cells, group.name)
    return folder


@posix
def test_a_class_is_graded_and_its_tables_can_be_imported(tmp_path, capsys):
    folder = class_of(tmp_path / "class", 9, exercise_set("1-background"))
    moodle = folder / "Jane Doe_4711_assignsubmission_file_"
    (folder / "student000").rename(moodle)
    (folder / "student001" / "1-background.ipynb").rename(folder / "doejane_LATE_815_99_1-background.ipynb")
    (folder / "student001").rmdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "x.ipynb").write_text("{")
    (folder / "=cmd()").mkdir()
    notebooks.write(folder / "=cmd()" / "x.ipynb", ["a = 1"], "1-background")
    out = tmp_path / "out"
    assert main(["grade", "--class", str(folder), "--set", "1-background", "--jobs", "2", "--out", str(out)]) == 0
    assert "11 submissions of 1-background" in capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO((out / "moodle.csv").read_text())))
    grades = {row["Full name"]: (row["Identifier"], int(row["Grade"])) for row in rows}
    assert grades["Jane Doe"] == ("Participant 4711", 25)
    assert grades["doejane"] == ("Participant 815", 0)
    assert grades["student002"][1] == 0 and grades["student003"][1] == 25
    assert (
        grades["broken"][1] == 0
        and "not a notebook" in next(r for r in rows if r["Full name"] == "broken")["Feedback comments"]
    )
    assert "'=cmd()" in grades
    canvas = list(csv.reader(io.StringIO((out / "canvas.csv").read_text())))
    assert canvas[0] == ["Student", "ID", "SIS Login ID", "Section", "1-background"] and canvas[1][-1] == "25"
    assert sum(int(row[-1]) for row in canvas[2:]) == sum(grade_ for _, grade_ in grades.values())
    assert len(list((out / "feedback").glob("*.html"))) == 10
    assert len(list((out / "gradescope").glob("*/results.json"))) == 10
    assert len({row.get("seed") for row in json.loads((out / "grades.json").read_text()) if "seed" in row}) == 1


def test_a_class_that_cannot_be_graded_is_refused(tmp_path):
    with pytest.raises(AsrlabError, match="no such folder"):
        classroom.submissions(tmp_path / "none")
    with pytest.raises(AsrlabError, match="no notebook"):
        classroom.submissions(tmp_path)
    notebooks.write(tmp_path / "a.ipynb", [])
    with pytest.raises(AsrlabError, match="jobs=0"):
        classroom.grade_class(tmp_path, GROUP.name, jobs=0)
    (tmp_path / "ann").mkdir()
    for name in ("x", "y"):
        notebooks.write(tmp_path / "ann" / f"{name}.ipynb", [])
    with pytest.raises(AsrlabError, match="2 notebooks"):
        classroom.submissions(tmp_path)


# --- the command line -----------------------------------------------------------------------------


@posix
def test_the_status_says_whether_all_passed(tmp_path, capsys):
    full = notebooks.write(tmp_path / "full.ipynb", notebooks.cells_of(GROUP), GROUP.name)
    files = {name: tmp_path / f"out.{name}" for name in ("json", "junit", "html", "gradescope", "progress")}
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    assert main(["grade", str(full), *options]) == 0
    assert all(path.stat().st_size > 100 for path in files.values())
    hollow = notebooks.write(tmp_path / "hollow.ipynb", notebooks.cells_of(GROUP, solved=False), GROUP.name)
    assert main(["grade", str(hollow)]) == 3
    assert main(["grade", str(tmp_path / "none.ipynb")]) == 1
    assert main(["grade"]) == 1 and main(["grade", "--class", str(tmp_path)]) == 1
    assert main(["grade", str(full), "--json", str(tmp_path / "no" / "x")]) == 1
    assert main(["grade", str(full), "--set", "3-mathematic"]) == 1
    assert "did you mean '3-mathematics'" in capsys.readouterr().err


@posix
def test_a_notebook_without_a_set_is_asked_for_one(tmp_path):
    with pytest.raises(AsrlabError, match="--set"):
        grade(notebooks.write(tmp_path / "x.ipynb", ["a = 1"]))
    for name in ("1-background", "1-background-walks"):
        assert grade(notebooks.write(tmp_path / f"mine {name}.ipynb", ["a = 1"])).set_name == name


# --- nbgrader -------------------------------------------------------------------------------------


@posix
def test_nbgrader_gives_the_same_scores(tmp_path):
    nbgrader = os.environ.get("ASRLAB_NBGRADER") or shutil.which("nbgrader")
    if not nbgrader:
        pytest.skip(
            "nbgrader is not installed; pip install nbgrader==0.9.6 in an environment, ASRLAB_NBGRADER=.../bin/nbgrader"
        )
    pytest.importorskip("jupytext", reason="the book's tools are not installed; pip install asrlab[book]")
    group, course = exercise_set("1-background"), tmp_path / "course"
    assert main(["release", group.name, "--for", "nbgrader", "--seed", "5", "--out", str(course)]) == 0
    path = os.pathsep.join([str(Path(nbgrader).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "JUPYTER_DATA_DIR": str(tmp_path / "jupyter")}

    def run(*words):
        found = subprocess.run([nbgrader, *words], cwd=course, env=environment, capture_output=True, text=True)
        assert found.returncode == 0, found.stderr[-3000:]

    run("generate_assignment", group.name)
    handed_out = json.loads((course / "release" / group.name / f"{group.name}.ipynb").read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in handed_out["cells"] if cell["cell_type"] == "code"]  # lists of lines
    assert all(authoring.stub(cell) in code for cell in authoring.exercise_cells(group).values())
    assert "HIDDEN" not in json.dumps(handed_out) and "seed=5" not in json.dumps(handed_out)
    first, second = group.exercises
    submitted = {
        "full": {name: authoring.solved(cell) for name, cell in authoring.exercise_cells(group).items()},
        "half": {first.function: notebooks.source_of(first.right[0], first.function),
                 second.function: notebooks.source_of(second.mistakes[0], second.function)},
        "stub": {},
    }  # fmt: skip
    for student, answers in submitted.items():
        mine = json.loads(json.dumps(handed_out))
        for cell in mine["cells"]:
            marks = cell["metadata"].get("nbgrader", {})
            if marks.get("solution") and marks["grade_id"] in answers:
                cell["source"] = answers[marks["grade_id"]]
        folder = course / "submitted" / student / group.name
        folder.mkdir(parents=True)
        (folder / f"{group.name}.ipynb").write_text(json.dumps(mine), encoding="utf-8")
    for step in ("autograde", "generate_feedback"):
        run(step, group.name)
    run("export")
    rows = csv.DictReader(io.StringIO((course / "grades.csv").read_text()))
    scores = {row["student_id"]: float(row["score"]) for row in rows}
    ours = {student: grade(course / "submitted" / student / group.name / f"{group.name}.ipynb", seed=5).points
            for student in submitted}  # fmt: skip
    assert scores == ours == {"full": group.points, "half": first.points, "stub": 0}
    assert len(list((course / "feedback").rglob("*.html"))) == 3
