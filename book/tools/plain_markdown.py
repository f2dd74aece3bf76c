"""Turn the MyST Markdown of the pages into the plain Markdown that a notebook shows.

A directive or role that is not known here raises: no passage of a page gets lost on the way without anybody noticing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import quizzes

OPENING = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:+-]+)\} *(?P<argument>.*)$")
OPTION = re.compile(r"^:(?P<key>[\w-]+): *(?P<value>.*)$")
ROLE = re.compile(r"(?<!`)\{(?P<name>[\w:+-]+)\}`(?P<text>[^`]+)`")
TARGETED = re.compile(r"^(?P<text>.*?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)
ATTRIBUTES = re.compile(r"(?<=[\])`])\{[.#:][^{}]*\}|^\{[.#:][^{}]*\}\n", re.MULTILINE)
LABELLED = re.compile(r"^\$\$ *\((?P<label>[\w:.-]+)\) *$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+\.md)?(?P<anchor>#[^)\s]*)?\)")

NOTES = {"note", "tip", "hint", "seealso", "important", "admonition"}
WARNINGS = {"warning", "caution", "attention", "danger", "error"}
BOXES = {"dropdown", "card", "grid-item-card", "tab-item", "margin", "sidebar", "topic"}  # a title, then the content
STATEMENTS = {"exercise", "exercise-start", "solution", "solution-start"}  # their kind is part of the title
UNWRAPPED = {"grid", "grid-item", "tab-set", "container", "div", "exercise-end", "solution-end", "glossary"}
DROPPED = {"equation-list", "progress", "reference", "toctree", "tableofcontents", "bibliography", "contents", "index"}


@dataclass(frozen=True)
class Directive:
    name: str
    argument: str
    options: dict
    body: list


def split_options(lines: list) -> tuple:
    """`:key: value` lines at the head of a directive, and what follows them."""
    options = {}
    for number, line in enumerate(lines):
        found = OPTION.match(line)
        if not found:
            return options, lines[number:]
        options[found["key"]] = found["value"]
    return options, []


def trimmed(lines: list) -> list:
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


class PlainMarkdown:
    """cite: key -> text of a citation; link: (target, anchor) -> address of a notebook, or None."""

    def __init__(self, cite: Callable[[str], str], link: Callable[[str, str], "str | None"]):
        self.cite, self.link = cite, link

    def convert(self, text: str) -> str:
        return "\n".join(trimmed(self.block(text.splitlines())))

    def block(self, lines: list) -> list:
        result, prose, number = [], [], 0

        def flush():
            result.extend(self.inline("\n".join(prose)).split("\n") if prose else [])
            prose.clear()

        while number < len(lines):
            line = lines[number]
            opening = OPENING.match(line)
            if opening:
                flush()
                end = self.closing(lines, number, opening["fence"])
                options, body = split_options([row[len(opening["indent"]) :] for row in lines[number + 1 : end]])
                result += self.directive(
                    Directive(opening["name"], opening["argument"].strip(), options, trimmed(body))
                )
                number = end
            elif line.lstrip().startswith("```"):
                flush()
                end = self.closing(lines, number, re.match(r"`+", line.lstrip())[0])
                result += lines[number : end + 1]
                number = end
            elif not re.match(r"^(%|\([\w:.-]+\)=\s*$)", line):
                prose.append(line)
            number += 1
        flush()
        return result

    @staticmethod
    def closing(lines: list, start: int, fence: str) -> int:
        for number in range(start + 1, len(lines)):
            if re.match(rf"^\s*{re.escape(fence[0])}{{{len(fence)},}}\s*$", lines[number]):
                return number
        raise ValueError(f"a block that begins with {lines[start]!r} is never closed")

    def directive(self, given: Directive) -> list:
        name, body = given.name, given.body
        if name in DROPPED:
            return []
        if name in NOTES or name in WARNINGS:
            title = given.argument if name == "admonition" else f"{name.capitalize()}. {given.argument}".strip()
            return ["", *(f"> {row}".rstrip() for row in [f"**{title}**", "", *self.block(body)]), ""]
        if name in BOXES or name in STATEMENTS or name.startswith("prf:"):
            kind = "" if name in BOXES else name.split(":")[-1].split("-")[0].capitalize()
            title = " ".join(part for part in (kind, given.argument) if part)
            return ["", *([f"**{title}**", ""] if title else []), *self.block(body), ""]
        if name in UNWRAPPED:
            return ["", *self.block(body), ""]
        if name == "math":
            tag = [f"\\tag{{{given.options['label']}}}"] if "label" in given.options else []
            return ["", "$$", *([given.argument] if given.argument else []), *body, *tag, "$$", ""]
        if name in ("figure", "image"):
            return ["", f"![{given.options.get('alt', '')}]({given.argument})", "", *self.block(body), ""]
        if name in ("code-block", "code", "sourcecode"):
            return ["", f"```{given.argument}", *body, "```", ""]
        if name in ("list-table", "table"):
            title = [f"**{given.argument}**", ""] if given.argument else []
            rows = self.list_table(body) if name == "list-table" else self.block(body)
            return ["", *title, *rows, ""]
        if name == "quiz":
            return self.quiz(body)
        if name == "raw":
            return ["", *body, ""]
        raise ValueError(f"directive {{{name}}}: say in {__name__} what a notebook shows in its place")

    def quiz(self, body: list) -> list:
        """Each question with its choices, and below it what is to be said of each of them, folded."""
        result = []
        for question in quizzes.questions("\n".join(body)):
            choices = [f"- {self.inline(choice.text)}" for choice in question.shuffled]
            said = [f"- {self.inline(choice.text)}: {self.inline(choice.why)}" for choice in question.choices]
            result += ["", f"**{self.inline(question.ask)}**", "", *choices, ""]
            result += ["<details><summary>Answers</summary>", "", *said, "", "</details>", ""]
        return result

    def list_table(self, body: list) -> list:
        rows = []
        for line in "\n".join(self.block(body)).splitlines():
            if line.startswith("* - "):
                rows.append([line[4:]])
            elif line.startswith("  - "):
                rows[-1].append(line[4:])
            elif line.strip():
                rows[-1][-1] += " " + line.strip()
        text = [f"| {' | '.join(row)} |" for row in rows]
        return [text[0], "|" + " --- |" * len(rows[0]), *text[1:]]

    def inline(self, text: str) -> str:
        """Roles, attributes and links; code in backticks and maths stay as they are."""
        text = LABELLED.sub(lambda found: f"\\tag{{{found['label']}}}\n$$", text)
        text = ATTRIBUTES.sub("", text)
        text = ROLE.sub(self.role, text)
        return LINK.sub(self.rewritten_link, text)

    def rewritten_link(self, found) -> str:
        target, anchor = found["target"] or "", found["anchor"] or ""
        address = self.link(target, anchor)
        return f"[{found['text']}]({address})" if address else found["text"]

    def role(self, found) -> str:
        name, text = found["name"], found["text"]
        targeted = TARGETED.match(text)
        words = targeted["text"] if targeted else text
        if name.startswith("cite"):
            cited = "; ".join(self.cite(key.strip()) for key in text.split(","))
            return cited if name.startswith("cite:t") else f"({cited})"
        if name == "math":
            return f"${text}$"
        if name == "eq":
            return f"({text})"  # as the equation's tag has it
        if name in ("numref", "prf:ref"):
            return {"numref": "the figure"}.get(name, "the statement")
        if name == "ref":
            return words
        if name == "doc":
            address = self.link(f"{(targeted or {'target': text})['target']}.md", "")
            shown = words if targeted else text.rsplit("/", 1)[-1]
            return f"[{shown}]({address})" if address else shown
        if name in ("kbd", "code", "download", "file", "guilabel"):
            return f"`{words}`"
        if name in ("term", "abbr", "sub", "sup", "dfn"):
            return re.sub(r"\s*\([^()]*\)$", "", words) if name == "abbr" else words
        raise ValueError(f"role {{{name}}}: say in {__name__} what a notebook shows in its place")
