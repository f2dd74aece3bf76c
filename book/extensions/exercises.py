"""Exercises and quizzes on the pages, and the board that shows what a reader has done.

An exercise's cell is shown with a hole; its solution unfolds. The directive `{quiz}` makes questions whose choices
explain themselves when they are opened: disclosure widgets of HTML, which keyboards, screen readers and printers know.
The directive `{progress}` lists all exercises and quizzes. What is done stays in the browser (static/progress.js).
"""

import sys
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import quizzes

from asrlab.grading import authoring
from asrlab.grading.exercise import sets

FOLDER = "book/exercises/"
ACTIVE = ('class="quiz"', 'class="exercise-head"', 'class="progress-board"')  # what needs the script


def html(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


class progress_board(nodes.General, nodes.Element):
    """Stands for the board until all pages have been read."""


# --- directives -----------------------------------------------------------------------------------


class Quiz(SphinxDirective):
    """Questions in YAML; tools/quizzes.py has the form."""

    has_content = True

    def run(self):
        try:
            found = quizzes.questions("\n".join(self.content))
        except ValueError as error:
            raise self.error(str(error)) from error
        mine = self.env.quizzes.setdefault(self.env.docname, [])
        result = [html('<div class="quiz">')]
        for question in found:
            name = f"quiz:{self.env.docname.removeprefix('book/')}:{len(mine) + 1}"
            mine.append(name)
            result += self.question(name, question)
        return [*result, html('<p class="quiz-state" role="status"></p></div>')]

    def question(self, name, question):
        label = name.replace("/", "-").replace(":", "-")
        parts = [html(f'<div class="quiz-question" role="group" aria-labelledby="{label}" data-done="{name}">')]
        parts += [html(f'<p class="quiz-ask" id="{label}">'), *self.inline(question.ask), html("</p>")]
        for choice in question.shuffled:
            kind, word = ("right", "Right.") if choice.right else ("wrong", "Not quite.")
            asked = nodes.inline("", "", *self.inline(choice.text), classes=["quiz-choice"])
            parts += [html(f'<details class="quiz-{kind}"><summary>'), asked]
            parts += [html(f"</summary><p><strong>{word}</strong> "), *self.inline(choice.why), html("</p></details>")]
        return [*parts, html("</div>")]

    def inline(self, text):
        found, messages = self.state.inline_text(text, self.lineno)
        return [*found, *messages]


class Progress(SphinxDirective):
    """All exercises and quizzes, with what is done."""

    def run(self):
        self.env.progress_boards.add(self.env.docname)
        return [progress_board()]


# --- the cells of exercises -----------------------------------------------------------------------


def show_exercises(app, doctree):
    """A cell with a solution becomes its head, the stub, and the solution, folded."""
    for cell in list(doctree.findall(nodes.container)):
        code = next(cell.findall(nodes.literal_block), None)
        if cell.get("nb_element") != "cell_code" or code is None or not authoring.is_exercise(code.astext()):
            continue
        source = code.astext()
        exercise = authoring.exercise_in(source)
        stub = authoring.stub(source)
        shown = [html(head(exercise)), nodes.literal_block(stub, stub, language="python")]
        cell.parent.insert(cell.parent.index(cell), shown)
        if not app.config.exercise_solutions:
            cell.parent.remove(cell)
            continue
        solved = authoring.solved(source)
        code.replace_self(nodes.literal_block(solved, solved, **code.attributes))
        cell["prompt_show"], cell["prompt_hide"] = "Show one solution", "Hide the solution"


def head(exercise) -> str:
    box = f'<label><input type="checkbox" data-done="{exercise.name}" disabled> done</label>'
    return f'<div class="exercise-head"><span>{escape(authoring.summary(exercise))}</span>{box}</div>'


def drop_sources(app, exception):
    """Without solutions the pages' own sources are left out too: they are solved."""
    if exception is None and app.builder.name == "html" and not app.config.exercise_solutions:
        for path in (Path(app.outdir) / "_sources" / FOLDER).glob("*"):
            path.unlink()


def drop_source_button(app, pagename, templatename, context, doctree):
    if pagename.startswith(FOLDER) and not app.config.exercise_solutions:
        for group in context.get("header_buttons", []):
            if group.get("label") == "download-buttons":
                group["buttons"] = [one for one in group["buttons"] if "_sources" not in str(one.get("url"))]


# --- the board ------------------------------------------------------------------------------------


def board_html(app, docname) -> str:
    """Every exercise with its points and minutes, every page with a quiz."""

    def link(page, title):
        return f'<a href="{app.builder.get_relative_uri(docname, page)}">{escape(title)}</a>'

    parts = ['<div class="progress-board">']
    for group in sets().values():
        page = f"{FOLDER}{group.name}"
        parts.append(f"<h3>{link(page, group.title)}</h3><ul>")
        for one in group.exercises:
            box = f'<input type="checkbox" data-done="{one.name}" disabled>'
            parts.append(f"<li><label>{box} {escape(one.title)}</label> "
                         f"<span>{one.points} points, about {one.minutes} minutes</span></li>")  # fmt: skip
        parts.append("</ul>")
    quizzed = {page: names for page, names in app.env.quizzes.items() if names}
    if quizzed:
        parts.append("<h3>Questions</h3><ul>")
        for page, names in sorted(quizzed.items()):
            title = app.env.titles[page].astext()
            listed = escape(" ".join(names))
            parts.append(f'<li>{link(page, title)} <span data-count="{listed}">{len(names)} questions</span></li>')
        parts.append("</ul>")
    return "".join([*parts, '<p class="progress-total" role="status"></p></div>'])


def show_board(app, doctree, docname):
    for node in list(doctree.findall(progress_board)):
        node.replace_self(html(board_html(app, docname)))


def prepare_environment(app, env, docnames):
    for name, empty in (("quizzes", dict), ("progress_boards", set)):
        if not hasattr(env, name):
            setattr(env, name, empty())


def forget_page(app, env, docname):
    prepare_environment(app, env, None)
    env.quizzes.pop(docname, None)
    env.progress_boards.discard(docname)


def merge(app, env, docnames, other):
    prepare_environment(app, env, None)
    env.quizzes |= {page: names for page, names in other.quizzes.items() if page in docnames}
    env.progress_boards |= other.progress_boards


def renew_boards(app, env):
    prepare_environment(app, env, None)
    return sorted(env.progress_boards)


def load_script(app, pagename, templatename, context, doctree):
    if any(mark in context.get("body", "") for mark in ACTIVE):
        app.add_js_file("progress.js", defer="defer")


def skip(self, node):
    raise nodes.SkipNode


def setup(app):
    app.add_config_value("exercise_solutions", True, "env")
    app.add_node(progress_board, html=(skip, None))
    app.add_directive("quiz", Quiz)
    app.add_directive("progress", Progress)
    app.connect("env-before-read-docs", prepare_environment)
    app.connect("doctree-read", show_exercises)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", renew_boards)
    app.connect("doctree-resolved", show_board)
    app.connect("html-page-context", load_script)
    app.connect("html-page-context", drop_source_button, priority=950)
    app.connect("build-finished", drop_sources)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
