"""The Free Spoken Digit Dataset: single English digits, 8 kHz, fifty takes of each digit by each speaker.

Public home: https://github.com/Jakobovski/free-spoken-digit-dataset. Files are recordings/{digit}_{speaker}_{take}.wav.
The published split shares its speakers between train and test, so it measures memory of a voice as much as recognition:
report leave-one-speaker-out beside it.
"""

from __future__ import annotations

import re
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.corpora.base import Corpus, Utterance, header
from asrlab.corpora.download import Archive, install

FOLDER = "free-spoken-digit-dataset"
SAMPLE_RATE = 8000
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = {  # as the dataset's metadata.py states them
    "george": "Greek",
    "jackson": "US",
    "lucas": "German",
    "nicolas": "Belgian French",
    "theo": "US",
    "yweweler": "German",
}
ARCHIVE = Archive(f"https://github.com/Jakobovski/{FOLDER}/archive/refs/heads/master.zip", max_bytes=1 << 30)
TEST_TAKES = range(5)
_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[A-Za-z]+)_(?P<take>\d+)")


def load(root: Path, split: str = "published", held_out: str = "george") -> Corpus:
    """FSDD from `root` (the folder that holds recordings/), split in one of two ways.

    "published": takes 0-4 of each speaker and digit are test, the others train.
    "leave-one-out": test is all of the speaker `held_out`; the others' takes 0-4 are dev and the rest train.
    """
    everything = _utterances(Path(root) / "recordings")
    if split == "published":
        splits = {"train": _takes(everything, test=False), "test": _takes(everything, test=True)}
    elif split == "leave-one-out":
        speakers = sorted({u.speaker for u in everything})
        if held_out not in speakers:
            raise AsrlabError(f"held_out={held_out!r}: no such speaker in {root}; one of {', '.join(speakers)}")
        others = [u for u in everything if u.speaker != held_out]
        splits = {
            "train": _takes(others, test=False),
            "dev": _takes(others, test=True),
            "test": tuple(u for u in everything if u.speaker == held_out),
        }
    else:
        raise AsrlabError(f"split={split!r}: must be 'published' or 'leave-one-out'")
    return Corpus("fsdd", splits, SAMPLE_RATE)


def speakers(root: Path) -> tuple[str, ...]:
    """Those who can be held out: the speakers whose recordings lie in `root`, sorted."""
    return tuple(sorted({u.speaker for u in _utterances(Path(root) / "recordings")}))


def prepare(root: Path, downloads: Path) -> Path:
    """Fetch FSDD (about 20 MB) into `root`."""
    return install(ARCHIVE, root, downloads, inside=f"{FOLDER}-master")


def _utterances(folder: Path) -> list[Utterance]:
    files = sorted(folder.glob("*.wav"))
    if not files:
        raise AsrlabError(f"{folder}: no recordings here; fetch them with `asrlab prepare fsdd`")
    return [_utterance(path) for path in files]


def _utterance(path: Path) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if not match:
        raise AsrlabError(f"{path}: the name is not DIGIT_SPEAKER_TAKE.wav; take the file out of the folder")
    speaker = match["speaker"]
    tags = {"accent": ACCENTS.get(speaker, "unknown"), "take": str(int(match["take"]))}
    return Utterance.recorded(path.stem, path, DIGITS[int(match["digit"])], speaker, header(path)[0], tags=tags)


def _takes(utterances: list[Utterance], test: bool) -> tuple[Utterance, ...]:
    return tuple(u for u in utterances if (int(u.tags["take"]) in TEST_TAKES) == test)
