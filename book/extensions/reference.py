"""The reference of asrlab, made from its docstrings: the directive `{reference} asrlab.signals`.

It writes a section for each module of a folder (or for one module), and in it one for each public name; above them what
the folder says of itself. A page is read again when one of the sources changes. Each name has a label, so that a page
can say {ref}`asrlab.text.normalise`.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parent))

import reference_sources as sources

ROOT = Path(__file__).resolve().parents[2]


class Reference(SphinxDirective):
    """Sections for the modules of a folder, or for one module."""

    required_arguments = 1

    def run(self):
        try:
            paths = sources.paths(ROOT, self.arguments[0])
        except FileNotFoundError as error:
            raise self.error(str(error)) from error
        modules = [sources.read(ROOT, path) for path in paths]
        for path in paths:
            self.env.note_dependency(str(path))
        found = rendered(modules[0].doc, {}, self.env.docname) if not modules[0].entries else []
        return found + [self.module(module) for module in modules if module.entries]

    def module(self, module: sources.Module) -> nodes.section:
        within = ".".join(module.name.split(".")[2:])  # asrlab, the folder, then what is left
        section = self.section(module.name, within or module.name, "reference-module")
        known = {entry.name: f"{module.name}.{entry.name}" for one in module.entries for entry in (one, *one.members)}
        section += rendered(module.doc, known, self.env.docname)
        for entry in module.entries:
            part = self.section(f"{module.name}.{entry.name}", entry.name, "reference-entry")
            part += self.body(entry, known)
            for member in entry.members:
                part += self.member(f"{module.name}.{member.name}", member, known)
            section += part
        return section

    def section(self, label: str, title: str, kind: str) -> nodes.section:
        section = nodes.section(ids=[self.labelled(label, title)], classes=[kind])
        section += nodes.title("", title)
        return section

    def member(self, label: str, entry: sources.Entry, known: dict) -> nodes.container:
        member = nodes.container(ids=[self.labelled(label, entry.name)], classes=["reference-member"])
        member += self.body(entry, known)
        return member

    def labelled(self, label: str, title: str) -> str:
        """The id of a label, which other pages may refer to from now on."""
        identifier = nodes.make_id(label)
        domain = self.env.get_domain("std")
        domain.anonlabels[label.lower()] = self.env.docname, identifier
        domain.labels[label.lower()] = self.env.docname, identifier, title
        return identifier

    def body(self, entry: sources.Entry, known: dict) -> list:
        found = []
        if entry.signature:
            found.append(nodes.literal_block(entry.signature, entry.signature, language="python"))
        for doc in entry.docs:
            found += rendered(doc, known, self.env.docname)
        if entry.fields:
            found.append(definitions(entry.fields, known, self.env.docname))
        if entry.equations:
            found.append(equations(entry.equations, self.env.docname))
        return found


def rendered(doc: str, known: dict, docname: str) -> list:
    """A docstring as nodes; names in backticks that the module has are links."""
    found = []
    for block in sources.blocks(doc):
        if block.kind == "title":
            found.append(paragraph(nodes.strong("", block.text)))
        elif block.kind == "literal":
            found.append(nodes.literal_block(block.text, block.text, language="text"))
        elif block.kind == "rows":
            found.append(definitions(block.rows, known, docname))
        elif block.kind == "list":
            items = (paragraph(*inline(text, known, docname)) for _, text in block.rows)
            made = nodes.enumerated_list if block.rows[0][0] else nodes.bullet_list
            found.append(made("", *(nodes.list_item("", item) for item in items)))
        else:
            found.append(paragraph(*inline(block.text, known, docname)))
    return found


def definitions(rows, known: dict, docname: str) -> nodes.definition_list:
    items = [
        nodes.definition_list_item(
            "",
            nodes.term("", "", nodes.literal("", name.strip("`"))),
            nodes.definition("", paragraph(*inline(meaning, known, docname))),
        )
        for name, meaning in rows
    ]
    return nodes.definition_list("", *items, classes=["reference-rows"])


def paragraph(*parts: nodes.Node) -> nodes.paragraph:
    """A paragraph whose quotation marks and dots stay as they are: they may be code."""
    return nodes.paragraph("", "", *parts, support_smartquotes=False)


def inline(text: str, known: dict, docname: str) -> list:
    """Text with `code` in backticks, and variables of the environment, which are code without them."""
    found = []
    for number, part in enumerate(re.sub(r"(?<!`)\$[A-Z_]+", r"`\g<0>`", text).split("`")):
        if number % 2:
            target = known.get(part) or (part if part.startswith("asrlab.") else None)
            code = nodes.literal("", part)
            found.append(link("std", "ref", target.lower(), code, docname) if target else code)
        elif part:
            found.append(nodes.Text(part))
    return found


def equations(labels: tuple[str, ...], docname: str) -> nodes.paragraph:
    """Which equations of the book a function computes."""
    line = nodes.paragraph("", "Computes equation " if len(labels) == 1 else "Computes equations ")
    for number, label in enumerate(labels):
        line += [nodes.Text(", ")] if number else []
        line += link("math", "eq", label, nodes.literal("", label), docname)
    line += nodes.Text(" of the book.")
    return line


def link(domain: str, kind: str, target: str, shown: nodes.Node, docname: str) -> pending_xref:
    """A reference that stays plain text where its target is on no page."""
    options = {"refdomain": domain, "reftype": kind, "reftarget": target, "refdoc": docname}
    return pending_xref("", shown, refexplicit=True, refwarn=False, **options)


def setup(app):
    app.add_directive("reference", Reference)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
