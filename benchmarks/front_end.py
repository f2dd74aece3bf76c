"""What each thing that may happen to a recording does to the word error rate of recognisers that never met it.

    python -m benchmarks.front_end [--results DIR] [--only scenetalk an4] [--model DIR]

Writes front-end-scenetalk.json (the book's recogniser on all of its test split, best path) and front-end-an4.json (the
packaged recogniser on AN4's 130 test recordings of people, beam search with its lexicon and language model): for each
channel of `signals.channels` the error rate with its bootstrap interval, and every hypothesis. With --model it is the
recogniser in that directory, trained on AN4, and the receipt has the directory's name: front-end-an4.seed1.json.
"""

import argparse
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from asrlab import corpora
from asrlab.packaged import BUILT_IN
from asrlab.pages.course import trained
from asrlab.recognizer import Recognizer
from asrlab.scoring import receipt, score
from asrlab.signals.channels import CHANNELS, hear_through

RESULTS = Path(__file__).parent / "results"
COMMAND = ["python", "-m", "benchmarks.front_end"]


def measure(name: str, corpus: str, recognizer: Recognizer, command: Sequence[str], results: Path) -> None:
    """One receipt: all channels on the test split of one corpus."""
    began, commit = time.perf_counter(), receipt.code_state()
    test = corpora.load(corpus)["test"]
    references = {u.id: u.text for u in test}
    metrics, hypotheses = {}, {}
    for channel, apply in CHANNELS.items():
        hypotheses[channel] = hear_through(recognizer, test, apply)
        rate = score.bootstrap(references, hypotheses[channel])
        metrics |= rate.as_metrics(f"wer.{channel}")
        print(f"{name} {channel}: {score.shown(rate)}", flush=True)
    receipt.write(
        results / f"front-end-{name}.json", f"front-end-{name}", shlex.join([*COMMAND, *command]), metrics, hypotheses,
        wall_seconds=time.perf_counter() - began, commit=commit, utterances=len(test),
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", nargs="+", default=["scenetalk", "an4"], choices=["scenetalk", "an4"])
    parser.add_argument("--model", type=Path, help="instead: a recogniser that was trained on AN4")
    options = parser.parse_args(arguments)
    if options.model:
        recognizer, command = Recognizer.load(options.model), ["--model", str(options.model)]
        return measure(options.model.name, "an4", recognizer, command, options.results)
    for name in options.only:
        recognizer = trained().recognizer if name == "scenetalk" else Recognizer.load(BUILT_IN)
        measure(name, name, recognizer, ["--only", name], options.results)


if __name__ == "__main__":
    main()
