"""Build the book: python book/build.py

Site assets, embedded corpus, notebooks to download, every notebook executed, HTML. Each skips what is done.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tools import execute, notebooks, vendor

ROOT = Path(__file__).resolve().parents[1]


def corpus() -> None:
    """The embedded corpus is synthesised on first use; doing it here keeps that time out of the first notebook."""
    from asrlab import corpora

    corpora.prepare("scenetalk")


def html() -> None:
    """`--all` reads every page again: a page that failed once is otherwise skipped, and the second build is green.

    Pages of an earlier build go first: what has left the table of contents must leave the site.
    """
    shutil.rmtree(ROOT / "_build" / "html", ignore_errors=True)
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    options = ["build", ".", "--all", "-W", "--keep-going", "--quiet"]
    if subprocess.run([*jupyter_book, *options], cwd=ROOT).returncode:
        sys.exit("The book was not built: see the warnings above.")


def main() -> None:
    os.chdir(ROOT)
    for title, step in (
        ("site assets", vendor.main),
        ("embedded corpus", corpus),
        ("notebooks to download", notebooks.main),
        ("execution", execute.main),
        ("pages", html),
    ):
        started = time.monotonic()
        step()
        print(f"{title}: {time.monotonic() - started:.1f} s", flush=True)
    print(f"\nThe book: {(ROOT / '_build' / 'html' / 'index.html').as_uri()}\nor, as a site: make serve")


if __name__ == "__main__":
    main()
