"""Peers: an environment that is made once and whole or not at all, calls into it, and turns that are fair."""

import os
import subprocess
import time
import zipfile

import pytest

from asrlab.core.errors import AsrlabError
from benchmarks import peers


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A package of one line, so that the test needs no network."""
    path = tmp_path_factory.mktemp("wheel") / "lonely-1.0-py3-none-any.whl"
    about = "lonely-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lonely.py", "ANSWER = 42\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: lonely\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", f"lonely.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return path


def test_environment_is_made_once_answers_and_keeps_the_peculiar_out(wheel, tmp_path, monkeypatch):
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path))
    python = peers.peer_python("lonely", [str(wheel)])
    made = python.stat().st_mtime_ns
    began = time.perf_counter()
    assert peers.peer_python("lonely", [str(wheel)]) == python
    assert time.perf_counter() - began < 0.5
    assert python.stat().st_mtime_ns == made
    assert len(os.listdir(tmp_path / "peers")) == 1

    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, time\nimport lonely\nfrom serve import serve\n"
        "def ask(text):\n    print('noise')\n    os.system('echo more noise')\n    time.sleep(0.02)\n"
        "    return [text, lonely.ANSWER, os.environ['OMP_NUM_THREADS']]\n"
        "def has(name):\n    import importlib.util\n    return importlib.util.find_spec(name) is not None\n"
        "serve({'ask': ask, 'has': has, 'fail': lambda: 1 / 0, 'die': lambda: os._exit(3)})\n"
    )
    with peers.Peer(python, script, threads=2) as peer:
        assert peer("ask", text="Grüße 你好") == ["Grüße 你好", 42, "2"]
        assert 0.02 <= peer.seconds < 2
        assert 0.02 <= peer.timed("ask", text="x")() < 2
        assert peer("has", name="torch") is False
        with pytest.raises(AsrlabError, match="ZeroDivisionError"):
            peer("fail")
        assert peer("ask", text="y")[0] == "y"  # an error over there does not end it
        with pytest.raises(AsrlabError, match=r"ended \(3\) in die"):
            peer("die")


def test_failure_gives_the_reason_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path))
    with pytest.raises(AsrlabError, match=r"peer none: no environment with .*missing\.whl(.|\n)*ERROR"):
        peers.peer_python("none", [str(tmp_path / "missing.whl")])
    assert os.listdir(tmp_path / "peers") == []


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(AsrlabError, match="peer x"):
        peers.peer_python("x", [])


def test_cases_take_turns_in_changing_order():
    order = []
    cases = {name: lambda name=name: order.append(name) for name in "abc"}
    peers.interleave(cases, repeats=3, warmup=1)
    assert order == [*"abc", *"bca", *"cab", *"abc"]


def test_medians_are_of_the_counted_rounds():
    durations = iter([100, 5, 1, 3])
    assert peers.interleave({"a": lambda: peers.Seconds(next(durations))}, repeats=3, warmup=1) == {"a": 3}
    slept = peers.interleave({"a": lambda: time.sleep(0.01)}, repeats=3, warmup=0)
    assert 0.01 <= slept["a"] < 0.5
    with pytest.raises(AsrlabError, match="repeats=0"):
        peers.interleave({}, repeats=0)


def test_ratio_is_above_one_where_we_are_ahead():
    times = {"asrlab": 2, "slow": 6, "fast": 1}
    cases = {system: lambda seconds=seconds: peers.Seconds(seconds) for system, seconds in times.items()}
    assert peers.compare({"V=32": cases}, repeats=1) == {
        "seconds.asrlab.V=32": 2, "seconds.slow.V=32": 6, "seconds.fast.V=32": 1,
        "ratio.slow.V=32": 3, "ratio.fast.V=32": 0.5,
    }  # fmt: skip
    with pytest.raises(AsrlabError, match="asrlab is not among slow"):
        peers.compare({"x": {"slow": lambda: None}})


def test_a_shared_environment_sees_ours_behind_its_own(wheel, tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path))
    python = peers.peer_python("lonely", [str(wheel)], shared=True)
    look = "import importlib.util as u; print(u.find_spec('torch').origin); import lonely; print(lonely.__file__)"
    ours, own = subprocess.run([python, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert ours == torch.__file__
    assert str(tmp_path) in own
    alone = peers.peer_python("lonely", [str(wheel)])
    assert alone != python
    assert subprocess.run([alone, "-c", look], capture_output=True).returncode == 1
