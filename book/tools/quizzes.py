"""Quizzes, as pages write them: a list of questions in YAML, each with choices that explain themselves.

- ask: What is the word error rate of a recogniser that answers nothing?
  choices:
  - right: 100 %
    why: Every word is deleted.
  - wrong: 0 %
    why: A missing word is an edit too.
"""

import hashlib
import re
from dataclasses import dataclass

import yaml


@dataclass(frozen=True)
class Choice:
    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class Question:
    ask: str
    choices: tuple  # as they were written

    @property
    def shuffled(self) -> list:
        """As readers see them: in an order that says nothing, and is the same in every build."""
        return sorted(self.choices, key=lambda choice: hashlib.sha512(f"{self.ask}|{choice.text}".encode()).hexdigest())


def questions(text: str) -> list:
    """The questions of a quiz. Raises ValueError that names the question and what it lacks."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"a quiz is a list in YAML; put texts with a colon in quotes ({error})") from error
    if not isinstance(found, list) or not found:
        raise ValueError("a quiz is a list of questions, each `- ask: ...` with `choices:`")
    return [_question(one) for one in found]


def _question(given) -> Question:
    if not isinstance(given, dict) or set(given) != {"ask", "choices"} or not isinstance(given["choices"], list):
        raise ValueError(f"a question has `ask` and `choices`, got {given!r:.80}")
    choices = tuple(_choice(one, given["ask"]) for one in given["choices"])
    right = sum(choice.right for choice in choices)
    if len(choices) < 2 or right != 1:
        raise ValueError(
            f"question {given['ask']!r}: {len(choices)} choices, {right} of them right; give two or more, one right"
        )
    return Question(str(given["ask"]), choices)


def _choice(given, ask: str) -> Choice:
    kinds = {"right", "wrong"} & set(given) if isinstance(given, dict) else set()
    if len(kinds) != 1 or set(given) != {*kinds, "why"} or not str(given["why"]).strip():
        raise ValueError(
            f"question {ask!r}: a choice is `right` or `wrong` with its text, and `why`; got {given!r:.80}"
        )
    (kind,) = kinds
    if not re.sub(r"\$[^$]*\$", "", str(given[kind])).strip():
        raise ValueError(f"question {ask!r}: the choice {given[kind]!r} is a formula alone; put a word beside it")
    return Choice(str(given[kind]), kind == "right", str(given["why"]))
