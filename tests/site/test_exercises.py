"""Exercises, quizzes and progress on the built pages."""

import json

import pytest
from visiting import SITE

from asrlab.grading import authoring
from asrlab.grading.exercise import sets

pytestmark = pytest.mark.site
SETS = list(sets().values())
each_set = pytest.mark.parametrize("group", SETS, ids=lambda group: group.name)
BOARD = "book/exercises/index.html"
FIRST = SETS[0].exercises[0].name


def address(group):
    return f"book/exercises/{group.name}.html"


@each_set
def test_a_page_shows_the_hole_and_folds_the_solution(opened, group):
    page = opened(address(group))
    assert page.locator(".exercise-head").count() == len(group.exercises)
    folded = page.locator("details.hide", has_text="Show one solution")
    assert folded.count() == len(group.exercises)
    assert page.get_by_text("raise NotImplementedError()").count() == len(group.exercises)
    assert "SOLUTION" not in page.locator("article").inner_text()
    folded.first.locator("summary").focus()
    page.keyboard.press("Enter")
    first = group.exercises[0]
    code = authoring.solved(authoring.exercise_cells(group)[first.function])
    assert code.splitlines()[-1].strip() in folded.first.inner_text()


@each_set
def test_the_solved_notebook_behind_a_page_passes(opened, group):
    shown = opened(address(group)).locator(".exercise-passed")
    assert shown.count() == len(group.exercises)


@each_set
def test_the_downloaded_notebook_has_the_holes(group):
    path = SITE / "_static" / "notebooks" / "exercises" / f"{group.name}.ipynb"
    text = path.read_text(encoding="utf-8")
    assert text.count("raise NotImplementedError()") == len(group.exercises) and "SOLUTION" not in text
    assert json.loads(text)["metadata"]["asrlab"] == {"set": group.name}


def test_a_quiz_works_from_the_keyboard_and_is_remembered(opened):
    page = opened(address(SETS[0]))
    quiz = page.locator(".quiz").first
    count = quiz.locator(".quiz-question").count()
    state = quiz.locator(".quiz-state")
    assert state.inner_text() == f"0 of {count} answered"
    for kind, found in (("wrong", 0), ("right", 1)):
        choice = quiz.locator(f".quiz-{kind}").first
        assert not choice.locator("p").is_visible()
        choice.locator("summary").focus()
        page.keyboard.press("Enter")
        choice.locator("p").wait_for(state="visible")
        page.wait_for_function(
            "text => document.querySelector('.quiz-state').textContent === text", arg=f"{found} of {count} answered"
        )
    page.reload()
    assert page.locator(".quiz-state").first.inner_text() == f"1 of {count} answered"


def test_progress_is_kept_exported_and_imported(opened, tmp_path):
    page = opened(address(SETS[0]))
    page.locator(f'.exercise-head input[data-done="{FIRST}"]').check()
    page.goto(page.url.replace(address(SETS[0]), BOARD))
    box = page.locator(f'.progress-board input[data-done="{FIRST}"]')
    assert box.is_checked()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    saved = tmp_path / "progress.json"
    download.value.save_as(saved)
    assert json.loads(saved.read_text()) == {"format": "asrlab-progress", "version": 1, "done": {FIRST: True}}

    other = opened(BOARD)  # another browser, which knows nothing
    box = other.locator(f'.progress-board input[data-done="{FIRST}"]')
    assert not box.is_checked()
    for content in ("", "3", "null", '{"done": {"x": true}}', '{"format": "asrlab-progress", "done": [1]}'):
        wrong = tmp_path / "wrong.json"
        wrong.write_text(content)
        other.locator("input[type=file]").set_input_files(wrong)
        other.get_by_text("This is not a file of progress").wait_for()
    other.locator("input[type=file]").set_input_files(saved)
    other.wait_for_function("name => document.querySelector(`input[data-done='${name}']`).checked", arg=FIRST)
    other.on("dialog", lambda dialog: dialog.accept())
    other.get_by_role("button", name="Forget all").click()
    assert not box.is_checked()


def test_what_the_terminal_writes_can_be_imported(opened, tmp_path):
    done = {"format": "asrlab-progress", "version": 1, "done": {one.name: True for one in SETS[0].exercises}}
    path = tmp_path / "done.json"
    path.write_text(json.dumps(done))
    page = opened(BOARD)
    page.locator("input[type=file]").set_input_files(path)
    total = sum(len(group.exercises) for group in SETS)
    page.get_by_text(f"{len(SETS[0].exercises)} of {total} exercises done").wait_for()


def test_the_script_is_loaded_only_where_it_is_needed(visits):
    assert any("progress.js" in url for url in visits(BOARD).asked)
    assert not any("progress.js" in url for url in visits("book/notation.html").asked)
