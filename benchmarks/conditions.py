"""Old and deep methods on scenetalk's words while the condition changes: voice, accent, noise, rate, training-set size.

    python -m benchmarks.conditions [--seeds 0 1 2] [--systems svm ctc ...]

Writes benchmarks/results/conditions.seedN.json with everything that each system heard. What the same
code has measured is not measured again: an interrupted run goes on, and the book's page shows the very run of seed 0.
"""

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from asrlab.classic import conditions
from asrlab.classic.systems import NAMES
from asrlab.scoring import receipt

RESULTS = Path(__file__).parent / "results"
COMMAND = ["python", "-m", "benchmarks.conditions"]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--systems", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    for seed in options.seeds:
        state, chosen = receipt.code_state(), replace(conditions.ConditionsOptions(), seed=seed)
        with tqdm(total=len(conditions.jobs(chosen, options.systems)), desc=f"seed {seed}") as bar:
            results = conditions.run(chosen, options.systems, lambda job, bar=bar: bar.update())
        command = shlex.join([*COMMAND, "--seeds", str(seed)])
        print(write(options.results / f"conditions.seed{seed}.json", results, command, state))


def write(path: Path, results: conditions.Results, command: str, state: str | None) -> Path:
    """The receipt of one seed: a rate with its interval for every system, training and place."""
    metrics, hypotheses = {}, {}
    for job, heard in results.heard.items():
        name = f"{job.system} {job.training} {job.size}"
        metrics[f"seconds {name}"] = results.seconds[job]
        for key, answers in heard.items():
            axis, _, level = key.partition(" ")
            said = results.references(axis, level)
            rate = conditions.score.bootstrap(said, answers, samples=2000)
            metrics |= {f"wer {name} {key}": rate.value, f"wer {name} {key} low": rate.low}
            metrics |= {f"wer {name} {key} high": rate.high}
            hypotheses[f"{name}, {key}"] = answers
    return receipt.write(
        path, path.stem, command, metrics, hypotheses, results.options.seed, round(sum(results.seconds.values()), 1),
        commit=state, device="cpu",
    )  # fmt: skip


if __name__ == "__main__":
    main()
