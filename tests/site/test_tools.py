"""The tools that build the site, without building it: what a notebook shows, and when a page is out of date."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
jupytext = pytest.importorskip("jupytext", reason="the book's tools are not installed; pip install asrlab[book]")
pytest.importorskip("myst_nb", reason="the book's tools are not installed; pip install asrlab[book]")
sys.path[:0] = [str(BOOK), str(BOOK / "extensions")]

import build  # noqa: E402
import glossary_notes  # noqa: E402
import lean_styles  # noqa: E402
import site_pages  # noqa: E402
import static_maths  # noqa: E402
import tinycss2  # noqa: E402
from docutils import nodes  # noqa: E402
from docutils.utils import new_document  # noqa: E402
from sphinx_design.dropdown import dropdown_title  # noqa: E402
from tools import execute, lab, notebooks, pdf, plain_markdown, readme  # noqa: E402

plain = plain_markdown.PlainMarkdown(
    cite={"one": "Graves et al. 2006", "two": "Elman 1990"}.__getitem__,
    link=lambda target, anchor: {"data.md": "data.ipynb"}.get(target),
)


@pytest.mark.parametrize(
    ("page", "notebook"),
    [
        (":::{note}\nTwo\nlines.\n:::", "> **Note.**\n>\n> Two\n> lines."),
        (":::{admonition} A *title*\n:class: source\nText.\n:::", "> **A *title***\n>\n> Text."),
        ("```{math}\n:label: sum\na + b\n```", "$$\na + b\n\\tag{sum}\n$$"),
        ("By {eq}`sum`:\n\n$$\na + b\n$$ (sum)", "By (sum):\n\n$$\na + b\n\\tag{sum}\n$$"),
        ("```{code-block} bash\nmake book\n```", "```bash\nmake book\n```"),
        ("```python\n{note} `{kbd}` stays\n```", "```python\n{note} `{kbd}` stays\n```"),
        ("```{figure} x.png\n:alt: A cat\nIts name.\n```", "![A cat](x.png)\n\nIts name."),
        ("Read {cite:p}`one,two`.", "Read (Graves et al. 2006; Elman 1990)."),
        ("As {cite:t}`two` says", "As Elman 1990 says"),
        ("{math}`x^2`, {kbd}`Tab`, {abbr}`WER (word error rate)`", "$x^2$, `Tab`, WER"),
        ("{.lead}\nFirst.", "First."),
        ("the tags `{hour}` and `{minute}`", "the tags `{hour}` and `{minute}`"),
        ("[Go](data.md){.go .first} or [stay](other.md)", "[Go](data.ipynb) or stay"),
        ("[far](https://example.org)", "[far](https://example.org)"),
        ("(target)=\n% a remark\nText", "Text"),
        ("```{bibliography}\n```\nText", "Text"),
        (
            "::::{grid} 2\n:gutter: 3\n\n:::{grid-item-card} One\n:link: a\nInside.\n:::\n::::",
            "**One**\n\nInside.",
        ),
        ("```{list-table} T\n* - a\n  - b\n* - c\n  - d\n```", "**T**\n\n| a | b |\n| --- | --- |\n| c | d |"),
    ],
)
def test_directives_and_roles_become_plain(page, notebook):
    assert re.sub(r"\n{2,}", "\n\n", plain.convert(page)) == notebook


@pytest.mark.parametrize("page", ["```{unheard-of}\n```", "{unheard-of}`text`"])
def test_what_is_not_known_is_refused_by_name(page):
    with pytest.raises(ValueError, match="unheard-of"):
        plain.convert(page)


def test_a_block_that_is_never_closed_is_named():
    with pytest.raises(ValueError, match=r"':::\{note\}' is never closed"):
        plain.convert(":::{note}\ntext")


MARKUP = re.compile(  # what a notebook rightly leaves out
    "|".join(
        (
            r"\{[\w:]+\}`[^`]*`",  # roles
            r"^:\w[\w-]*:.*$",  # options
            r"^\s*```\{reference\} .*$",  # what the reference makes of docstrings
            r"^\s*[`:]{3,}(\{[\w:-]+\}( html)?)?",  # fences
            r"\([^)\s]+\.md[^)]*\)",  # links between pages
            r"\{[.#][^}]*\}",  # attributes
            r"^\([\w:-]+\)=$|^\$\$ \([\w-]+\)",  # targets, labels
            r"^ *(choices:|- (right|wrong):)",  # of a quiz
        )
    ),
    flags=re.MULTILINE,
)


def test_no_word_of_any_page_gets_lost():
    """The words of the page must be in the notebook, in their order."""
    cited = notebooks.citations()
    converter = plain_markdown.PlainMarkdown(cited.__getitem__, lambda target, anchor: None)
    for page in execute.pages():
        cells = jupytext.read(page, fmt="md:myst").cells
        texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
        shown = iter(re.findall(r"[A-Za-z]{4,}", "\n".join(map(converter.convert, texts))))
        wanted = re.findall(r"[A-Za-z]{4,}", MARKUP.sub("", "\n".join(texts)))
        lost = next((word for word in wanted if word not in shown), None)
        assert lost is None, f"{page}: {lost!r} is not in the notebook"


def test_a_page_is_out_of_date_when_a_file_that_it_read_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    (tmp_path / "asrlab" / "__pycache__").mkdir(parents=True)
    module, compiled = tmp_path / "asrlab" / "text.py", tmp_path / "asrlab" / "__pycache__" / "text.pyc"
    module.write_text("a = 1")
    compiled.write_text("x")
    page = tmp_path / "book" / "page.md"
    page.parent.mkdir()
    read = execute.project_files([str(module), str(compiled), "../asrlab/text.py", "/etc/hostname", "None"], page)
    assert list(read) == ["asrlab/text.py"]
    record = SimpleNamespace(data={"read": read})
    assert execute.is_current(record)
    module.write_text("a = 2")
    assert not execute.is_current(record)
    module.unlink()
    assert not execute.is_current(record)


def test_a_page_that_looked_for_receipts_is_out_of_date_when_there_is_a_new_one(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    results, page = tmp_path / "benchmarks" / "results", tmp_path / "book" / "page.md"
    results.mkdir(parents=True)
    page.parent.mkdir()
    read = execute.project_files([], page, [str(results), str(page.parent), "/etc"])
    assert list(read) == ["benchmarks/results/"]
    record = SimpleNamespace(data={"read": read})
    (results / "notes.txt").write_text("")
    assert execute.is_current(record)
    (results / "an4.seed1.json").write_text("{}")
    assert not execute.is_current(record)


def test_a_kernel_reports_the_files_and_the_folders_that_a_page_looked_into(tmp_path):
    (tmp_path / "read.json").write_text("{}")
    page = f"""
import pathlib
folder = pathlib.Path({str(tmp_path)!r})
[path.read_text() for path in folder.glob("*.json")]
"""
    done = subprocess.run(
        [sys.executable, "-c", execute.START_RECORDING + page + execute.WHAT_WAS_READ], capture_output=True, text=True
    )
    names = json.loads(done.stdout)
    assert str(tmp_path / "read.json") in names["files"]
    assert str(tmp_path) in names["folders"]


def test_the_longest_page_goes_first_and_one_of_which_nothing_is_known_before_it(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    todo = {tmp_path / f"{name}.md": None for name in ("short", "long", "new")}
    order = execute.in_order(todo, {"short": 2.0, "long": 40.0})
    assert [page.stem for page in order] == ["new", "long", "short"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A book of two pages whose HTML is made by a program that only notes its options; .fails makes it fail."""
    options = SimpleNamespace(calls=[], fails=False)

    def jupyter_book(command, cwd):
        options.calls.append("--all" in command)
        (tmp_path / ".doctrees" / "book").mkdir(parents=True, exist_ok=True)
        for name in ("one", "two"):
            (tmp_path / ".doctrees" / "book" / f"{name}.doctree").touch()
        return SimpleNamespace(returncode=int(options.fails))

    for name, value in (("BUILD", tmp_path), ("DOCTREES", tmp_path / ".doctrees"), ("GREEN", tmp_path / "green.json")):
        monkeypatch.setattr(build, name, value)
    monkeypatch.setattr(build.subprocess, "run", jupyter_book)
    monkeypatch.setattr(build, "ingredients", lambda: {"_config.yml": options.configuration})
    options.configuration, options.folder = "a", tmp_path
    return options


def test_only_after_a_green_build_are_pages_left_unread(project):
    executed = {"book/one.md": "1"}
    build.html(executed)
    build.html(executed)
    assert project.calls == [True, False]
    project.fails = True
    with pytest.raises(SystemExit, match="not built"):
        build.html(executed)
    assert not project.folder.joinpath(".doctrees").exists()
    project.fails = False
    build.html(executed)
    build.html(executed)
    assert project.calls == [True, False, False, True, False]


def test_a_changed_configuration_and_a_killed_build_read_every_page(project):
    build.html({})
    project.configuration = "b"
    build.html({})
    build.GREEN.unlink()  # as a kill leaves it
    build.html({})
    assert project.calls == [True, True, True]


def test_a_page_that_was_executed_again_is_read_again(project, monkeypatch):
    build.html({"book/one.md": "1", "book/two.md": "1"})
    seen = []
    run = build.subprocess.run

    def look(command, cwd):
        seen.extend(sorted(path.stem for path in project.folder.rglob("*.doctree")))
        return run(command, cwd)

    monkeypatch.setattr(build.subprocess, "run", look)
    build.html({"book/one.md": "2", "book/two.md": "1"})
    assert seen == ["two"] and project.calls == [True, False]


def test_formulas_are_typeset_once(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        static_maths, "typeset", lambda formulas: calls.append(1) or (dict.fromkeys(formulas, "m"), "c")
    )
    memory = tmp_path / "new" / "formulas.json"
    for formulas in (FORMULAS, FORMULAS[::-1], FORMULAS[:1]):
        shown, css = static_maths.remembered(formulas, memory)
        assert shown == dict.fromkeys(formulas, "m") and css == "c"
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("there", "kept"),
    [
        ({"torch": "2.11.0+cu128", "torchaudio": "2.11.0+cu128"}, ["torch==2.11.0+cu128", "torchaudio==2.11.0+cu128"]),
        ({"torch": "2.11.0"}, []),
        ({"torch": "2.9.1", "torchaudio": "2.9.1"}, []),
        ({}, []),
    ],
)
def test_the_install_cell_keeps_a_pair_that_is_there(tmp_path, monkeypatch, there, kept):
    import importlib.metadata
    import importlib.util

    def version(package):
        if package in there:
            return there[package]
        raise importlib.metadata.PackageNotFoundError(package)

    (tmp_path / "asrlab").mkdir()
    (tmp_path / "asrlab" / "__init__.py").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    calls = []

    def pip(command):
        constraints = Path(command[command.index("--constraint") + 1])
        calls.append((command[-1], constraints.read_text().split()))

    monkeypatch.setattr(subprocess, "check_call", pip)
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(notebooks.INSTALL, {})
    assert calls == [(f"{tmp_path}[widgets]", kept)]
    assert sys.path[0] == str(tmp_path)


def test_the_lab_lays_notebooks_and_leaves_a_readers_own(tmp_path):
    source, target = tmp_path / "made", tmp_path / "notebooks"
    (source / "a").mkdir(parents=True)
    made = source / "a" / "one.ipynb"
    made.write_text("first")
    laid = lab.lay(source, target, {})
    own = target / "a" / "one.ipynb"
    assert own.read_text() == "first"
    made.write_text("second")
    laid = lab.lay(source, target, laid)
    assert own.read_text() == "second"
    own.write_text("mine")
    assert lab.lay(source, target, laid) == laid and own.read_text() == "mine"
    assert len(list(target.rglob("*.ipynb"))) == 1
    made.write_text("third")
    lab.lay(source, target, laid)
    assert own.read_text() == "mine" and own.with_name("one.new.ipynb").read_text() == "third"


@pytest.mark.parametrize("user", [0, 1000])
def test_the_lab_runs_as_root_with_a_word_of_warning(monkeypatch, capsys, user):
    monkeypatch.setattr(lab.os, "geteuid", lambda: user, raising=False)
    assert ("--allow-root" in lab.command(Path("x"), [])) == (user == 0)
    assert ("runs as root" in capsys.readouterr().err) == (user == 0)


def test_the_book_is_served_to_this_machine_alone():
    makefile = (BOOK.parent / "Makefile").read_text(encoding="utf-8")
    served = [line for line in makefile.splitlines() if "http.server" in line]
    assert served and all("--bind 127.0.0.1" in line for line in served)


def test_a_place_is_kept_for_each_widget_once():
    state = {"a": {"state": {"height": [500, 700]}}, "b": {"state": {}}}
    views = [f'<script type="application/vnd.jupyter.widget-view+json">{{"model_id": "{k}"}}</script>' for k in "ab"]
    kept = f'<script type="application/vnd.jupyter.widget-state+json">{json.dumps({"state": state})}</script>'
    page = site_pages.reserve(f"<p>{views[0]}</p><p>{views[1]}</p>{kept}")
    assert page.count('class="widget-place" data-state="waiting"') == 2
    assert "--wide-height:500px;--narrow-height:700px" in page and "--wide-height:320px" in page
    assert site_pages.reserve(page) == page


def page_of(title: str, text: str, following: str = "") -> str:
    more = f'<a class="right-next" href="{following}">Next</a>' if following else ""
    return (
        f'<html><head><title>{title}</title><link rel="stylesheet" href="../_static/book.css"></head><body>'
        f'<article class="bd-article">{text}</article>{more}</body></html>'
    )


def test_the_book_becomes_one_page_whose_links_stay_inside(tmp_path):
    site = tmp_path / "html"
    (site / "book" / "one").mkdir(parents=True)
    text = '<h1 id="a">A</h1><a href="one/two.html#a">to two</a><a href="#a">here</a><audio src="x.flac"></audio>'
    (site / "book" / "index.html").write_text(page_of("Book", text, "one/two.html"))
    text = '<h1 id="a">B</h1><a href="../index.html">back</a><img src="../../_images/x.png"><a href="https://a.b/c">far</a>'
    (site / "book" / "one" / "two.html").write_text(page_of("Two", text))
    addresses = pdf.pages(site)
    assert addresses == ["book/index.html", "book/one/two.html"]
    html = pdf.whole(site, addresses, tmp_path / "pdf")
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids)) and {"p0-a", "p1-a", "p0-top", "p1-top"} <= set(ids)
    assert re.findall(r'<a href="([^"]+)"', html) == ["#p1-a", "#p0-a", "#p0-top", "https://a.b/c"]
    assert 'src="../html/_images/x.png"' in html and 'href="../html/_static/book.css"' in html
    assert "<audio" not in html and 'data-theme="light"' in html


def test_the_readme_says_what_the_receipts_say():
    text = readme.README.read_text(encoding="utf-8")
    assert readme.filled(text) == text, "run: python book/tools/readme.py"


PAGE = (
    '<script>window.MathJax = {"tex": 1}</script>'
    '<script defer="defer" src="../_static/vendor/mathjax/tex-mml-chtml.js?v=1"></script>'
    '<p>of <span class="math notranslate nohighlight">\\(a &lt; b\\)</span></p>'
    '<div class="math notranslate nohighlight" id="equation-x">\n<span class="eqno">(1)<a href="#x">#</a></span>'
    "\\[\\begin{split}a \\\\[2pt]\nb &amp; c\\end{split}\\]</div>"
)
FORMULAS = [("a < b", False), ("\\begin{split}a \\\\[2pt]\nb & c\\end{split}", True)]


def test_formulas_are_found_whole_and_replaced():
    assert static_maths.formulas_of(PAGE) == FORMULAS
    shown = static_maths.show_formulas(PAGE, dict(zip(FORMULAS, ("<m>1</m>", "<m>2</m>"), strict=True)))
    assert "<script" not in shown
    assert ">of <span" in shown and "<m>1</m></span>" in shown
    assert shown.endswith('<span class="eqno">(1)<a href="#x">#</a></span><m>2</m></div>')


def test_a_page_of_an_earlier_build_still_says_which_formulas_it_needs():
    drawn = ("<mjx-container class='x'>1</mjx-container>", '<mjx-container display="true">2</mjx-container>')
    page = static_maths.show_formulas(PAGE, dict(zip(FORMULAS, drawn, strict=True)))
    assert static_maths.formulas_of(page) == FORMULAS
    assert static_maths.show_formulas(page, {}) == page


def environment() -> SimpleNamespace:
    """What Sphinx knows of a book of two pages, one of which cites a work and numbers an equation."""
    title = SimpleNamespace(astext=lambda: "Title")
    cited = SimpleNamespace(docname="one", targets=[SimpleNamespace(key="b"), SimpleNamespace(key="a")])
    return SimpleNamespace(
        titles={"one": title, "two": title},
        toctree_includes={"one": ["two"]},
        toc_fignumbers={"two": {"displaymath": {"equation-x": (1,)}}},
        domaindata={
            "std": {"labels": {"x": ("two", "x", "X")}, "anonlabels": {}},
            "math": {"objects": {"x": ("two", 1)}},
            "cite": {"citation_refs": [cited]},
        },
        found_docs={"two", "one"},
    )


@pytest.mark.parametrize(
    ("change", "written"),
    [
        (lambda env: None, []),
        (lambda env: env.domaindata["cite"]["citation_refs"].append(SimpleNamespace(docname="two", targets=[])), []),
        (lambda env: env.titles.update(two=SimpleNamespace(astext=lambda: "Another")), ["one", "two"]),
        (lambda env: env.toctree_includes["one"].clear(), ["one", "two"]),
        (lambda env: env.domaindata["std"]["labels"].pop("x"), ["one", "two"]),
        (lambda env: env.domaindata["math"]["objects"].update(x=("two", 2)), ["one", "two"]),
        (lambda env: env.domaindata["cite"]["citation_refs"].clear(), ["one", "two"]),
        (lambda env: setattr(env.domaindata["cite"]["citation_refs"][0], "docname", "two"), ["one", "two"]),
        (lambda env: setattr(env, "glossary_terms", {"nat": ("term-nat", "A unit.")}), ["one", "two"]),
    ],
)
def test_all_pages_are_written_when_what_they_show_of_one_another_has_changed(change, written):
    env = environment()
    assert site_pages.affected(None, env) == ["one", "two"]  # the first build
    change(env)
    assert site_pages.affected(None, env) == written


def test_the_list_of_all_formulas_is_left_to_the_browser():
    spoken = "<mjx-assistive-mml><math>{}</math></mjx-assistive-mml>"
    drawn = f"<mjx-container><mjx-math>drawn</mjx-math>{spoken}</mjx-container>"
    shown = {formula: drawn.format(number) for number, formula in enumerate(FORMULAS)}
    listed = static_maths.show_formulas(PAGE + '<div class="equation-entry"></div>', shown)
    assert "drawn" not in listed and "<math>0</math>" in listed and "<math>1</math>" in listed
    assert static_maths.show_formulas(PAGE, shown).count("drawn") == 2


@pytest.mark.skipif(not (static_maths.MODULES / "mathjax").exists(), reason="no node_modules/mathjax; run `make book`")
def test_formulas_become_what_a_screen_reader_can_read():
    shown, css = static_maths.typeset(FORMULAS)
    assert re.search(r"<math[^>]*><mi>a</mi><mo>&lt;</mo><mi>b</mi></math>", shown[FORMULAS[0]])
    assert "mjx-assistive-mml" in css and static_maths.FONTS in css
    with pytest.raises(static_maths.ExtensionError, match=r"mistakes: \\frac\{1"):
        static_maths.typeset([("\\frac{1", False)])


def test_a_rule_stays_if_a_page_or_a_script_may_use_it(tmp_path):
    (tmp_path / "page.html").write_text('<p class="lead note">', encoding="utf-8")
    (tmp_path / "script.js").write_text('place.classList.add("open");', encoding="utf-8")
    (tmp_path / "search-data.js").write_text('["hidden in prose"]', encoding="utf-8")
    names = lean_styles.names_in(tmp_path)
    style = """:root{--a:1} p,.gone{color:red} .lead.note>a:hover{x:1} .lead .gone{x:1} .open{x:1} .hidden{x:1}
    a:not(.gone){x:1} #gone{x:1} [data-x="."].note{x:1} @media print{.gone{x:1}}
    @media (min-width:9px){.note,.gone{x:1}}
    @font-face{font-family:f} @keyframes gone{to{x:1}}"""
    kept = lean_styles.lean(tinycss2.parse_rule_list(style, skip_comments=True, skip_whitespace=True), names)
    assert kept.split("\n") == [
        *(":root{--a:1}", "p{color:red}", ".lead.note>a:hover{x:1}", ".open{x:1}", "a:not(.gone){x:1}", "#gone{x:1}"),
        *('[data-x="."].note{x:1}', "@media (min-width:9px){.note{x:1}}", "@font-face{font-family:f}"),
        "@keyframes gone{to{x:1}}",
    ]


def test_a_note_stays_out_of_formulas_and_titles():
    document, paragraph = new_document("page"), nodes.paragraph()
    paragraph += [nodes.math("", "softmax"), nodes.Text(" a softmax here")]
    document += [nodes.title("", "softmax"), nodes.math_block("", "softmax(x)")]
    document += [
        dropdown_title("", "What is softmax?"),
        nodes.inline("", "softmax", classes=["quiz-choice"]),
        paragraph,
    ]
    assert glossary_notes.note_first_uses(document, {"softmax": ("term-softmax", "Shares.")}, "glossary.html") == [
        "softmax"
    ]
    assert [node.parent for node in document.findall(nodes.raw)] == [paragraph]
    assert document.next_node(nodes.math_block).astext() == "softmax(x)"
