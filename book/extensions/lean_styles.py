"""The style sheets of the site without the rules that no page can use: Bootstrap and the theme bring thousands.

A rule is dropped if it asks for a class that stands in no page and in no script. Rules for elements, ids, states and
attributes stay, and so do fonts, animations and variables.
"""

import re
from pathlib import Path

import tinycss2

CLASS_LIST = re.compile(r'\bclass="([^"]*)"')
NAME = re.compile(r"[A-Za-z_][\w-]*")
DATA = ("search-data.js", "searchindex.js")  # no scripts: what they hold is prose
OWN = ("book.css", "maths.css", "exercise.css")  # written for these pages, or made from them
NESTING = ("media", "supports")


def names_in(folder: Path) -> set:
    """All classes of the pages, and every word of the scripts: one of them may be a class that it sets."""
    found = set()
    for path in folder.rglob("*.html"):
        for given in CLASS_LIST.findall(path.read_text(encoding="utf-8")):
            found.update(given.split())
    for path in (path for path in folder.rglob("*.js") if path.name not in DATA):
        found.update(NAME.findall(path.read_text(encoding="utf-8")))
    return found


def asks_for(selector: list) -> set:
    """The classes without which nothing matches: those outside of `:not(...)` and the like."""
    classes, dot = set(), False
    for token in selector:
        if dot and token.type == "ident":
            classes.add(token.value)
        dot = token == "."
    return classes


def selectors(prelude: list) -> list:
    """A rule's selectors, split at their commas."""
    parts = [[]]
    for token in prelude:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def lean(rules: list, names: set) -> str:
    """The rules that can match in a site with these names, in their order."""
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            possible = [one for one in selectors(rule.prelude) if asks_for(one) <= names]
            if possible:
                text = ",".join(tinycss2.serialize(one).strip() for one in possible)
                kept.append(f"{text}{{{tinycss2.serialize(rule.content).strip()}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in NESTING:
            inner = lean(_rules(rule.content), names)
            if inner:
                kept.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}")
        else:
            kept.append(rule.serialize())
    return "\n".join(kept)


def _rules(source) -> list:
    return tinycss2.parse_rule_list(source, skip_comments=True, skip_whitespace=True)


def slim(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    folder = Path(app.outdir)
    names = names_in(folder)
    for path in folder.joinpath("_static").rglob("*.css"):
        if path.name in OWN or "vendor" in path.parts:
            continue
        path.write_text(lean(_rules(path.read_text(encoding="utf-8")), names) + "\n", encoding="utf-8")


def setup(app):
    app.connect("build-finished", slim, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
