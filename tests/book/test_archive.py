"""The archive of notebooks that readers download: in an empty environment, every notebook runs as its README says.

make archive      the environment is made and every notebook executed: some twenty minutes, and a few gigabytes
"""

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="the book's tools are not installed; pip install asrlab[book]")
pytest.importorskip("myst_nb", reason="the book's tools are not installed; pip install asrlab[book]")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book"))

from tools import execute, notebooks

PAGES = execute.notebook_pages()
NAMES = [notebooks.notebook_path(page).relative_to(notebooks.NOTEBOOKS).as_posix() for page in PAGES]


@pytest.fixture(scope="session")
def archive():
    notebooks.main()
    return notebooks.ARCHIVE


@pytest.fixture(scope="session")
def unpacked(archive, tmp_path_factory):
    """The folder of the archive, where nobody has been before."""
    folder = tmp_path_factory.mktemp("archive")
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder / "asrlab-notebooks"


def commands(readme: str) -> list[str]:
    """What the README tells to type."""
    (block,) = re.findall(r"```bash\n(.*?)```", readme, re.DOTALL)
    return block.splitlines()


def test_the_readme_is_of_the_archive_and_names_what_is_there(unpacked):
    readme = (unpacked / "README.md").read_text(encoding="utf-8")
    assert "make " not in readme  # there is no Makefile
    for name in re.findall(r"`((?:notebooks|asrlab|benchmarks)\b[\w/.-]*)`", readme):
        assert (unpacked / name).exists(), name
    assert [shlex.split(line)[:1] for line in commands(readme)] == [["python3"], *[["environment/bin/python"]] * 2]
    assert sorted(path.relative_to(unpacked / "notebooks").as_posix() for path in unpacked.rglob("*.ipynb")) == sorted(
        NAMES
    )
    assert list(unpacked.glob("benchmarks/results/*.json"))
    assert not list(unpacked.rglob("__pycache__"))


@pytest.mark.parametrize("left", [False, True], ids=["nothing there", "caches of one that was uninstalled"])
def test_the_first_cell_installs_the_package_where_there_is_none(unpacked, tmp_path, left):
    """Compiled functions stay behind when a package is uninstalled, and make its folder look like a package."""
    if left:
        (tmp_path / "site" / "asrlab" / "decode" / "__pycache__").mkdir(parents=True)
    (tmp_path / "site").mkdir(exist_ok=True)
    script = (
        "import subprocess\n"
        "subprocess.check_call = lambda command: print('PIP', *command[-2:])\n"
        f"{notebooks.INSTALL}\n"
        "import asrlab\nprint('FROM', asrlab.__file__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], capture_output=True, text=True, cwd=unpacked / "notebooks",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        f"PIP --editable {unpacked}[widgets]", f"FROM {unpacked / 'asrlab' / '__init__.py'}"
    ], done.stderr  # fmt: skip


def test_an_asrlab_that_is_installed_stays(unpacked):
    cell = f"import subprocess\nsubprocess.check_call = None\n{notebooks.INSTALL}\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{cell}import asrlab\nprint(asrlab.__file__)"], capture_output=True, text=True,
        cwd=unpacked / "notebooks", env={**os.environ, "PYTHONPATH": str(notebooks.ROOT)},
    )  # fmt: skip
    assert done.stdout.strip() == str(notebooks.ROOT / "asrlab" / "__init__.py"), done.stderr


@pytest.fixture(scope="session")
def environment(unpacked, tmp_path_factory):
    """The environment that the README's commands make, with caches as empty as it is; its folder of programs."""
    *install, start = commands((unpacked / "README.md").read_text(encoding="utf-8"))
    for line in install:
        first, *rest = shlex.split(line)
        first = sys.executable if first == "python3" else str(unpacked / first)
        subprocess.run([first, *rest], cwd=unpacked, check=True)
    assert start == "environment/bin/python -m jupyterlab notebooks"
    subprocess.run([unpacked / "environment/bin/python", "-m", "jupyterlab", "--version"], check=True)
    own = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ASRLAB_DATA", "ASRLAB_BOOK")
    }
    return unpacked / "environment/bin", own | {"ASRLAB_CACHE": str(tmp_path_factory.mktemp("cache"))}


@pytest.mark.archive
@pytest.mark.parametrize("name", NAMES)
def test_every_notebook_runs_as_the_readme_says(environment, unpacked, tmp_path, name):
    """To its end; an exercise, that nobody has solved yet, stops at nothing but what is left to write."""
    programs, own = environment
    options = ["--allow-errors"] if name.startswith("exercises/") else []
    done = subprocess.run(
        [programs / "jupyter-execute", "--timeout=1200", f"--output={tmp_path / 'done.ipynb'}", *options,
         unpacked / "notebooks" / name],
        capture_output=True, text=True, env=own,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads((tmp_path / "done.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    errors = {output["ename"] for output in outputs if output["output_type"] == "error"}
    assert errors <= ({"NotImplementedError"} if options else set())
