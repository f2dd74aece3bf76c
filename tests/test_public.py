"""`import asrlab` offers the public names and is light: the libraries behind a name come when it is used."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asrlab

SOURCE = Path(asrlab.__file__)
HEAVY = ("torch", "torchaudio", "numba", "scipy", "sklearn", "matplotlib", "numpy")


def run(code: str, **environment: str) -> str:
    """What a fresh process prints; -I would hide this checkout from it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ONEDNN_")} | environment
    env["PYTHONPATH"] = str(SOURCE.parents[1])
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_is_light_and_sets_the_environment_first():
    code = "import sys, os, asrlab; print(*[n for n in %r if n in sys.modules], os.environ[%r])"
    assert run(code % (HEAVY, "ONEDNN_PRIMITIVE_CACHE_CAPACITY")).split() == ["16384"]
    assert run(code % (HEAVY, "ONEDNN_PRIMITIVE_CACHE_CAPACITY"), ONEDNN_PRIMITIVE_CACHE_CAPACITY="7").split() == ["7"]


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_command_line_answers_without_torch(option):
    code = f"""
import atexit, sys
sys.argv = ["asrlab", {option!r}]
atexit.register(lambda: print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules]))
from asrlab.cli import main
main()
"""
    *shown, heavy = run(code).splitlines()
    assert heavy == "HEAVY []"
    assert (asrlab.__version__ if option == "--version" else "transcribe") in "\n".join(shown)


def test_every_public_name_is_what_its_home_calls_it():
    from asrlab.core.errors import AsrlabError
    from asrlab.corpora import load
    from asrlab.recognizer import Recognizer
    from asrlab.scoring.evaluate import evaluate
    from asrlab.training import loop, recipe

    found = {name: getattr(asrlab, name) for name in asrlab.__all__}
    assert found.pop("__version__") == asrlab.__version__
    assert found == {
        "AsrlabError": AsrlabError, "Recipe": recipe.Recipe, "Recognizer": Recognizer, "evaluate": evaluate,
        "load": Recognizer.load, "load_corpus": load, "load_recipe": recipe.load, "train": loop.train,
    }  # fmt: skip
    assert set(asrlab.__all__) <= set(dir(asrlab))


def test_type_checkers_see_the_same_names():
    block = next(node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    seen = {alias.asname or alias.name for node in block.body for alias in getattr(node, "names", [])}
    seen |= {target.id for node in block.body for target in getattr(node, "targets", [])}
    assert seen == set(asrlab.__all__) - {"__version__"}
    assert (SOURCE.parent / "py.typed").is_file()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'asrlab' has no attribute 'recognise'"):
        asrlab.recognise  # noqa: B018
