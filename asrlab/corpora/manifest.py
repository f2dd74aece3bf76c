"""Bring your own recordings: a manifest (JSON lines), or a folder of audio files with their text beside them.

A manifest has one JSON object a line:

    {"audio": "wav/a.wav", "text": "turn left"}
    {"id": "b1", "audio": "b.mp3", "text": "stop", "speaker": "ann", "start": 2.5, "seconds": 1, "tags": {"in": "car"}}

`audio` is relative to the manifest; `text` is what was said. The rest may be left out: `id` is then the name of the
file, `speaker` "unknown", `start` 0, `seconds` up to the end of the file. `sha256`, if there, is that of the file.
`sources` names files of other modalities that last as long as the sound, {"lips": "a.npy"}; `notes` holds texts about
the utterance, such as its meaning.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asrlab.core.errors import AsrlabError
from asrlab.corpora.base import SOUND, Corpus, Source, Utterance, header
from asrlab.corpora.download import sha256_file
from asrlab.text import normalise

FOLDER = "manifest"
AUDIO = (".wav", ".flac", ".mp3", ".ogg")
FIELDS = ("id", "audio", "text", "speaker", "start", "seconds", "tags", "notes", "sources", "sha256")
TOLERANCE = 0.02  # seconds by which an utterance may seem to outlast its file: rounding in other people's tools
SHOWN = 40  # problems that a message lists before it only counts them


class ManifestError(AsrlabError):
    """Every bad line of a manifest at once: `problems` is a tuple of (place, what is wrong), place as "FILE:LINE"."""

    def __init__(self, problems: Iterable[tuple[str, str]]):
        self.problems = tuple(problems)
        lines = [f"{place}: {what}" for place, what in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"... and {len(self.problems) - SHOWN} more")
        count = len(self.problems)
        super().__init__("\n".join([f"{count} bad line{'s' if count > 1 else ''}; correct or remove:", *lines]))


def load(root: Path, normalise_text: bool = True, verify: bool = False) -> Corpus:
    """Your own corpus from `root`: a .jsonl manifest, a folder of them, or a folder of recordings with text.

    - `x.jsonl` is one split, named x. In a folder with *.jsonl, each is a split (train.jsonl, dev.jsonl, test.jsonl).
    - A folder of recordings: x.wav (or .flac, .mp3, .ogg) with x.txt beside it, or *.trans.txt with lines "ID TEXT" as
      in LibriSpeech. Subfolders named train, dev and test are splits; otherwise all is one split, "all". The speaker is
      the name of the first folder below the split, if there is one.

    `normalise_text`: pass texts through `text.normalise`. `verify`: compare sha256 where a manifest has it.
    Raises ManifestError listing every bad line, AsrlabError if there is nothing to read.
    """
    root = Path(root)
    problems: list[tuple[str, str]] = []
    if root.is_file():
        sources = {root.stem: _read_lines(root)}
    elif manifests := sorted(root.glob("*.jsonl")):
        sources = {path.stem: _read_lines(path) for path in manifests}
    elif root.is_dir():
        parts = [root / split for split in ("train", "dev", "test") if (root / split).is_dir()]
        sources = {part.name: _scan(part) for part in parts} or {"all": _scan(root)}
    else:
        raise AsrlabError(f"{root}: no such manifest or folder; give a .jsonl file or a folder of recordings")
    splits = {}
    seen: dict[str, str] = {}
    for split, rows in sources.items():
        splits[split] = tuple(_checked(rows, seen, problems, normalise_text, verify))
    if problems:
        raise ManifestError(problems)
    if not any(splits.values()):
        raise AsrlabError(f"{root}: no utterances; a manifest has one JSON object a line, a folder x.wav with x.txt")
    rates = {header(u.source().path)[1] for utterances in splits.values() for u in utterances[:1]}
    return Corpus(root.stem, splits, max(rates))


def save_manifest(utterances: Iterable[Utterance], path: str | Path) -> Path:
    """Write utterances as a manifest, audio relative to it where possible; the file appears whole or not at all."""
    path = Path(path)
    lines = [json.dumps(to_row(u, path.parent), ensure_ascii=False) + "\n" for u in utterances]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with open(handle, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(lines)
            os.chmod(fresh, 0o644)
            os.replace(fresh, path)
        except BaseException:
            os.unlink(fresh)
            raise
    except OSError as error:
        raise AsrlabError(f"{path}: cannot be written ({error}); free space or choose another folder") from error
    return path


def to_row(utterance: Utterance, folder: Path) -> dict[str, Any]:
    """The fields of a manifest's line for `utterance`, its files relative to `folder` where possible."""

    def relative(path: Path) -> str:
        try:
            return Path(os.path.relpath(path, folder)).as_posix()
        except ValueError:  # another drive, on Windows
            return str(path)

    sound = utterance.source()
    others = {modality: relative(s.path) for modality, s in utterance.sources.items() if modality != SOUND}
    row = {"id": utterance.id, "audio": relative(sound.path), "text": utterance.text, "speaker": utterance.speaker}
    row |= {"start": sound.start, "seconds": utterance.seconds, "tags": dict(utterance.tags)}
    return row | ({"notes": dict(utterance.notes)} if utterance.notes else {}) | ({"sources": others} if others else {})


@dataclass(frozen=True)
class _Row:
    """Something that ought to be an utterance, and where it was found."""

    place: str  # FILE:LINE, for messages
    folder: Path  # audio paths are relative to it
    fields: Mapping[str, Any] | str  # a str: what is wrong with the line as a whole


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_lines(path: Path) -> Iterator[_Row]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AsrlabError(f"{path}: {error.strerror}; check the path") from error
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield _Row(f"{path}:{number}", path.parent, _parse(line))


def _parse(line: bytes) -> Mapping[str, Any] | str:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i])]
        if twice:
            raise ValueError(f"field {twice[0]!r} occurs twice")
        return dict(pairs)

    try:
        fields = json.loads(line.decode("utf-8"), object_pairs_hook=no_duplicates)
    except UnicodeDecodeError as error:
        return f"not UTF-8 ({error.reason} at byte {error.start})"
    except (ValueError, RecursionError) as error:
        return f"not JSON ({error})"
    return fields if isinstance(fields, dict) else f"is {json.dumps(fields)[:40]}, not a JSON object {{...}}"


def _scan(folder: Path) -> Iterator[_Row]:
    """The recordings below `folder` with their texts."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO and path.is_file())
    transcripts: dict[Path, dict[str, str]] = {}
    for path in files:
        inner = path.relative_to(folder)
        if path.parent not in transcripts:
            transcripts[path.parent] = dict(_trans_lines(path.parent))
        fields = {"id": inner.with_suffix("").as_posix(), "audio": str(inner)}
        if len(inner.parts) > 1:
            fields["speaker"] = inner.parts[0]
        beside = path.with_suffix(".txt")
        if path.stem in transcripts[path.parent]:
            yield _Row(str(path), folder, {**fields, "text": transcripts[path.parent][path.stem]})
        elif beside.is_file():
            yield _Row(str(beside), folder, {**fields, "text": beside.read_text(encoding="utf-8", errors="replace")})
        else:
            yield _Row(str(path), folder, f"no text for this recording; write it to {beside.name} beside it")


def _trans_lines(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.trans.txt")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, text = line.strip().partition(" ")
            if name:
                yield name, text


# --- checking ---------------------------------------------------------------------------------------------------------


def _checked(
    rows: Iterable[_Row], seen: dict[str, str], problems: list, normalise_text: bool, verify: bool
) -> Iterator[Utterance]:
    """The good utterances of `rows`; what is wrong with the others goes to `problems`."""
    for row in rows:
        wrong = [row.fields] if isinstance(row.fields, str) else _wrong_types(row.fields)
        if not wrong:
            utterance = _utterance(row, normalise_text)
            if utterance.id in seen:
                wrong.append(f"id {utterance.id!r} is already that of {seen[utterance.id]}; ids must differ")
            seen.setdefault(utterance.id, row.place)
            if not utterance.text:
                wrong.append(f"text {row.fields['text']!r} holds no words")
            utterance = _with_length(utterance, row.fields, wrong, verify)
        problems += [(row.place, what) for what in wrong]
        if not wrong:
            yield utterance


def _wrong_types(fields: Mapping[str, Any]) -> list[str]:
    wrong = [f"no field {name!r}" for name in ("audio", "text") if name not in fields]
    wrong += [f"unknown field {name!r}; the fields are {', '.join(FIELDS)}" for name in fields if name not in FIELDS]
    for name in ("id", "audio", "text", "speaker", "sha256"):
        if name in fields and not isinstance(fields[name], str):
            wrong.append(f"{name} is {fields[name]!r}, not a string")
        elif name in fields and name != "text" and not fields[name].strip("\0 "):
            wrong.append(f"{name} is empty")
    for name, least in (("start", "at least 0"), ("seconds", "more than 0")):
        value = fields.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            wrong.append(f"{name} is {value!r}, not a number")
        elif not math.isfinite(value) or value < 0 or (name == "seconds" and value == 0):
            wrong.append(f"{name} is {value!r}; it must be finite and {least}")
    for name in ("tags", "notes", "sources"):
        value = fields.get(name, {})
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            wrong.append(f"{name} are {value!r}; they must be an object of strings")
        elif name == "sources" and SOUND in value:
            wrong.append(f"sources name {SOUND}, which is what audio names; leave it out")
    return wrong


def _utterance(row: _Row, normalise_text: bool) -> Utterance:
    fields = row.fields
    text = normalise(fields["text"]) if normalise_text else " ".join(fields["text"].split())
    audio = row.folder / fields["audio"]
    start, seconds = float(fields.get("start", 0.0)), float(fields.get("seconds", 0.0))
    default_id = audio.stem + (f"@{start:g}" if start else "")
    sources = {SOUND: Source(audio, start, seconds)}
    sources |= {modality: Source(row.folder / path) for modality, path in fields.get("sources", {}).items()}
    return Utterance(
        fields.get("id", default_id), text, fields.get("speaker", "unknown"), seconds, sources,
        fields.get("tags", {}), fields.get("notes", {}),
    )  # fmt: skip


def _with_length(utterance: Utterance, fields: Mapping[str, Any], wrong: list[str], verify: bool) -> Utterance:
    """The utterance with its length checked against its file, or taken from it; other modalities last as long."""
    source = utterance.source()
    missing = [str(s.path) for modality, s in utterance.sources.items() if modality != SOUND and not s.path.is_file()]
    wrong += [f"sources: {path}: no such file; check the path" for path in missing]
    try:
        length, rate = header(source.path)
    except (AsrlabError, ValueError) as error:  # ValueError: a path with a null byte
        wrong.append(f"audio: {error}")
        return utterance
    if verify and "sha256" in fields and sha256_file(source.path) != fields["sha256"].lower():
        wrong.append(f"audio: {source.path}: SHA-256 differs from the manifest's; the file has been changed")
    seconds, left = utterance.seconds, length - source.start
    if left < 1 / rate:
        wrong.append(f"start {source.start:g} s lies beyond the end of {source.path} ({length:g} s)")
    elif seconds > left + TOLERANCE:
        wrong.append(f"ends at {source.start + seconds:g} s, but {source.path} is {length:g} s long")
    elif not seconds or seconds > left - 1 / rate:
        # Whole samples, so that start + seconds never asks for one more than the file has.
        seconds = (round(length * rate) - round(source.start * rate)) / rate
    sources = {modality: replace(s, seconds=seconds) for modality, s in utterance.sources.items()}
    return replace(utterance, seconds=seconds, sources=sources)
