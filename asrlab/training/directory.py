"""The directory of a run: who may write there, what an earlier run left, the log, and what the run was made from."""

import contextlib
import hashlib
import json
import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.files import write_whole
from asrlab.corpora import Source, Utterance
from asrlab.packaged import CONFIG
from asrlab.recognizer import LANGUAGE, WEIGHTS
from asrlab.text import Tokenizer
from asrlab.training.checkpoint import CHECKPOINT
from asrlab.training.recipe import Recipe

LOG, RECIPE, RECEIPT = "log.jsonl", "recipe.json", "receipt.json"
LOCK, HOLDER = ".training.lock", ".training.json"
ENDS = 2**16  # bytes at each end of a file by which its content is known, and their sum for a file read whole


@contextlib.contextmanager
def held(run: Path, wanted: bool = True) -> Iterator[None]:
    """Keep other trainings out of a directory. Raises AsrlabError that says who is in it, or that it cannot be written.

    wanted  False for the processes of a training whose main one holds it
    """
    if not wanted:
        yield
        return
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise AsrlabError(f"{run}: {_holder(run)} is training there; wait for it, or use another directory") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AsrlabError(f"{run}: cannot be written ({reason}); choose another directory") from error
    try:
        write_whole(run / HOLDER, json.dumps({"process": os.getpid(), "machine": platform.node()}) + "\n")
        yield
    finally:
        (run / HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(run: Path) -> str:
    try:
        holder = json.loads((run / HOLDER).read_text(encoding="utf-8"))
        return f"process {holder['process']} on {holder['machine']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def start(run: Path, recipe: Recipe) -> None:
    """An empty log and the recipe; of an earlier run nothing stays, its results first. Raises AsrlabError."""
    try:
        for name in (CONFIG, WEIGHTS, LANGUAGE, RECEIPT, CHECKPOINT, RECIPE):
            (run / name).unlink(missing_ok=True)
    except OSError as error:
        raise AsrlabError(f"{run}: cannot be written ({error.strerror}); choose another directory") from error
    write_whole(run / LOG, "")
    write_whole(run / RECIPE, json.dumps(config.to_dict(recipe), indent=2) + "\n")


def append_log(path: Path, line: Mapping[str, Any]) -> None:
    """Put the line of an epoch after those of the epochs before it, dropping what a killed run wrote too much."""
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = [*(old for old in before if _epoch_of(old) < line["epoch"]), json.dumps(line)]
    write_whole(path, "\n".join(lines) + "\n")


def _epoch_of(line: str) -> float:
    try:
        return json.loads(line)["epoch"]
    except (ValueError, KeyError, TypeError):
        return math.inf  # an empty line, or what another program wrote


def fingerprint(tokenizer: Tokenizer, *splits: Sequence[Utterance]) -> str:
    """A name for what a run is made from: other tokens, ids, texts, durations or recordings give another.

    Of long files the size and both ends stand for the content.
    """
    found = hashlib.sha256(json.dumps(tokenizer.to_dict(), sort_keys=True).encode())
    known: dict[Path, str] = {}
    for split in splits:
        for u in split:
            sources = [
                (m, s.start, s.seconds, s.member, _content(s, known), *([s.mouth] if s.mouth else []))
                for m, s in sorted(u.sources.items())
            ]
            found.update(repr((u.id, u.text, u.speaker, u.seconds, sources)).encode())
        found.update(b"/")
    return found.hexdigest()[:16]


def _content(source: Source, known: dict[Path, str]) -> str:
    """A digest of the file that a source lies in, "" if it cannot be read: who reads it later says so."""
    if source.path not in known:
        known[source.path] = ""
        with contextlib.suppress(OSError), open(source.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            begin = file.read(2 * ENDS if size <= 2 * ENDS else ENDS)
            file.seek(max(len(begin), size - ENDS))
            known[source.path] = hashlib.sha256(begin + file.read() + str(size).encode()).hexdigest()
    return known[source.path]
