"""Speech Commands v2: 105,829 recordings of one of 35 words, a second each, 16 kHz (Warden, 2018).

Public home: http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz (its SHA-256 is checked). The folder holds
speech_commands_v0.02/WORD/.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.corpora.base import Corpus, Utterance, header
from asrlab.corpora.download import Archive, install

FOLDER = "SpeechCommands"
VERSION = "speech_commands_v0.02"
SAMPLE_RATE = 16000
ARCHIVE = Archive(
    f"http://download.tensorflow.org/data/{VERSION}.tar.gz",
    sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",  # torchaudio.datasets.SPEECHCOMMANDS
)
SUBSETS = {"train": "training", "dev": "validation", "test": "testing"}


def load(root: Path, words: Iterable[str] | None = None) -> Corpus:
    """Speech Commands from `root` (the folder that holds speech_commands_v0.02/), split by speaker as published.

    `words`: only recordings of these, such as the ten of the twelve-class task ("yes", "no", "up", ...).
    """
    wanted = None if words is None else set(words)
    splits = {split: tuple(_subset(Path(root), subset, wanted)) for split, subset in SUBSETS.items()}
    known = {u.text for utterances in splits.values() for u in utterances}
    if wanted and wanted - known:
        raise AsrlabError(
            f"words={sorted(wanted - known)}: no such recordings in {root}; see its folders for the words"
        )
    return Corpus("speech_commands", splits, SAMPLE_RATE)


def prepare(root: Path, downloads: Path) -> Path:
    """Fetch Speech Commands v2 (2.4 GB) into `root`."""
    install(ARCHIVE, Path(root) / VERSION, downloads, inside="")
    return Path(root)


def _subset(root: Path, subset: str, wanted: set[str] | None) -> Iterable[Utterance]:
    from torchaudio.datasets import SPEECHCOMMANDS

    try:
        listed = SPEECHCOMMANDS(root.parent, url=VERSION, folder_in_archive=root.name, subset=subset)
    except (RuntimeError, OSError) as error:
        raise AsrlabError(
            f"{root / VERSION}: not there or incomplete ({error}); fetch it with `asrlab prepare speech_commands`"
        ) from error
    for n in range(len(listed)):
        path, _, word, speaker, number = listed.get_metadata(n)
        if wanted is None or word in wanted:
            audio = root / path
            yield Utterance.recorded(
                f"{word}/{audio.stem}", audio, word, speaker, header(audio)[0], tags={"take": str(number)}
            )
