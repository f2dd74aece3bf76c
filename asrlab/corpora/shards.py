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
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from asrlab.core.errors import AsrlabError
from asrlab.corpora.base import SOUND, Corpus, Source, Utterance
from asrlab.corpora.read import member_bytes, read

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
    Raises AsrlabError for an id that is no plain file name, and for a folder that is not empty or cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise AsrlabError(f"{folder}: not empty; give a new folder")
        with open(folder / INDEX, "w", encoding="utf-8") as index:
            shard, count, tar = -1, per_shard, None
            for utterance in utterances:
                if count == per_shard:
                    if tar:
                        tar.close()
                    shard, count = shard + 1, 0
                    tar = tarfile.open(folder / f"shard-{shard:05d}.tar", "w")  # noqa: SIM115 (closed with the next)
                row = _description(utterance)
                _add(tar, f"{utterance.id}.json", json.dumps(row, ensure_ascii=False).encode())
                for modality, source in utterance.sources.items():
                    if modality == SOUND:
                        data = _flac(utterance.load(sample_rate), sample_rate)
                    else:
                        data = _npy(read(replace(source, seconds=None), modality))  # its own frames, at its own rate
                    _add(tar, _member(utterance.id, modality), data)
                index.write(json.dumps(row | {"shard": f"shard-{shard:05d}.tar"}, ensure_ascii=False) + "\n")
                count += 1
            if tar:
                tar.close()
    except OSError as error:
        raise AsrlabError(f"{folder}: cannot be written ({error}); make room or choose another folder") from error
    return shard + 1


def load(root: Path, more: Sequence[str] = ()) -> Corpus:
    """A corpus from `root`, whose subfolders train, dev, test, ... are splits as `write` makes them.

    more   further such folders, on other disks say: a split is what lies under its name in all of them together
    """
    splits: dict[str, tuple[Utterance, ...]] = {}
    for folder in (root, *map(Path, more)):
        for index in sorted(Path(folder).glob(f"*/{INDEX}")):
            splits[index.parent.name] = splits.get(index.parent.name, ()) + _read_index(index)
    if not any(splits.values()):
        raise AsrlabError(f"{root}: no SPLIT/{INDEX} below it; write shards with asrlab.corpora.shards.write")
    first = next(u for utterances in splits.values() for u in utterances)
    source = first.source()
    try:
        rate = soundfile.info(io.BytesIO(member_bytes(source.path, source.member))).samplerate
    except soundfile.SoundFileError as error:
        raise AsrlabError(f"{source.path}:{source.member}: damaged ({error}); write the shard again") from error
    return Corpus("shards", splits, rate)


def _description(utterance: Utterance) -> dict:
    if Path(utterance.id).name != utterance.id or "." in utterance.id:  # webdataset splits names at their first dot
        raise AsrlabError(f"utterance {utterance.id!r}: its id becomes a file name; leave out '/' and '.'")
    row = {"id": utterance.id, "text": utterance.text, "speaker": utterance.speaker, "seconds": utterance.seconds}
    return row | {"tags": dict(utterance.tags), "notes": dict(utterance.notes), "modalities": list(utterance.sources)}


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


def _read_index(index: Path) -> tuple[Utterance, ...]:
    utterances = []
    try:
        lines = index.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AsrlabError(f"{index}: cannot be read ({error}); write the shards again") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            shard = index.parent / Path(row["shard"]).name  # a name only: an index cannot point elsewhere
            if not shard.is_file():
                raise AsrlabError(f"{index}:{number}: {shard} is missing; copy the whole folder")
            name, seconds = row["id"], float(row["seconds"])
            sources = {
                modality: Source(shard, seconds=seconds, member=_member(name, modality))
                for modality in row["modalities"]
            }
            utterances.append(Utterance(name, row["text"], row["speaker"], seconds, sources, row["tags"], row["notes"]))
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, AsrlabError):
                raise
            raise AsrlabError(f"{index}:{number}: damaged ({error!r}); write the shards again") from error
    return tuple(utterances)
