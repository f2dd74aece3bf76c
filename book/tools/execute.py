"""Execute the notebooks of the book, several at a time, into the cache that the page build then reads.

The page build would execute them too, but one after the other, looking at the code cells only. Here a notebook also
runs again when a module of asrlab that it imported, a file of the project that it opened, or a folder of receipts that
it looked into, is no longer the same: no page shows what older code computed.
"""

import contextlib
import functools
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import is_myst_markdown_notebook, myst_nb_reader_plugin
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from sphinx_external_toc.parsing import parse_toc_yaml

from asrlab.core.machine import cores

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "execution"  # _config.yml names the same folder
DURATIONS = "durations.json"  # in the cache: the seconds that each page took when it last ran
WATCHED = ("asrlab", "benchmarks", "book")  # where a changed file means that a notebook which read it is out of date
RECEIPTS = "benchmarks"  # where a new file counts too; elsewhere it is Python that looks into folders, for modules
TIMEOUT = 1200  # seconds that one cell may take; the longest waits for a training that another page began
QUIET = ["--IPKernelApp.log_level=ERROR"]  # a kernel on this machine need not warn that its traffic is not encrypted
MAX_WORKERS = 4  # a kernel with torch holds about half a gigabyte
BUILDING = {"ASRLAB_BOOK": "1"}  # in a kernel of the build: a lab shows a recording of itself

# Two cells that run before and after the page's own; sys keeps the sets, so that the page's names stay its own.
START_RECORDING = """
import sys
sys._opened, sys._listed = set(), set()
def _record(event, args, opened=sys._opened, listed=sys._listed):
    if event == "open":
        opened.add(str(args[0]))
    elif event in ("os.listdir", "os.scandir"):
        listed.add(str(args[0] or "."))
sys.addaudithook(_record)
del sys, _record
"""
WHAT_WAS_READ = """
import json, sys
imported = {str(getattr(module, "__file__", None)) for module in list(sys.modules.values())}
print(json.dumps({"files": sorted(sys._opened | imported), "folders": sorted(sys._listed)}))
"""


def pages() -> list:
    """The source files of the table of contents, in its order."""
    site_map = parse_toc_yaml(ROOT / "_toc.yml")
    return [ROOT / f"{name}.md" for name in site_map if (ROOT / f"{name}.md").exists()]


def notebook_pages() -> list:
    return [path for path in pages() if is_myst_markdown_notebook(path.read_text(encoding="utf-8"))]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"


def listing(folder: Path) -> str:
    """Hash of the names of a folder's JSON files: a new receipt is one more."""
    names = sorted(path.name for path in folder.glob("*.json"))
    return hashlib.sha256("\0".join(names).encode()).hexdigest()


def digest(name: str) -> str:
    """Of a file of the project, or of a folder, whose name ends in a slash."""
    return listing(ROOT / name) if name.endswith("/") else sha256(ROOT / name)


def inside(names: list, page: Path) -> list:
    """The names that lie in the watched part of the project, from its folder; relative ones start at the page's."""
    paths = {(page.parent / name).resolve() for name in names}
    within = sorted(path.relative_to(ROOT) for path in paths if path.is_relative_to(ROOT))
    return [path for path in within if path.parts and path.parts[0] in WATCHED and "__pycache__" not in path.parts]


def project_files(names: list, page: Path, folders: "list | None" = None) -> dict:
    """Hash of each file of the project among the names, and of each folder with receipts."""
    files = {path.as_posix(): sha256(ROOT / path) for path in inside(names, page) if (ROOT / path).is_file()}
    receipts = [path for path in inside(folders or [], page) if path.parts[0] == RECEIPTS]
    return files | {f"{path.as_posix()}/": listing(ROOT / path) for path in receipts}


def run(page: Path, notebook, threads: int) -> dict:
    """Execute in place, in the page's own folder; returns the seconds that it took and the files that it read."""
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
    started = time.monotonic()
    notebook.cells = [new_code_cell(START_RECORDING), *notebook.cells, new_code_cell(WHAT_WAS_READ)]
    folder = {"metadata": {"path": str(page.parent)}}
    # The times of the cells would enter their metadata, and with it the hash by which the page build looks them up.
    client = NotebookClient(notebook, timeout=TIMEOUT, resources=folder, extra_arguments=QUIET, record_timing=False)
    client.execute(env={**os.environ, **limits, **BUILDING})
    _, *notebook.cells, last = notebook.cells
    names = json.loads(last.outputs[0]["text"])
    read = project_files(names["files"], page, names["folders"])
    return {"execution_seconds": time.monotonic() - started, "read": read}


def is_current(record, now: Callable[[str], str] = digest) -> bool:
    """`now` says the hash of a file or folder at present; many pages have read the same ones."""
    return all(now(name) == before for name, before in record.data.get("read", {}).items())


def stale(cache) -> dict:
    """The notebooks to execute: page -> notebook."""
    todo, now = {}, functools.lru_cache(None)(digest)
    for page in notebook_pages():
        notebook = myst_nb_reader_plugin(str(page))
        try:
            record = cache.match_cache_notebook(notebook)
        except KeyError:
            todo[page] = notebook
            continue
        if not is_current(record, now):
            cache.remove_cache(record.pk)
            todo[page] = notebook
    return todo


def versions(cache) -> dict:
    """Page -> what names the execution that the cache holds of it; it changes when the page was executed again."""
    records = sorted(cache.list_cache_records(), key=lambda record: record.pk)
    return {os.path.relpath(record.uri, ROOT): f"{record.pk} {record.created}" for record in records}


def known_durations(folder: Path) -> dict:
    with contextlib.suppress(OSError, ValueError):
        return json.loads((folder / DURATIONS).read_text(encoding="utf-8"))
    return {}


def in_order(todo: dict, seconds: dict) -> list:
    """The longest first, so that none is left at the end. A page of which nothing is known may be long: before them."""
    return sorted(todo, key=lambda page: -seconds.get(name_of(page), float("inf")))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).with_suffix("").as_posix()


def execute(todo: dict, cache, folder: Path) -> dict:
    """Run the notebooks and put them into the cache, which lies in the folder; returns the seconds of each page."""
    seconds, failed = known_durations(folder), []
    workers = max(1, min(cores(), MAX_WORKERS, len(todo)))
    threads = max(1, cores() // workers)
    taken = {}
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(run, page, todo[page], threads): page for page in in_order(todo, seconds)}
        for job in as_completed(jobs):
            page, name = jobs[job], jobs[job].relative_to(ROOT)
            if job.exception():
                failed.append(name)
                print(f"{name}: {type(job.exception()).__name__}: {job.exception()}", file=sys.stderr, flush=True)
                continue
            bundle = CacheBundleIn(todo[page], str(page), data=job.result())
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            taken[name_of(page)] = job.result()["execution_seconds"]
            print(f"  {name}: {taken[name_of(page)]:.1f} s", flush=True)
    (folder / DURATIONS).write_text(json.dumps(seconds | taken, indent=1), encoding="utf-8")
    if failed:
        sys.exit("Notebooks that failed (messages above): " + ", ".join(map(str, failed)))
    return taken


def main(prepare: Callable[[], None] = lambda: None) -> dict:
    """Execute what is out of date, after `prepare()` if anything is; returns what `versions` returns."""
    cache = get_cache(CACHE)
    todo = stale(cache)
    if todo:
        prepare()
        execute(todo, cache, CACHE)
    return versions(cache)


if __name__ == "__main__":
    main()
