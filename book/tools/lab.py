"""Open JupyterLab on the chapters; a click on a page's Markdown file opens it as a notebook (jupytext)."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / ".cache" / "lab"  # beside the reader's own settings, which stay as they are


def main() -> None:
    overrides = SETTINGS / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True, exist_ok=True)
    viewers = {"markdown": "Jupytext Notebook", "myst": "Jupytext Notebook"}
    overrides.write_text(json.dumps({"@jupyterlab/docmanager-extension:plugin": {"defaultViewers": viewers}}))
    paths = [str(SETTINGS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    env = {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "jupyterlab", str(ROOT / "book"), *sys.argv[1:]]
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(subprocess.run(command, env=env).returncode)


if __name__ == "__main__":
    main()
