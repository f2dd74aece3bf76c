"""How long each notebook takes, as its page says and the notebook itself, from receipts of `benchmarks.notebooks`.

benchmarks/results/notebooks.json was measured on a processor; notebooks.gpu.json, where there is one, with a GPU.
"""

import functools
import json
import re
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
RECEIPT = RESULTS / "notebooks.json"
GPU_RECEIPT = RESULTS / "notebooks.gpu.json"
NUMBERS = {"1": "one", "2": "two", "4": "four", "8": "eight"}


@functools.lru_cache(None)
def receipt(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def rounded(seconds: float) -> str:
    """Half a minute's pages to 5 s, longer ones to the minute: runs differ by more than that."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    return f"{round(seconds / 60)} min"


def where(device: str) -> str:
    """ "cpu, 2 cores, Some Processor" -> "on two CPU cores"; "gpu, 1 x Some GPU" -> "with one Some GPU"."""
    found = re.match(r"cpu, (\d+) cores?", device)
    if found:
        return f"on {NUMBERS.get(found[1], found[1])} CPU core{'s' if found[1] != '1' else ''}"
    return f"with {device.removeprefix('gpu, ').replace('1 x ', 'one ')}"


def line(page: str, paths: tuple = (RECEIPT, GPU_RECEIPT)) -> str:
    """ "This notebook takes about 20 s on two CPU cores", or "" where no receipt names the page."""
    parts = []
    for path in paths:
        seconds = receipt(path).get("metrics", {}).get(f"seconds.{page}")
        if seconds is not None:
            parts.append(f"about {rounded(seconds)} {where(receipt(path)['device'])}")
    return f"This notebook takes {', '.join(parts)}." if parts else ""
