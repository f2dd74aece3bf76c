"""The files that a module depends on are those that Python imports for it."""

import subprocess
import sys

from asrlab.core.sources import PACKAGE, sources

LOADED = "import sys, {}; print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('asrlab')))"


def test_sources_are_what_python_imports():
    command = [sys.executable, "-c", LOADED.format("asrlab.training.loop")]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    found = {str(path) for path in sources("asrlab.training.loop")}
    packages = {str(PACKAGE / name / "__init__.py") for name in (".", "core", "signals", "scoring", "training")}
    assert set(imported) <= found | packages
    assert str(PACKAGE / "cli.py") not in found
