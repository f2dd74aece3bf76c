"""Corpora by name: `load` reads one, `prepare` fetches it from its public home (or makes it, for the synthetic one)."""

from __future__ import annotations

import inspect
import os
from importlib import import_module
from pathlib import Path
from types import ModuleType

from asrlab.core.errors import AsrlabError
from asrlab.corpora.base import SOUND, Corpus, Source, Utterance
from asrlab.corpora.read import read

__all__ = [
    "SOUND",
    "Corpus",
    "Source",
    "Utterance",
    "cache",
    "find",
    "home",
    "load",
    "names",
    "options",
    "prepare",
    "read",
]

# Each is a module here: FOLDER, load(root, **options) and, where the corpus can be fetched, prepare(root, downloads).
_NAMES = (
    "scenetalk", "an4", "fsdd", "grid", "librispeech", "speech_commands", "yesno", "census_names", "manifest", "shards",
)  # fmt: skip


def names() -> tuple[str, ...]:
    """The names that `load` knows; the first is the embedded default."""
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


def options(name: str) -> dict[str, inspect.Parameter]:
    """What `load(name, **options)` takes beyond the root: option -> its parameter, with default and annotation."""
    return {p.name: p for p in list(inspect.signature(_module(name).load).parameters.values())[1:]}


def load(name: str, root: str | Path | None = None, **options) -> Corpus:
    """The corpus `name` from the folder `root` (default: `home(name)`); options as in the module of that name.

    Raises AsrlabError for an unknown name or option, and for a corpus that is not there (naming what fetches it).
    """
    module = _module(name)
    _check_options(name, module.load, options)
    return module.load(_root(name, root), **options)


def find(name: str, **options) -> Corpus:
    """A corpus by its name, or your own by its path: a manifest, a folder, or a folder of shards.

    Raises AsrlabError as `load`, and if there is neither a corpus of this name nor such a path.
    """
    if name in _NAMES:
        return load(name, **options)
    path = Path(name).expanduser()
    if not os.path.exists(path):
        raise AsrlabError(f"corpus {name!r}: no such manifest or folder, nor one of {', '.join(_NAMES)}")
    return load("shards" if any(path.glob("*/index.jsonl")) else "manifest", path, **options)


def prepare(name: str, root: str | Path | None = None, **options) -> Path:
    """Fetch the corpus `name` into the folder `root` (default: `home(name)`), unless it is there; returns the folder.

    Shows progress, goes on after an interruption, checks what it got, and never leaves half a corpus under its name.
    """
    module = _module(name)
    if not hasattr(module, "prepare"):
        raise AsrlabError(f"corpus {name!r}: is yours, so there is nothing to fetch; load it with its path as root")
    _check_options(name, module.prepare, options, given=2)
    return module.prepare(_root(name, root), cache() / "downloads", **options)


def _root(name: str, root: str | Path | None) -> Path:
    if root is None and name in ("manifest", "shards"):
        raise AsrlabError(f"corpus {name!r}: needs root, the path of your .jsonl file or folder")
    return Path(root).expanduser() if root else home(name)


def _module(name: str) -> ModuleType:
    if name not in _NAMES:
        raise AsrlabError(f"corpus {name!r}: unknown; one of {', '.join(_NAMES)}")
    return import_module(f"asrlab.corpora.{name}")


def _check_options(name: str, function, options: dict, given: int = 1) -> None:
    known = list(inspect.signature(function).parameters)[given:]
    for option in options:
        if option not in known:
            raise AsrlabError(f"corpus {name!r}: unknown option {option!r}; it takes {', '.join(known) or 'none'}")
