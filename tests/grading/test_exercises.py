"""What must hold of every exercise: read from the sets, so a new exercise is tested as soon as it is written."""

import ast
import sys
import time

import notebooks
import numpy as np
import pytest
from mutants import mutants

from asrlab.core.errors import AsrlabError
from asrlab.grading import authoring, check, hint, solution
from asrlab.grading.exercise import LEARNERS, exercise, hint_of, sets
from asrlab.grading.grade import grade

SETS = list(sets().values())
EXERCISES = [one for group in SETS for one in group.exercises]
SEEDS = range(8)
INSTANT = 1.0  # seconds
STEPS = 300_000  # lines that a mutant may run, then it is endless
MISTAKES = [(one, mistake) for one in EXERCISES for mistake in one.mistakes]
RIGHT = [(one, answer) for one in EXERCISES for answer in one.right]

each_set = pytest.mark.parametrize("group", SETS, ids=lambda group: group.name)
each_exercise = pytest.mark.parametrize("asked", EXERCISES, ids=lambda one: one.name)
each_mistake = pytest.mark.parametrize(
    ("asked", "mistake"), MISTAKES, ids=[f"{e.name}-{m.__name__}" for e, m in MISTAKES]
)
each_right = pytest.mark.parametrize(("asked", "answer"), RIGHT, ids=[f"{e.name}-{r.__name__}" for e, r in RIGHT])


def cell_of(asked):
    group = next(group for group in SETS if asked in group.exercises)
    return authoring.exercise_cells(group)[asked.function]


def made(source, asked):
    namespace = {}
    exec(compile(notebooks.IMPORTS + source, "<answer>", "exec"), namespace)
    return namespace[asked.function]


def solution_function(asked):
    return made(authoring.solved(cell_of(asked)), asked)


# --- as data --------------------------------------------------------------------------------------


def test_every_name_is_used_once():
    for names in ([one.name for one in EXERCISES], [one.function for one in EXERCISES], [group.name for group in SETS]):
        assert len(set(names)) == len(names) > 0


@each_exercise
def test_an_exercise_is_whole(asked):
    assert asked.points > 0 and 5 <= asked.minutes <= 240
    assert len(asked.hints) == 3 and len(set(asked.hints)) == 3 and all(len(text) > 40 for text in asked.hints)
    assert len(asked.right) >= 3
    assert 4 <= len(asked.mistakes) <= 8
    hints = [hint_of(mistake) for mistake in asked.mistakes]
    assert len(set(hints)) == len(hints) and all(len(text) > 40 for text in hints)


@each_set
def test_a_set_has_a_notebook_with_one_cell_for_each_exercise(group):
    assert sorted(authoring.exercise_cells(group)) == sorted(one.function for one in group.exercises)
    text = authoring.page_of(group).read_text(encoding="utf-8")
    for one in group.exercises:
        assert f'check("{one.name}", {one.function})' in text
        assert text.index(f"def {one.function}(") < text.index(f'check("{one.name}"')
        for label in one.equations:
            assert f"{{eq}}`{label}`" in text, f"the page of {one.name} does not say that it trains {label}"


@each_exercise
def test_the_signature_of_oracle_answers_and_notebook_is_one(asked):
    wanted = [argument.arg for argument in ast.parse(cell_of(asked)).body[0].args.args]
    assert len(asked.parameters) == len(wanted)
    assert asked.parameters == wanted or asked.parameters[: len(wanted)] == wanted


@each_exercise
def test_inputs_are_fresh_for_each_seed_and_repeat_with_it(asked):
    def drawn(seed):
        return repr(
            [[np.asarray(v).tolist() if isinstance(v, np.ndarray) else v for v in case] for case in asked.draw(seed)]
        )

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(5)}) == 5


# --- both ways, in the notebook -------------------------------------------------------------------


@each_exercise
def test_the_untouched_stub_gets_nothing_and_is_told_so(asked):
    shown = check(asked.name, made(authoring.stub(cell_of(asked)), asked))
    assert not shown and shown.verdict.points == 0 and shown.verdict.kind == "stub"


@each_exercise
@pytest.mark.parametrize("seed", SEEDS)
def test_the_solution_passes_at_once(asked, seed):
    answer = solution_function(asked)
    started = time.perf_counter()
    shown = check(asked.name, answer, seed)
    assert shown, shown
    assert shown.verdict.points == asked.points
    assert time.perf_counter() - started < INSTANT


@each_right
@pytest.mark.parametrize("seed", SEEDS)
def test_different_right_answers_pass(asked, answer, seed):
    shown = check(asked.name, made(notebooks.source_of(answer, asked.function), asked), seed)
    assert shown, shown


@each_mistake
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_typical_mistake_fails_with_its_own_hint(asked, mistake):
    wrong = made(notebooks.source_of(mistake, asked.function), asked)
    for seed in SEEDS:
        shown = check(asked.name, wrong, seed)
        assert not shown and shown.verdict.points == 0
        assert hint_of(mistake) in f"{shown.verdict.message} {shown.verdict.hint}", f"seed {seed}: {shown}"


@each_exercise
def test_right_answers_differ_in_structure(asked):
    kinds = [tuple(type(node).__name__ for node in ast.walk(ast.parse(notebooks.source_of(answer, "answer"))))
             for answer in asked.right]  # fmt: skip
    assert len(set(kinds)) == len(kinds)


@each_exercise
def test_hints_come_one_at_a_time_and_the_solution_only_after_success(asked, monkeypatch):
    state = sys.modules["asrlab.grading.check"]  # the package's name for it is the function
    monkeypatch.setattr(state, "_passed", set())
    monkeypatch.setattr(state, "_hints_seen", {})
    for text in (*asked.hints, asked.hints[-1]):
        shown = str(hint(asked.name))
        assert [one for one in asked.hints if one in shown] == [text]
    with pytest.raises(AsrlabError, match="first pass"):
        solution(asked.name)
    assert check(asked.name, solution_function(asked))
    assert all(text in str(hint(asked.name)) for text in asked.hints)
    code = str(solution(asked.name))
    assert f"def {asked.function}(" in code and "SOLUTION" not in code


@each_exercise
def test_no_hint_holds_the_code(asked):
    lines = [line.strip() for line in authoring.solved(cell_of(asked)).splitlines() if len(line.strip()) > 25]
    for text in (*asked.hints, *map(hint_of, asked.mistakes)):
        assert not [line for line in lines if line in text and not line.startswith(('"""', "def "))]


# --- mutants --------------------------------------------------------------------------------------


class Endless(Exception):
    pass


def bounded(function):
    """The function, stopped after so many lines: a mutant may never end."""

    def call(*arguments):
        left = [STEPS]

        def trace(frame, event, arg):
            if frame.f_code.co_filename != "<answer>":
                return None
            left[0] -= 1
            if left[0] < 0:
                raise Endless
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            return function(*arguments)
        finally:
            sys.settrace(before)

    return call


@each_exercise
@pytest.mark.filterwarnings("ignore")
def test_mutants_of_the_solution_are_caught(asked):
    source, survivors, count = authoring.solved(cell_of(asked)), set(), 0
    for label, mutant in mutants(source):
        count += 1
        if check(asked.name, bounded(made(mutant, asked)), seed=1) and check(
            asked.name, bounded(made(mutant, asked)), 2
        ):
            survivors.add(label)
    assert count >= 8
    unexplained = survivors - set(asked.survivors)
    assert not unexplained, (
        f"{asked.name}: kill these by a better case, or say why they are right: {sorted(unexplained)}"
    )
    assert not set(asked.survivors) - survivors, f"{asked.name}: explained, but they do not survive"
    assert all(len(why) > 20 for why in asked.survivors.values())


# --- both ways, for credit ------------------------------------------------------------------------


def wrong_and_right(group):
    """As many notebooks as it takes for each mistake and each right answer to stand in one of them."""
    columns = [[*one.mistakes, *one.right] for one in group.exercises]
    for number in range(max(map(len, columns))):
        chosen = [(one, column[number % len(column)]) for one, column in zip(group.exercises, columns, strict=True)]
        yield chosen


@each_set
def test_for_credit_the_stub_gets_nothing_and_the_solution_everything(group, tmp_path):
    hollow = grade(notebooks.write(tmp_path / "stub.ipynb", notebooks.cells_of(group, solved=False), group.name))
    assert hollow.points == 0 and {verdict.kind for verdict in hollow.verdicts} == {"stub"}
    full = grade(notebooks.write(tmp_path / "full.ipynb", notebooks.cells_of(group), group.name))
    assert full.points == full.of == group.points and full.passed and full.cells == {}


@each_set
def test_for_credit_mistakes_get_their_hints_and_right_answers_full_points(group, tmp_path):
    for chosen in wrong_and_right(group):
        answers = {one.function: notebooks.source_of(answer, one.function) for one, answer in chosen}
        graded = grade(notebooks.write(tmp_path / "x.ipynb", notebooks.cells_of(group, answers), group.name))
        for (one, answer), verdict in zip(chosen, graded.verdicts, strict=True):
            if answer in one.right:
                assert verdict.passed, f"{answer.__name__}: {verdict}"
            else:
                assert not verdict.passed and verdict.points == 0
                assert hint_of(answer) in f"{verdict.message} {verdict.hint}", f"{answer.__name__}: {verdict}"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(AsrlabError, match=r"did you mean 'ctc\.forward'"):
        exercise("ctc.foward")


def test_what_learners_may_call_exists():
    import asrlab.grading

    assert all(hasattr(asrlab.grading, name.rsplit(".", 1)[1]) for name in LEARNERS)
