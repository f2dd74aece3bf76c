"""Corpora too large for single files: tar shards in the layout of webdataset, on one disk or on several.

A split is a folder of shard-00000.tar, shard-00001.tar, ... and index.jsonl, a line an utterance. In a shard each
utterance is ID.flac, ID.json and, of every other modality, ID.NAME.npy; any tool that reads webdataset's tars reads
these. Training goes through the shards in an order shuffled anew in every epoch, one at a time for each process, so
that a disk reads from few places at a time.
"""

from __future__ import annotations

import io
import itertools
import json
import multiprocessing
import random
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tqdm import tqdm

from asrlab.core.errors import AsrlabError
from asrlab.core.files import json_lines, read_json_lines, regular_file, write_whole
from asrlab.corpora.base import SOUND, Corpus, Source, Utterance
from asrlab.corpora.beside import LEXICON
from asrlab.corpora.beside import lexicon as read_lexicon
from asrlab.corpora.read import member_bytes, own_frames
from asrlab.corpora.rows import shown, wrong_number, wrong_object, wrong_texts
from asrlab.signals import audio

FOLDER = "shards"
INDEX = "index.jsonl"


def write(
    utterances: Iterable[Utterance],
    folder: Path | str,
    sample_rate: int = 16000,
    per_shard: int = 1000,
    jobs: int = 1,
    progress: bool = False,
) -> int:
    """Pack utterances into shards under `folder`, as 16-bit FLAC at `sample_rate` Hz; returns how many shards.

    A shard holds at most `per_shard` utterances, all about as many, in order: mix speakers and lengths before, since a
    batch is of one shard, or of one for each process. `jobs` processes write side by side, and the bytes are the same.
    Raises AsrlabError for an id that occurs twice, for fields that `load` would refuse, for a recording that cannot be
    read, and for a folder that is not empty or cannot be written.
    """
    folder, everything = Path(folder), list(utterances)
    for name, value in {"per_shard": per_shard, "jobs": jobs}.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise AsrlabError(f"{name}={value!r}: give a whole number, 1 or more")
    rows = _rows(everything)
    count = -(-len(everything) // per_shard)
    borders = [k * len(everything) // count for k in range(count + 1)] if count else [0]
    names = [f"shard-{k:05d}.tar" for k in range(count)]
    parts = [slice(a, b) for a, b in itertools.pairwise(borders)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise AsrlabError(f"{folder}: not empty; give a new folder")
        work = [(folder / name, everything[p], rows[p], sample_rate) for name, p in zip(names, parts, strict=True)]
        for _ in tqdm(_side_by_side(work, min(jobs, count)), f"{folder.name}", count, disable=not progress):
            pass
    except OSError as error:
        raise AsrlabError(f"{folder}: cannot be written ({error}); make room or choose another folder") from error
    lines = [row | {"shard": name} for name, p in zip(names, parts, strict=True) for row in rows[p]]
    write_whole(folder / INDEX, json_lines(lines))  # last: without it, what a killed process left is no corpus
    return count


def write_corpus(
    corpus: Corpus, folder: Path | str, per_shard: int = 1000, jobs: int = 1, seed: int = 0, progress: bool = False
) -> dict[str, int]:
    """Every split of a corpus as shards in a folder of its name, in an order drawn with `seed`, at the corpus' own
    sample rate, and its lexicon; returns how many shards each split has. Raises AsrlabError as `write`."""
    found = {}
    for split, utterances in corpus.splits.items():
        mixed = random.Random(seed).sample(utterances, len(utterances))
        found[split] = write(mixed, Path(folder) / split, corpus.sample_rate or 16000, per_shard, jobs, progress)
    if corpus.lexicon:
        lines = [f"{word} {' '.join(phones)}\n" for word, said in corpus.lexicon.items() for phones in said]
        write_whole(Path(folder) / LEXICON, "".join(lines))
    return found


Work = tuple[Path, Sequence[Utterance], Sequence[dict[str, Any]], int]


def _side_by_side(work: Sequence[Work], jobs: int) -> Iterator[None]:
    """Write the shards, in so many processes."""
    if jobs < 2:
        yield from map(_write_shard, work)
        return
    try:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            yield from pool.map(_write_shard, work)
    except BrokenProcessPool as error:
        raise AsrlabError(
            f"{work[0][0].parent}: a process that wrote there died; is there memory for jobs={jobs}?"
        ) from error


def _write_shard(work: Work) -> None:
    path, utterances, rows, sample_rate = work
    with tarfile.open(path, "w") as tar:
        for utterance, row in zip(utterances, rows, strict=True):
            _add(tar, _member(utterance.id, "json"), json.dumps(row, ensure_ascii=False).encode())
            for modality, source in utterance.sources.items():
                if modality == SOUND:
                    data = _flac(utterance.load(sample_rate), sample_rate)
                else:
                    data = _npy(own_frames(source, modality))
                _add(tar, _member(utterance.id, _ending(modality)), data)


def _rows(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    """The lines of the index. Raises AsrlabError for what `load` would refuse."""
    seen: set[str] = set()
    rows = []
    for utterance in utterances:
        rows.append(_description(utterance))
        if utterance.id in seen:
            raise AsrlabError(f"utterance {utterance.id!r}: a second one of this id; ids must differ")
        seen.add(utterance.id)
    return rows


def load(root: Path, more: Sequence[str] = ()) -> Corpus:
    """A corpus from `root`, whose subfolders train, dev, test, ... are splits as `write` makes them.

    more   further such folders, on other disks say: a split is what lies under its name in all of them together

    A lexicon.txt in `root` is the corpus' lexicon, see `corpora.beside`.
    """
    splits: dict[str, tuple[Utterance, ...]] = {}
    seen: dict[str, str] = {}
    for folder in (root, *map(Path, more)):
        for index in sorted(Path(folder).glob(f"*/{INDEX}")):
            splits[index.parent.name] = splits.get(index.parent.name, ()) + _read_index(index, seen)
    if not any(splits.values()):
        raise AsrlabError(f"{root}: no SPLIT/{INDEX} below it; write shards with asrlab.corpora.shards.write")
    lexicon = read_lexicon(Path(root))
    first = next((u for utterances in splits.values() for u in utterances if SOUND in u.sources), None)
    if first is None:
        return Corpus("shards", splits, 0, lexicon)
    source = first.source()
    sound = io.BytesIO(member_bytes(source.path, source.member))
    return Corpus("shards", splits, audio.info(sound, f"{source.path}:{source.member}").sample_rate, lexicon)


def _description(utterance: Utterance) -> dict:
    row = {"id": utterance.id, "text": utterance.text, "speaker": utterance.speaker, "seconds": utterance.seconds}
    row |= {"tags": dict(utterance.tags), "notes": dict(utterance.notes), "modalities": list(utterance.sources)}
    if wrong := _wrong(row | {"shard": "-"}):
        raise AsrlabError(f"{utterance}: {wrong[0]}")
    return row


def _member(utterance_id: str, ending: str) -> str:
    """The name in a shard. webdataset splits names at their first dot, and a shard has no folders: of an id's dots and
    slashes the codes stand there, as in a web address."""
    for letter in "%./":
        utterance_id = utterance_id.replace(letter, f"%{ord(letter):02X}")
    return f"{utterance_id}.{ending}"


def _ending(modality: str) -> str:
    return "flac" if modality == SOUND else f"{modality}.npy"


def _flac(samples: np.ndarray, sample_rate: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1, 1), sample_rate, "PCM_16", format="FLAC")
    return buffer.getvalue()


def _npy(frames: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, frames, allow_pickle=False)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _read_index(index: Path, seen: dict[str, str]) -> tuple[Utterance, ...]:
    """The utterances of one index. Raises AsrlabError naming the first bad line, also for an id that is in `seen`."""
    utterances = []
    for number, row in read_json_lines(index):
        place = f"{index}:{number}"
        if wrong := _wrong(row):
            raise AsrlabError(f"{place}: {'; '.join(wrong)}; write the shards again")
        if row["id"] in seen:
            raise AsrlabError(f"{place}: id {row['id']!r} is already that of {seen[row['id']]}; ids must differ")
        seen[row["id"]] = place
        shard = index.parent / Path(row["shard"]).name  # a name only: an index cannot point elsewhere
        try:
            regular_file(shard)
        except AsrlabError as error:
            raise AsrlabError(f"{place}: {shard} is missing ({error}); copy the whole folder") from error
        name, seconds = row["id"], float(row["seconds"])
        sources = {
            modality: Source(shard, seconds=seconds, member=_member(name, _ending(modality)))
            for modality in row["modalities"]
        }
        utterances.append(Utterance(name, row["text"], row["speaker"], seconds, sources, row["tags"], row["notes"]))
    return tuple(utterances)


FIELDS = ("id", "text", "speaker", "seconds", "tags", "notes", "modalities", "shard")


def _wrong(row: object) -> list[str]:
    """What is wrong with a line of an index, in words; nothing if it is as `write` makes it."""
    if not isinstance(row, dict):
        return [f"is {shown(row)}, not a JSON object {{...}}"]
    if missing := [name for name in FIELDS if name not in row]:
        return [f"no field {missing[0]!r}"]
    wrong = wrong_texts(row, ("id", "text", "speaker", "shard"))
    wrong += wrong_object(row, "tags") + wrong_object(row, "notes")
    modalities = row["modalities"]
    wrong += wrong_number(row, "seconds", "more than 0", zero=not modalities)  # text alone takes no time
    if not isinstance(modalities, list) or not all(isinstance(modality, str) for modality in modalities):
        wrong.append(f"modalities are {shown(modalities)}; they must be a list of strings")
    if isinstance(row["text"], str) and not row["text"].strip():
        wrong.append("text is empty")
    return wrong
