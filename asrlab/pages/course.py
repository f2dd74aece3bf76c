"""What the pages of the book share: one trained recogniser, the results table, and passages of the package's source."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import shutil
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import mean

import torch
from filelock import FileLock, Timeout

from asrlab import corpora
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.files import write_whole
from asrlab.core.machine import settle_threads
from asrlab.core.sources import PACKAGE, sources
from asrlab.corpora import Corpus
from asrlab.packaged import packaged_folder
from asrlab.pages import names
from asrlab.recognizer import Recognizer
from asrlab.scoring import receipt
from asrlab.training.checkpoint import CHECKPOINT
from asrlab.training.directory import LOG
from asrlab.training.loop import train
from asrlab.training.recipe import Recipe, load_corpus
from asrlab.training.recipe import load as load_recipe

FINISHED, LOCK = "finished.json", ".lock"
RESULTS = PACKAGE.parent / "benchmarks" / "results"


@dataclass(frozen=True)
class Run:
    """A finished training and all that belongs to it."""

    recipe: Recipe
    corpus: Corpus
    recognizer: Recognizer
    log: tuple[dict, ...]  # a line for each epoch
    seconds: float  # that the training took
    directory: Path


def trained(name: str = "scenetalk", changes: Sequence[str] = ()) -> Run:
    """The recogniser of a recipe (a name or a YAML file), trained by whichever page asks first and kept in the cache.

    Pages that ask meanwhile wait for it. The run's folder is named after everything that decides the result, the code
    included, so no page shows what an older version learned. `changes` as on the command line: ["epochs=5"].
    """
    recipe = config.override(load_recipe(name), changes)
    directory = corpora.cache() / "runs" / f"{Path(name).stem}-{_fingerprint(recipe)}"
    corpus = load_corpus(recipe)
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / LOCK):
        if not (directory / FINISHED).exists():
            _sweep(directory)
            _train(recipe, directory, corpus)
    lines = (directory / LOG).read_text(encoding="utf-8").splitlines()
    seconds = json.loads((directory / FINISHED).read_text(encoding="utf-8"))["seconds"]
    return Run(recipe, corpus, Recognizer.load(directory), tuple(map(json.loads, lines)), seconds, directory)


def packaged(name: str) -> Recognizer:
    """A recogniser that comes with the package, by the name of its folder. Raises AsrlabError naming what there is."""
    return Recognizer.load(packaged_folder(name))


def _sweep(directory: Path) -> None:
    """Remove runs of the same recipe that were killed and will not go on, since the code has changed."""
    for other in directory.parent.glob(f"{directory.name.rpartition('-')[0]}-*"):
        if other != directory and not (other / FINISHED).exists():
            with contextlib.suppress(Timeout), FileLock(other / LOCK, timeout=0):  # else somebody is at it
                shutil.rmtree(other, ignore_errors=True)


def _train(recipe: Recipe, directory: Path, corpus: Corpus) -> None:
    """With all cores where that is faster: whoever else wanted this result is waiting for it."""
    threads, began = torch.get_num_threads(), time.perf_counter()
    try:
        settle_threads()
        train(recipe, directory, corpus, progress=False)
    finally:
        torch.set_num_threads(threads)
    (directory / CHECKPOINT).unlink()  # what training would need to go on is most of the folder
    write_whole(directory / FINISHED, json.dumps({"seconds": time.perf_counter() - began}))


def _fingerprint(recipe: Recipe) -> str:
    digest = hashlib.sha256(json.dumps(config.to_dict(recipe), sort_keys=True).encode())
    loader = recipe.corpus if recipe.corpus in corpora.names() else "manifest"
    for path in sorted(sources("asrlab.training.loop", f"asrlab.corpora.{loader}")):
        digest.update(path.read_bytes())
    if loader == "manifest":  # of your own: what it holds decides too
        for utterances in load_corpus(recipe).splits.values():
            digest.update(repr(utterances).encode())
    return digest.hexdigest()[:12]


# --- results --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A table that a notebook shows; `rows` are texts, the first of them the head."""

    rows: tuple[tuple[str, ...], ...]
    left: int = 1  # so many columns hold words, the others numbers

    def _repr_html_(self) -> str:
        head, *lines = (self._cells(row, "td" if number else "th") for number, row in enumerate(self.rows))
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        table = f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        return f'<div class="pst-scrollable-table-container">{table}</div>'

    def _cells(self, row: Sequence[str], tag: str) -> str:
        sides = ["left"] * self.left + ["right"] * (len(row) - self.left)
        cells = zip(sides, map(escape, row), strict=True)
        return "".join(f'<{tag} style="text-align:{side}">{text}</{tag}>' for side, text in cells)


def results(*patterns: str, folder: Path = RESULTS, named: Callable[[str], str] = names.system) -> Table:
    """Word error rates from the receipts whose file names match: one row for each system and way of decoding.

    Several seeds of a system (`an4.seed1.json`, `an4.seed2.json`) are one row: their mean, and the lowest and highest.
    One run has its bootstrap interval there instead. `named` says what a system, which is the name of its receipt, is
    called.
    """
    systems: dict[str, list[dict]] = {}
    for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
        run = receipt.read(path)
        if _ways(run):  # the summary of several runs (`an4.json`) is none itself
            systems.setdefault(path.name.split(".")[0], []).append(run)
    rows: list[tuple[str, ...]] = [("system", "decoding", "runs", "WER, %", "from – to", "minutes")]
    for system, runs in systems.items():
        rows += [_row(named(system), way, runs) for way in _ways(runs[0])]
    if not systems:
        rows.append((f"no receipt matches {', '.join(patterns)} in benchmarks/results", *[""] * 5))
    return Table(tuple(rows), left=2)


def _ways(run: dict) -> list[str]:
    """The ways of decoding that a receipt holds an error rate of: "wer.WAY"."""
    return [key[4:] for key in run["metrics"] if key.startswith("wer.") and key.count(".") == 1]


def _row(system: str, way: str, runs: list[dict]) -> tuple[str, ...]:
    rates = [run["metrics"][f"wer.{way}"] for run in runs if f"wer.{way}" in run["metrics"]]
    low, high = min(rates), max(rates)
    if len(rates) == 1:
        low, high = (runs[0]["metrics"].get(f"wer.{way}.{end}", rates[0]) for end in ("low", "high"))
    minutes = [run["wall_seconds"] / 60 for run in runs if run.get("wall_seconds")]
    spent = f"{mean(minutes):.1f}" if minutes else "–"
    span = f"{100 * low:.1f} – {100 * high:.1f}"
    return system, names.decoding(way), str(len(rates)), f"{100 * mean(rates):.2f}", span, spent


# --- source ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A passage of Python, as a notebook shows it."""

    code: str

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.code}\n```"


def excerpt(thing: Callable, first: str, before: str | None = None) -> Source:
    """The source of a function or class of the package, from the line that begins with `first` to the one `before`.

    Raises AsrlabError if the source has no such lines: a page must not show something else instead.
    """
    lines = inspect.getsource(thing).splitlines()
    starts = [i for i, line in enumerate(lines) if line.strip().startswith(first)]
    ends = [i for i, line in enumerate(lines) if before and line.strip().startswith(before)]
    if not starts or (before and not any(end > starts[0] for end in ends)):
        wanted = first if not starts else before
        raise AsrlabError(f"{getattr(thing, '__name__', thing)}: no line begins with {wanted!r}; change the page too")
    end = next((end for end in ends if end > starts[0]), len(lines))
    return Source(textwrap.dedent("\n".join(lines[starts[0] : end])).rstrip())
