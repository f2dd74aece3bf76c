"""Machines that are taken away: a cluster sends SIGTERM, and some seconds later it kills.

Asked to stop, a training ends its step, writes down where it stands, and leaves; see `Preempted`.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import torch
from accelerate import Accelerator


@contextlib.contextmanager
def watched(accelerator: Accelerator) -> Iterator[Callable[[], bool]]:
    """Within, SIGTERM kills nothing; what is yielded says whether one has come, on any of the processes.

    All processes have to ask at the same moments, and all get the same answer, so that they leave together. In a thread
    that is not the main one, signals are not ours to handle and stay as they are.
    """
    asked: list[int] = []

    def agreed() -> bool:
        if accelerator.num_processes == 1:
            return bool(asked)
        votes = torch.tensor([len(asked)], device=accelerator.device)
        return bool(accelerator.reduce(votes).item())

    if threading.current_thread() is not threading.main_thread():
        yield agreed
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    try:
        yield agreed
    finally:
        signal.signal(signal.SIGTERM, before)
