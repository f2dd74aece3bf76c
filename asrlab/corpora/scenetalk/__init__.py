"""scenetalk, the embedded corpus: spoken commands about a scene of coloured shapes, letters and numbers.

Nothing is downloaded: meanings are drawn from a typed grammar (`grammar`), worded, and spoken by espeak-ng (`espeak`)
in many accents, voices, rates and pitches. Half an hour takes seconds to make, once; then it lies in the cache.
Train, dev and test share no voice (no variant of the synthesiser, whatever its accent), no combination of colour and
thing, and no cell of the grid; one accent, `UNSEEN_ACCENT`, is in test alone. The same version and options give the
same bytes.

Each utterance's tags hold its `meaning` (JSON; see `meaning_of`), its phonemes with their times (see `phones_of`), and
`accent`, `sex`, `rate`, `pitch` and `action`.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from asrlab.core.errors import AsrlabError
from asrlab.core.machine import cores
from asrlab.corpora.base import Corpus, Utterance
from asrlab.corpora.download import publish, sweep, writing
from asrlab.corpora.scenetalk.espeak import ACCENTS, SAMPLE_RATE, VARIANTS, speak
from asrlab.corpora.scenetalk.grammar import Meaning, Place, Thing, parse, sentences, vocabulary
from asrlab.corpora.scenetalk.lexicon import LEXICON
from asrlab.corpora.scenetalk.shard import UNSEEN_ACCENT, Job, speakers

__all__ = [
    "ACCENTS",
    "UNSEEN_ACCENT",
    "VARIANTS",
    "Meaning",
    "Place",
    "Thing",
    "load",
    "meaning_of",
    "parse",
    "phones_of",
    "prepare",
    "sentences",
    "speak",
    "speakers",
    "vocabulary",
]

FOLDER = "scenetalk"
VERSION = 2  # raise it with every change to what is said or how: the cache goes by it
SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}  # of the minutes
SHARD_MINUTES = 4.0  # long enough to outweigh the start of a process, short enough for two workers to share evenly


def load(root: Path, minutes: float = 30.0, seed: int = 0) -> Corpus:
    """The corpus of `minutes` of speech in all (train 80%, dev and test 10% each), made below `root` if need be.

    Another `seed` draws other sentences and voices from the same grammar and splits. Raises AsrlabError if espeak-ng
    cannot be loaded, the folder cannot be written, or what lies there has been changed.
    """
    return _read(prepare(root, minutes=minutes, seed=seed))


def prepare(root: Path, downloads: Path | None = None, minutes: float = 30.0, seed: int = 0) -> Path:
    """Make the corpus below `root` unless it is there; returns its folder, which `manifest.load` can read as well."""
    if isinstance(minutes, bool) or not isinstance(minutes, (int, float)) or not 0.5 <= minutes <= 6000:
        raise AsrlabError(f"minutes={minutes!r}: must be from 0.5 to 6000")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise AsrlabError(f"seed={seed!r}: must be a whole number")
    folder = Path(root).absolute() / f"v{VERSION}-{minutes:g}min-seed{seed}"
    if not folder.is_dir():
        _make(folder, float(minutes), seed)
    return folder


def meaning_of(utterance: Utterance) -> Meaning:
    """What an utterance of scenetalk asks for."""
    return Meaning.from_json(utterance.tags["meaning"])


def phones_of(utterance: Utterance) -> list[tuple[str, float, float]]:
    """(phoneme, start, end), in seconds; the names are espeak's ("'" and "," mark stress, "_" a pause)."""
    parts = utterance.tags["phones"].split()
    starts = [float(part) for part in parts[1::2]]
    return list(zip(parts[::2], starts, [*starts[1:], utterance.seconds], strict=True))


def _make(folder: Path, minutes: float, seed: int) -> None:
    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        jobs = _jobs(work, minutes, seed)
        with ThreadPoolExecutor(min(cores(), len(jobs))) as pool:
            rows = list(tqdm(pool.map(Job.run, jobs), "making scenetalk", len(jobs), leave=False, disable=None))
        with writing(work):
            _write_manifests(work, jobs, rows)
        publish(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _jobs(work: Path, minutes: float, seed: int) -> list[Job]:
    """Longest split first, so that no worker is left with a long shard at the end."""
    jobs = []
    for split, share in SHARES.items():
        count = max(1, math.ceil(minutes * share / SHARD_MINUTES))
        seconds = minutes * share * 60 / count
        jobs += [Job(str(work), split, i, seconds, f"scenetalk-{VERSION}-{seed}") for i in range(count)]
    return jobs


def _write_manifests(work: Path, jobs: list[Job], rows: list[list[dict]]) -> None:
    digests = {}
    for split in SHARES:
        lines = [
            json.dumps(row) + "\n" for job, made in zip(jobs, rows, strict=True) if job.split == split for row in made
        ]
        data = "".join(lines).encode()
        (work / f"{split}.jsonl").write_bytes(data)
        digests[split] = hashlib.sha256(data).hexdigest()
    (work / "index.json").write_text(json.dumps({"version": VERSION, "sha256": digests}, indent=1) + "\n")


def _read(folder: Path) -> Corpus:
    """Trusts the manifests, whose hashes are checked, and of the audio only that it is there."""
    splits = {}
    try:
        digests = json.loads((folder / "index.json").read_text())["sha256"]
        for split in SHARES:
            data = (folder / f"{split}.jsonl").read_bytes()
            if hashlib.sha256(data).hexdigest() != digests[split]:
                raise ValueError(f"{split}.jsonl has been changed")
            splits[split] = tuple(_utterance(folder, json.loads(line)) for line in data.splitlines())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AsrlabError(f"{folder}: is not as it was made ({error}); delete the folder, it is made anew") from error
    return Corpus("scenetalk", splits, SAMPLE_RATE, LEXICON)


def _utterance(folder: Path, row: dict) -> Utterance:
    audio = folder / row["audio"]
    if not audio.is_file():
        raise ValueError(f"{row['audio']} is missing")
    return Utterance.recorded(row["id"], audio, row["text"], row["speaker"], row["seconds"], tags=row["tags"])
