"""Corpora too large for single files: tar shards in the layout of webdataset, on one disk or on several.

A split is a folder of shard-00000.tar, shard-00001.tar, ... and index.jsonl, a line an utterance. In a shard each
utterance is ID.flac, ID.json and, of every other modality, ID.NAME.npy; any tool that reads webdataset's tars reads
these. Training goes through the shards
one after the other, in an order shuffled anew in every epoch, so that a disk reads from one place at a time.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from asrlab.core.errors import AsrlabError
from asrlab.core.files import json_lines, read_json_lines, regular_file, write_whole
from asrlab.corpora.base import SOUND, Corpus, Source, Utterance
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
) -> int:
    """Pack utterances into shards under `folder`, as 16-bit FLAC at `sample_rate` Hz; returns how many shards.

    A shard holds `per_shard` utterances, in order: mix speakers and lengths before, since a batch is of one shard.
    Raises AsrlabError for an id that is no plain file name or occurs twice, for fields that `load` would refuse, and
    for a folder that is not empty or cannot be written.
    """
    folder = Path(folder)
    if isinstance(per_shard, bool) or not isinstance(per_shard, int) or per_shard < 1:
        raise AsrlabError(f"per_shard={per_shard!r}: give a whole number of utterances, 1 or more")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise AsrlabError(f"{folder}: not empty; give a new folder")
        shard, count = -1, per_shard
        tar: tarfile.TarFile | None = None
        rows: list[dict[str, Any]] = []
        seen: set[str] = set()
        for utterance in utterances:
            row = _description(utterance)
            if utterance.id in seen:
                raise AsrlabError(f"utterance {utterance.id!r}: a second one of this id; ids must differ")
            seen.add(utterance.id)
            if count == per_shard:
                if tar:
                    tar.close()
                shard, count = shard + 1, 0
                tar = tarfile.open(folder / f"shard-{shard:05d}.tar", "w")  # noqa: SIM115 (closed with the next)
            assert tar is not None  # per_shard is at least 1
            _add(tar, f"{utterance.id}.json", json.dumps(row, ensure_ascii=False).encode())
            for modality, source in utterance.sources.items():
                if modality == SOUND:
                    data = _flac(utterance.load(sample_rate), sample_rate)
                else:
                    data = _npy(own_frames(source, modality))
                _add(tar, _member(utterance.id, modality), data)
            rows.append(row | {"shard": f"shard-{shard:05d}.tar"})
            count += 1
        if tar:
            tar.close()
    except OSError as error:
        raise AsrlabError(f"{folder}: cannot be written ({error}); make room or choose another folder") from error
    write_whole(folder / INDEX, json_lines(rows))  # last: without it, what a killed process left is no corpus
    return shard + 1


def load(root: Path, more: Sequence[str] = ()) -> Corpus:
    """A corpus from `root`, whose subfolders train, dev, test, ... are splits as `write` makes them.

    more   further such folders, on other disks say: a split is what lies under its name in all of them together
    """
    splits: dict[str, tuple[Utterance, ...]] = {}
    seen: dict[str, str] = {}
    for folder in (root, *map(Path, more)):
        for index in sorted(Path(folder).glob(f"*/{INDEX}")):
            splits[index.parent.name] = splits.get(index.parent.name, ()) + _read_index(index, seen)
    if not any(splits.values()):
        raise AsrlabError(f"{root}: no SPLIT/{INDEX} below it; write shards with asrlab.corpora.shards.write")
    first = next(u for utterances in splits.values() for u in utterances)
    source = first.source()
    sound = io.BytesIO(member_bytes(source.path, source.member))
    return Corpus("shards", splits, audio.info(sound, f"{source.path}:{source.member}").sample_rate)


def _description(utterance: Utterance) -> dict:
    row = {"id": utterance.id, "text": utterance.text, "speaker": utterance.speaker, "seconds": utterance.seconds}
    row |= {"tags": dict(utterance.tags), "notes": dict(utterance.notes), "modalities": list(utterance.sources)}
    if wrong := _wrong(row | {"shard": "-"}):
        raise AsrlabError(f"{utterance}: {wrong[0]}")
    if Path(utterance.id).name != utterance.id or "." in utterance.id:  # webdataset splits names at their first dot
        raise AsrlabError(f"utterance {utterance.id!r}: its id becomes a file name; leave out '/' and '.'")
    return row


def _member(utterance_id: str, modality: str) -> str:
    return f"{utterance_id}.flac" if modality == SOUND else f"{utterance_id}.{modality}.npy"


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
            modality: Source(shard, seconds=seconds, member=_member(name, modality)) for modality in row["modalities"]
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
