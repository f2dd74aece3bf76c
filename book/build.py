"""Build the book: python book/build.py

Site assets, notebooks to download, every notebook executed (on the embedded corpus), HTML. Each skips what is done.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tools import execute, notebooks, vendor

ROOT = Path(__file__).resolve().parents[1]
BOOK, BUILD = ROOT / "book", ROOT / "_build"
DOCTREES = BUILD / ".doctrees"
GREEN = BUILD / "green.json"  # what the last build was made from, if it ended without a warning


def shared() -> None:
    """What many notebooks need: the embedded corpus, and the recogniser that is trained on it.

    Made before any of them runs, with all cores: beside other work two threads wait for each other most of the time.
    """
    from asrlab import corpora
    from asrlab.pages.course import trained

    corpora.prepare("scenetalk")
    trained("scenetalk")


def ingredients() -> dict:
    """Hashes of all that decides how pages look beside their own text: when one changes, every page is read again."""
    files = [
        ROOT / name for name in ("_config.yml", "_toc.yml", "requirements.txt", "pyproject.toml", "package-lock.json")
    ]
    files += [BOOK / "build.py", BOOK / "references.bib", BOOK / "static" / "vendor" / "versions.json"]
    for folder in ("extensions", "figures", "templates", "tools"):
        files += [path for path in sorted((BOOK / folder).rglob("*")) if "__pycache__" not in path.parts]
    files += [path for path in sorted((BOOK / "static").iterdir()) if path.is_file()]
    found = {path.relative_to(ROOT).as_posix(): execute.sha256(path) for path in files if path.is_file()}
    return found | {"python": sys.version, **{name: version(name) for name in ("sphinx", "myst-nb", "jupyter-book")}}


def html(executed: dict) -> None:
    """The pages. After a build without any warning the next reads and writes only what has changed since.

    Until then every page is read: one that was read with a warning would be skipped next time, and that build green.
    The stamp goes before a build begins and comes back when it was green, so neither a failure nor a kill leaves one.
    """
    now = {"ingredients": ingredients(), "executed": executed}
    before = json.loads(GREEN.read_text(encoding="utf-8")) if GREEN.is_file() else {}
    GREEN.unlink(missing_ok=True)
    whole = before.get("ingredients") != now["ingredients"] or not DOCTREES.is_dir()
    if whole:  # what has left the table of contents must leave the site
        for folder in (BUILD / "html", BUILD / "jupyter_execute", DOCTREES):
            shutil.rmtree(folder, ignore_errors=True)
    else:
        different = [page for page, done in executed.items() if before["executed"].get(page) != done]
        for page in different:  # without its doctree a page is read again, and its new outputs with it
            (DOCTREES / page).with_suffix(".doctree").unlink(missing_ok=True)
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    options = ["build", ".", *(["--all"] if whole else []), "-W", "--keep-going", "--quiet"]
    if subprocess.run([*jupyter_book, *options], cwd=ROOT).returncode:
        shutil.rmtree(DOCTREES, ignore_errors=True)
        sys.exit("The book was not built: see the warnings above.")
    GREEN.write_text(json.dumps(now), encoding="utf-8")


def main() -> None:
    os.chdir(ROOT)
    executed = {}
    for title, step in (
        ("site assets", vendor.main),
        ("notebooks to download", notebooks.main),
        ("execution", lambda: executed.update(execute.main(shared))),
        ("pages", lambda: html(executed)),
    ):
        started = time.monotonic()
        step()
        print(f"{title}: {time.monotonic() - started:.1f} s", flush=True)
    print(f"\nThe book: {(BUILD / 'html' / 'index.html').as_uri()}\nor, as a site: make serve")


if __name__ == "__main__":
    main()
