"""The cache of compiled functions knows every source that they may come from."""

import shutil

import pytest

from asrlab.core import compiled


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three folders, two of them with compiled functions."""
    for folder, text in {"a": "from asrlab.core.compiled import compiled", "b": "", "core": ""}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.py").write_text(text)
        (tmp_path / folder / "two.py").write_text("X = 1")
    monkeypatch.setattr(compiled, "PACKAGE", tmp_path)
    return tmp_path


def name():
    return compiled._digest.__wrapped__()


def test_every_file_beside_a_compiled_function_counts(package):
    before = name()
    (package / "b" / "two.py").write_text("X = 2")
    assert name() == before
    (package / "a" / "two.py").write_text("X = 2")
    assert name() != before


def test_a_new_folder_is_found_by_itself(package):
    before = name()
    shutil.copytree(package / "a", package / "new")
    assert name() != before


def test_the_decoders_and_what_they_are_compiled_with_are_among_them(monkeypatch):
    read = []
    monkeypatch.setattr(compiled.hashlib, "sha256", lambda: Fake(read))
    name()
    assert any(b"def plain_step" in text for text in read) and any(b"def search" in text for text in read)


class Fake:
    """A digest that remembers what it was given."""

    def __init__(self, read):
        self.update = read.append

    def hexdigest(self):
        return ""
