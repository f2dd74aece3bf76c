"""AN4 from scratch: three seeds trained by the recipe, each with its receipt, and the mean of them.

    python -m benchmarks.an4 [--seeds 1 2 3] [NAME=VALUE ...]

Writes benchmarks/results/an4.seedN.json and benchmarks/results/an4.json, whose comparison with PocketSphinx needs that
receipt (python -m benchmarks.pocketsphinx_an4).
"""

import argparse
import os
import shlex
import statistics
import sys
from pathlib import Path

from asrlab import cli, corpora
from asrlab.scoring import receipt, score

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options, changes = parser.parse_known_args(arguments)
    began = receipt.code_state()
    for seed in options.seeds:
        path, run = options.results / f"an4.seed{seed}.json", options.runs / f"an4.seed{seed}"
        path = Path(os.path.relpath(path))  # the receipt holds the command: as one would type it
        status = cli.main(["train", "an4", f"seed={seed}", *changes, "--dir", str(run), "--receipt", str(path)])
        if status:
            sys.exit(status)
    summarise(options.results, options.seeds, began)


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
        theirs = receipt.read(peer)["hypotheses"]["trigram"]  # with the language model that ours has
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
