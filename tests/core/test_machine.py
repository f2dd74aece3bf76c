"""What the package asks of the machine: torch is tuned, and a user who has done so already is not overruled."""

import os
import subprocess
import sys
import time

import pytest
import torch

from asrlab.core import machine
from asrlab.core.errors import AsrlabError

TUNED = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "THP_MEM_ALLOC_ENABLE")


@pytest.mark.parametrize("name", TUNED)
@pytest.mark.parametrize("own", [None, "7"])
def test_torch_is_tuned_before_it_computes_unless_the_user_has_done_so(name, own):
    environment = {key: value for key, value in os.environ.items() if key != name}
    code = f"import asrlab, os; print(os.environ[{name!r}])"
    run = [sys.executable, "-c", code]
    seen = subprocess.run(
        run, env=environment | ({name: own} if own else {}), capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == own if own else int(seen.stdout) > 0


@pytest.fixture
def free(monkeypatch):
    """Four cores, nobody who asked for a number of threads, and torch's own number back at the end."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(machine, "cores", lambda: 4)
    yield monkeypatch
    torch.set_num_threads(before)


@pytest.mark.parametrize(("busy", "expected"), [(False, 4), (True, 1)])
def test_the_faster_number_of_threads_is_found(free, busy, expected):
    def work():  # on a busy machine several threads wait for each other
        time.sleep(0.004 if (torch.get_num_threads() > 1) == busy else 0.001)

    told = machine.settle_threads(work=work)
    assert torch.get_num_threads() == expected
    assert told.startswith(f"{expected} thread")
    assert (float(told.split("take ")[1].split()[0]) > 1) == busy


def test_who_asks_is_heard(free):
    assert machine.settle_threads(3) == "3 threads, as asked"
    assert torch.get_num_threads() == 3
    free.setenv("OMP_NUM_THREADS", "2")
    assert machine.settle_threads() == "2 threads, as OMP_NUM_THREADS says"
    assert torch.get_num_threads() == 2
    assert machine.settle_threads(1) == "1 thread, as asked"
    for bad in (0, -1, 5000):
        with pytest.raises(AsrlabError, match=f"{bad} threads: give 1 to 1024"):
            machine.settle_threads(bad)
    free.delenv("OMP_NUM_THREADS")
    free.setattr(machine, "cores", lambda: 1)
    assert machine.settle_threads() == "1 thread: there is one core"
