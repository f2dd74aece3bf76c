"""The capstone: a submitted recogniser is measured on real speech, and passes if its interval beats the bar.

What is handed in is a folder as `asrlab train an4` writes it. It is data: weights as safetensors, descriptions as JSON,
a language model as text. Nothing of it is code, nothing is unpickled, and `Recognizer.load` holds every part to what
the others say. Even so it may be large or slow, so it decodes in a process of its own, with limits of memory and time,
and only texts come back.

    python -m asrlab.grading.capstone FOLDER SEED      what the child runs; SEED may be "published"
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.core.files import json_lines, parse_json, read_json_lines, read_whole, regular_file, write_whole
from asrlab.core.sources import PACKAGE
from asrlab.corpora import Utterance

CORPUS = "an4"
BAR = 0.124  # word error rate that PocketSphinx has on the published split with a trigram (receipt pocketsphinx-an4)
PUBLISHED = "published"
FILES = {"recognizer.json": 2**26, "model.safetensors": 2**26, "recipe.json": 2**20, "receipt.json": 2**24}  # bytes
LANGUAGE_BYTES = 2**26  # of lm.arpa, if there is one


@dataclass(frozen=True)
class Budget:
    """What a submission may spend."""

    parameters: int = 4_000_000  # numbers that training adjusts
    training_seconds: float = 3600.0  # on two processors, as the run's receipt says
    real_time_factor: float = 1.0  # seconds of computing for each second of speech, measured here on one thread
    memory_bytes: int = 8 << 30  # of the process that decodes
    start_seconds: float = 120.0  # for it to load what it needs


@dataclass(frozen=True)
class Result:
    """What came of one submission."""

    name: str
    split: str  # "published", or the seed that drew it
    wer: float
    low: float  # ends of the 95 % interval over speakers
    high: float
    bar: float
    words: int
    speakers: int
    parameters: int
    training_seconds: float
    real_time_factor: float
    faults: tuple[str, ...]  # what goes beyond the budget, or speaks against the split

    @property
    def passed(self) -> bool:
        return not self.faults and self.high < self.bar


def test_utterances(seed: int | None) -> tuple[Utterance, ...]:
    """The published test split, or the one that a seed draws."""
    return corpora.load(CORPUS, split_seed=seed)["test"]


def measure(
    folder: str | Path, seed: int | None = None, bar: float = BAR, budget: Budget | None = None, name: str = ""
) -> Result:
    """Decode the test utterances with a submitted recogniser, by its own search, and compare with the bar.

    Raises AsrlabError for a folder that is none of a recogniser, is damaged, or needs more memory or far more time than
    the budget allows. What can be measured is no error, but a fault of the result.
    """
    folder, budget = Path(folder), budget or Budget()
    from asrlab.scoring import score

    if not 0 < bar <= 1:
        raise AsrlabError(f"bar={bar}: a word error rate between 0 and 1, such as {BAR}")
    said, seconds = _receipt(folder)
    utterances = test_utterances(seed)
    heard, spent, parameters = _decode(folder, seed, sum(u.seconds for u in utterances), budget)
    references = {u.id: u.text for u in utterances}
    if heard.keys() != references.keys():
        raise AsrlabError(f"{folder}: {len(heard)} of {len(references)} utterances were decoded; hand it in again")
    interval = score.measure(references, heard, groups={u.id: u.speaker for u in utterances})
    real_time = spent / sum(u.seconds for u in utterances)
    faults = [
        f"{what} {value:,.6g}, and the budget is {most:,.6g}"
        for what, value, most in (
            ("parameters:", parameters, budget.parameters),
            ("seconds of training:", seconds, budget.training_seconds),
            ("seconds of computing for a second of speech:", round(real_time, 3), budget.real_time_factor),
        )
        if value > most
    ]
    if said != (CORPUS, seed):
        faults.append(f"trained on {said[0]!r} with split_seed={said[1]}, and tested on {CORPUS!r} with {seed}: "
                      "the test may have been in its training")  # fmt: skip
    return Result(
        name or folder.resolve().name, PUBLISHED if seed is None else str(seed), interval.value, interval.low,
        interval.high, bar, sum(len(u.text.split()) for u in utterances), len({u.speaker for u in utterances}),
        parameters, seconds, round(real_time, 3), tuple(faults),
    )  # fmt: skip


def _receipt(folder: Path) -> tuple[tuple[str, Any], float]:
    """((corpus, split_seed), seconds of training), as the run itself noted. Raises AsrlabError if it did not."""
    from asrlab.scoring import receipt

    for name, most in FILES.items():
        size = regular_file(folder / name, "; hand in the whole folder that `asrlab train an4` wrote").st_size
        if size > most:
            raise AsrlabError(f"{folder / name}: {size:,} bytes, more than {most:,}; hand in a smaller recogniser")
    language = folder / "lm.arpa"
    if language.exists() and regular_file(language).st_size > LANGUAGE_BYTES:
        raise AsrlabError(f"{language}: more than {LANGUAGE_BYTES:,} bytes; take a smaller language model")
    recipe = parse_json(read_whole(folder / "recipe.json"))
    seconds = receipt.read(folder / "receipt.json")["wall_seconds"]
    options = recipe.get("corpus_options") if isinstance(recipe, dict) else None
    if not isinstance(options, dict) or not isinstance(recipe.get("corpus"), str):
        raise AsrlabError(f"{folder / 'recipe.json'}: does not say which corpus it was trained on; train again")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise AsrlabError(f"{folder / 'receipt.json'}: wall_seconds={seconds!r}; hand in the receipt of the training")
    return (recipe["corpus"], options.get("split_seed")), float(seconds)


# --- the process that decodes ---------------------------------------------------------------------


def _decode(folder: Path, seed: int | None, speech: float, budget: Budget) -> tuple[dict[str, str], float, int]:
    """({utterance: text}, seconds that it computed, parameters) from a process of its own."""
    most = budget.start_seconds + 4 * budget.real_time_factor * speech  # slower than that, nobody waits
    split = PUBLISHED if seed is None else str(seed)
    command = [sys.executable, "-m", "asrlab.grading.capstone", str(folder), split, str(budget.memory_bytes)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    try:
        with tempfile.TemporaryDirectory() as home:
            ran = subprocess.run(command, env={**os.environ, **threads, "PYTHONPATH": path, "TMPDIR": home},
                                 capture_output=True, timeout=most, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise AsrlabError(f"{folder}: not done after {most:.0f} seconds; choose a faster search or model") from None
    if ran.returncode:
        told = ran.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it was killed"]
        raise AsrlabError(f"{folder}: could not be decoded ({told[0][:400]})")
    answer = parse_json(ran.stdout)
    return {str(key): str(text) for key, text in answer["texts"].items()}, answer["seconds"], answer["parameters"]


def child(folder: str, split: str, memory: str) -> None:
    """Decode, and print the texts as JSON."""
    from asrlab.grading.confine import limit, resource
    from asrlab.recognizer import Recognizer

    utterances = test_utterances(None if split == PUBLISHED else int(split))
    if resource:
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        limit(int(memory), hard if hard > 0 else 2**31, 2**26)
    recognizer = Recognizer.load(folder)
    spent, texts = 0.0, {}
    recognizer.best(recognizer.hear([recognizer.read(utterances[0])])[0])  # compiles what is compiled at its first use
    for utterance in utterances:
        inputs, began = recognizer.read(utterance), time.perf_counter()
        texts[utterance.id] = recognizer.best(recognizer.hear([inputs])[0]).text
        spent += time.perf_counter() - began
    print(json.dumps({"texts": texts, "seconds": spent, "parameters": recognizer.model.parameter_count()}))


# --- what is told, and the board ------------------------------------------------------------------


def text(result: Result) -> str:
    """For a terminal."""
    state = "passed" if result.passed else "not yet"
    lines = [
        f"{result.name}: {state}",
        f"  WER {result.wer:.2%}, 95 % interval {result.low:.2%} to {result.high:.2%}; the bar is {result.bar:.2%}",
        f"  {result.words} words of {result.speakers} speakers, split {result.split}",
        f"  {result.parameters / 1e6:.2f} million parameters, {result.training_seconds:.0f} s of training, "
        f"{result.real_time_factor:.2f} s of computing for a second of speech",
    ]
    lines += [f"  {fault}" for fault in result.faults]
    if not result.faults and not result.passed:
        lines.append("  The upper end of the interval must be below the bar: what passes by luck does not count.")
    return "\n".join(lines)


def enter(result: Result, path: Path) -> list[dict[str, Any]]:
    """Keep a result on the board in a JSON lines file; returns the rows of its split, the best first.

    Each name has one row for each split and bar: its best so far. Results that did not pass stand below those that did.
    """
    rows = [row for _, row in read_json_lines(path)] if path.exists() else []
    known = set(asdict(result)) | {"passed"}
    if not all(isinstance(row, dict) and known <= set(row) for row in rows):
        raise AsrlabError(f"{path}: no leaderboard; give --board another file")
    rows.append({**asdict(result), "faults": list(result.faults), "passed": result.passed})
    best: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        key = row["name"], row["split"], row["bar"]
        best[key] = min(row, best.get(key, row), key=_rank)
    write_whole(path, json_lines(best.values()))
    mine = [row for row in best.values() if (row["split"], row["bar"]) == (result.split, result.bar)]
    return sorted(mine, key=_rank)


def _rank(row: dict[str, Any]) -> tuple:
    return not row["passed"], row["high"], row["parameters"]


def board(rows: Sequence[dict[str, Any]]) -> str:
    """The leaderboard as a table for a terminal."""
    if not rows:
        return "nobody yet"
    wide = max(len(row["name"][:30]) for row in rows)
    lines = [f"      {'name':<{wide}}  {'WER':>7}  {'upper end':>9}  parameters"]
    for place, row in enumerate(rows, start=1):
        mark = "" if row["passed"] else "   not passed"
        lines.append(f"{place:>4}  {row['name'][:30]:<{wide}}  {row['wer']:>7.2%}  {row['high']:>9.2%}  "
                     f"{row['parameters'] / 1e6:>7.2f} M{mark}")  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        child(*sys.argv[1:])
    except (AsrlabError, MemoryError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
