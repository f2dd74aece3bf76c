"""GRID: people say sentences of six words, such as "bin blue at f two now", filmed from the front, 3 s each.

Cooke, Barker, Cunningham and Shao 2006, "An audio-visual corpus for speech perception and automatic speech
recognition". Public home: https://zenodo.org/records/3625687 (CC BY 4.0): a zip for each speaker, s1 to s34 without
s21, and one with the times of all words. A folder holds SPEAKER/NAME.mpg (or .mp4) and align/SPEAKER/NAME.align, the
times in 1/25000 s. The letters of a name say the sentence: bbaf2n is "bin blue at f two now".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.files import read_whole
from asrlab.corpora.base import SOUND, WORDS, Corpus, Source, Utterance, note_of_times
from asrlab.corpora.download import Archive, install
from asrlab.corpora.films import LIPS
from asrlab.signals import video
from asrlab.signals.mouth import MouthOptions

FOLDER = "grid"
HOME = "https://zenodo.org/records/3625687/files"
SPEAKERS = tuple(f"s{i}" for i in range(1, 35) if i != 21)
TICKS = 25000  # of an .align file, a second
SLACK = 0.1  # seconds by which the last time may exceed the film
#: What may stand in each of the six places, by the letter that stands for it in a file's name.
GRAMMAR: tuple[Mapping[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    {
        "z": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven",
        "8": "eight", "9": "nine",
    },
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)  # fmt: skip
LETTERS = tuple(GRAMMAR[3].values())
_NAME = re.compile("".join(f"[{''.join(place)}]" for place in GRAMMAR))


def load(
    root: Path,
    speakers: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    mouth: Mapping[str, Any] | None = None,
) -> Corpus:
    """GRID from `root`, the films of `speakers` (default: all that are there), each with sound and lips.

    Of each speaker's names, sorted, every tenth is test, the next one dev, the rest train: sentences are new in test,
    the faces are not. `leave_out`: films that are damaged, as SPEAKER/NAME, such as s1/pbio7a; the others stay in their
    splits. `mouth`: options of `signals.mouth.MouthOptions`.
    """
    root = Path(root)
    options = config.from_dict(MouthOptions, mouth or {}, "mouth")
    there = {name: found for name in speakers or SPEAKERS if (found := sorted(_films(root, name)))}
    lacking = [name for name in speakers if name not in there]
    if lacking or not there:
        who = lacking[0] if lacking else "any speaker"
        raise AsrlabError(f"{root}: no films of {who} (s1/*.mpg, say); fetch them with `asrlab prepare grid`")
    splits: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    known = {f"{speaker}/{path.stem}" for speaker, films in there.items() for path in films}
    if strange := sorted(set(leave_out) - known):
        raise AsrlabError(f"leave_out={strange[0]!r}: no such film in {root}; write SPEAKER/NAME")
    rate = 0
    for speaker, films in there.items():
        for number, path in enumerate(films):
            split = {0: "test", 1: "dev"}.get(number % 10, "train")  # whatever is left out
            if f"{speaker}/{path.stem}" not in leave_out:
                splits[split].append(_utterance(root, speaker, path, options))
        rate = max(rate, video.info(films[0]).sample_rate)
    return Corpus("grid", {name: tuple(found) for name, found in splits.items()}, rate)


def prepare(root: Path, downloads: Path, speakers: Sequence[str] = ("s1",)) -> Path:
    """Fetch the films of `speakers` (about 400 MB each) and the times of all words into `root`."""
    root = Path(root)
    for speaker in speakers:
        if speaker not in SPEAKERS:
            raise AsrlabError(f"speakers={speaker!r}: there are {SPEAKERS[0]} to {SPEAKERS[-1]}, without s21")
    if not any((root / name).is_dir() for name in ("align", "alignments")):
        archive = Archive(f"{HOME}/alignments.zip", max_bytes=1 << 30)
        install(archive, root / "align", downloads, inside="alignments")
    for speaker in speakers:
        install(Archive(f"{HOME}/{speaker}.zip", max_bytes=4 << 30), root / speaker, downloads, inside=speaker)
    return root


def sentence(name: str) -> str:
    """The six words that a file's name stands for. Raises AsrlabError for a name that is none."""
    if not _NAME.fullmatch(name):
        raise AsrlabError(f"{name!r}: no sentence of GRID; a name has six letters or digits, such as bbaf2n")
    return " ".join(place[letter] for place, letter in zip(GRAMMAR, name, strict=True))


def _films(root: Path, speaker: str) -> Iterator[Path]:
    return (path for path in (root / speaker).rglob("*") if video.is_video(path))


def _utterance(root: Path, speaker: str, path: Path, options: MouthOptions) -> Utterance:
    try:
        text = sentence(path.stem)
    except AsrlabError as error:
        raise AsrlabError(f"{path}: {error}; take the file out of the folder") from error
    film = video.info(path)
    times = _times(_align(root, speaker, path), text, film.seconds)
    sources = {SOUND: Source(path, seconds=film.seconds)} if film.sample_rate else {}
    if film.pictures:
        sources[LIPS] = Source(path, seconds=film.seconds, mouth=options)
    return Utterance(
        f"{speaker}/{path.stem}", text, speaker, film.seconds, sources, notes={WORDS: times} if times else {}
    )


def _align(root: Path, speaker: str, path: Path) -> Path | None:
    """The file with the times of a film's words, wherever a copy of the corpus keeps it."""
    folders = (root / "align" / speaker, root / "alignments" / speaker, root / speaker / "align", path.parent)
    return next((found for folder in folders if (found := folder / f"{path.stem}.align").is_file()), None)


def _times(path: Path | None, text: str, seconds: float) -> str:
    """The words of an .align file with their times, as a note. Raises AsrlabError naming file and line."""
    if path is None:
        return ""
    words = []
    for number, line in enumerate(read_whole(path).decode("utf-8", "replace").splitlines(), start=1):
        match = re.fullmatch(r"\s*(\d+)\s+(\d+)\s+(\S+)\s*", line)
        if not match and line.strip():
            raise AsrlabError(f"{path}:{number}: {line[:60]!r} is not START END WORD; fetch the corpus again")
        if match and match[3] not in ("sil", "sp"):
            words.append((match[3], int(match[1]) / TICKS, int(match[2]) / TICKS))
    said = " ".join(word for word, *_ in words)
    if said != text:
        raise AsrlabError(f"{path}: says {said!r}, its name says {text!r}; is it that of another speaker?")
    if words[-1][2] > seconds + SLACK:
        raise AsrlabError(
            f"{path}: speech ends at {words[-1][2]:g} s, the film after {seconds:g} s: truncated; fetch it again"
        )
    return note_of_times((word, start, min(end, seconds)) for word, start, end in words)
