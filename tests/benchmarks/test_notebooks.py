"""The benchmark of the notebooks, with an execution that only says how long it took."""

import json
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupyter_cache", reason="the book's tools are not installed; pip install asrlab[book]")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book"))

from tools import execute

from benchmarks import notebooks


@pytest.fixture
def pretended(monkeypatch):
    """The folders that the execution was told of."""
    told = []
    for name in (*notebooks.FRESH, "ASRLAB_DATA"):
        monkeypatch.setenv(name, "somewhere")

    def run(todo, cache, folder):
        told.append((folder, os.environ["ASRLAB_CACHE"], os.environ.get("ASRLAB_DATA")))
        return {"book/a": 3.0, "book/b": 4.0}

    monkeypatch.setattr(execute, "stale", lambda cache: {})
    monkeypatch.setattr(execute, "execute", run)
    monkeypatch.setattr("asrlab.corpora.prepare", lambda name: None)
    return told


def test_a_receipt_of_seconds_by_page_from_empty_caches(pretended, tmp_path):
    out = tmp_path / "notebooks.json"
    assert notebooks.main(["--out", str(out)]) == 0
    metrics = json.loads(out.read_text())["metrics"]
    assert metrics["seconds.book/a"] == 3.0 and metrics["seconds.book/b"] == 4.0
    assert metrics["seconds.total"] >= metrics["seconds.corpus"] >= 0
    folder, cache, data = pretended[0]
    assert Path(cache).parent == folder.parent and data is None
    assert not folder.exists()  # it was a temporary one


def test_a_notebook_that_fails_leaves_no_receipt(pretended, monkeypatch, tmp_path):
    def fail(todo, cache, folder):
        raise SystemExit("Notebooks that failed: book/a.md")

    monkeypatch.setattr(execute, "execute", fail)
    with pytest.raises(notebooks.AsrlabError, match=r"book/a\.md"):
        notebooks.main(["--out", str(tmp_path / "notebooks.json")])
    assert not (tmp_path / "notebooks.json").exists()
