"""Bring your own recordings: a manifest (JSON lines), or a folder of recordings or films with their text beside them.

A manifest has one JSON object a line:

    {"audio": "wav/a.wav", "text": "turn left"}
    {"id": "b1", "audio": "b.mp3", "text": "stop", "speaker": "ann", "start": 2.5, "seconds": 1, "tags": {"in": "car"}}

or it is a table, with a head that names the same fields:

    audio,text,speaker
    wav/a.wav,turn left,ann

`audio` is relative to the manifest; `text` is what was said. The rest may be left out: `id` is then the name of the
file, `speaker` "unknown", `start` 0, `seconds` up to the end of the file. `sha256`, if there, is that of the file.
`video`, in place of `audio` or beside it, is a film of the speaker's face: its lips are read as well, and its sound
where there is no `audio`.
`sources` names files of other modalities that last as long as the sound, {"lips": "a.npy"}; `notes` holds texts about
the utterance, such as its meaning.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.files import json_lines, numbered_lines, parse_json, regular_file, write_whole
from asrlab.corpora import beside
from asrlab.corpora.base import SOUND, Corpus, Source, Utterance, header
from asrlab.corpora.download import sha256_file
from asrlab.corpora.films import LIPS
from asrlab.corpora.rows import shown, wrong_number, wrong_object, wrong_texts
from asrlab.signals import video
from asrlab.signals.mouth import MouthOptions
from asrlab.text import mixed_word, normalise

FOLDER = "manifest"
AUDIO = (".wav", ".flac", ".mp3", ".ogg")
TABLES = {".csv": ",", ".tsv": "\t"}
ALIASES = {"file": "audio", "file_name": "audio", "path": "audio", "sentence": "text", "transcription": "text"}
FIELDS = ("id", "audio", "video", "text", "speaker", "start", "seconds", "tags", "notes", "sources", "sha256")
CELLS = ("id", "audio", "video", "text", "speaker", "start", "seconds", "sha256")  # fields that one cell can hold
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


def load(
    root: Path,
    normalise_text: bool = True,
    verify: bool = False,
    mouth: Mapping[str, Any] | None = None,
    hold_out: Mapping[str, float] | None = None,
    by: str = "utterance",
) -> Corpus:
    """Your own corpus from `root`: a manifest, a folder of them, or a folder of recordings with text.

    - `x.jsonl`, `x.csv` or `x.tsv` is one split, named x. In a folder with some, each is a split (train.jsonl, ...).
    - A folder of recordings: x.wav (or .flac, .mp3, .ogg, or a film: .mp4, .mpg, .mov, .mkv, .webm, .avi) with x.txt
      beside it, or *.trans.txt with lines "ID TEXT" as in LibriSpeech. Subfolders named train, dev and test are splits;
      otherwise all is one split, "all". The speaker is the name of the first folder below the split, if there is one.
    - Beside them there may be lexicon.txt, how words are said, and text.txt, further sentences: `corpora.beside`.

    `normalise_text`: pass texts through `text.normalise`. `verify`: compare sha256 where a manifest has it. `mouth`:
    options of `signals.mouth.MouthOptions`, for films. `hold_out`: {split: share}; a corpus that comes as one split is
    divided, these shares are taken out of it and the rest is "train". `by` says what is kept together: "utterance", or
    "speaker" for whole speakers. A hash of the name decides, so that added recordings hardly move the others.
    Raises ManifestError listing every bad line, AsrlabError if there is nothing to read or too little to hold out.
    """
    root = Path(root)
    options = config.from_dict(MouthOptions, mouth or {}, "mouth")
    problems: list[tuple[str, str]] = []
    if not os.path.isdir(root):
        sources = {root.stem: _read(_file(root))}
    elif manifests := sorted(path for path in root.iterdir() if path.suffix in (".jsonl", *TABLES)):
        sources = {path.stem: _read(path) for path in manifests}
    else:
        parts = [root / split for split in ("train", "dev", "test") if (root / split).is_dir()]
        sources = {part.name: _scan(part) for part in parts} or {"all": _scan(root)}
    splits = {}
    seen: dict[str, str] = {}
    for split, rows in sources.items():
        splits[split] = tuple(_checked(rows, seen, problems, normalise_text, verify, options))
    if problems:
        raise ManifestError(problems)
    if not any(splits.values()):
        raise AsrlabError(_nothing(root))
    if hold_out and len(splits) == 1:
        splits = _divided(root, next(iter(splits.values())), hold_out, by)
    heard = (u for utterances in splits.values() for u in utterances[:1] if SOUND in u.sources)
    rates = {header(u.source().path)[1] for u in heard}
    folder = root if os.path.isdir(root) else root.parent
    splits |= beside.sentences(folder, normalise_text) if beside.TEXT_SPLIT not in splits else {}
    return Corpus(root.stem, splits, max(rates, default=16000), beside.lexicon(folder))


def _nothing(root: Path) -> str:
    texts = sorted(path.name for path in root.glob("*.txt")) if os.path.isdir(root) else []
    if texts:
        return f"{root}: {len(texts)} texts, and no recording beside any; {texts[0]} is what {texts[0][:-4]}.wav says"
    return f"{root}: no utterances; a manifest has one JSON object a line, a folder x.wav with x.txt"


def save_manifest(utterances: Iterable[Utterance], path: str | Path) -> Path:
    """Write utterances as a manifest, audio relative to it where possible; the file appears whole or not at all."""
    path = Path(path)
    return write_whole(path, json_lines([to_row(u, path.parent) for u in utterances]))


def to_row(utterance: Utterance, folder: Path) -> dict[str, Any]:
    """The fields of a manifest's line for `utterance`, its files relative to `folder` where possible."""

    def relative(path: Path) -> str:
        try:
            return Path(os.path.relpath(path, folder)).as_posix()
        except ValueError:  # another drive, on Windows
            return str(path)

    sources = dict(utterance.sources)
    film = sources.pop(LIPS) if LIPS in sources and video.is_video(sources[LIPS].path) else None
    sound = sources.pop(SOUND, None) if film else sources.pop(SOUND)
    first = sound or film
    assert first is not None  # without a film there is sound
    row: dict[str, Any] = {"id": utterance.id}
    if sound and not (film and sound.path == film.path):
        row["audio"] = relative(sound.path)
    if film:
        row["video"] = relative(film.path)
    others = {modality: relative(s.path) for modality, s in sources.items()}
    row |= {"text": utterance.text, "speaker": utterance.speaker, "start": first.start, "seconds": utterance.seconds}
    row["tags"] = dict(utterance.tags)
    return row | ({"notes": dict(utterance.notes)} if utterance.notes else {}) | ({"sources": others} if others else {})


@dataclass(frozen=True)
class _Row:
    """Something that ought to be an utterance, and where it was found."""

    place: str  # FILE:LINE, for messages
    folder: Path  # audio paths are relative to it
    fields: Mapping[str, Any] | str  # a str: what is wrong with the line as a whole


# --- dividing ---------------------------------------------------------------------------------------------------------


def _divided(
    root: Path, utterances: tuple[Utterance, ...], hold_out: Mapping[str, float], by: str
) -> dict[str, tuple[Utterance, ...]]:
    if by not in ("utterance", "speaker"):
        raise AsrlabError(f"by={by!r}: hold out by utterance or by speaker")
    if "train" in hold_out or not all(0 < share < 1 for share in hold_out.values()) or sum(hold_out.values()) >= 1:
        raise AsrlabError(f"hold_out={dict(hold_out)}: shares above 0, below 1 together; train is what they leave")
    groups: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        groups.setdefault(utterance.id if by == "utterance" else utterance.speaker, []).append(utterance)
    order = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())
    splits: dict[str, tuple[Utterance, ...]] = {}
    for split, share in hold_out.items():
        taken, order = order[: math.ceil(share * len(groups))], order[math.ceil(share * len(groups)) :]
        splits[split] = tuple(utterance for name in sorted(taken) for utterance in groups[name])
    if not order:
        raise AsrlabError(
            f"{root}: {len(groups)} {by}s; too few for hold_out={dict(hold_out)}, nothing is left to learn"
        )
    return {"train": tuple(utterance for name in sorted(order) for utterance in groups[name]), **splits}


# --- reading ----------------------------------------------------------------------------------------------------------


def _file(root: Path) -> Path:
    try:
        regular_file(root)
    except AsrlabError as error:
        raise AsrlabError(f"{error} (no such manifest or folder: a .jsonl file or a folder of recordings)") from error
    return root


def _read(path: Path) -> Iterator[_Row]:
    return _read_table(path) if path.suffix in TABLES else _read_lines(path)


def _read_table(path: Path) -> Iterator[_Row]:
    """Rows of a table; columns of other names than the fields' are left out, as are empty cells."""
    reader = csv.DictReader(io.StringIO(_read_text(path), newline=""), delimiter=TABLES[path.suffix], strict=True)
    try:
        names = {name: ALIASES.get(name.strip().lower(), name.strip().lower()) for name in reader.fieldnames or ()}
        if not {"audio", "video"} & set(names.values()) or "text" not in names.values():
            found = ", ".join(names) or "nothing"
            raise AsrlabError(f"{path}: its first line names {found}; it must name the columns audio and text")
        for row in reader:
            cells = {names[name]: cell for name, cell in row.items() if name in names and cell}
            fields = {name: cell for name, cell in cells.items() if name in CELLS}
            yield _Row(f"{path}:{reader.line_num}", path.parent, _with_numbers(fields))
    except csv.Error as error:
        raise AsrlabError(
            f"{path}:{reader.line_num + 1}: {error}; quote cells that hold a separator or a line end"
        ) from error


def _with_numbers(fields: dict[str, Any]) -> dict[str, Any] | str:
    for name in ("start", "seconds"):
        try:
            fields |= {name: float(fields[name])} if name in fields else {}
        except ValueError:
            return f"{name} is {shown(fields[name])}, not a number"
    return fields


def _read_lines(path: Path) -> Iterator[_Row]:
    for number, line in numbered_lines(path):
        yield _Row(f"{path}:{number}", path.parent, _parse(line))


def _parse(line: bytes) -> Mapping[str, Any] | str:
    try:
        fields = parse_json(line)
    except ValueError as error:
        return str(error)
    return fields if isinstance(fields, dict) else f"is {json.dumps(fields)[:40]}, not a JSON object {{...}}"


def _scan(folder: Path) -> Iterator[_Row]:
    """The recordings below `folder` with their texts."""
    transcripts: dict[Path, dict[str, str]] = {}
    for path in _recordings(folder):
        inner = path.relative_to(folder)
        try:
            if path.parent not in transcripts:
                transcripts[path.parent] = dict(_trans_lines(path.parent))
            fields = {"id": inner.with_suffix("").as_posix(), _column(path): str(inner)}
            if len(inner.parts) > 1:
                fields["speaker"] = inner.parts[0]
            beside = path.with_suffix(".txt")
            if path.stem in transcripts[path.parent]:
                yield _Row(str(path), folder, {**fields, "text": transcripts[path.parent][path.stem]})
            elif os.path.lexists(beside):
                yield _Row(str(beside), folder, {**fields, "text": _read_text(beside)})
            else:
                yield _Row(str(path), folder, f"no text for this recording; write it to {beside.name} beside it")
        except AsrlabError as error:
            yield _Row(str(path), folder, str(error))


def _recordings(folder: Path) -> list[Path]:
    """What is named like a recording below `folder`, sorted. Raises AsrlabError for a folder that cannot be read."""

    def refuse(error: OSError) -> None:
        raise AsrlabError(f"{error.filename}: cannot be read ({error.strerror}); allow it, or take it out") from error

    found = [Path(at, name) for at, _, names in os.walk(folder, onerror=refuse) for name in names]
    return sorted(path for path in found if path.suffix.lower() in AUDIO or video.is_video(path))


def _column(path: Path) -> str:
    """The field that names such a file."""
    return "video" if video.is_video(path) else "audio"


def _trans_lines(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.trans.txt")):
        for line in _read_text(path).split("\n"):
            name, _, text = line.strip().partition(" ")
            if name:
                yield name, text


def _read_text(path: Path) -> str:
    """A text in UTF-8. Raises AsrlabError naming the first byte that is none: guessing would change the words."""
    regular_file(path)
    try:
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = data[error.start]
        raise AsrlabError(
            f"{path}: not UTF-8, byte {error.start} is 0x{wrong:02X}; convert it, if it is Latin-1 with "
            f"`iconv -f LATIN1 -t UTF-8`"
        ) from error
    except OSError as error:
        raise AsrlabError(f"{path}: cannot be read ({error.strerror}); allow it, or take it out") from error


# --- checking ---------------------------------------------------------------------------------------------------------


def _checked(
    rows: Iterable[_Row],
    seen: dict[str, str],
    problems: list,
    normalise_text: bool,
    verify: bool,
    mouth: MouthOptions,
) -> Iterator[Utterance]:
    """The good utterances of `rows`; what is wrong with the others goes to `problems`."""
    for row in rows:
        fields = row.fields
        wrong = [fields] if isinstance(fields, str) else _wrong_types(fields)
        if not wrong and not isinstance(fields, str):
            utterance = _utterance(row.folder, fields, normalise_text, mouth)
            if utterance.id in seen:
                wrong.append(f"id {utterance.id!r} is already that of {seen[utterance.id]}; ids must differ")
            seen.setdefault(utterance.id, row.place)
            if not utterance.text:
                wrong.append(f"text {fields['text']!r} holds no words")
            if mixed := mixed_word(utterance.text):
                wrong.append(f"{mixed}; write it in one")
            utterance = _with_length(utterance, fields, wrong, verify)
        problems += [(row.place, what) for what in wrong]
        if not wrong:
            yield utterance


def _wrong_types(fields: Mapping[str, Any]) -> list[str]:
    wrong = [f"no field {name!r}" for name in ("audio", "text") if name not in fields and not _shown(fields, name)]
    wrong += [f"unknown field {name!r}; the fields are {', '.join(FIELDS)}" for name in fields if name not in FIELDS]
    wrong += wrong_texts(fields, ("id", "audio", "video", "text", "speaker", "sha256"))
    wrong += wrong_number(fields, "start", "at least 0", zero=True)
    wrong += wrong_number(fields, "seconds", "more than 0", zero=False)
    for name in ("tags", "notes", "sources"):
        wrong += wrong_object(fields, name)
    if isinstance(fields.get("sources"), dict) and SOUND in fields["sources"]:
        wrong.append(f"sources name {SOUND}, which is what audio names; leave it out")
    if isinstance(fields.get("sources"), dict) and LIPS in fields["sources"] and "video" in fields:
        wrong.append(f"sources name {LIPS}, which is what video names; leave one of them out")
    if "video" in fields and isinstance(fields["video"], str) and not video.is_video(fields["video"]):
        wrong.append(f"video is {shown(fields['video'])}, no film; the names end in {', '.join(video.SUFFIXES)}")
    return wrong


def _shown(fields: Mapping[str, Any], name: str) -> bool:
    """Whether a film stands in for a field that is not there."""
    return name == "audio" and "video" in fields


def _utterance(folder: Path, fields: Mapping[str, Any], normalise_text: bool, mouth: MouthOptions) -> Utterance:
    text = normalise(fields["text"]) if normalise_text else " ".join(fields["text"].split())
    main = folder / fields.get("audio", fields.get("video"))
    start, seconds = float(fields.get("start", 0.0)), float(fields.get("seconds", 0.0))
    default_id = main.stem + (f"@{start:g}" if start else "")
    sources = {SOUND: Source(main, start, seconds)}
    if "video" in fields:
        sources[LIPS] = Source(folder / fields["video"], start, seconds, mouth=mouth)
    sources |= {modality: Source(folder / path) for modality, path in fields.get("sources", {}).items()}
    return Utterance(
        fields.get("id", default_id), text, fields.get("speaker", "unknown"), seconds, sources,
        fields.get("tags", {}), fields.get("notes", {}),
    )  # fmt: skip


def _with_length(utterance: Utterance, fields: Mapping[str, Any], wrong: list[str], verify: bool) -> Utterance:
    """The utterance with its length checked against its file, or taken from it; other modalities last as long."""
    source, film = utterance.source(), None
    if "video" in fields:
        try:
            film = video.info(utterance.source(LIPS).path)
        except AsrlabError as error:
            wrong.append(f"video: {error}")
            return utterance
        if not film.pictures:
            wrong.append(f"video: {utterance.source(LIPS).path}: sound without a picture; name it as audio")
            return utterance
    if film and "audio" not in fields and not film.sample_rate:  # a silent film has lips alone
        utterance = replace(utterance, sources={m: s for m, s in utterance.sources.items() if m != SOUND})
        source = utterance.source(LIPS)
    for other in (s for modality, s in utterance.sources.items() if modality != SOUND):
        try:
            regular_file(other.path)
        except AsrlabError as error:
            wrong.append(f"sources: {error}")
    try:
        silent = film and SOUND not in utterance.sources
        length, rate = (film.seconds, round(film.rate)) if film and silent else header(source.path)
    except AsrlabError as error:
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
    if film and source.start + seconds > film.picture_seconds + video.APART:
        wrong.append(
            f"ends at {source.start + seconds:g} s, but {utterance.source(LIPS).path} shows {film.picture_seconds:g} s"
        )
    sources = {modality: replace(s, seconds=seconds) for modality, s in utterance.sources.items()}
    return replace(utterance, seconds=seconds, sources=sources)
