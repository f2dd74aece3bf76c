"""Where recognisers lie: those that come with the package by name, and others by their folder."""

import os
from pathlib import Path

from asrlab.core.errors import AsrlabError

CONFIG = "recognizer.json"  # the file that makes a folder a recogniser's
PRETRAINED = Path(__file__).parent / "pretrained"
BUILT_IN = PRETRAINED / "an4"


def recogniser_folder(name: Path | str) -> Path:
    """The folder of a recogniser: as it is if there is one, or of a packaged one by its name.

    Raises AsrlabError naming the packaged ones.
    """
    return Path(name) if os.path.exists(name) else packaged_folder(str(name))


def packaged_folder(name: str) -> Path:
    """Where a recogniser that comes with the package lies, by its name. Raises AsrlabError naming what there is."""
    there = sorted(path.name for path in PRETRAINED.iterdir() if path.is_dir())
    if name not in there:
        raise AsrlabError(
            f"{name}: no recogniser here; give a directory that `asrlab train` wrote, or one of the packaged "
            f"{', '.join(there)}"
        )
    return PRETRAINED / name
