"""Receipts: what goes in comes out, it can be rescored, and nothing half-written is ever left."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.core.sources import PACKAGE
from asrlab.scoring import receipt

REFERENCES = {"u1": "show the red circle", "u2": "stop"}
HYPOTHESES = {"greedy": {"u1": "show red circle", "u2": "stop now"}, "beam": dict(REFERENCES)}


def test_what_goes_in_comes_out(tmp_path):
    path = receipt.write(
        tmp_path / "results" / "a.json", "a", ["asrlab", "train", "my corpus"],
        {"wer": np.float32(0.5), "n": np.int64(3), "loss": torch.tensor(2.0)},
        HYPOTHESES, seed=np.int64(1), wall_seconds=1.23456, options={"beam": 8}, curve=np.arange(3), out=tmp_path,
    )  # fmt: skip
    found = receipt.read(path)
    assert found["name"] == "a"
    assert found["command"] == "asrlab train 'my corpus'"
    assert found["metrics"] == {"wer": 0.5, "n": 3, "loss": 2.0}
    assert found["hypotheses"] == HYPOTHESES
    assert (found["seed"], found["wall_seconds"]) == (1, 1.235)
    assert (found["options"], found["curve"], found["out"]) == ({"beam": 8}, [0, 1, 2], tmp_path.as_posix())
    assert found["versions"]["python"].split(".")[0] == "3"
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["device"].startswith("cpu, ")


def test_rescoring_gives_the_metrics_that_the_texts_say(tmp_path):
    path = receipt.write(tmp_path / "a.json", "a", "x", {}, HYPOTHESES)
    assert receipt.rescore(path, REFERENCES) == {"greedy": 2 / 5, "beam": 0.0}  # a deletion, an insertion, five words
    assert receipt.rescore(receipt.read(path), REFERENCES) == receipt.rescore(path, REFERENCES)
    with pytest.raises(AsrlabError, match="'u2'"):
        receipt.rescore(path, {"u1": "show the red circle"})
    with pytest.raises(AsrlabError, match="no hypotheses"):
        receipt.rescore(receipt.write(tmp_path / "b.json", "b", "x", {"wer": 0.1}), REFERENCES)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metrics": {"wer": float("nan")}}, "metric wer is nan"),
        ({"metrics": {"wer": "0.1"}}, "metric wer is '0.1'"),
        ({"metrics": {}, "hypotheses": {"beam": ["a"]}}, "hypotheses.'beam'. is no dictionary"),
        ({"metrics": {}, "hypotheses": {"beam": {"u": 3}}}, "expected a text"),
        ({"metrics": {}, "versions": {}}, "versions is written by itself"),
        ({"metrics": {}, "curve": [float("inf")]}, "JSON cannot hold"),
        ({"metrics": {}, "curve": object()}, "JSON cannot hold"),
    ],
)
def test_what_json_cannot_hold_is_told_and_the_old_receipt_stays(tmp_path, given, message):
    path = receipt.write(tmp_path / "a.json", "a", "x", {"wer": 0.1})
    before = path.read_text()
    with pytest.raises(AsrlabError, match=message):
        receipt.write(path, "a", "x", **given)
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["a.json"]


def test_paths_that_cannot_be_written_or_read_are_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(AsrlabError, match="cannot be written"):
        receipt.write(tmp_path / "file" / "a.json", "a", "x", {})
    (tmp_path / "folder").mkdir()
    with pytest.raises(AsrlabError, match="is there and no regular file"):
        receipt.write(tmp_path / "folder", "a", "x", {})
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    with pytest.raises(AsrlabError, match="no such file"):
        receipt.read(tmp_path / "none.json")
    with pytest.raises(AsrlabError, match="no JSON"):
        receipt.read(tmp_path / "file")
    for content in ("[]", json.dumps({"name": "a", "metrics": {}})):
        (tmp_path / "b.json").write_text(content)
        with pytest.raises(AsrlabError, match="it lacks"):
            receipt.read(tmp_path / "b.json")


def git(folder, *arguments):
    options = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *options, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def state_of(folder):
    """code_state() of a copy of the package that lies in `folder`."""
    program = "from asrlab.scoring import receipt; print(receipt.code_state())"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_commit_of_the_checkout_that_runs(tmp_path):
    package = tmp_path / "asrlab"
    package.mkdir()
    for name in ("core/errors", "core/files", "core/machine", "core/sources", "scoring/receipt"):
        package.joinpath(name).parent.mkdir(exist_ok=True)
        shutil.copy(PACKAGE / f"{name}.py", package / f"{name}.py")
    package.joinpath("__init__.py").write_text("")
    package.joinpath("scoring", "score.py").write_text("")
    tmp_path.joinpath(".gitignore").write_text("__pycache__\n")

    assert state_of(tmp_path) == "None"  # no checkout
    git(tmp_path, "init")
    git(tmp_path, "add", ".gitignore")
    git(tmp_path, "commit", "-m", "somebody else's project")
    assert state_of(tmp_path) == "None"  # a package that merely lies inside a checkout
    git(tmp_path, "add", "asrlab")
    git(tmp_path, "commit", "-m", "ours")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert state_of(tmp_path) == commit
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    results.joinpath("a.json").write_text("{}")
    tmp_path.joinpath("notes.txt").write_text("x")
    assert state_of(tmp_path) == commit  # receipts and notes change no result
    package.joinpath("errors.py").write_text("class AsrlabError(ValueError): ...\n")
    assert state_of(tmp_path) == commit + "+dirty"


def test_a_long_run_says_what_it_began_with(tmp_path):
    path = receipt.write(tmp_path / "a.json", "a", "x", {}, commit="abc", device="gpu, 8 x something")
    assert receipt.read(path)["commit"] == "abc"
    assert receipt.read(path)["device"] == "gpu, 8 x something"
