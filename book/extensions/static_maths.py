"""Typeset the formulas when the book is built, so that pages show them at once and carry no typesetting program.

Sphinx leaves TeX in the pages for MathJax to find. Here MathJax runs once, under Node, over all the formulas of the
book: those of pages that were just written, and those of pages that a build before this one has typeset.
"""

import hashlib
import html
import json
import re
import subprocess
import sys
from pathlib import Path

from sphinx.errors import ExtensionError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.vendor import MODULES, node

TYPESET = Path(__file__).with_name("typeset.js")
STYLE = "maths.css"  # below _static
MEMORY = MODULES.parent / ".cache" / "formulas.json"
FONTS = "vendor/mathjax/output/chtml/fonts/woff-v2"  # relative to the style sheet
LIST = 'class="equation-entry"'  # marks the page of all equations: see equations.py
INLINE = re.compile(r'(<span class="math notranslate nohighlight"[^>]*>)\\\((.*?)\\\)(</span>)', re.DOTALL)
DISPLAY = re.compile(
    r'(<div class="math notranslate nohighlight"[^>]*>(?:(?!</div>).)*?)\\\[(.*?)\\\](\s*</div>)', re.DOTALL
)
DONE = re.compile(r'<mjx-container data-tex="([^"]*)"([^>]*)>')
PROGRAM = re.compile(
    r"<script[^>]*>window\.MathJax = .*?</script>|<script[^>]*/mathjax/tex-mml-chtml\.js[^>]*></script>"
)


def typeset(formulas: list) -> tuple[dict, str]:
    """{(tex, display): HTML}, and the style sheet that they need. Raises ExtensionError naming what is wrong."""
    command = [*node(), str(TYPESET), str(MODULES), FONTS]
    done = subprocess.run(command, input=json.dumps(formulas).encode(), capture_output=True)
    if done.returncode:
        raise ExtensionError(f"the formulas could not be typeset: {done.stderr.decode(errors='replace')[-2000:]}")
    answer = json.loads(done.stdout)
    wrong = [tex for (tex, _), shown in zip(formulas, answer["html"], strict=True) if "data-mjx-error" in shown]
    if wrong:
        raise ExtensionError(f"formulas with mistakes: {'; '.join(wrong)}")
    return dict(zip(formulas, answer["html"], strict=True)), answer["css"]


def remembered(formulas: list, path: Path = MEMORY) -> tuple[dict, str]:
    """What `typeset` returns; for the formulas of the last build, what it returned then."""
    sources = [TYPESET, MODULES / "mathjax" / "package.json"]
    texts = [source.read_text(encoding="utf-8") for source in sources if source.is_file()]
    key = hashlib.sha256(json.dumps([FONTS, texts, sorted(formulas)]).encode()).hexdigest()
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return {(tex, display): shown for tex, display, shown in kept["shown"]}, kept["css"]
    shown, css = typeset(formulas)
    kept = {"key": key, "css": css, "shown": [[*formula, markup] for formula, markup in shown.items()]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept), encoding="utf-8")
    return shown, css


def formulas_of(page: str) -> list:
    """The formulas of a page: (tex, display), as it was written now or as it was typeset in an earlier build."""
    written = [
        (html.unescape(found[2]), display)
        for display, kind in ((False, INLINE), (True, DISPLAY))
        for found in kind.finditer(page)
    ]
    return written + [(html.unescape(tex), 'display="true"' in rest) for tex, rest in DONE.findall(page)]


TYPESET_FORMULA = re.compile(
    r"<mjx-container.*?<mjx-assistive-mml[^>]*>(<math.*?</math>)</mjx-assistive-mml></mjx-container>", re.DOTALL
)


def in_mathml(page: str) -> str:
    """A page that lists all formulas would weigh a megabyte in MathJax's markup; there the browser sets the MathML."""
    if LIST not in page:
        return page
    page = page.replace('<div class="math notranslate nohighlight">', '<div class="math notranslate" tabindex="0">')
    return TYPESET_FORMULA.sub(r"\1", page)


def show_formulas(page: str, shown: dict) -> str:
    def drawn(tex: str, is_display: bool) -> str:  # `tex` as it stands in the page, with &lt; and &quot;
        # A wide formula scrolls in its own box, so the arrow keys must be able to get there.
        more = ' tabindex="0"' if is_display else ""
        formula = shown[html.unescape(tex), is_display]
        return formula.replace("<mjx-container", f'<mjx-container data-tex="{tex}"{more}', 1)

    def inline(found):
        return found[1] + drawn(found[2], False) + found[3]

    def display(found):
        return found[1] + drawn(found[2], True) + found[3]

    return in_mathml(PROGRAM.sub("", DISPLAY.sub(display, INLINE.sub(inline, page))))


def on_finished(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    paths = sorted(path for path in Path(app.outdir).rglob("*.html") if "_static" not in path.parts)
    pages = {path: path.read_text(encoding="utf-8") for path in paths}
    formulas = list(dict.fromkeys(formula for page in pages.values() for formula in formulas_of(page)))
    shown, css = remembered(formulas)
    (Path(app.outdir) / "_static" / STYLE).write_text(css, encoding="utf-8")
    for path, page in pages.items():
        typeset_page = show_formulas(page, shown)
        if typeset_page != page:
            path.write_text(typeset_page, encoding="utf-8")


def setup(app):
    app.add_css_file(STYLE)
    app.connect("build-finished", on_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
