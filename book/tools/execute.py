"""Execute the notebooks of the book, several at a time, into the cache that the page build then reads.

The page build would execute them too, but one after the other, looking at the code cells only. Here a notebook also
runs again when a module of asrlab that it imported, or a file of the project that it opened, is no longer the same: no
page shows what older code computed.
"""

import hashlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import is_myst_markdown_notebook, myst_nb_reader_plugin
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "execution"  # _config.yml names the same folder
WATCHED = ("asrlab", "benchmarks", "book")  # where a changed file means that a notebook which read it is out of date
TIMEOUT = 1200  # seconds that one cell may take; the longest waits for a training that another page began
QUIET = ["--IPKernelApp.log_level=ERROR"]  # a kernel on this machine need not warn that its traffic is not encrypted
MAX_WORKERS = 4  # a kernel with torch holds about half a gigabyte

# Two cells that run before and after the page's own; sys keeps the set, so that the page's names stay its own.
START_RECORDING = """
import sys
sys._opened = set()
sys.addaudithook(lambda event, args, opened=sys._opened: opened.add(str(args[0])) if event == "open" else None)
del sys
"""
WHAT_WAS_READ = """
import json, sys
imported = {str(getattr(module, "__file__", None)) for module in list(sys.modules.values())}
print(json.dumps(sorted(sys._opened | imported)))
"""


def pages() -> list:
    """The source files of the table of contents, in its order."""
    site_map = parse_toc_yaml(ROOT / "_toc.yml")
    return [ROOT / f"{name}.md" for name in site_map if (ROOT / f"{name}.md").exists()]


def notebook_pages() -> list:
    return [path for path in pages() if is_myst_markdown_notebook(path.read_text(encoding="utf-8"))]


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"


def project_files(names: list, page: Path) -> dict:
    """Hash of each file of the project among the names; relative ones start at the page's folder."""
    paths = {(page.parent / name).resolve() for name in names}
    inside = sorted(path.relative_to(ROOT) for path in paths if path.is_relative_to(ROOT) and path.is_file())
    kept = [path for path in inside if path.parts[0] in WATCHED and "__pycache__" not in path.parts]
    return {path.as_posix(): sha256(ROOT / path) for path in kept}


def run(page: Path, notebook, threads: int) -> dict:
    """Execute in place, in the page's own folder; returns the seconds that it took and the files that it read."""
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
    started = time.monotonic()
    notebook.cells = [new_code_cell(START_RECORDING), *notebook.cells, new_code_cell(WHAT_WAS_READ)]
    folder = {"metadata": {"path": str(page.parent)}}
    # The times of the cells would enter their metadata, and with it the hash by which the page build looks them up.
    client = NotebookClient(notebook, timeout=TIMEOUT, resources=folder, extra_arguments=QUIET, record_timing=False)
    client.execute(env={**os.environ, **limits})
    _, *notebook.cells, last = notebook.cells
    names = json.loads(last.outputs[0]["text"])
    return {"execution_seconds": time.monotonic() - started, "read": project_files(names, page)}


def is_current(record) -> bool:
    return all(sha256(ROOT / name) == digest for name, digest in record.data.get("read", {}).items())


def stale(cache) -> dict:
    """The notebooks to execute: page -> notebook."""
    todo = {}
    for page in notebook_pages():
        notebook = myst_nb_reader_plugin(str(page))
        try:
            record = cache.match_cache_notebook(notebook)
        except KeyError:
            todo[page] = notebook
            continue
        if not is_current(record):
            cache.remove_cache(record.pk)
            todo[page] = notebook
    return todo


def main() -> None:
    cache = get_cache(CACHE)
    todo, failed = stale(cache), []
    workers = max(1, min(cores(), MAX_WORKERS, len(todo)))
    threads = max(1, cores() // workers)
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(run, page, notebook, threads): page for page, notebook in todo.items()}
        for job in as_completed(jobs):
            page, name = jobs[job], jobs[job].relative_to(ROOT)
            if job.exception():
                failed.append(name)
                print(f"{name}: {type(job.exception()).__name__}: {job.exception()}", file=sys.stderr, flush=True)
                continue
            bundle = CacheBundleIn(todo[page], str(page), data=job.result())
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            print(f"  {name}: {job.result()['execution_seconds']:.1f} s", flush=True)
    if failed:
        sys.exit("Notebooks that failed (messages above): " + ", ".join(map(str, failed)))


if __name__ == "__main__":
    main()
