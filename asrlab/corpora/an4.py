"""CMU AN4 ("census"): spelled names, numbers, dates and control words, 16 kHz, 42 + 6 minutes.

Public home: https://www.speech.cs.cmu.edu/databases/an4/. The folder holds etc/ (lists, transcripts, dictionary) and
wav/an4_clstk/SPEAKER/*.wav with wav/an4test_clstk/ beside it.
"""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.corpora.base import Corpus, Utterance, draw_speakers, header, hold_out_speakers
from asrlab.corpora.beside import read_dictionary
from asrlab.corpora.download import Archive, install
from asrlab.text import normalise

FOLDER = "an4"
SAMPLE_RATE = 16000
ARCHIVE = Archive("https://www.speech.cs.cmu.edu/databases/an4/an4_raw.bigendian.tar.gz", max_bytes=1 << 30)
_TRANSCRIPT = re.compile(r"^(?:<s>\s*)?(?P<text>.*?)\s*(?:</s>\s*)?\((?P<id>[^()\s]+)\)\s*$")


def load(root: Path, dev_speakers: int = 0, split_seed: int | None = None) -> Corpus:
    """AN4 from `root` (the folder an4/), split as published: train (74 speakers) and test (10 others).

    `split_seed` splits anew instead: of all speakers every sixth, drawn with this seed, is in test.
    `dev_speakers` > 0 takes that many speakers out of train into a split `dev`, evenly spaced in the sorted list of
    speakers (which begins with f or m, so both sexes are there in proportion); 0 leaves train whole, with no `dev`.
    """
    root = Path(root)
    train, test = _split(root, "train"), _split(root, "test")
    if split_seed is not None:
        train, test = draw_speakers((*train, *test), split_seed)
    splits = {"train": train, "test": test}
    if dev_speakers:
        train, dev = hold_out_speakers(train, dev_speakers)
        splits = {"train": train, "dev": dev, "test": test}
    return Corpus("an4", splits, SAMPLE_RATE, read_dictionary(root / "etc" / "an4.dic"))


def prepare(root: Path, downloads: Path) -> Path:
    """Fetch AN4 (64 MB) into `root`, its raw big-endian samples made into WAV."""
    return install(ARCHIVE, root, downloads, inside=FOLDER, convert=raw_to_wav)


def raw_to_wav(folder: Path) -> None:
    """Replace every .raw below `folder` (16-bit big-endian samples at 16 kHz, no header) by a .wav of the same."""
    for raw in sorted(folder.rglob("*.raw")):
        with wave.open(str(raw.with_suffix(".wav")), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(np.fromfile(raw, ">i2").astype("<i2").tobytes())
        raw.unlink()


def _split(root: Path, split: str) -> tuple[Utterance, ...]:
    file_ids = _lines(root / "etc" / f"an4_{split}.fileids")
    transcription = root / "etc" / f"an4_{split}.transcription"
    transcripts = _lines(transcription)
    if len(file_ids) != len(transcripts):
        raise AsrlabError(
            f"{transcription}: {len(transcripts)} transcripts for {len(file_ids)} files in an4_{split}.fileids; "
            "fetch the corpus again with `asrlab prepare an4`"
        )
    return tuple(
        _utterance(root, file_id, line, f"{transcription}:{number}")
        for number, (file_id, line) in enumerate(zip(file_ids, transcripts, strict=True), start=1)
    )


def _utterance(root: Path, file_id: str, line: str, where: str) -> Utterance:
    match = _TRANSCRIPT.match(line)
    _, speaker, name = file_id.rsplit("/", 2)
    if not match or match["id"] != name:
        raise AsrlabError(f"{where}: {line!r} is not the transcript of {file_id}; fetch the corpus again")
    path = next((p for s in (".wav", ".sph") if (p := root / "wav" / f"{file_id}{s}").is_file()), None)
    if path is None:
        raise AsrlabError(f"{root / 'wav' / file_id}.wav: no such file; fetch the corpus with `asrlab prepare an4`")
    seconds, _ = header(path)
    return Utterance.recorded(name, path, normalise(match["text"]), speaker, seconds, tags={"sex": speaker[0]})


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise AsrlabError(f"{path}: cannot be read ({error}); fetch the corpus with `asrlab prepare an4`") from error
