"""Text that Markdown swallows or takes for something else: the build warns of it, and warnings stop the build.

Two kinds. A line of a paragraph that begins with a per-cent sign is a comment to MyST, and gone. A line inside a
formula that begins with "-", "+" or "1." is an item of a list to Markdown, and the dollar signs of the formula are
left standing in the text.
"""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.prose import outside_of_code

logger = logging.getLogger(__name__)
AS_WRITTEN = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.comment)


def swallowed(text: str) -> list:
    """(number, line) of each comment that touches other text; a comment that is meant stands between empty lines."""
    lines = [*outside_of_code(text.splitlines()), ""]
    comment = [line.lstrip().startswith("%") for line in lines]

    def touches(number: int) -> bool:
        return any(lines[near].strip() and not comment[near] for near in (number - 1, number + 1) if near >= 0)

    return [(number + 1, lines[number].strip()) for number in range(len(lines)) if comment[number] and touches(number)]


def stray_dollars(doctree: nodes.document) -> list:
    """Text nodes in which a dollar sign is left: a formula that is not closed where it was meant to be."""
    texts = (one for one in doctree.findall(nodes.Text) if "$" in one)
    return [one for one in texts if not _is_inside(one, AS_WRITTEN)]


def _is_inside(node: nodes.Node, kinds: tuple) -> bool:
    while node is not None and not isinstance(node, kinds):
        node = node.parent
    return node is not None


def check_comments(app, docname, source):
    for line, text in swallowed(source[0]):
        message = f"this line is a comment and not shown: {text[:60]!r}; begin it with another word"
        logger.warning(message, location=(docname, line), type="whole_text")


def check_formulas(app, doctree):
    for text in stray_dollars(doctree):
        message = (
            f"a $ is left in the text: {str(text)[-60:]!r}; a line in a formula begins like a list, or no $ ends it"
        )
        logger.warning(message, location=text.parent, type="whole_text")


def setup(app):
    app.connect("source-read", check_comments)
    app.connect("doctree-read", check_formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
