"""The list of references: by authors and year, with a link to the work, and back to the pages that cite it."""

from collections import Counter

from docutils import nodes
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.labels import BaseLabelStyle

NAMED = 2  # authors that are named; of more, the first "et al."


def surnames(entry) -> str:
    """ "Graves", "Acero and Stern" or "Chan et al."; the title's first word where no author is known."""
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join(person.last_names).translate({ord("{"): None, ord("}"): None}) for person in people]
    if not names:
        return entry.fields.get("title", entry.key).split()[0]
    return " and ".join(names) if len(names) <= NAMED else f"{names[0]} et al."


class AuthorYearLabels(BaseLabelStyle):
    """ "Acero and Stern 1990"; works of the same authors and year get a letter each."""

    def format_labels(self, sorted_entries):
        labels = [f"{surnames(entry)} {entry.fields.get('year', '')}".strip() for entry in sorted_entries]
        many, seen = Counter(labels), Counter()
        for label in labels:
            seen[label] += 1
            yield label + ("abcdefghijklmnopqrstuvwxyz"[seen[label] - 1] if many[label] > 1 else "")


class AuthorYear(Unsorted):
    default_label_style = AuthorYearLabels
    default_sorting_style = "author_year_title"


def citing(env) -> dict:
    """Key of a work -> the pages that cite it, by their addresses, each with the place of its first citation."""
    found = {}
    for ref in env.get_domain("cite").citation_refs:
        for target in ref.targets:
            found.setdefault(target.key, {}).setdefault(ref.docname, ref.citation_ref_id)
    return {key: dict(sorted(refs.items())) for key, refs in found.items()}


def link_back(app, doctree, docname):
    """Below each entry of the list, the pages that cite it."""
    if app.builder.format != "html":
        return
    keys = {one.citation_id: one.key for one in app.env.get_domain("cite").citations}
    pages = citing(app.env)
    for entry in doctree.findall(nodes.citation):
        refs = pages.get(keys.get(entry["ids"][0]), {})
        if not refs:
            continue
        line = nodes.paragraph("", "Cited in ", classes=["cited-in"])
        for number, (page, place) in enumerate(refs.items()):
            address = f"{app.builder.get_relative_uri(docname, page)}#{place}"
            title = app.env.titles[page].astext()
            line += [nodes.Text(", ")] if number else []
            line += nodes.reference("", title, refuri=address, internal=True)
        entry += line


def setup(app):
    register_plugin("pybtex.style.labels", "author_year", AuthorYearLabels)
    register_plugin("pybtex.style.formatting", "author_year", AuthorYear)
    app.connect("doctree-resolved", link_back)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
