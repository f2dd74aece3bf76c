"""AN4 from scratch: three seeds trained by the recipe, each with its receipt, and the mean of them.

    python -m benchmarks.an4 [--seeds 1 2 3] [--processes 2] [NAME=VALUE ...]

Without a GPU a process on each core shares every batch: the result of one process, sooner than by threads.
Writes benchmarks/results/an4.seedN.json and benchmarks/results/an4.json, whose comparison with PocketSphinx needs that
receipt (python -m benchmarks.pocketsphinx_an4).
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

import torch

from asrlab import corpora, receipt, score

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    cores = 1 if torch.cuda.is_available() else len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, default=cores, help="that train together; default: one on each core")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options, changes = parser.parse_known_args(arguments)
    began = receipt.code_state()
    for seed in options.seeds:
        path, run = options.results / f"an4.seed{seed}.json", options.runs / f"an4.seed{seed}"
        path = Path(os.path.relpath(path))  # the receipt holds the command: as one would type it
        arguments = ["train", "an4", f"seed={seed}", *changes, "--dir", str(run), "--receipt", str(path)]
        done = subprocess.run([*launcher(options.processes), "asrlab", *arguments], check=False)
        if done.returncode:
            sys.exit(done.returncode)
    summarise(options.results, options.seeds, began)


def launcher(processes: int) -> list[str]:
    """How Python starts a module in so many processes."""
    if processes == 1:
        return [sys.executable, "-m"]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]


def summarise(results: Path, seeds: list[int], commit: str | None) -> None:
    """Mean and range over the seeds, and a paired bootstrap of the median seed against PocketSphinx."""
    runs = [receipt.read(results / f"an4.seed{seed}.json") for seed in seeds]
    metrics = {}
    for way in runs[0]["hypotheses"]:
        rates = [run["metrics"][f"wer.{way}"] for run in runs]
        metrics |= {f"wer.{way}.mean": statistics.mean(rates), f"wer.{way}.least": min(rates)}
        metrics |= {f"wer.{way}.most": max(rates)}
    metrics["wall_seconds.mean"] = statistics.mean(run["wall_seconds"] for run in runs)
    metrics["wall_seconds.most"] = max(run["wall_seconds"] for run in runs)
    peer = results / "pocketsphinx-an4.json"
    if peer.exists():
        references = {u.id: u.text for u in corpora.load("an4")["test"]}
        middle = sorted(runs, key=lambda run: run["metrics"][f"wer.{way}"])[len(runs) // 2]
        (theirs,) = receipt.read(peer)["hypotheses"].values()
        compared = score.paired_bootstrap(references, theirs, middle["hypotheses"][way])
        metrics |= {
            "pocketsphinx.difference": compared.difference,
            "pocketsphinx.difference.low": compared.low,
            "pocketsphinx.difference.high": compared.high,
            "ratio.pocketsphinx.wer": compared.baseline / compared.system,
        }
    path = receipt.write(
        results / "an4.json", "an4", shlex.join(["python", "-m", "benchmarks.an4"]), metrics, commit=commit, seeds=seeds
    )
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
