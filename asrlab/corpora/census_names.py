"""Names of the US census of 1990: text that nobody spoke, 88,799 surnames and 5,494 first names by how common they are.

Public home: https://www2.census.gov/topics/genealogy/1990surnames/. The folder holds the lists as published,
dist.all.last, dist.female.first and dist.male.first, of which a line is

    NAME, how many per cent of people have it, per cent that have this or a commoner one, rank
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.core.files import read_whole
from asrlab.corpora.base import Corpus, Utterance
from asrlab.corpora.download import Archive, fetch, publish, writing

FOLDER = "census-names"
_HOME = "https://www2.census.gov/topics/genealogy/1990surnames"
LISTS = {  # split: its file, as published
    "surnames": Archive(
        f"{_HOME}/dist.all.last", "b0e2b3743ccbad641ca48b344c24cdebcd1d9a1f76dc6dbf05986f2919f0b4e1", 1 << 24
    ),
    "female": Archive(
        f"{_HOME}/dist.female.first", "bd2f310fc4e5d5e5ea122c9d4342c9821145823118eb20db1647f305ec77b358", 1 << 24
    ),
    "male": Archive(
        f"{_HOME}/dist.male.first", "0a5078ef6effe3b483d15b0f7f95047662126c9bfb624ecd5e5b978fc0f2470b", 1 << 24
    ),
}
_LINE = re.compile(r"([A-Z]+) +(\d+\.\d+) +(\d+\.\d+) +(\d+)")


def load(root: Path) -> Corpus:
    """The lists in `root` as splits "surnames", "female" and "male" of utterances that are text alone.

    The commonest come first. A name is in lower case; the tag `share` says how many per cent of people have it.

    Raises AsrlabError for a list that is not there, and naming the line that is none of it.
    """
    splits = {name: _names(Path(root) / archive.name, name) for name, archive in LISTS.items()}
    return Corpus("census_names", splits, sample_rate=0)


def prepare(root: Path, downloads: Path) -> Path:
    """Fetch the three lists (3 MB) into `root`."""
    root = Path(root)
    if not root.exists():
        with writing(root.parent):
            root.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
        try:
            for archive in LISTS.values():
                file = fetch(archive, downloads)
                with writing(made):
                    shutil.move(file, made / archive.name)
            publish(made, root)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return root


def _names(path: Path, split: str) -> tuple[Utterance, ...]:
    text = read_whole(path, remedy="; fetch it with `asrlab prepare census_names`").decode("ascii", errors="replace")
    found, seen = [], set()
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line.rstrip())
        if not match or match[1] in seen:
            raise AsrlabError(f"{path}:{number}: {line!r} is no line of this list; fetch it again")
        seen.add(match[1])
        name = match[1].lower()
        found.append(Utterance(f"{split}-{name}", name, "", 0.0, tags={"share": match[2]}))
    return tuple(found)
