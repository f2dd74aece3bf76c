"""What can be checked without running anything: python book/tools/lint.py [ruff | format | types | scripts ...]

ruff reads for mistakes, and for the one way in which we write; mypy holds types together; TypeScript checks the
JavaScript of widgets and pages as it is, from the values that it sees. Without a name all four run, and all their
complaints are shown.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "book")]

from tools import vendor  # noqa: E402

JOINED = ROOT / ".cache" / "lint"
TSC = ROOT / "node_modules" / "typescript" / "bin" / "tsc"
OPTIONS = (
    *("--noEmit", "--allowJs", "--checkJs", "--pretty", "false"),
    *("--strict", "false"),  # no parameter has to have a type; what can be inferred must fit
    *("--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--module", "es2022", "--moduleDetection", "force"),
)


def run(*command: str) -> bool:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT).returncode == 0


def ruff() -> bool:
    return run("ruff", "check", ".")


def form() -> bool:
    return run("ruff", "format", "--check", ".")


def types() -> bool:
    return run("mypy")


def scripts() -> bool:
    """A widget's module is checked behind shared.js, as the browser gets it; places are those of the two files."""
    from asrlab.widgets.base import FOLDER, script

    vendor.main()
    JOINED.mkdir(parents=True, exist_ok=True)
    widgets = sorted(path.stem for path in FOLDER.glob("*.js") if path.stem != "shared")
    for old in JOINED.glob("*.js"):
        old.unlink()
    for name in widgets:
        (JOINED / f"{name}.js").write_text(script(name), encoding="utf-8")
    files = [*sorted(JOINED.glob("*.js")), *sorted((ROOT / "book" / "static").glob("*.js"))]
    command = [*vendor.node(), str(TSC), *OPTIONS, *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    shared = (FOLDER / "shared.js").read_text(encoding="utf-8").count("\n") + 1
    for line in dict.fromkeys(placed(line, shared) for line in (done.stdout + done.stderr).splitlines()):
        print(line)  # what is wrong in shared.js once, not with every widget
    return done.returncode == 0


def placed(line: str, shared: int) -> str:
    """A message about joined text, with the place in the file that has it; shared.js has so many lines."""
    found = re.match(r"\.cache/lint/(\w+)\.js\((\d+),(\d+)\)(.*)", line)
    if not found:
        return line
    name, row, column, message = found[1], int(found[2]) - 1, found[3], found[4]
    name, row = ("shared", row) if row <= shared else (name, row - shared)
    return f"asrlab/widgets/{name}.js({row},{column}){message}"


CHECKS = {"ruff": ruff, "format": form, "types": types, "scripts": scripts}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        sys.exit(f"{unknown[0]}: no such check; there are {', '.join(CHECKS)}")
    failed = [name for name in names or CHECKS if not CHECKS[name]()]
    if failed:
        print(f"lint: {', '.join(failed)} complained", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
