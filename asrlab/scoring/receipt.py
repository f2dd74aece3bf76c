"""Receipts: one run, one JSON file, from which anyone can rescore it.

A receipt says what was run (command, commit, seed), with what (versions, device), how long it took, what came out
(metrics) and, for recognition, the raw hypotheses: a number in the text can be recomputed from its file and the corpus.
"""

from __future__ import annotations

import json
import math
import numbers
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from asrlab.core.errors import AsrlabError
from asrlab.core.files import parse_json, read_whole, write_whole
from asrlab.core.machine import cores
from asrlab.core.sources import PACKAGE
from asrlab.scoring import score

PACKAGES = (
    "asrlab", "torch", "torchaudio", "numpy", "numba", "librosa", "jiwer", "sentencepiece", "accelerate", "soundfile",
    "av", "scikit-image",
)  # fmt: skip
# What can change a result. The receipts are left out: the first seed's must not make the second seed "dirty".
CODE = ("asrlab", "benchmarks", "pyproject.toml", "requirements.txt", ":(exclude)benchmarks/results")
REQUIRED = ("name", "command", "commit", "date", "versions", "device", "metrics")
FIELDS = (*REQUIRED, "seed", "wall_seconds", "hypotheses")


def write(
    path: str | os.PathLike[str],
    name: str,
    command: str | Sequence[str],
    metrics: Mapping[str, float],
    hypotheses: Mapping[str, Mapping[str, str]] | None = None,
    seed: int | None = None,
    wall_seconds: float | None = None,
    *,
    commit: str | None = None,
    device: object = None,
    **extra: object,
) -> Path:
    """Write one run's receipt, whole or not at all, and return its path.

    command       what was typed, a string or a list of arguments
    metrics       {"wer.beam": 0.066, ...}: finite numbers; error rates as fractions, times in seconds
    hypotheses    {"beam": {utterance id: text}, ...}: everything that was recognised, per system
    wall_seconds  duration of the run in seconds
    commit        the state of the code, from `code_state()`, when a long run began; default: the state now
    device        a torch.device or a description; default: the GPU if this process used one, else the processor
    extra         further JSON-ready fields (options, curves, ...)

    Raises AsrlabError for a value that JSON cannot hold (NaN too), a field of extra that a receipt has by itself, or a
    path that cannot be written.
    """
    path = Path(path)
    clash = sorted(set(extra) & set(FIELDS))
    if clash:
        raise AsrlabError(f"receipt {name}: {', '.join(clash)} is written by itself; use another name")
    receipt = {
        "name": name,
        "command": command if isinstance(command, str) else shlex.join(map(str, command)),
        "commit": code_state() if commit is None else commit,
        "seed": None if seed is None else int(seed),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "device": describe_device(device),
        "wall_seconds": None if wall_seconds is None else round(float(wall_seconds), 3),
        "metrics": {key: _finite(name, key, value) for key, value in metrics.items()},
        **extra,
    }
    if hypotheses is not None:
        receipt["hypotheses"] = {system: _texts(name, system, texts) for system, texts in hypotheses.items()}
    try:
        text = json.dumps(receipt, ensure_ascii=False, allow_nan=False, indent=1, default=_plain)
    except (TypeError, ValueError) as error:
        raise AsrlabError(f"receipt {name}: {error}, which JSON cannot hold; pass finite numbers and texts") from None
    return write_whole(path, text + "\n")


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The receipt in a file, as a dictionary; every field of `REQUIRED` is there. Raises AsrlabError if it is none."""
    path = Path(path)
    try:
        receipt = parse_json(read_whole(path, remedy="; is it the path of a receipt?"))
    except AsrlabError:
        raise
    except ValueError as error:
        raise AsrlabError(f"{path}: no JSON ({error}); a receipt is written by asrlab.scoring.receipt.write") from None
    missing = [field for field in REQUIRED if not isinstance(receipt, dict) or field not in receipt]
    if missing:
        raise AsrlabError(f"{path}: no receipt, it lacks {', '.join(missing)}; run its command again")
    return receipt


def rescore(receipt: Mapping[str, Any] | str | os.PathLike[str], references: Mapping[str, str]) -> dict[str, float]:
    """The WER of every system in a receipt (or its file), recomputed from its hypotheses: {system: WER as a fraction}.

    references  {utterance id: text}, exactly the utterances of the receipt
    """
    if not isinstance(receipt, Mapping):
        receipt = read(receipt)
    if not receipt.get("hypotheses"):
        raise AsrlabError(f"receipt {receipt.get('name')}: holds no hypotheses, so there is nothing to rescore")
    return {system: score.wer(references, texts) for system, texts in receipt["hypotheses"].items()}


def code_state() -> str | None:
    """The commit of the checkout that this package runs from, "+dirty" if its code was changed since, None outside one.

    A long run asks when it begins: a commit made meanwhile is not the one that ran.
    """
    top = PACKAGE.parent
    # An installed package may lie in an environment inside somebody else's repository: that commit is not ours.
    if _git(top, "ls-files", "--error-unmatch", "--", "asrlab/scoring/receipt.py") is None:
        return None
    commit = _git(top, "rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+dirty" if _git(top, "status", "--porcelain", "--", *CODE) != "" else "")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result, of those that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_device(device: object = None) -> str:
    """Where a run took place: "cpu, 2 cores, <model name>" or "gpu, <number> x <model name>".

    device  None: the GPU if this process has used it, else the processor; a torch.device or its name ("cuda:0", "cpu");
            any other text is kept as it is
    """
    torch = sys.modules.get("torch")
    if device is None:
        device = "cuda" if torch is not None and torch.cuda.is_initialized() else "cpu"
    kind, _, index = str(device).partition(":")
    if kind == "cuda" and torch is not None:
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        count = torch.distributed.get_world_size() if distributed else 1
        return f"gpu, {count} x {torch.cuda.get_device_name(int(index) if index.isdigit() else None)}"
    if kind == "cpu":
        return f"cpu, {cores()} cores, {_processor()}"
    return str(device)


def _processor() -> str:
    """The processor's model name, from where each system keeps it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        if sys.platform == "darwin":
            name = _output(["sysctl", "-n", "machdep.cpu.brand_string"])
            if name:
                return name
    return platform.processor() or platform.machine() or "unknown processor"


def _git(folder: Path, *arguments: str) -> str | None:
    return _output(["git", "-C", str(folder), *arguments])


def _output(command: list[str]) -> str | None:
    """What a program prints, None where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _finite(name: str, key: str, value: object) -> float | int:
    value = value.tolist() if hasattr(value, "tolist") else value  # a NumPy or torch scalar
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise AsrlabError(f"receipt {name}: metric {key} is {value!r}, expected a finite number; leave it out")
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _texts(name: str, system: str, texts: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(texts, Mapping):
        raise AsrlabError(f"receipt {name}: hypotheses[{system!r}] is no dictionary; pass {{utterance id: text}}")
    for key, text in texts.items():
        if not isinstance(text, str):
            raise AsrlabError(f"receipt {name}: hypotheses[{system!r}][{key!r}] is {text!r}, expected a text")
    return {str(key): text for key, text in texts.items()}


def _plain(value: object) -> object:
    """NumPy and torch values, paths and mappings as JSON knows them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} {value!r}")
