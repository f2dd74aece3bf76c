"""yesno: sixty recordings of one man who says "yes" or "no" in Hebrew eight times, 8 kHz: trained on in seconds.

Public home: https://www.openslr.org/1/. A file's name is its transcript: 0_1_1_0_0_1_1_1.wav is "no yes yes no ...".
"""

from __future__ import annotations

import re
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.corpora.base import Corpus, Utterance, header
from asrlab.corpora.download import Archive, install

FOLDER = "waves_yesno"
SAMPLE_RATE = 8000
ARCHIVE = Archive(
    "https://www.openslr.org/resources/1/waves_yesno.tar.gz",
    sha256="c3f49e0cca421f96b75b41640749167b52118f232498667ca7a5f9416aef8e73",  # as torchaudio.datasets.YESNO states it
    max_bytes=1 << 28,
)


def load(root: Path) -> Corpus:
    """yesno from `root` (the folder waves_yesno/): every second recording, by name, is test, and the others train.

    The dataset publishes no split. Halves of the sorted list would put nearly all that begin with "no" on one side.
    """
    files = [path for path in sorted(Path(root).glob("*.wav")) if re.fullmatch(r"[01](_[01])*", path.stem)]
    if not files:
        raise AsrlabError(f"{root}: no recordings here; fetch them with `asrlab prepare yesno`")
    everything = tuple(
        Utterance.recorded(path.stem, path, _text(path.stem), "speaker", header(path)[0]) for path in files
    )
    return Corpus("yesno", {"train": everything[::2], "test": everything[1::2]}, SAMPLE_RATE)


def prepare(root: Path, downloads: Path) -> Path:
    """Fetch yesno (5 MB) into `root`."""
    return install(ARCHIVE, root, downloads, inside=FOLDER)


def _text(name: str) -> str:
    return " ".join(("no", "yes")[int(c)] for c in name.split("_"))
