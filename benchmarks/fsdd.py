"""FSDD: a recogniser for each speaker held out, and the published split that shares its speakers beside it.

    python -m benchmarks.fsdd

Writes benchmarks/results/fsdd.json with the hypotheses of all of them.
"""

import argparse
import shlex
import statistics
import time
from pathlib import Path

from asrlab import config, corpora, receipt, recipe
from asrlab.corpora import fsdd
from asrlab.evaluate import evaluate
from asrlab.train import train

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options, changes = parser.parse_known_args(arguments)
    began, state = time.perf_counter(), receipt.code_state()
    base = config.override(recipe.load("fsdd"), changes)
    metrics, hypotheses = {}, {}
    for held_out in fsdd.speakers(corpora.home("fsdd")):
        rate, hypotheses[held_out] = digit_errors(
            config.override(base, [f"corpus_options={{split: leave-one-out, held_out: {held_out}}}"]),
            options.runs / f"fsdd.{held_out}",
        )
        metrics[f"wer.leave-one-out.{held_out}"] = rate
        print(f"{held_out:<10} {rate:.2%}")
    metrics["wer.leave-one-out.mean"] = statistics.mean(metrics.values())
    published = config.override(base, ["corpus_options={split: published}"])
    metrics["wer.published"], hypotheses["published"] = digit_errors(published, options.runs / "fsdd.published")
    path = receipt.write(
        options.results / "fsdd.json", "fsdd", shlex.join(["python", "-m", "benchmarks.fsdd", *changes]), metrics,
        hypotheses, base.seed, round(time.perf_counter() - began, 1), commit=state, recipe=config.to_dict(base),
    )  # fmt: skip
    print(path.read_text(encoding="utf-8")[:1500])


def digit_errors(chosen: recipe.Recipe, directory: Path) -> tuple[float, dict[str, str]]:
    """Train by `chosen`; the share of the test split's digits that greedy decoding gets wrong, and what it heard."""
    corpus = corpora.load(chosen.corpus, **chosen.corpus_options)
    result = evaluate(train(chosen, directory, corpus, progress=False), corpus[chosen.test_split])
    return result.wer("greedy").value, result.hypotheses["greedy"]


if __name__ == "__main__":
    main()
