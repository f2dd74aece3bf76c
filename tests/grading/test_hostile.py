"""Notebooks that are broken, careless or hostile: each gets its message, none a point, and none harms or hangs."""

import os
import signal
import socket
import subprocess
import sys
import time

import notebooks
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.grading import values
from asrlab.grading.exercise import exercise_set
from asrlab.grading.grade import grade
from asrlab.grading.sandbox import Limits, launcher

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the sandbox needs Linux or macOS")
GROUP = exercise_set("3-mathematics")
QUICK = Limits(cell_seconds=3, call_seconds=1.5, memory=1 << 30, disk=8 << 20)
READ = "[k for t, k in enumerate(path) if k != blank and (t == 0 or k != path[t-1])]"
RIGHT = f"def collapse(path, blank=0):\n    return {READ}\n"


def graded(tmp_path, *cells, limits=QUICK, **options):
    """The verdict on ctc.collapse, and the whole grade."""
    path = notebooks.write(tmp_path / "x.ipynb", ["import numpy as np", *cells], GROUP.name)
    grade_ = grade(path, limits=limits, **options)
    return next(verdict for verdict in grade_.verdicts if verdict.exercise == "ctc.collapse"), grade_


def body(*lines):
    """A collapse() of these lines."""
    return "def collapse(path, blank=0):\n" + "".join(f"    {line}\n" for line in lines)


CASES = {  # what the notebook holds -> (kind, words of the message)
    "empty": ([""], "missing", "No cell defines a function collapse"),
    "renamed": ([RIGHT.replace("collapse", "colapse")], "missing", "keep the name"),
    "no function": (["collapse = 3"], "missing", "No cell defines"),
    "a class": (["class collapse: pass"], "error", "TypeError"),
    "stub": ([body("raise NotImplementedError()")], "stub", "Not written yet"),
    "syntax": (["def collapse(path, blank=0)\n    return []"], "syntax", "not valid Python (line 1 of the cell)"),
    "out of order": (
        [f"ready = np.arange(limit)\n{RIGHT}", "limit = 3"], "error", "It is defined in cell 3, further down",
    ),
    "a missing name": ([body("return merge(path)")], "error", "NameError: name 'merge' is not defined"),
    "no argument": (["def collapse():\n    return []"], "error", "TypeError"),
    "returns nothing": ([body("list(path)")], "none", "is a `return` missing"),
    "wrong type": ([body("return 'text'")], "type", "It returned a text"),
    "a generator": ([body("return (k for k in path)")], "type", "a value of the type generator"),
    "an object": ([body("return object()")], "type", "a value of the type object"),
    "wrong shape": ([body("return np.zeros((2, 2))")], "shape", "the shape (2, 2)"),
    "NaN": ([body(f"return [float('nan')] * len({READ})")], "nan", "It returned NaN"),
    "a huge number": ([body("return 10 ** 400")], "type", "more than 63 bits"),
    "lists within lists": ([body("x = []", "x.append(x)", "return x")], "type", "deep"),
    "changes its input": ([body("path = path.sort() or path", "return path")], "changed", "changed its input"),
    "reads the keyboard": ([body("return input('text? ')")], "input", "waits for a keyboard"),
    "an endless loop": ([body("while True: pass")], "time", "an endless loop"),
    "an endless loop in a cell": (["while True: pass", RIGHT.replace("!= blank", "== blank")], "shape", ""),
    "endless loops in three cells": (["while True: pass"] * 3, "time", "Cells [2, 3, 4]"),
    "a function in an endless cell": ([f"{RIGHT}\nwhile True: pass"], "time", "Cell 2 was left out"),
    "recursion": ([body("return collapse(path)")], "recursion", "calls itself without end"),
    "gigabytes": ([body("return np.ones(2_000_000_000)")], "memory", "more memory"),
    "gigabytes of a list": ([body("x = [0]", "while True: x += x")], ("memory", "time"), ""),  # whichever comes first
    "a flood of files": (
        [body("for k in range(10**9): open(f'f{k}', 'w').write('x' * 10**6)")], "disk", "MB into files",
    ),
    "one huge file": ([body("open('f', 'w').write('x' * 10**8)", "return []")], ("error", "disk", "time"), ""),
    "a flood of text": ([body("while True: print('x' * 10**6)")], "time", "an endless loop"),
    "a value of 100 MB": ([body("return np.zeros(13_000_000)")], "protocol", "more than 64000000"),
    "exit": ([body("exit(0)")], "exit", "calls exit()"),
    "sys.exit": ([body("import sys", "sys.exit(0)")], "exit", "calls exit()"),
    "os._exit": ([body("import os", "os._exit(0)")], "ended", "ended the Python process"),
    "os._exit in a cell": (["import os\nos._exit(0)", body("return 1")], "shape", ""),
    "a crash": ([body("import os", "os.abort()")], "crashed", "The Python process crashed"),
    "KeyboardInterrupt": ([body("raise KeyboardInterrupt")], "error", "KeyboardInterrupt"),
    "an exception that lies": (
        ["class Liar(Exception):\n    def __str__(self): raise ValueError", body("raise Liar")],
        "error", "cannot be shown",
    ),
    "everything equals": (
        ["class Yes(list):\n    def __eq__(self, other): return True\n    def __len__(self): return 3",
         body("return Yes([7])")],
        "shape", "",
    ),
    "an int that lies": (
        ["class One(int):\n    def __eq__(self, o): return True", body("return [One(7)]")], "shape", "",
    ),
    "a forged report": ([body("print('ctc.collapse: passed, 5 of 5 points')", "return 0")], "shape", ""),
    "patched numpy": (["np.isnan = np.allclose = np.isclose = lambda *a, **k: True", body("return [7]")], "shape", ""),
    "a rewritten grader": (
        ["import asrlab.grading\nasrlab.grading.judge = lambda *a: True\n"
         "import asrlab.grading.compare as c\nc.difference = lambda *a: None", body("return [7]")], "shape", "",
    ),
    "the package's own answer": (
        [body("from asrlab.scratch import ctc", "return ctc.collapse(path, blank)")], "forbidden", "asrlab.scratch.ctc",
    ),
    "the answer under another name": (
        ["from asrlab.scratch.ctc import collapse as solved", body("return solved(path, blank)")], "forbidden",
        "asrlab.scratch.ctc.collapse",
    ),
    "the answer through a helper": (
        ["import asrlab.decode.greedy as helper", "def other(path): return helper.anything(path)",
         body("return other(path)")],
        "forbidden", "asrlab.decode.greedy",
    ),
    "the answer by a hidden import": (
        [body("m = __import__('asrlab.scr' + 'atch.ctc', fromlist=['x'])", "return m.collapse(path, blank)")],
        "forbidden", "",
    ),
    "the answers of the grader": (
        [body("import asrlab.grading.sets.mathematics as m", "return m.collapse_by_loop(path, blank)")],
        "forbidden", "",
    ),
    "the watch switched off": (
        [body("import sys", "sys.setprofile(None)", f"return {READ}")], "forbidden", "sys.setprofile",
    ),
    "a forged message": (
        [body("import os", "for d in range(3, 20):", "    try: os.write(d, b'\\0' * 64)", "    except OSError: pass",
              "return []")], "protocol", "no answer",
    ),
    "a message of terabytes": (
        [body("import os", "for d in range(3, 20):", "    try: os.write(d, (2**60).to_bytes(8, 'big'))",
              "    except OSError: pass", "return []")], "protocol", "too long",
    ),
    "closed descriptors": ([body("import os", "os.closerange(3, 200)", "return []")], ("ended", "crashed"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_gets_its_message_and_no_point(tmp_path, name):
    cells, kinds, words = CASES[name]
    started = time.monotonic()
    verdict, whole = graded(tmp_path, *cells)
    assert verdict.kind in ([kinds] if isinstance(kinds, str) else kinds), verdict
    assert words in verdict.message, verdict
    assert not verdict.passed and whole.points == 0
    assert time.monotonic() - started < 60


def test_a_cell_that_hangs_or_ends_the_process_costs_only_itself(tmp_path):
    verdict, whole = graded(tmp_path, "while True: pass", "import os\nos._exit(3)", RIGHT)
    assert verdict.passed
    assert "endless loop" in whole.cells[2] and "ended the Python process" in whole.cells[3]


def test_other_functions_may_be_compared_with_but_not_used(tmp_path):
    verdict, whole = graded(
        tmp_path, "from asrlab.grading import check, hint\nfrom asrlab.scratch import ctc", RIGHT,
        "check('ctc.collapse', collapse)\nassert not check('ctc.collapse', collapse)",
    )  # fmt: skip
    assert verdict.passed and whole.cells == {}


def test_magics_displays_and_figures_are_no_error(tmp_path):
    verdict, whole = graded(
        tmp_path, "%matplotlib inline\n!ls\nimport math", "%%bash\nrm -rf /", "display(3)", RIGHT,
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])", limits=Limits(),
    )  # fmt: skip
    assert verdict.passed and whole.cells == {}
    assert [len(found) for found in whole.figures.values()].count(1) == 1


# --- walls ----------------------------------------------------------------------------------------

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filters are Linux's")


@pytest.fixture
def walls(tmp_path):
    """Which walls this machine has."""
    return graded(tmp_path, RIGHT)[1].in_force


def refusal_of(tmp_path, *lines):
    """What the function met: it returns the name of the exception, which the verdict shows."""
    tried = [f"    {line}" for line in lines]
    code = body("try:", *tried, "except BaseException as error:", "    raise ValueError(f'met {type(error).__name__}')",
                "raise ValueError('met nothing')")  # fmt: skip
    return graded(tmp_path, code)[0].message


@linux
@pytest.mark.parametrize(
    "lines",
    [
        ("import os", "os.fork()"),
        ("import subprocess", "subprocess.run(['true'])"),
        ("import os", "os.posix_spawn('/bin/true', ['true'], {})"),
        ("import os", "os.execv('/bin/true', ['true'])"),
        ("import socket", "socket.socket()"),
        ("import socket", "socket.create_connection(('127.0.0.1', 9), 1)"),
        ("import os", "os.kill(os.getppid(), 0)"),
        ("import os, resource", "resource.prlimit(os.getppid(), resource.RLIMIT_CPU)"),
    ],
    ids=lambda lines: lines[-1],
)
def test_no_process_no_network_no_signal(tmp_path, walls, lines):
    if not walls["calls"]:
        pytest.skip("this kernel has no seccomp filter for us")
    message = refusal_of(tmp_path, *lines)
    assert any(f"met {name}" in message for name in ("PermissionError", "OSError", "BlockingIOError", "gaierror")) or (
        "forbidden" in message or "which would do" in message
    ), message
    assert "met nothing" not in message


@linux
def test_a_fork_bomb_makes_no_process(tmp_path, walls):
    if not walls["calls"]:
        pytest.skip("this kernel has no seccomp filter for us")
    verdict, _ = graded(tmp_path, body("import os", "while True:", "    os.fork()"))
    assert verdict.kind == "error" and "PermissionError" in verdict.message


@linux
def test_files_of_others_can_be_neither_read_nor_written(tmp_path, walls):
    if not walls["files"]:
        pytest.skip("this kernel has no Landlock")
    secret = tmp_path / "secret.txt"
    secret.write_text("seed 12345")
    assert "met PermissionError" in refusal_of(tmp_path, f"open({str(secret)!r}).read()")
    assert "met PermissionError" in refusal_of(tmp_path, f"open({str(tmp_path / 'new')!r}, 'w')")
    assert "met PermissionError" in refusal_of(tmp_path, "import os", f"os.unlink({str(secret)!r})")
    assert "met PermissionError" in refusal_of(tmp_path, "import os", f"os.truncate({str(secret)!r}, 0)")
    from asrlab.grading.sets import mathematics

    assert "met PermissionError" in refusal_of(tmp_path, f"open({mathematics.__file__!r}).read()")
    assert secret.read_text() == "seed 12345" and not (tmp_path / "new").exists()
    assert "met nothing" in refusal_of(
        tmp_path, "open('mine.txt', 'w').write('x')", "assert open('mine.txt').read() == 'x'"
    )


def test_the_environment_is_empty_and_the_folder_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "12345")
    verdict, _ = graded(tmp_path, body("import os", "raise ValueError(sorted(os.environ), os.getcwd())"))
    assert "SECRET_TOKEN" not in verdict.message
    folder = verdict.message.split("'/")[1].split("'")[0]
    assert "asrlab-grade-" in folder and not os.path.exists("/" + folder)


def test_no_process_is_left(tmp_path):
    threads = "import threading\nfor k in range(3): threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()"
    graded(tmp_path, threads, body("while True: pass"))
    listed = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True).stdout
    assert not [line for line in listed.splitlines() if line.split()[0] == str(os.getpid()) and "child.py" in line]


def test_a_sandbox_that_cannot_be_had_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AsrlabError, match="apt-get install bubblewrap"):
        launcher("bwrap")
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(AsrlabError, match=r"uid map: Permission denied.*AppArmor"):
        launcher("bwrap")
    with pytest.raises(AsrlabError, match="not known"):
        launcher("chroot")


def test_in_bubblewrap_the_same_notebook_gets_the_same(tmp_path):
    try:
        wrapper = launcher("bwrap")
    except AsrlabError as error:
        pytest.skip(str(error))
    verdict, whole = graded(tmp_path, RIGHT, wrapper=wrapper)
    assert verdict.passed and whole.in_force["limits"]


# --- the format -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        b"", b"[]", b"3", b"{}", b'{"arrays": 3}', b'{"arrays": [{}]}', b'{"arrays": [{"dtype": "O", "shape": [1]}]}',
        b'{"arrays": [{"dtype": "<f8", "shape": [-1]}]}', b'{"arrays": [{"dtype": "<f8", "shape": [99999999999]}]}',
        b'{"arrays": [{"dtype": "<f8", "shape": [100000, 100000]}]}', b'{"arrays": [{"dtype": "<f8", "shape": "x"}]}',
        b"[" * 100_000, b'{"arrays": [], "value": ' + b"9" * 5_000 + b"}",
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_message_is_refused(header):
    with pytest.raises(values.ValueRefused):
        values.read_header(header)


@pytest.mark.parametrize(
    "tree", [{"array": 3}, {"items": 3}, {"items": [[[], 1]]}, {}, [[[[[[[[[[[{}]]]]]]]]]]], 2**70]
)
def test_a_value_that_is_none_is_refused(tree):
    with pytest.raises(values.ValueRefused):
        values.read_value({"arrays": [], "value": tree}, b"")


def test_signals_and_sockets_of_this_process_still_work():
    """The walls stand around the child only."""
    assert signal.getsignal(signal.SIGINT) is not None
    socket.socket().close()
