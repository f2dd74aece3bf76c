"""Trains the toy undisturbed, and then again and again killed with `kill -9`: run by test_loop.py, in a process of its
own. Each training is a forked process; the imports are paid for once.

    python killed_training.py FOLDER      leaves FOLDER/{undisturbed,anytime,checkpoint,steps,log}
"""

import importlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import toy

from asrlab.training.checkpoint import CHECKPOINT
from asrlab.training.loop import train

EPOCHS = 4


def run(work: Callable[[], object], kill_after: float | None = None) -> float:
    """Do `work` in a process of its own, perhaps killed after so many seconds; returns how long it lived."""
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if status not in (0, signal.SIGKILL):
        sys.exit(f"the training failed by itself: status {status}")
    return time.perf_counter() - began


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_checkpoint(number: int) -> None:
    """From now on, in the middle of the `number`th checkpoint."""
    whole, written = Path.write_bytes, []

    def half(path, data):
        written.extend([path] if CHECKPOINT in path.name else [])
        if CHECKPOINT in path.name and len(written) == number:
            whole(path, data[: len(data) // 2])
            die()
        whole(path, data)

    Path.write_bytes = half


def die_before_replacing(name: str, number: int) -> None:
    """From now on, when `name` is written for the `number`th time, beside the old one and not yet in its place."""
    replace, seen = os.replace, []

    def instead(source, target):
        if Path(target).name == name:
            seen.append(target)
            if len(seen) == number:
                die()
        replace(source, target)

    os.replace = instead


def main(folder: Path) -> None:
    torch.set_num_threads(1)  # threads and forks do not go together
    importlib.import_module("torch._dynamo")  # else every process would, at its optimiser's first step, for seconds
    draw = random.Random()
    corpus = toy.corpus(folder, train=12, dev=3, test=1)
    recipe = toy.recipe(toy.CHANCE, epochs=EPOCHS, batch_seconds=3.0)

    def training(name: str, save_steps: int = 0) -> Callable[[], object]:
        chosen = replace(recipe, save_steps=save_steps)
        return lambda: train(chosen, folder / name, corpus, progress=False, device="cpu")

    seconds = run(training("undisturbed"))
    for _ in range(4):
        moment = draw.uniform(0, seconds)
        print(f"killed after {moment:.4f} of {seconds:.4f} s")
        run(training("anytime", 2), moment)
    run(training("anytime", 2))
    run(lambda: (die_in_checkpoint(2), training("checkpoint")()))
    run(training("checkpoint"))
    run(lambda: (die_in_checkpoint(3), training("steps", 1)()))  # with two steps of the first epoch done
    run(training("steps", 1))
    run(lambda: (die_before_replacing("log.jsonl", 3), training("log")()))
    run(training("log"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
