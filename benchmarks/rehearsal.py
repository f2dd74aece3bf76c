"""A large corpus rehearsed on a small machine: synthetic speech packed into shards, learned from once, and decoded.

    python -m benchmarks.rehearsal [--hours 20] [--out benchmarks/results/rehearsal.json]

scenetalk, half an hour, is written again and again under other names until there are so many hours (80 % of it train,
10 % test), packed as `asrlab shard` does it. A small network learns from it for one epoch, without keeping any sound;
then the test split is decoded by the best path. Whoever has ten times the hours needs to know two things: does the
memory grow with them, and does an hour of speech at the end take as long as one at the beginning?

    hours.STAGE              hours of speech that the stage went through: pack, train, decode
    seconds.STAGE            seconds of the processor for each of them, whatever else the machine was doing
    seconds.STAGE.first      the same over the first quarter, and `.last` over the last
    megabytes.STAGE.first    memory of the process after the first quarter, and `.last` at the end
    shards, gigabytes        of the packed corpus

`curves` in the receipt has the samples: hours done, seconds, megabytes.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import torch
from accelerate import Accelerator

from asrlab import corpora
from asrlab.core import config
from asrlab.core.machine import settle_threads
from asrlab.corpora import Corpus, shards
from asrlab.models import ModelOptions
from asrlab.scoring import receipt
from asrlab.scoring.evaluate import evaluate
from asrlab.training import loop, recipe
from asrlab.training.batching import plan_epoch
from asrlab.training.checkpoint import State

SAMPLES = 40  # of each stage
Curve = list[tuple[float, float, float]]  # hours of speech done, seconds of the processor, megabytes
SMALL = {"branches": {"sound": {"kind": "cnn", "dim": 48, "layers": 2, "heads": 4, "subsampling_channels": 8}}}


class Stage:
    """Samples of a stage while it works."""

    def __init__(self, hours: float):
        self.hours, self.began = hours, time.process_time()
        self.curve: Curve = []
        self.sample(0.0)

    def sample(self, hours: float) -> None:
        """Note that so many hours of speech are done, if it is time for the next sample."""
        if not self.curve or hours >= self.curve[-1][0] + self.hours / SAMPLES or hours >= self.hours:
            megabytes = psutil.Process().memory_info().rss / 1e6
            self.curve.append((hours, time.process_time() - self.began, megabytes))
            print(f"{hours:8.2f} h {self.curve[-1][1]:8.1f} s {megabytes:8.0f} MB", flush=True)


def summary(name: str, curve: Curve) -> dict[str, float]:
    """Seconds for an hour of speech, and megabytes, in all and at both ends."""
    whole = curve[-1][0]
    first = next(row for row in curve if row[0] >= whole / 4)
    last = next(row for row in reversed(curve) if row[0] <= 3 * whole / 4)
    return {
        f"hours.{name}": whole,
        f"seconds.{name}": curve[-1][1] / whole,
        f"seconds.{name}.first": first[1] / first[0],
        f"seconds.{name}.last": (curve[-1][1] - last[1]) / (whole - last[0]),
        f"megabytes.{name}.first": first[2],
        f"megabytes.{name}.last": curve[-1][2],
    }


def repeated(corpus: Corpus, hours: float) -> Corpus:
    """The corpus again and again, under other names, until it has so many hours of speech."""
    whole = sum(corpus.seconds(split) for split in corpus.splits) / 3600
    copies = max(1, round(hours / whole))
    splits = {
        split: tuple(replace(u, id=f"{u.id}-{k}") for k in range(copies) for u in utterances)
        for split, utterances in corpus.splits.items()
    }
    return replace(corpus, splits=splits)


def pack(corpus: Corpus, folder: Path) -> dict[str, float]:
    """Write the shards."""
    began = time.process_time()
    count = sum(shards.write_corpus(corpus, folder).values())
    hours = sum(corpus.seconds(split) for split in corpus.splits) / 3600
    size = sum(path.stat().st_size for path in folder.rglob("*.tar")) / 1e9
    return {
        "hours.pack": hours,
        "seconds.pack": (time.process_time() - began) / hours,
        "shards": count,
        "gigabytes": size,
    }


def train(corpus: Corpus) -> tuple[loop.Training, Curve]:
    """One epoch, as `asrlab train` goes through it, with a sample now and then where it would write a checkpoint."""
    seconds = [u.seconds for u in corpus["train"]]
    chosen = replace(
        recipe.load("scenetalk"), model=config.from_dict(ModelOptions, SMALL), keep_audio=False, dev_split="", epochs=1,
        warmup_epochs=0.1,
    )  # fmt: skip
    training = loop.prepare(chosen, corpus, Accelerator(cpu=True))
    plan = plan_epoch(
        seconds, chosen.batch_seconds, chosen.speeds, chosen.seed, 0, 1, training.dataset.shards(), chosen.lanes
    )
    done = [0.0, *itertools.accumulate(sum(seconds[e[0]] for e in batch if e) / 3600 for batch in plan)]
    chosen = replace(chosen, save_steps=max(1, len(plan) // (4 * SAMPLES)))
    training.recipe = chosen
    state = State.fresh(training.model, training.optimizer)
    stage = Stage(done[-1])
    loop.train_epoch(training, training.model, state, save=lambda: stage.sample(done[state.done]))
    stage.sample(done[-1])
    return training, stage.curve


class Listener:
    """Stands where a journal would: is told of each utterance as it is heard."""

    def __init__(self, corpus: Corpus, split: str):
        self.known: dict[str, dict[str, str]] = {}
        self.seconds = {u.id: u.seconds for u in corpus[split]}
        self.done, self.stage = 0.0, Stage(corpus.seconds(split) / 3600)

    def note(self, name: str, heard: dict[str, str]) -> None:
        self.done += self.seconds[name] / 3600
        self.stage.sample(self.done)


def rehearse(once: Corpus, hours: float, folder: Path) -> tuple[dict[str, float], dict[str, Curve]]:
    """All three stages in `folder`: metrics, and curves by stage."""
    metrics = pack(repeated(once, hours), folder)
    corpus = corpora.find(str(folder))
    training, learned = train(corpus)
    recognizer = training.recognizer
    greedy = recognizer.with_decoder()
    greedy.searches = lambda: {"greedy": lambda heard: greedy.greedy(heard.ctc)}  # the model and the reading, no search
    greedy.search = "greedy"
    listener = Listener(corpus, "test")
    evaluate(greedy, corpus["test"], journal=listener)
    listener.stage.sample(listener.done)
    curves = {"train": learned, "decode": listener.stage.curve}
    for name, curve in curves.items():
        metrics |= summary(name, curve)
    return metrics, curves


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=20.0, help="of speech in all (default: 20)")
    parser.add_argument("--folder", type=Path, help="for the shards, 2 GB (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/rehearsal.json"))
    options = parser.parse_args(arguments)
    commit, began = receipt.code_state(), time.perf_counter()
    print(settle_threads(torch.get_num_threads()))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        metrics, curves = rehearse(corpora.load("scenetalk"), options.hours, Path(folder))
    for name, value in metrics.items():
        print(f"{name:32s} {value:10.2f}")
    command = ["python", "-m", "benchmarks.rehearsal", *(sys.argv[1:] if arguments is None else arguments)]
    receipt.write(
        options.out, "rehearsal", command, metrics, wall_seconds=time.perf_counter() - began, commit=commit,
        curves={name: [[round(x, 3) for x in row] for row in curve] for name, curve in curves.items()},
        threads=torch.get_num_threads(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
