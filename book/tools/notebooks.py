"""Make the notebooks that readers download: one for each page with code, and all in one archive with the package.

They are generated, with no outputs, from the same pages that the book is built from; nobody edits them.
"""

import base64
import json
import mimetypes
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from pybtex.database import parse_file

from .execute import ROOT, notebook_pages
from .plain_markdown import PlainMarkdown

BOOK = ROOT / "book"
NOTEBOOKS = BOOK / "static" / "notebooks"
ARCHIVE = NOTEBOOKS / "asrlab-notebooks.zip"
PACKAGE_FILES = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE")
IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)\s]+)\)")

INSTALL = """\
# The package behind the book: installed already, or lying beside the notebooks as in the book's archive of them.
import importlib.util, pathlib, subprocess, sys

if importlib.util.find_spec("asrlab") is None:
    here = pathlib.Path.cwd()
    found = [folder for folder in (here, *here.parents) if (folder / "asrlab" / "__init__.py").exists()]
    assert found, "asrlab is not installed; the archive of all notebooks ('How to use this book') brings it along"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", str(found[0])])"""


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


def convert(page: Path, cited: dict) -> nbformat.NotebookNode:
    def link(target: str, anchor: str):
        """Links between pages become links between notebooks, where the other page has one."""
        if not target:
            return None
        other = (page.parent / target).resolve()
        if other.with_suffix(".md") not in with_notebook:
            return None
        return Path(os.path.relpath(notebook_path(other), notebook_path(page).parent)).as_posix()

    with_notebook = {path.resolve() for path in notebook_pages()}
    markdown = PlainMarkdown(cited.__getitem__, link)
    source = jupytext.read(page, fmt="md:myst")
    cells = []
    for number, cell in enumerate(source.cells):
        if cell.cell_type == "code":
            cell = new_code_cell(cell.source, metadata=cell.metadata)
        else:
            try:
                cell = new_markdown_cell(markdown.convert(cell.source))
            except (ValueError, KeyError) as error:
                sys.exit(f"{page.relative_to(ROOT)}: {error}")
            embed_images(cell, page)
        cell.id = f"{page.stem}-{number}"
        cells.append(cell)
    cells.insert(1, new_code_cell(INSTALL, id="install", metadata={"tags": ["install"]}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def write_archive(pages: list) -> None:
    """The notebooks, and the package's source from which their first cell installs it."""
    package = [path for path in sorted((ROOT / "asrlab").rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    files = {path: path.relative_to(ROOT) for path in [*package, *(ROOT / name for name in PACKAGE_FILES)]}
    files |= {notebook_path(page): Path("notebooks") / notebook_path(page).relative_to(NOTEBOOKS) for page in pages}
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in files.items():
            archive.write(path, f"asrlab-notebooks/{name.as_posix()}")


def main() -> None:
    pages, cited = notebook_pages(), citations()
    shutil.rmtree(NOTEBOOKS, ignore_errors=True)
    for page in pages:
        notebook = convert(page, cited)
        nbformat.validate(notebook)
        path = notebook_path(page)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_archive(pages)


if __name__ == "__main__":
    main()
