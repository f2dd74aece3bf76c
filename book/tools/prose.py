"""What of a page is read as text, and how long that takes: each page of the course says so below its title.

The minutes come from the words and the displayed formulas alone, so no page states them by hand, and they say nothing
of the time that a notebook takes to run.
"""

import re
from pathlib import Path

WORDS_A_MINUTE = 200  # technical text, by readers of whom many have another first language
FORMULA_SECONDS = 15
COURSE = re.compile(r"^book/(index|how-to-use|\d-[\w-]+/[\w-]+)$")  # the other pages are for looking things up

FENCE = re.compile(r"^\s*(?P<fence>`{3,}|~{3,}|:{3,})(?P<name>\{[\w:+-]+\})?")
VERBATIM = {None, "{code-cell}", "{code-block}", "{code}", "{sourcecode}", "{math}", "{raw}", "{eval-rst}"}
FORMULA = re.compile(r"^\$\$.*?^\$\$|^```\{math\}", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"^\s*:[\w-]+:.*$|^\{[.#][^{}]*\}$|^\([\w-]+\)=$", re.MULTILINE)
ADDRESS = re.compile(r"\]\([^)\s]*\)|\{[\w:+-]+\}(?=`)")


def outside_of_code(lines: list) -> list:
    """The same lines, those of code, of formulas and of the page's settings empty."""
    result, until = [], None
    if lines and lines[0] == "---":
        until = re.compile(r"^---$")
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        shown = "" if fence else line
        if until:
            shown = ""
            if number and until.match(line):
                until = None
        elif fence and fence["name"] in VERBATIM and (fence["name"] or fence["fence"][0] != ":"):
            until = re.compile(rf"^\s*{fence['fence'][0]}{{{len(fence['fence'])},}}\s*$")
        elif line.strip().startswith("$$") and line.count("$$") == 1:
            until, shown = re.compile(r"^.*\$\$"), ""
        result.append(shown)
    return result


def words(text: str) -> int:
    """The words of a page that are read: no code, formulas, settings, addresses or markup."""
    prose = OPTION.sub("", "\n".join(outside_of_code(text.splitlines())))
    return sum(any(letter.isalnum() for letter in word) for word in ADDRESS.sub(" ", prose).split())


def minutes(text: str) -> int:
    """How long a page takes to read, to the minute, one at least."""
    return max(1, round(words(text) / WORDS_A_MINUTE + len(FORMULA.findall(text)) * FORMULA_SECONDS / 60))


def reading_time(page: str, path: Path) -> str:
    """ "About 12 minutes to read" for a page of the course, by its name and source; "" for those to look things up."""
    if not COURSE.match(page):
        return ""
    count = minutes(path.read_text(encoding="utf-8"))
    return f"About {count} minute{'' if count == 1 else 's'} to read"
