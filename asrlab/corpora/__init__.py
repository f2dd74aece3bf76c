"""Corpora by name: `load` reads one, `prepare` fetches it."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from asrlab.corpora.base import Corpus, Utterance
from asrlab.errors import AsrlabError

__all__ = ["Corpus", "Utterance", "cache", "home", "load", "names"]

_NAMES = ("an4",)  # each is a module here with FOLDER and load(root, **options)


def names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return _NAMES


def cache() -> Path:
    """The folder for what is fetched and made: $ASRLAB_CACHE, or ~/.cache/asrlab."""
    return Path(os.environ.get("ASRLAB_CACHE") or Path.home() / ".cache" / "asrlab")


def home(name: str) -> Path:
    """Where a corpus lies: in $ASRLAB_DATA if it holds the corpus' folder, else in the cache."""
    folder = _module(name).FOLDER
    data = os.environ.get("ASRLAB_DATA")
    if data and (Path(data) / folder).is_dir():
        return Path(data) / folder
    return cache() / folder


def load(name: str, root: str | Path | None = None, **options) -> Corpus:
    """The corpus `name` from the folder `root` (default: `home(name)`); options as in the module of that name."""
    return _module(name).load(Path(root) if root else home(name), **options)


def _module(name: str):
    if name not in _NAMES:
        raise AsrlabError(f"corpus {name!r}: unknown; one of {', '.join(_NAMES)}")
    return import_module(f"asrlab.corpora.{name}")
