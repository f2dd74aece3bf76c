"""How long each notebook of the book takes, all of them executed cold, as `make book` does it the first time.

    python -m benchmarks.notebooks [--out benchmarks/results/notebooks.json]

Nothing is reused: the cache of executions, the embedded corpus, the book's recogniser and numba's compiled functions
are made anew in a temporary folder. Several notebooks run side by side, and some of them wait for the training that
another one began, so the seconds of the pages add up to more than the total.

    seconds.PAGE     seconds that a page's notebook took, from the start of its kernel
    seconds.total    seconds from the first start to the last end
    seconds.corpus   seconds of that for making the embedded corpus, before the first notebook
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.scoring import receipt

ROOT = Path(__file__).resolve().parents[1]
FRESH = {"ASRLAB_CACHE": "asrlab", "NUMBA_CACHE_DIR": "numba"}  # variable -> folder below the temporary one


def measure(folder: Path) -> dict[str, float]:
    """Execute all notebooks with their caches in an empty folder; seconds by name."""
    sys.path.insert(0, str(ROOT / "book"))
    from jupyter_cache import get_cache
    from tools import execute

    from asrlab import corpora

    os.environ.update({name: str(folder / part) for name, part in FRESH.items()})
    os.environ.pop("ASRLAB_DATA", None)  # the book needs no recordings but its own
    began = time.perf_counter()
    corpora.prepare("scenetalk")
    corpus = time.perf_counter() - began
    cache = get_cache(folder / "execution")
    todo = execute.stale(cache)
    try:
        pages = execute.execute(todo, cache, folder / "execution")
    except SystemExit as error:
        raise AsrlabError(f"{error.code}; mend them, a receipt speaks of all notebooks") from None
    total = time.perf_counter() - began
    return {f"seconds.{page}": seconds for page, seconds in sorted(pages.items())} | {
        "seconds.corpus": corpus,
        "seconds.total": total,
    }


def main(arguments: list[str] | None = None) -> int:
    """Execute, print and write the receipt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "notebooks.json")
    options = parser.parse_args(arguments)
    commit = receipt.code_state()
    with tempfile.TemporaryDirectory() as folder:
        metrics = measure(Path(folder))
    for name, value in metrics.items():
        print(f"{name:48} {value:9.1f} s")
    command = ["python", "-m", "benchmarks.notebooks", *(sys.argv[1:] if arguments is None else arguments)]
    total = metrics["seconds.total"]
    receipt.write(options.out, "notebooks", command, metrics, wall_seconds=total, commit=commit)
    print(f"receipt: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
