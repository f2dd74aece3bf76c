"""What the book changes about the pages that Jupyter Book writes."""

import json
import re
import sys
from html import escape
from pathlib import Path

from docutils import nodes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import prose

STATIC = Path(__file__).resolve().parents[1] / "static"
SHARE = "share.png"  # 1200 x 630, shown where a page is shared
DESCRIPTION = 200  # letters; what shows them cuts longer ones


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


def say_reading_time(app, pagename, templatename, context, doctree):
    """Below the title of a page of the course, how long it takes to read."""
    if doctree is None or "</h1>" not in context.get("body", ""):
        return
    line = prose.reading_time(pagename, Path(app.env.doc2path(pagename)))
    if line:
        context["body"] = context["body"].replace("</h1>", f'</h1>\n<p class="reading-time">{escape(line)}</p>', 1)


CAPTION = re.compile(
    r'(<figure[^>]*class="[^"]*\b(?:plot|drawn)\b[^"]*"[^>]*>.*?<figcaption[^>]*>|<p class="widget-caption">)',
    re.DOTALL,
)


def number_figures(app, pagename, templatename, context, doctree):
    """Figures, by code or drawn in the page, and widgets are numbered through each page, in their captions."""
    count = 0

    def numbered(found) -> str:
        nonlocal count
        count += 1
        return f'{found[1]}<span class="figure-number">Figure {count}.</span> '

    if context.get("body"):
        context["body"] = CAPTION.sub(numbered, context["body"])


def summary_of(doctree: nodes.document) -> str:
    """The page in a sentence or two, for those who list or share it: its lead, else its first paragraph."""
    paragraphs = list(doctree.findall(nodes.paragraph))
    lead = [one for one in paragraphs if "lead" in one["classes"]] or paragraphs
    text = " ".join(lead[0].astext().split()) if lead else ""
    if len(text) <= DESCRIPTION:
        return text
    return text[:DESCRIPTION].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def describe(app, pagename, templatename, context, doctree):
    """What a search engine or a message shows of the page: its title, a description and a picture."""
    if doctree is None:
        return
    title, text = app.env.titles[pagename].astext(), summary_of(doctree)
    # The address of a picture must be whole; where nobody says where the book will stand, it is the page's own.
    base = app.config.html_baseurl
    picture = f"{base.rstrip('/')}/_static/{SHARE}" if base else context["pathto"](f"_static/{SHARE}", 1)
    tags = [("name", "description", text), ("property", "og:title", title), ("property", "og:description", text)]
    tags += [("property", "og:type", "article"), ("property", "og:site_name", app.config.html_title)]
    tags += [("property", "og:image", picture), ("name", "twitter:card", "summary_large_image")]
    meta = app.env.metadata.get(pagename) or {}
    if "html_theme.sidebar_secondary.remove" in meta:  # known before the page is there, so that it does not move
        context["metatags"] += '\n<script>document.documentElement.dataset.contents = "none";</script>'
    lines = [f'<meta {kind}="{name}" content="{escape(value)}" />' for kind, name, value in tags if value]
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines])


def shared(env) -> str:
    """What pages show of one another: titles, labels, numbers, who cites what, terms."""
    found = {
        "titles": {page: title.astext() for page, title in env.titles.items()},
        "contents": env.toctree_includes,
        "numbers": env.toc_fignumbers,
        "labels": [env.domaindata["std"][kind] for kind in ("labels", "anonlabels")],
        "equations": env.domaindata["math"]["objects"],
        "cited": sorted(
            {(target.key, ref.docname) for ref in env.domaindata["cite"]["citation_refs"] for target in ref.targets}
        ),
        "terms": getattr(env, "glossary_terms", {}),
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


VIEW = re.compile(r'(<script type="application/vnd\.jupyter\.widget-view\+json">([^<]*)</script>)(?!<div)')
STATE = re.compile(r'<script type="application/vnd\.jupyter\.widget-state\+json">(.*?)</script>', re.DOTALL)


def reserve(page: str) -> str:
    """A page with a place for each of its widgets, about as high: below it nothing moves when it comes."""
    states = {}
    for found in STATE.finditer(page):
        states |= json.loads(found[1])["state"]

    def placed(found) -> str:
        state = states.get(json.loads(found[2])["model_id"], {}).get("state", {})
        wide, narrow = state.get("height") or (320, 320)
        style = f"--wide-height:{wide}px;--narrow-height:{narrow}px"
        return f'{found[1]}<div class="widget-place" data-state="waiting" style="{style}"></div>'

    return VIEW.sub(placed, page)


def mend_markup(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        if "_static" in path.parts:
            continue
        page = path.read_text(encoding="utf-8")
        mended = reserve(page)
        for before, after in ACCESSIBLE:
            mended = mended.replace(before, after)
        if mended != page:
            path.write_text(mended, encoding="utf-8")


def setup(app):
    app.connect("env-get-updated", affected, priority=900)  # Sphinx has numbered the equations by then
    app.connect("build-finished", mend_markup)
    # Late enough for the theme (priority 501) to have made its buttons.
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", offer_notebook, priority=900)
    app.connect("html-page-context", say_reading_time)
    app.connect("html-page-context", number_figures)
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
