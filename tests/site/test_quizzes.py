"""Quizzes as pages write them, and what a notebook shows of them."""

import sys
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
pytest.importorskip("yaml")
sys.path.insert(0, str(BOOK))

from tools import plain_markdown, quizzes  # noqa: E402

QUIZ = """\
- ask: What is *one* and one?
  choices:
  - right: "2"
    why: So it is.
  - wrong: "1"
    why: That is one.
"""


def test_a_quiz_is_read():
    (question,) = quizzes.questions(QUIZ)
    assert question.ask == "What is *one* and one?"
    assert [(choice.text, choice.right, choice.why) for choice in question.choices] == [
        ("2", True, "So it is."), ("1", False, "That is one."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "list of questions"),
        ("a: [", "list in YAML"),
        ("- ask: x", "`ask` and `choices`"),
        (QUIZ.replace("right", "wrong"), "0 of them right"),
        (QUIZ.replace("wrong", "right"), "2 of them right"),
        (QUIZ.replace("    why: So it is.\n", ""), "`why`"),
        (QUIZ.replace("So it is.", '""'), "`why`"),
        (QUIZ.replace("- right", "- maybe"), "`right` or `wrong`"),
        (QUIZ.replace('right: "2"', "right: $n$"), "formula alone"),
    ],
)
def test_what_is_no_quiz_is_refused_with_what_it_lacks(text, message):
    with pytest.raises(ValueError, match=message):
        quizzes.questions(text)


def test_the_place_of_a_choice_says_nothing():
    """Written first, the right choice stands in any place; every choice stands in one, the same each time."""
    places = []
    for number in range(40):
        choices = tuple(quizzes.Choice(f"{number} {k}", k == 0, "because") for k in range(3))
        shown = quizzes.Question(f"question {number}", choices).shuffled
        assert sorted(choice.text for choice in shown) == sorted(choice.text for choice in choices)
        places.append([choice.right for choice in shown].index(True))
    assert min(map(places.count, range(3))) >= 5


def test_a_notebook_shows_the_choices_and_folds_what_is_said_of_them():
    plain = plain_markdown.PlainMarkdown({}.__getitem__, lambda target, anchor: None)
    text = plain.convert("```{quiz}\n" + QUIZ + "```")
    asked, answers = text.split("<details>")
    assert "**What is *one* and one?**" in asked and "- 2" in asked and "So it is" not in asked
    assert "- 2: So it is." in answers and "- 1: That is one." in answers
