"""Make the notebooks that readers download: one for each page with code, and all in one archive with the package.

They are generated, with no outputs, from the same pages that the book is built from; nobody edits them.
"""

import base64
import hashlib
import json
import mimetypes
import os
import re
import sys
import zipfile
from pathlib import Path

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from pybtex.database import parse_file

from asrlab.grading import authoring
from asrlab.grading.exercise import sets

from . import prose
from .execute import ROOT, notebook_pages, sha256
from .plain_markdown import PlainMarkdown

BOOK = ROOT / "book"
STATIC = BOOK / "static"
NOTEBOOKS = STATIC / "notebooks"
ARCHIVE = NOTEBOOKS / "asrlab-notebooks.zip"
STAMP = ROOT / ".cache" / "notebooks.json"  # what the notebooks, and the archive, were made from
PACKAGE_FILES = ("pyproject.toml", "LICENSE")
README = Path(__file__).with_name("archive.md")  # of the archive: the project's own speaks of files that are not there
DENSE = (".safetensors", ".webp", ".png", ".flac")  # gain next to nothing from being compressed
PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".webp", ".gif")
IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)\s]+)\)")

INSTALL = """\
# The package behind the book: installed already, or lying beside the notebooks as in the book's archive of them.
import importlib.util, pathlib, subprocess, sys, tempfile
from importlib.metadata import PackageNotFoundError, version


def installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


spec = importlib.util.find_spec("asrlab")
if spec is None or spec.origin is None:  # without origin: a folder that an asrlab before it has left behind
    here = pathlib.Path.cwd()
    found = [str(folder) for folder in (here, *here.parents) if (folder / "asrlab" / "__init__.py").exists()]
    assert found, "asrlab is not installed; the archive of all notebooks ('How to use this book') brings it along"
    pair = {package: installed(package) for package in ("torch", "torchaudio")}
    # A pair that is there (built for a GPU, say) stays as it is: another build of one would not fit the other.
    kept = pair if all(number.startswith("2.11.") for number in pair.values()) else {}
    with tempfile.TemporaryDirectory() as folder:
        constraints = pathlib.Path(folder, "constraints.txt")
        constraints.write_text("".join(f"{package}=={number}\\n" for package, number in kept.items()))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(constraints)]
        subprocess.check_call([*pip, "--editable", found[0] + "[widgets]"])
    sys.path.insert(0, found[0])  # a kernel that runs already does not see what is installed now"""


def citations() -> dict:
    """Key -> 'Graves et al. 2006'."""
    entries = parse_file(str(BOOK / "references.bib")).entries
    texts = {}
    for key, entry in entries.items():
        names = [" ".join(person.last_names).strip("{}") for person in entry.persons.get("author", [])]
        shown = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        texts[key] = f"{shown} {entry.fields.get('year', '')}".strip()
    return texts


def notebook_path(page: Path) -> Path:
    return NOTEBOOKS / page.relative_to(BOOK).with_suffix(".ipynb")


def embed_images(cell, page: Path) -> None:
    """A notebook travels alone: its pictures travel inside it, as attachments."""

    def attach(found) -> str:
        source = (page.parent / found["path"]).resolve()
        if not source.is_file():
            return found[0]
        kind = mimetypes.guess_type(source.name)[0]
        attachment = {kind: base64.b64encode(source.read_bytes()).decode()}
        cell.setdefault("attachments", {})[source.name] = attachment
        return f"![{found['alt']}](attachment:{source.name})"

    cell.source = IMAGE.sub(attach, cell.source)


def convert(page: Path, cited: dict, pages: list, exercise_cell=authoring.stub) -> nbformat.NotebookNode:
    """A page as a notebook. `cited` are the citations, `pages` all pages that become notebooks.

    `exercise_cell` says what a notebook shows of a cell with a solution: unless told otherwise, a hole.
    """
    with_notebook = {path.resolve() for path in pages}

    def link(target: str, anchor: str):
        """Links between pages become links between notebooks, where the other page has one."""
        if not target:
            return None
        other = (page.parent / target).resolve()
        if other.with_suffix(".md") not in with_notebook:
            return None
        return Path(os.path.relpath(notebook_path(other), notebook_path(page).parent)).as_posix()

    markdown = PlainMarkdown(cited.__getitem__, link)
    source = jupytext.read(page, fmt="md:myst")
    cells = []
    for number, cell in enumerate(source.cells):
        if cell.cell_type == "code" and authoring.is_exercise(cell.source):
            about = new_markdown_cell(f"*{authoring.summary(authoring.exercise_in(cell.source))}*")
            about.id = f"{page.stem}-{number}-about"
            cells.append(about)
            cell = new_code_cell(exercise_cell(cell.source))
        elif cell.cell_type == "code":
            cell = new_code_cell(cell.source, metadata=cell.metadata)
        else:
            try:
                cell = new_markdown_cell(markdown.convert(cell.source))
            except (ValueError, KeyError) as error:
                sys.exit(f"{page.relative_to(ROOT)}: {error}")
            embed_images(cell, page)
        cell.id = f"{page.stem}-{number}"
        cells.append(cell)
    line = prose.reading_time(page.relative_to(ROOT).with_suffix("").as_posix(), page)
    if line:
        cells[0].source = re.sub(r"^(# .*)$", rf"\1\n\n*{line}*", cells[0].source, count=1, flags=re.MULTILINE)
    cells.insert(1, new_code_cell(INSTALL, id="install", metadata={"tags": ["install"]}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    if page.stem in sets():
        about["asrlab"] = {"set": page.stem}
    return nbformat.v4.new_notebook(cells=cells, metadata=about)


def package_files() -> list:
    """The package, what `solution()` shows, and the measurements that pages show."""
    found = sorted(path for path in (ROOT / "asrlab").rglob("*") if path.is_file())
    package = [path for path in found if "__pycache__" not in path.parts]  # compiled code is of this machine only
    solved = [authoring.page_of(group) for group in sets().values()]
    results = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    return [*package, *solved, *results, *(ROOT / name for name in PACKAGE_FILES)]


def write_archive(pages: list) -> None:
    """The notebooks, the package from which their first cell installs it, and how to run them."""
    files = {path: path.relative_to(ROOT) for path in package_files()} | {README: Path("README.md")}
    files |= {notebook_path(page): Path("notebooks") / notebook_path(page).relative_to(NOTEBOOKS) for page in pages}
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in files.items():
            method = zipfile.ZIP_STORED if path.suffix in DENSE else zipfile.ZIP_DEFLATED
            archive.write(path, f"asrlab-notebooks/{name.as_posix()}", method)


def digest(paths: list) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{path.relative_to(ROOT).as_posix()}\0{sha256(path)}\0".encode())
    return found.hexdigest()


def sources(pages: list) -> dict:
    """Page -> hash of what its notebook is made from: its text, pictures, and what all notebooks depend on."""
    tools = [Path(__file__).with_name(name) for name in ("notebooks.py", "plain_markdown.py", "prose.py")]
    tools += [BOOK / "references.bib"]
    tools += sorted(path for path in (ROOT / "asrlab" / "grading").rglob("*.py"))  # points, minutes, holes
    pictures = [path for path in sorted(BOOK.rglob("*")) if path.suffix in PICTURES and STATIC not in path.parents]
    names = "\0".join(page.relative_to(BOOK).as_posix() for page in pages)
    common = digest([path for path in (*tools, *pictures) if path.is_file()]) + names
    shared = hashlib.sha256(common.encode()).hexdigest()
    return {page.relative_to(BOOK).as_posix(): f"{shared} {sha256(page)}" for page in pages}


def main() -> None:
    """Convert the pages that have changed, and pack the archive if anything in it has."""
    pages = notebook_pages()
    now = sources(pages)
    before = json.loads(STAMP.read_text(encoding="utf-8")) if STAMP.is_file() else {}
    changed = [page for page in pages if before.get(key := page.relative_to(BOOK).as_posix()) != now[key]]
    changed += [page for page in pages if page not in changed and not notebook_path(page).is_file()]
    cited = citations() if changed else {}
    for page in changed:
        notebook = convert(page, cited, pages)
        nbformat.validate(notebook)
        path = notebook_path(page)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    wanted = set(map(notebook_path, pages))
    for path in set(NOTEBOOKS.rglob("*.ipynb")) - wanted:  # of pages that are gone
        path.unlink()
    now["archive"] = digest([*package_files(), README, *sorted(wanted)])
    if before.get("archive") != now["archive"] or not ARCHIVE.is_file():
        write_archive(pages)
    STAMP.parent.mkdir(parents=True, exist_ok=True)
    STAMP.write_text(json.dumps(now, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
