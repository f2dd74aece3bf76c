"""What the book changes about the pages that Jupyter Book writes."""

import json
import sys
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import times

STATIC = Path(__file__).resolve().parents[1] / "static"


def drop_unused_style(app, pagename, templatename, context, doctree):
    """The grids' style sheet weighs 55 KB; most pages have no grid."""
    if "sd-" not in context.get("body", ""):
        context["css_files"] = [style for style in context["css_files"] if "sphinx-design" not in str(style.filename)]


def drop_thebe(app, pagename, templatename, context, doctree):
    """Jupyter Book puts a script with the address of another host on every page; without Thebe it throws."""
    context["script_files"] = [
        script for script in context["script_files"] if "THEBE_JS_URL" not in (script.attributes.get("body") or "")
    ]


def offer_notebook(app, pagename, templatename, context, doctree):
    """Pages with code get the generated notebook as the first download; the page's own source stays second."""
    path = f"notebooks/{pagename.removeprefix('book/')}.ipynb"
    if not (STATIC / path).exists():
        return
    button = {
        "type": "link",
        "url": context["pathto"](f"_static/{path}", 1),
        "text": "Notebook (.ipynb)",
        "tooltip": "Download this page as a notebook, ready to run",
        "icon": "fas fa-play",
        "label": "download-notebook-button",
    }
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            group["buttons"].insert(0, button)
    context["notebook_url"] = button["url"]


def say_duration(app, pagename, templatename, context, doctree):
    """Below the title of a page with code, how long its notebook takes to run."""
    line = times.line(pagename)
    if line and "</h1>" in context.get("body", ""):
        context["body"] = context["body"].replace("</h1>", f'</h1>\n<p class="duration">{escape(line)}</p>', 1)


def shared(env) -> str:
    """What pages show of one another: titles, labels, numbers, who is cited, how long notebooks take."""
    found = {
        "titles": {page: title.astext() for page, title in env.titles.items()},
        "contents": env.toctree_includes,
        "numbers": env.toc_fignumbers,
        "labels": [env.domaindata["std"][kind] for kind in ("labels", "anonlabels")],
        "equations": env.domaindata["math"]["objects"],
        "cited": sorted({target.key for ref in env.domaindata["cite"]["citation_refs"] for target in ref.targets}),
        "durations": {page: times.line(page) for page in env.found_docs},
    }
    return json.dumps(found, sort_keys=True, default=str)


def affected(app, env):
    """All pages, if what they show of one another has changed: a reference that has become wrong must be noticed.

    Otherwise only the pages that were read are written.
    """
    before, env.shared = getattr(env, "shared", None), shared(env)
    return sorted(env.found_docs) if env.shared != before else []


# Markup of the theme and of Sphinx that a screen reader cannot make sense of, and what it can.
ACCESSIBLE = (
    (
        '<summary><span class="toctree-toggle" role="presentation">',
        '<summary aria-label="Pages of this section"><span class="toctree-toggle" role="presentation">',
    ),
    ('<div role="list" class="citation-list">', '<div class="citation-list">'),
)


def mend_markup(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        if "_static" in path.parts:
            continue
        page = mended = path.read_text(encoding="utf-8")
        for before, after in ACCESSIBLE:
            mended = mended.replace(before, after)
        if mended != page:
            path.write_text(mended, encoding="utf-8")


def setup(app):
    app.connect("env-get-updated", affected, priority=900)  # Sphinx has numbered the equations by then
    app.connect("build-finished", mend_markup)
    # Late enough for the theme (priority 501) to have made its buttons.
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", drop_unused_style, priority=900)
    app.connect("html-page-context", offer_notebook, priority=900)
    app.connect("html-page-context", say_duration)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
