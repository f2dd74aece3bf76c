"""Run a learner's notebook in a process of its own, and call its functions from here.

Inputs go in and arrays come back as bytes (values.py); the expected results never leave this process. The other one has
an empty environment, a temporary folder, limits, and where the system allows it no network, no other processes and no
files but Python's (confine.py). When it dies or hangs, a new one begins, without the cell that was to blame.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asrlab.core.errors import AsrlabError
from asrlab.core.sources import PACKAGE
from asrlab.grading import values
from asrlab.grading.exercise import Exercise
from asrlab.grading.judge import Fault, Reply
from asrlab.grading.notebook import Notebook, defined_later

HIDDEN = ("asrlab.grading", "asrlab.scratch")  # they hold answers
SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/dev/random", "/dev/zero",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu",
)  # fmt: skip
ENVIRONMENT = {"LANG": "C.UTF-8", "MPLBACKEND": "Agg"}
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
TICK = 0.1  # seconds between two looks at the clock and at the temporary folder
MAX_BAD_CELLS = 2


@dataclass(frozen=True)
class Limits:
    """What a submission may use."""

    cell_seconds: float = 20.0  # of one cell
    call_seconds: float = 10.0  # of one exercise, all of its inputs
    memory: int = 4 << 30  # bytes of address space
    disk: int = 64 << 20  # bytes in the temporary folder
    files: int = 2_000  # in it


Wrapper = Callable[[Path], list[str]]  # the words that come before the command of the child


class Died(Exception):
    """The process ended, or was ended. kind: "time", "disk", "ended", "crashed", "protocol"."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind, self.message = kind, message


# --- the process ----------------------------------------------------------------------------------


class Process:
    """A child that speaks the messages of values.py over its standard input and output."""

    def __init__(self, wrapper: Sequence[str], folder: Path, limits: Limits):
        self.folder, self.limits = folder, limits
        environment = {**ENVIRONMENT, **dict.fromkeys(ONE_THREAD, "1"), "HOME": str(folder), "TMPDIR": str(folder)}
        command = [*wrapper, sys.executable, "-I", "-B", str(Path(__file__).with_name("child.py"))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            cwd=folder, start_new_session=True, bufsize=0,
        )  # fmt: skip
        assert self.process.stdin is not None and self.process.stdout is not None  # both are pipes
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        for stream in (self.stdin, self.stdout):
            os.set_blocking(stream.fileno(), False)

    def send(self, header: dict[str, Any], value: Any, until: float) -> None:
        data = memoryview(values.encode(header, value))
        while data:
            self._wait(until, writing=True)
            try:
                data = data[os.write(self.stdin.fileno(), data) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._death() from None

    def receive(self, until: float) -> tuple[dict[str, Any], Any]:
        """(header, value). Raises Died when the time is over, the process has ended, or what came is no message."""
        try:
            (length,) = values.LENGTH.unpack(self._exactly(values.LENGTH.size, until))
            if length > values.MAX_HEADER:
                raise values.ValueRefused("a message that is too long")
            header, size = values.read_header(self._exactly(length, until))
            return header, values.read_value(header, self._exactly(size, until))
        except values.ValueRefused as refusal:
            raise Died(
                "protocol", f"The process that ran your code sent something that is no answer: {refusal}."
            ) from None

    def _exactly(self, size: int, until: float) -> bytes:
        parts = []
        while size:
            self._wait(until)
            try:
                part = os.read(self.stdout.fileno(), min(size, 1 << 20))
            except BlockingIOError:
                continue
            if not part:
                raise self._death()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _wait(self, until: float, writing: bool = False) -> None:
        """Until there is something to read, or room to write."""
        reading = [] if writing else [self.stdout]
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise Died("time", "")
            if any(select.select(reading, [self.stdin] if writing else [], [], min(left, TICK))):
                return
            if not within(self.folder, self.limits):
                raise Died("disk", f"It wrote more than {self.limits.disk >> 20} MB into files.")

    def _death(self) -> Died:
        try:
            code = self.process.wait(2)
        except subprocess.TimeoutExpired:
            return Died("ended", "It closed its connection: leave the descriptors of the process alone.")
        if code >= 0:
            return Died("ended", "It ended the Python process (os._exit?): return an answer instead.")
        names: dict[int, str] = {signal.SIGXCPU: "time", signal.SIGXFSZ: "disk"}
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return Died(names.get(-code, "crashed"), f"The Python process crashed ({name}).")

    def end(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        self.stdin.close()
        self.stdout.close()


def within(folder: Path, limits: Limits) -> bool:
    """Does a folder hold no more than it may?"""
    total = count = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
                    if total > limits.disk or count > limits.files:
                        return False
        except OSError:
            continue
    return True


# --- the notebook in it ---------------------------------------------------------------------------


class Session:
    """A notebook, run from top to bottom; then `call` asks its functions. A context manager."""

    def __init__(self, notebook: Notebook, limits: Limits | None = None, wrapper: Wrapper | None = None):
        self.notebook, self.limits = notebook, limits or Limits()
        self.wrapper = wrapper or plain_process
        self.faults: dict[int, Fault] = {}  # cell -> what went wrong in it
        self.left_out: set[int] = set()  # cells that ended or hung the process
        self.figures: dict[int, list[str]] = {}  # cell -> pictures, PNG in base64
        self.in_force: dict[str, bool] = {}
        self.process: Process | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="asrlab-grade-")).resolve()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        _remove(self.folder)

    def call(self, exercise: Exercise, arguments: tuple, until: float) -> Reply:
        """The notebook's answer to one input. Raises Fault, a fatal one where the process had to be ended."""
        self.prepare()
        assert self.process is not None
        request = {"event": "call", "function": exercise.function, "banned": exercise.banned}
        try:
            self.process.send(request, values.plain(list(arguments)), until)
            header, value = self.process.receive(until)
            error = header.get("error")
            if header.get("event") != "reply" or not (error is None or _is_error(error)):
                raise Died("protocol", "The process that ran your code sent something that is no answer.")
        except Died as death:
            self._end()
            message = death.message or (
                f"It took longer than {self.limits.call_seconds:g} s: an endless loop, or far more work than needed?"
            )
            raise Fault(death.kind, message, fatal=True) from None
        if error is None:
            if not (isinstance(value, list) and len(value) == 2):
                raise Fault("protocol", "The process that ran your code sent something that is no answer.", fatal=True)
            return Reply(*value)
        raise self._fault_of_call(exercise, error)

    def _fault_of_call(self, exercise: Exercise, error: dict) -> Fault:
        kind, text = error["kind"], error["text"]
        if kind == "missing":
            return self._missing(exercise)
        if kind == "forbidden":
            return Fault(kind, f"It calls {text}, which would do the exercise for you: write it yourself.", fatal=True)
        if kind == "type":
            return Fault(kind, f"It returned {text}; return numbers, lists or arrays.")
        return Fault(kind, said(error), fatal=kind in ("memory", "input", "exit"))

    def _missing(self, exercise: Exercise) -> Fault:
        """Why there is no function of this name."""
        name = exercise.function
        for cell in self.notebook.cells:
            if f"def {name}" in cell.source and cell.number in self.faults:
                fault = self.faults[cell.number]
                return Fault(
                    fault.kind, f"{name} is not there, because of cell {cell.number}. {fault.message}", fatal=True
                )
        return Fault(
            "missing", f"No cell defines a function {name}: keep the name that it has in the exercise.", fatal=True
        )

    def prepare(self) -> None:
        """Start the process and run the cells, unless that is done; twice more without a cell that ends it."""
        while self.process is None:
            if len(self.left_out) > MAX_BAD_CELLS:
                last = self.faults[max(self.left_out)]
                raise Fault(
                    last.kind, f"Cells {sorted(self.left_out)} end or hang the notebook. {last.message}", fatal=True
                )
            self._start()

    def _start(self) -> None:
        running = None
        try:
            self.process = Process(self.wrapper(self.folder), self.folder, self.limits)
            cells = [
                {"number": c.number, "source": c.source} for c in self.notebook.cells if c.number not in self.left_out
            ]
            until = time.monotonic() + self.limits.cell_seconds
            self.process.send({**confinement(self.folder, self.limits), "cells": cells}, None, until)
            while True:
                header, _ = self.process.receive(until)
                event = header.get("event")
                if event == "idle":
                    return
                if event == "ready":
                    self.in_force = {str(k): bool(v) for k, v in dict(header["in_force"]).items()}
                elif event == "begin":
                    running = int(header["number"])
                    until = time.monotonic() + self.limits.cell_seconds
                elif event == "cell":
                    self._note(int(header["number"]), header["error"], header["figures"])
                    running = None
        except (Died, KeyError, TypeError, ValueError) as error:
            self._end()
            death = error if isinstance(error, Died) else Died("protocol", "It sent something that is no message.")
            if running is None:
                raise Fault(death.kind, f"The notebook could not be run. {death.message}", fatal=True) from None
            message = death.message or f"It ran for more than {self.limits.cell_seconds:g} s: an endless loop?"
            self.faults[running] = Fault(death.kind, f"Cell {running} was left out. {message}")
            self.left_out.add(running)

    def _note(self, number: int, error: Any, figures: Any) -> None:
        if isinstance(figures, list):
            self.figures[number] = [one for one in figures if isinstance(one, str)]
        self.faults.pop(number, None)
        if error is None:
            return
        if not _is_error(error):
            raise ValueError(error)
        message = said(error)
        later = error["name"] and defined_later(self.notebook, error["name"], number)
        if later:
            message += (
                f" It is defined in cell {later}, further down: a notebook runs from the top. Restart the kernel, run"
                " all cells, and move what is needed up."
            )
        self.faults[number] = Fault(error["kind"], message)

    def _end(self) -> None:
        if self.process is not None:
            self.process.end()
            self.process = None
        for path in self.folder.iterdir():
            _remove(path)


def said(error: dict) -> str:
    """What the child tells of an exception, for people."""
    where = f" (line {error['line']} of the cell)" if error["line"] else ""
    kind, text = error["kind"], error["text"][:400]
    known = {
        "stub": "Not written yet: replace `raise NotImplementedError()` by your code.",
        "exit": f"It calls exit(){where}: return an answer instead.",
        "syntax": f"It is not valid Python{where}: {text}.",
        "memory": f"It needs more memory than it may have{where}: are the arrays far too large?",
        "recursion": f"It calls itself without end{where}: which input does it not call itself for?",
        "input": f"{text}{where}.",
    }
    return known.get(kind, f"{error['type']}: {text}{where}")


def _is_error(error: Any) -> bool:
    kinds: dict[str, Any] = {
        "kind": str,
        "type": str,
        "text": str,
        "line": (int, type(None)),
        "name": (str, type(None)),
    }
    return isinstance(error, dict) and all(isinstance(error.get(key), kind) for key, kind in kinds.items())


def _remove(path: Path) -> None:
    """Whatever the learner's code left, without following its links."""
    if path.is_dir() and not path.is_symlink():
        for folder, _, _ in os.walk(path):
            with contextlib.suppress(OSError):
                os.chmod(folder, 0o700)
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


# --- what it may see ------------------------------------------------------------------------------


def confinement(folder: Path, limits: Limits) -> dict[str, Any]:
    """What the child needs to know before it shuts itself in."""
    return {
        "folder": str(folder), "package": str(PACKAGE.parent), "hidden": HIDDEN,
        "readable": readable(hidden_paths()), "listable": [str(PACKAGE.parent), str(PACKAGE)],
        "writable": [str(folder), os.devnull],
        "memory": limits.memory, "file_bytes": limits.disk, "processor_seconds": 600,
    }  # fmt: skip


def hidden_paths() -> list[Path]:
    """The folders that hold answers."""
    return [PACKAGE.joinpath(*name.split(".")[1:]) for name in HIDDEN]


def readable(hidden: Sequence[Path]) -> list[str]:
    """The system's and Python's folders and the package, without the hidden ones."""
    paths = {
        *SYSTEM,
        sys.prefix,
        sys.base_prefix,
        *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    }
    found = [part for path in sorted(paths) for part in _without(Path(path).resolve(), hidden)]
    return sorted({str(path) for path in (*found, *_without(PACKAGE, hidden))})


def _without(path: Path, hidden: Sequence[Path]) -> list[Path]:
    """A folder, or if something in it is hidden, everything in it but that."""
    if path in hidden or not path.exists():
        return []
    if any(path in one.parents for one in hidden):
        return [part for child in path.iterdir() for part in _without(child, hidden)]
    return [path]


# --- ways to start it -----------------------------------------------------------------------------


def plain_process(folder: Path) -> list[str]:
    """No wrapper: the child shuts itself in as far as the system lets it."""
    return []


def bubblewrap(folder: Path) -> list[str]:
    """A name space of its own around the child: no network, no other process to be seen, no file but what it needs."""
    tools = [str(Path(__file__).with_name(name)) for name in ("child.py", "values.py", "confine.py")]
    paths = [path for path in (*readable(hidden_paths()), *tools) if not path.startswith(("/proc", "/dev"))]
    command = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
    for link in ("/bin", "/lib", "/lib64"):  # where they are links into /usr, the paths are those of /usr
        command += ["--symlink", os.readlink(link), link] if os.path.islink(link) else []
    for path in paths:
        command += ["--ro-bind", path, path]
    return [*command, "--proc", "/proc", "--dev", "/dev", "--bind", str(folder), str(folder), "--chdir", str(folder)]


SANDBOXES = ("process", "bwrap")


def launcher(name: str) -> Wrapper:
    """The way to start a child by its name. Raises AsrlabError with the remedy where it cannot be had here."""
    if os.name != "posix":
        raise AsrlabError(
            "asrlab grade needs Linux or macOS, whose limits it relies on; on Windows use WSL, or check()"
        )
    if name == "process":
        return plain_process
    if name != "bwrap":
        raise AsrlabError(f"sandbox {name!r}: not known; there are {', '.join(SANDBOXES)}")
    if shutil.which("bwrap") is None:
        raise AsrlabError("sandbox bwrap: not installed; on Debian and Ubuntu: apt-get install bubblewrap")
    probe = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    found = subprocess.run(probe, capture_output=True, text=True, timeout=20)
    if found.returncode:
        raise AsrlabError(
            f"sandbox bwrap: it cannot make a name space here ({found.stderr.strip()[:200]}). On Ubuntu 24.04 allow it"
            " with an AppArmor profile for bwrap, or: sysctl kernel.apparmor_restrict_unprivileged_userns=0. In Docker"
            " start the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined. Or"
            " grade on a machine of its own, with --sandbox process"
        )
    return bubblewrap
