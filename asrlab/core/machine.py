"""What this process may use of the machine."""

import os
import time
from collections.abc import Callable
from statistics import median

from asrlab.core.errors import AsrlabError

TRIALS = 7  # of each number of threads, by turns: medians of them shrug off what other programs do meanwhile
WORTH = 0.95  # several threads are chosen where they take less than this share of one thread's time


def cores() -> int:
    """Cores that this process may use: fewer than the machine has, in a container or under taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settle_threads(wanted: int | None = None, work: Callable[[], object] | None = None) -> str:
    """Set how many threads torch computes with, and say in a sentence how many and why.

    wanted  a number of threads; by default what OMP_NUM_THREADS says, or else one or one a core, whichever is faster
            now: where other programs keep the cores busy, threads wait for each other and several are slower than one
    work    what is timed, by default matrix products as in a small encoder

    Raises AsrlabError for a number that is not from 1 to 1024.
    """
    import torch  # only who computes waits for it

    if wanted is not None:
        if not 1 <= wanted <= 1024:
            raise AsrlabError(f"{wanted} threads: give 1 to 1024")
        torch.set_num_threads(wanted)
        return f"{_threads(wanted)}, as asked"
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said) >= 1:
        torch.set_num_threads(int(said))
        return f"{_threads(int(said))}, as OMP_NUM_THREADS says"
    most = cores()
    if most == 1:
        torch.set_num_threads(1)
        return "1 thread: there is one core"
    one, all_of_them = _seconds((1, most), work or _encoder_like())
    faster = most if all_of_them < WORTH * one else 1
    torch.set_num_threads(faster)
    return f"{_threads(faster)}: {_threads(most)} take {all_of_them / one:.2f} times as long as one"


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count > 1 else "")


def _seconds(counts: tuple[int, ...], work: Callable[[], object]) -> list[float]:
    """Median seconds of the work with each number of threads, tried by turns."""
    import torch

    taken: dict[int, list[float]] = {count: [] for count in counts}
    for trial in range(TRIALS + 1):  # the first warms up
        for count in counts:
            torch.set_num_threads(count)
            began = time.perf_counter()
            work()
            if trial:
                taken[count].append(time.perf_counter() - began)
    return [median(taken[count]) for count in counts]


def _encoder_like() -> Callable[[], object]:
    """Forward and backward through a few layers of the size of a small recogniser's."""
    import torch

    x = torch.zeros(8, 250, 192)
    layers = torch.nn.Sequential(*[torch.nn.Linear(192, 192) for _ in range(6)])
    return lambda: layers(x).sum().backward()
