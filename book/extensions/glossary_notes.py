"""Terms of the glossary get a note: on each page the first use of a term is a link that shows its definition.

The definitions stand in book/glossary.md, in a `{glossary}`; static/notes.js shows them on hover, focus and touch.
"""

import re
from html import escape

from docutils import nodes
from sphinx.addnodes import glossary
from sphinx_design.dropdown import dropdown_title

GLOSSARY = "book/glossary"
# Pages that define or list words rather than use them.
WITHOUT = (GLOSSARY, "book/references", "book/equations", "book/notation", "book/index")
UNTOUCHED = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.raw, nodes.caption)
UNTOUCHED += (nodes.term, nodes.strong, nodes.rubric, nodes.math, nodes.math_block, dropdown_title)
CHOICE = "quiz-choice"  # like a dropdown's title it is a thing to press, and may hold no link


def definitions(doctree: nodes.document) -> dict:
    """Term -> (anchor, first paragraph of its definition); synonyms have the same definition."""
    found = {}
    for part in doctree.findall(glossary):
        for item in part.findall(nodes.definition_list_item):
            paragraph = item.next_node(nodes.definition).next_node(nodes.paragraph)
            text = " ".join(paragraph.astext().split())
            found |= {term.astext(): (term["ids"][0], text) for term in item.findall(nodes.term)}
    return found


def pattern_of(terms: dict) -> "re.Pattern":
    """Any of the terms as a whole word, longer ones first, with an English plural; capitals do not count."""
    longest = sorted(terms, key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(map(re.escape, longest))})(?:s|es)?\b(?![-\w])", re.IGNORECASE)


def note_first_uses(doctree: nodes.document, terms: dict, address: str) -> list:
    """Replace the first use of each term in the prose by a link with a note; returns the terms found, in order."""
    if not terms:
        return []
    canonical, pattern, done = {term.lower(): term for term in terms}, pattern_of(terms), []
    for text in list(doctree.findall(nodes.Text)):
        if _is_untouched(text):
            continue
        parts, end = [], 0
        for match in pattern.finditer(text):
            term = canonical[match[1].lower()]
            anchor, definition = terms[term]
            if definition in (terms[other][1] for other in done) or (term.isupper() and not match[1].isupper()):
                continue
            done.append(term)
            parts += [nodes.Text(text[end : match.start()]), _link(match[0], f"{address}#{anchor}", definition)]
            end = match.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[end:])])
    return done


def _link(shown: str, address: str, definition: str) -> nodes.raw:
    html = f'<a class="term-note" href="{escape(address)}" data-note="{escape(definition)}">{escape(shown)}</a>'
    return nodes.raw("", html, format="html")


def _is_untouched(node: nodes.Node) -> bool:
    while node is not None:
        if isinstance(node, UNTOUCHED) or (isinstance(node, nodes.Element) and CHOICE in node.get("classes", ())):
            return True
        node = node.parent
    return False


def remember(app, doctree):
    if app.env.docname == GLOSSARY:
        app.env.glossary_terms = definitions(doctree)


def note(app, doctree, docname):
    if app.builder.format == "html" and docname not in WITHOUT:
        address = app.builder.get_relative_uri(docname, GLOSSARY)
        note_first_uses(doctree, getattr(app.env, "glossary_terms", {}), address)


def setup(app):
    app.connect("doctree-read", remember)
    app.connect("doctree-resolved", note, priority=900)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
