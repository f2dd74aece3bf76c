"""Open JupyterLab on the chapters as notebooks: plain Markdown, no directives and roles of the book's own.

The notebooks are made from the chapters and laid into notebooks/. One that a reader has changed stays as it is: the new
one is then laid beside it. An author opens book/ instead, where a click on a page's Markdown opens it as a notebook.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / ".cache" / "lab"  # beside the reader's own settings, which stay as they are
NOTEBOOKS = ROOT / "notebooks"
LAID = SETTINGS / "laid.json"  # name -> hash of what was laid there last
ROOT_WARNING = (
    "JupyterLab runs as root: whatever a notebook does, it may do to the whole machine. "
    "That is common in a container; elsewhere run `make lab` as yourself."
)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lay(source: Path, target: Path, laid: dict) -> dict:
    """Copy the notebooks below `source` to `target`; returns hashes by name. `laid` is what it returned last."""
    now = {}
    for path in sorted(source.rglob("*.ipynb")):
        name = path.relative_to(source).as_posix()
        wanted, own = digest(path), target / name
        if own.is_file() and digest(own) not in (wanted, laid.get(name)):  # the reader's
            own = own.with_name(f"{own.stem}.new.ipynb") if laid.get(name) != wanted else None
        now[name] = wanted
        if own:
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, own)
    return now


def command(folder: Path, arguments: list) -> list:
    """What starts JupyterLab; as root it has to be told that this is meant."""
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if as_root:
        print(ROOT_WARNING, file=sys.stderr, flush=True)
    return [sys.executable, "-m", "jupyterlab", str(folder), *(["--allow-root"] if as_root else []), *arguments]


def main() -> None:
    sys.path.insert(0, str(ROOT / "book"))
    from tools import notebooks

    notebooks.main()
    before = json.loads(LAID.read_text(encoding="utf-8")) if LAID.is_file() else {}
    SETTINGS.mkdir(parents=True, exist_ok=True)
    LAID.write_text(json.dumps(lay(notebooks.NOTEBOOKS, NOTEBOOKS, before), indent=1), encoding="utf-8")
    overrides = SETTINGS / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True, exist_ok=True)
    viewers = {"markdown": "Jupytext Notebook", "myst": "Jupytext Notebook"}
    overrides.write_text(json.dumps({"@jupyterlab/docmanager-extension:plugin": {"defaultViewers": viewers}}))
    paths = [str(SETTINGS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    env = {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(subprocess.run(command(NOTEBOOKS, sys.argv[1:]), env=env).returncode)


if __name__ == "__main__":
    main()
