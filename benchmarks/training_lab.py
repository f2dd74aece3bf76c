"""Record the trainings that the training lab of the book shows, which a page without a kernel cannot run.

    python -m benchmarks.training_lab [--only NAME ...] [--results DIR]

Each run of `asrlab.widgets.training_lab.RECORDED` becomes a receipt, training_lab.NAME.json: its recipe, what the lab
showed after each epoch, and the transcripts of the last epoch as hypotheses. One of the runs is made to fail; it is
recorded too. The receipts lie in the package (asrlab/widgets/recordings), since the widget travels with it.
"""

import argparse
import shlex
import tempfile
import time
from pathlib import Path

from asrlab.core import config
from asrlab.scoring import receipt
from asrlab.widgets.training_lab import RECORDED, RECORDINGS
from asrlab.widgets.training_run import TrainingRun, as_data, recipe_of

COMMAND = ["python", "-m", "benchmarks.training_lab"]


def record(name: str, folder: Path, commit: str | None) -> None:
    """Train by the settings of that recording and write its receipt; `commit` is the state of the code."""
    wanted, began = RECORDED[name], time.perf_counter()
    recipe = recipe_of(wanted.settings)
    with tempfile.TemporaryDirectory() as directory:
        run = TrainingRun(recipe, directory)
        run.start()
        run.wait()
    data = as_data(run, wanted.settings)
    lines = data["lines"]
    metrics = {key: lines[-1][key] for key in ("dev_wer", "dev_cer") if lines and key in lines[-1]}
    receipt.write(
        wanted.path(name, folder), f"training_lab.{name}", shlex.join([*COMMAND, "--only", name]), metrics,
        seed=recipe.seed, wall_seconds=time.perf_counter() - began, commit=commit, device="cpu",
        recipe=config.to_dict(recipe), lab=data,
    )  # fmt: skip
    print(f"{name}: {run.state} after {len(lines)} epochs, {metrics} {run.message}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(RECORDED), choices=list(RECORDED), metavar="NAME")
    parser.add_argument("--results", type=Path, default=RECORDINGS)
    options = parser.parse_args(arguments)
    commit = receipt.code_state()  # once: a receipt in the package must not make the next one "dirty"
    for name in options.only:
        record(name, options.results, commit)


if __name__ == "__main__":
    main()
