"""LibriSpeech: 1,000 hours of audiobooks read in English, 16 kHz (Panayotov et al., 2015).

Public home: https://www.openslr.org/12/. The folder holds one folder for each subset: train-clean-100/SPEAKER/CHAPTER/.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.corpora.base import Corpus, Utterance, header
from asrlab.corpora.download import Archive, install
from asrlab.text import normalise

FOLDER = "LibriSpeech"
SAMPLE_RATE = 16000
SHA256 = {  # as torchaudio.datasets.LIBRISPEECH states them
    "dev-clean": "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "dev-other": "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
    "test-clean": "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    "test-other": "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
    "train-clean-100": "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    "train-clean-360": "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
    "train-other-500": "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
}
SUBSETS = tuple(SHA256)


def load(root: Path, train: str = "train-clean-100", dev: str = "dev-clean", test: str = "test-clean") -> Corpus:
    """LibriSpeech from `root` (the folder LibriSpeech/); each split is one subset, or several joined by "+".

    An empty name leaves a split out: `load(root, train="", dev="")` reads test-clean alone.
    """
    named = {"train": train, "dev": dev, "test": test}
    return Corpus(
        "librispeech", {s: _split(Path(root), subsets) for s, subsets in named.items() if subsets}, SAMPLE_RATE
    )


def prepare(
    root: Path, downloads: Path, subsets: Iterable[str] = ("train-clean-100", "dev-clean", "test-clean")
) -> Path:
    """Fetch subsets (train-clean-100 is 6.3 GB, dev and test 0.3 GB each) into `root`, each on its own."""
    for subset in subsets:
        _known(subset)
        archive = Archive(f"https://www.openslr.org/resources/12/{subset}.tar.gz", SHA256[subset])
        install(archive, Path(root) / subset, downloads, inside=f"{FOLDER}/{subset}")
    return Path(root)


def _split(root: Path, subsets: str) -> tuple[Utterance, ...]:
    return tuple(u for subset in subsets.split("+") for u in _subset(root, subset))


def _subset(root: Path, subset: str) -> Iterable[Utterance]:
    from torchaudio.datasets import LIBRISPEECH

    _known(subset)
    try:
        listed = LIBRISPEECH(root.parent, url=subset, folder_in_archive=root.name)
    except RuntimeError as error:
        raise AsrlabError(f"{root / subset}: no such folder; fetch it with `asrlab prepare librispeech`") from error
    if not len(listed):
        raise AsrlabError(f"{root / subset}: holds no recordings; delete it and `asrlab prepare librispeech`")
    for n in range(len(listed)):
        try:
            path, _, text, speaker, chapter, number = listed.get_metadata(n)
        except OSError as error:
            raise AsrlabError(f"{root / subset}: a transcript is missing ({error}); fetch the subset again") from error
        audio = root / path
        yield Utterance.recorded(
            f"{speaker}-{chapter}-{number:04d}", audio, normalise(text), str(speaker), header(audio)[0],
            tags={"subset": subset, "chapter": str(chapter)},
        )  # fmt: skip


def _known(subset: str) -> None:
    if subset not in SUBSETS:
        raise AsrlabError(f"LibriSpeech subset {subset!r}: unknown; one of {', '.join(SUBSETS)}")
