"""Peers: other people's programs, each in an environment of its own, timed in turns with ours.

A peer may need versions that clash with the course's, or with another peer's: `peer_python` makes it a virtual
environment, once. `Peer` keeps a process alive in it that answers calls; `interleave` times both sides in one go.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.corpora import cache


class Seconds(float):
    """A duration that a case measured by itself, where the call around it (a process, a copy) is not to count."""


def peer_python(name: str, requirements: Sequence[str], shared: bool = False) -> Path:
    """The Python of a virtual environment with these requirements, made in the cache ($ASRLAB_CACHE) on first use.

    name          the peer's, for the folder and the messages
    requirements  what pip is to install: "pyctcdecode==0.5.0", "numpy<2", a path to a wheel
    shared        True: what is installed here can be imported there too, after the peer's own (so that torch is not
                  fetched a second time, and is the same on both sides)

    Other requirements, or another Python, make another environment. Raises AsrlabError with pip's own words if it
    fails; nothing is left then.
    """
    ours = sysconfig.get_path("purelib") if shared else ""
    made_of = [sorted(requirements), platform.python_version(), platform.platform()]
    key = json.dumps([*made_of, ours] if shared else made_of)
    folder = (cache() / "peers" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}").absolute()
    if not folder.exists():
        # Made beside and renamed: a kill leaves no half environment, and of two processes the second finds the first's.
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            _make(name, requirements, part, ours)
            os.replace(part, folder)
        except OSError as error:
            if not folder.exists():
                raise AsrlabError(f"{folder}: cannot be made ({error}); set ASRLAB_CACHE to another one") from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return _python(folder)


class Peer:
    """A process in a peer's environment that answers calls; use it in a `with` statement.

    python   from `peer_python`
    script   a file that ends in `serve({...})`, see benchmarks/serve.py
    threads  for OpenMP, MKL and OpenBLAS in that process
    """

    def __init__(self, python: Path, script: str | os.PathLike, threads: int = 1):
        self.script = Path(script)
        counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        here = str(Path(__file__).parent)
        self._process = subprocess.Popen(
            [str(python), str(self.script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            env={**os.environ, **counts, "PYTHONPATH": here, "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
        self.seconds = 0.0  # what the last call took on the other side

    def __call__(self, function: str, **arguments):
        """Call a function over there; arguments and result as JSON. Large arrays go through files."""
        try:
            self._process.stdin.write(json.dumps({"function": function, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            raise AsrlabError(f"{self.script.name}: the process ended ({code}) in {function}; see its output above")
        answer = json.loads(line)
        if "error" in answer:
            raise AsrlabError(f"{self.script.name}: {function} failed in the peer:\n{answer['error']}")
        self.seconds = answer["seconds"]
        return answer["result"]

    def timed(self, function: str, **arguments) -> Callable[[], Seconds]:
        """A case for `interleave`: the call's time as it was over there."""

        def case() -> Seconds:
            self(function, **arguments)
            return Seconds(self.seconds)

        return case

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def interleave(
    cases: Mapping[str, Callable], repeats: int = 7, warmup: int = 1, summary: Callable = statistics.median
) -> dict[str, float]:
    """The time of each case, seconds: {name: median}; or the least, with `summary=min`, on a machine that is busy.

    The cases take turns, in another order each round, so that what else the machine does falls on all of them
    alike. `warmup` rounds are not counted (compilation, caches). A case that returns `Seconds` has measured itself.
    """
    if repeats < 1:
        raise AsrlabError(f"repeats={repeats}; pass at least 1, for a receipt 5 or more")
    times: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for turn in range(warmup + repeats):
        shift = turn % max(1, len(names))
        for name in names[shift:] + names[:shift]:
            began = time.perf_counter()
            result = cases[name]()
            took = float(result) if isinstance(result, Seconds) else time.perf_counter() - began
            if turn >= warmup:
                times[name].append(took)
    return {name: summary(values) for name, values in times.items()}


def compare(
    cases: Mapping[str, Mapping[str, Callable]], ours: str = "asrlab", repeats: int = 7, warmup: int = 1
) -> dict[str, float]:
    """Metrics for a receipt: "seconds.<system>.<case>" and "ratio.<peer>.<case>", larger than 1 where we are ahead.

    cases  {case: {system: function}}, one of the systems being `ours`; the systems of a case are interleaved
    """
    metrics = {}
    for case, systems in cases.items():
        if ours not in systems:
            raise AsrlabError(f"case {case}: {ours} is not among {', '.join(systems)}; nothing to compare with")
        medians = interleave(systems, repeats, warmup)
        for system, median in medians.items():
            metrics[f"seconds.{system}.{case}"] = median
            if system != ours:
                metrics[f"ratio.{system}.{case}"] = median / medians[ours]
    return metrics


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _make(name: str, requirements: Sequence[str], folder: Path, shared: str = "") -> None:
    """A virtual environment, filled by the pip that runs here if it can (23 and later): unpacking a second is slow."""
    try:
        ours = int(metadata.version("pip").split(".")[0]) >= 23
    except metadata.PackageNotFoundError:
        ours = False
    _check(name, requirements, [sys.executable, "-m", "venv", *(["--without-pip"] if ours else []), str(folder)])
    if shared:  # before pip looks for what is there already
        (next(folder.rglob("site-packages")) / "shared.pth").write_text(shared + "\n", encoding="utf-8")
    if requirements:
        python = str(_python(folder))
        pip = [sys.executable, "-m", "pip", "--python", python] if ours else [python, "-m", "pip"]
        install = ["install", "--quiet", "--disable-pip-version-check", "--no-input"]
        _check(name, requirements, [*pip, *install, *requirements])


def _check(name: str, requirements: Sequence[str], command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        # What pip says last is the reason; addresses in it are the machine's own affair.
        said = re.sub(r"\S+://\S+", "(address)", done.stderr.strip() or done.stdout.strip())
        reason = "\n".join(line for line in said.splitlines()[-6:] if line.strip())
        raise AsrlabError(
            f"peer {name}: no environment with {', '.join(requirements)} on Python {platform.python_version()}; check"
            f" the network and the versions. The last words:\n{reason}"
        )
