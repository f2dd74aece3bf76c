"""Equations that are code: at every numbered equation, the function that computes it and the test of that function.

A small mark behind the equation opens both sources. The directive `{equation-list}` lists all equations of the book.
A numbered equation without code, code without a test, or a label that no page defines is a warning, and warnings stop
the build of the book.
"""

import sys
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parent))

import equation_sources

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]


class equation_code(nodes.General, nodes.Element):
    """HTML that belongs to an equation; no text, so that the search index does not fill with code."""


class equation_list(nodes.General, nodes.Element):
    """Stands for the list until all pages have been read."""


class EquationList(SphinxDirective):
    """Every numbered equation of the book with its page, its function and its test."""

    def run(self):
        self.env.equation_lists.add(self.env.docname)
        return [equation_list()]


# --- while the pages are read ---------------------------------------------------------------------


def read_sources(app):
    app.equation_sources = equation_sources.read(ROOT)


def prepare_environment(app, env, docnames):
    for name, empty in (("equation_pages", dict), ("equation_lists", set), ("equation_digests", dict)):
        if not hasattr(env, name):
            setattr(env, name, empty())


def digests(app) -> dict:
    labels = {*app.equation_sources.code, *app.equation_sources.tests}
    return {label: app.equation_sources.digest(label) for label in labels}


def outdated(app, env, added, changed, removed):
    """Pages that show a function or a test that is no longer the same."""
    before, now = getattr(env, "equation_digests", {}), digests(app)
    different = {label for label in {*before, *now} if before.get(label) != now.get(label)}
    pages = {found[0] for label, found in getattr(env, "equation_pages", {}).items() if label in different}
    return sorted(pages | (getattr(env, "equation_lists", set()) if different else set()))


def note_equations(app, doctree):
    env = app.env
    for node in doctree.findall(nodes.math_block):
        if node.get("label"):
            env.equation_pages[node["label"]] = (env.docname, node.line, node.astext())


def forget_page(app, env, docname):
    prepare_environment(app, env, None)
    env.equation_lists.discard(docname)
    for label in [label for label, found in env.equation_pages.items() if found[0] == docname]:
        del env.equation_pages[label]


def merge(app, env, docnames, other):
    prepare_environment(app, env, None)
    env.equation_lists |= other.equation_lists
    env.equation_pages |= {label: found for label, found in other.equation_pages.items() if found[0] in docnames}


def renew_lists(app, env):
    """The lists are written again whenever a page was read; what they show is known by then."""
    prepare_environment(app, env, None)
    env.equation_digests = digests(app)
    return sorted(env.equation_lists)


# --- what must hold -------------------------------------------------------------------------------


def faults(pages: dict, sources, complete: bool) -> list:
    """(message, page, line): what is missing, and what to do about it.

    pages     label -> (page, line, TeX) of the numbered equations
    complete  all pages of the book were read, so a label that none of them defines does not exist
    """
    found = [(message, None, None) for message in sources.faults]
    for label, (page, line, tex) in sorted(pages.items(), key=lambda item: item[1][:2]):
        if label not in sources.code:
            first = " ".join(tex.split())[:60]
            remedy = f'mark a function of asrlab with @equation("{label}"), or take the label away'
            found.append((f"equation {label!r} has no code ({first}): {remedy}", page, line))
    for label, passages in sorted(sources.code.items()):
        if label not in sources.tests:
            text = f'equation {label!r} has no test: mark one of it with @pytest.mark.equation("{label}")'
            found += [(f"{one.place}: {one.name}: {text}", None, None) for one in passages]
    for kind, marked in (("code", sources.code), ("test", sources.tests)):
        for label, passages in sorted(marked.items()):
            if complete and label not in pages:
                remedy = "correct the label, or number the equation on its page: $$ ... $$ (label)"
                text = f"{kind} of equation {label!r}, which no page of the book defines: {remedy}"
                found += [(f"{one.place}: {one.name}: {text}", None, None) for one in passages]
    return found


def check(app, env):
    for message, page, line in faults(env.equation_pages, app.equation_sources, complete=bool(env.equation_lists)):
        logger.warning(message, location=(page, line) if page else None, type="equations")


# --- what a page shows ----------------------------------------------------------------------------


def number_of(env, label: str) -> tuple:
    """Sphinx's number of an equation: (3,), or () where it gave none."""
    page = env.equation_pages[label][0]
    return env.toc_fignumbers.get(page, {}).get("displaymath", {}).get(nodes.make_id(f"equation-{label}"), ())


def dotted(number: tuple) -> str:
    return ".".join(map(str, number))


def passage_html(kind: str, passage, builder) -> str:
    code = builder.highlighter.highlight_block(passage.code, "python", location=passage.place)
    place = f'<code>{escape(passage.name)}</code> <span class="place">{escape(passage.place)}</span>'
    title = f'<p><span class="kind">{kind}</span> {place}</p>'
    return f'{title}<div class="highlight-python notranslate">{code}</div>'


def code_html(label: str, number: tuple, sources, builder) -> str:
    """The mark at an equation, which opens the sources of its functions and of their tests; "" if there is none."""
    kinds = [("code", sources.code.get(label, [])), ("test", sources.tests.get(label, []))]
    if not any(passages for _, passages in kinds):
        return ""
    shown = " · ".join(kind for kind, passages in kinds if passages)
    parts = "".join(passage_html(kind, passage, builder) for kind, passages in kinds for passage in passages)
    of = f'<span class="visually-hidden"> of equation ({dotted(number)})</span>' if number else ""
    return f'<details class="equation-code"><summary>{shown}{of}</summary><div>{parts}</div></details>\n'


def show_code(app, doctree, docname):
    if app.builder.format != "html":
        return
    for node in list(doctree.findall(nodes.math_block)):
        label = node.get("label")
        if label in app.env.equation_pages:
            html = code_html(label, number_of(app.env, label), app.equation_sources, app.builder)
            node.parent.insert(node.parent.index(node) + 1, equation_code(html=html))
    for node in list(doctree.findall(equation_list)):
        node.replace_self(listed(app, docname))


def listed(app, docname: str) -> list:
    """The list, as nodes: a heading for each page, and below it the page's equations."""
    result, page = [], None
    env = app.env
    for label in sorted(env.equation_pages, key=lambda label: (number_of(env, label), env.equation_pages[label][:2])):
        home, _, tex = env.equation_pages[label]
        if home != page:
            page, title = home, env.titles[home].astext()
            address = app.builder.get_relative_uri(docname, home)
            result.append(equation_code(html=f'<h2><a href="{address}">{escape(title)}</a></h2>\n'))
        result += entry(app, docname, label, home, tex)
    return result


def entry(app, docname: str, label: str, home: str, tex: str) -> list:
    address = f"{app.builder.get_relative_uri(docname, home)}#{nodes.make_id(f'equation-{label}')}"
    number = dotted(number_of(app.env, label))
    sources = app.equation_sources
    rows = [
        f'<dt>{kind}</dt><dd><code>{escape(one.name)}</code> <span class="place">{escape(one.place)}</span></dd>'
        for kind, passages in (("code", sources.code.get(label, [])), ("test", sources.tests.get(label, [])))
        for one in passages
    ]
    head = f'<div class="equation-entry"><p><a href="{address}">({number})</a> <code>{escape(label)}</code></p>'
    formula = nodes.math_block(tex, tex, nowrap=False, number=None, label=None)
    return [equation_code(html=head), formula, equation_code(html=f"<dl>{''.join(rows)}</dl></div>\n")]


def visit_html(self, node):
    self.body.append(node["html"])
    raise nodes.SkipNode


def skip(self, node):
    raise nodes.SkipNode


def setup(app):
    other = {name: (skip, None) for name in ("latex", "text", "man", "texinfo")}
    app.add_node(equation_code, html=(visit_html, None), **other)
    app.add_node(equation_list, html=(skip, None), **other)
    app.add_directive("equation-list", EquationList)
    app.connect("builder-inited", read_sources)
    app.connect("env-get-outdated", outdated)
    app.connect("env-before-read-docs", prepare_environment)
    app.connect("doctree-read", note_equations)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", renew_lists)
    app.connect("env-check-consistency", check)
    app.connect("doctree-resolved", show_code)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
