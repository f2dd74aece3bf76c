"""The search of the book: the prose of every section in one script, which a page opened as a file can load as well.

Sphinx's own search asks for the pages that it found, which a browser refuses for files, ranks the list of references
first, and opens a page at its top. Here a result is a section: its title, a passage with the words, and its address.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref

DATA = "search-data.js"  # below _static
NO_PROSE = (nodes.literal_block, nodes.raw, nodes.math, nodes.math_block, nodes.comment, nodes.title)
LAST = ("book/references", "book/equations")  # found in when nothing else is


def sections_of(doctree: nodes.document) -> list:
    """[[anchor, title, prose], ...] of a page in its order; the first is the page itself."""
    found = []
    for section in doctree.findall(nodes.section):
        title = section.next_node(nodes.title)
        anchor = section["ids"][0] if found else ""
        # A function is looked for by its name and by what it does, which its first paragraph says.
        brief = "reference-entry" in section["classes"] and section.next_node(nodes.paragraph)
        found.append([anchor, " ".join(title.astext().split()) if title else "", _prose(brief or section)])
    return found


def _prose(node: nodes.Element) -> str:
    """The text below a node without code, formulas, citations and sections inside."""
    parts = []
    for child in node.children:
        if isinstance(child, nodes.Text):
            parts.append(str(child))
        elif not isinstance(child, (*NO_PROSE, nodes.section)) and not _is_key(child):
            inner = _prose(child)
            parts.append(inner if isinstance(child, nodes.Inline) else f" {inner} ")
    return " ".join("".join(parts).split())


def _is_key(node: nodes.Node) -> bool:
    """A citation or the number of an equation, of which only the key is known yet."""
    return isinstance(node, pending_xref) and node.get("refdomain") in ("cite", "math")


def remember(app, doctree):
    env = app.env
    if not hasattr(env, "search_sections"):
        env.search_sections = {}
    env.search_sections[env.docname] = sections_of(doctree)


def forget(app, env, docname):
    getattr(env, "search_sections", {}).pop(docname, None)


def merge(app, env, docnames, other):
    kept = {page: found for page, found in getattr(other, "search_sections", {}).items() if page in docnames}
    env.search_sections = {**getattr(env, "search_sections", {}), **kept}


def write(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    found = sorted(app.env.search_sections.items())
    pages = [{"page": f"{page}.html", "sections": parts, "last": page in LAST} for page, parts in found if parts]
    script = f"window.SEARCH_DATA = {json.dumps(pages, ensure_ascii=False, separators=(',', ':'))};\n"
    (Path(app.outdir) / "_static" / DATA).write_text(script, encoding="utf-8")


def setup(app):
    app.connect("doctree-read", remember)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("build-finished", write)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
