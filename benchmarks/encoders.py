"""One budget, three encoders: a CNN, an LSTM and a Transformer of equal size learn scenetalk in equal time.

    python -m benchmarks.encoders [--seeds 1 2] [--budget 75]

The budget is processor time of one thread, so that other work on the machine takes nothing away from anybody. A
pilot of two epochs tells what an epoch costs each encoder; its training is then planned to end with the budget. Every
encoder has the same choice of learning rates: all of them are tried with the first seed, the dev split decides.

Writes benchmarks/results/encoders-KIND.seedN.json (curves, hypotheses) and benchmarks/results/encoders.json (paired
comparisons, and what the stacks of blocks cost over the length of the input).
"""

import argparse
import itertools
import math
import shlex
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from asrlab import corpora
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape, length_mask
from asrlab.corpora import Corpus, Utterance
from asrlab.models import Model
from asrlab.recognizer import Recognizer
from asrlab.scoring import receipt, score
from asrlab.scoring.evaluate import Evaluation, evaluate
from asrlab.training import recipe as recipes
from asrlab.training.loop import train
from asrlab.training.recipe import Recipe

RESULTS = Path(__file__).parent / "results"
RATES = (3e-3, 1e-3)  # peaks of the learning rate that every encoder may choose from
WAYS = ("greedy", "lexicon_lm")  # of decoding
PLANNED = 0.97  # share of the budget that the schedule fills; an epoch is not always equally long
RAMP = 0.15  # share of the schedule for the warm-up, and for the running average, as in the recipe: 3 epochs of 20
FRAMES = (50, 100, 200, 400, 800, 1600, 3200)  # after subsampling: 2 s to 128 s of speech
# Widths and depths with which the three whole models, front to head, have equal numbers of parameters. Matrices are
# multiplied in whichever precision is faster on the processor at hand: no bfloat16 kernel helps an LSTM there.
SHAPES = {
    "cnn": ("dim: 96, layers: 3, kernel: 11", "auto"),
    "lstm": ("dim: 128, layers: 3", "float32"),
    "transformer": ("dim: 80, layers: 4, heads: 4", "auto"),
}


@dataclass(frozen=True)
class Trained:
    """One training within the budget."""

    recognizer: Recognizer
    recipe: Recipe
    curve: list[dict]  # the training log, "cpu_seconds" since the beginning in each line
    test: Sequence[Utterance]

    @property
    def dev_wer(self) -> float:
        """Word error rate on dev of the epoch that is kept."""
        return min(line["dev_wer"] for line in self.curve)

    @cached_property
    def heard(self) -> Evaluation:
        """What it makes of test; nobody asks unless dev has chosen it."""
        return evaluate(self.recognizer, self.test)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--budget", type=float, default=75.0, help="seconds of processor time for each training")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    corpus, costs = corpora.load("scenetalk"), {kind: cost(kind) for kind in SHAPES}
    command = ["python", "-m", "benchmarks.encoders", "--seeds", *map(str, options.seeds), "--budget"]
    paper = Paper(options.results, shlex.join([*command, f"{options.budget:g}"]), receipt.code_state(), corpus)
    plans = {kind: plan(kind, options.budget, corpus) for kind in SHAPES}
    first, *others = options.seeds
    tried: dict[str, dict[float, Trained]] = {kind: {} for kind in SHAPES}
    for rate in RATES:  # all encoders before the next rate: the comparison is complete at every stage, then better
        for kind, runs in tried.items():
            runs[rate] = learn(kind, first, rate, plans[kind], options.budget, corpus)
            paper.write(kind, first, runs)
        paper.summarise([first], costs)
    for number, seed in enumerate(others, start=2):
        for kind, runs in tried.items():
            rate = best_rate(runs)
            paper.write(kind, seed, {rate: learn(kind, seed, rate, plans[kind], options.budget, corpus)})
        paper.summarise(options.seeds[:number], costs)


# --- training -------------------------------------------------------------------------------------


def recipe_of(kind: str, seed: int, rate: float, epochs: int) -> Recipe:
    """The recipe of scenetalk with another encoder; everything else is the same for all."""
    shape, precision = SHAPES[kind]
    changes = [
        f"model.branches.sound={{kind: {kind}, {shape}, subsampling_channels: 16}}", f"precision={precision}",
        f"learning_rate={rate}", f"epochs={epochs}", f"warmup_epochs={RAMP * epochs:g}",
        f"average_epochs={RAMP * epochs:g}", f"seed={seed}",
    ]  # fmt: skip
    return config.override(recipes.load("scenetalk"), changes)


def plan(kind: str, budget: float, corpus: Corpus) -> int:
    """How many epochs end with the budget: what the second epoch of a pilot costs decides."""
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        chosen = recipe_of(kind, seed=0, rate=RATES[0], epochs=2)
        train(chosen, folder, corpus, progress=False, device="cpu", after_epoch=lambda _: ends.append(spent()))
    epochs = math.floor(PLANNED * budget / (ends[1] - ends[0]))
    print(f"{kind}: {ends[1] - ends[0]:.2f} s an epoch, {epochs} epochs", flush=True)
    if epochs < 2:
        raise AsrlabError(f"budget={budget:g}: not enough for two epochs of {kind}; give more")
    return epochs


def learn(kind: str, seed: int, rate: float, epochs: int, budget: float, corpus: Corpus) -> Trained:
    """Train until the schedule or the budget ends, whichever is first; reading and measuring dev count too."""
    curve, began = [], spent()

    def is_over(line: Mapping) -> bool:
        so_far = spent() - began
        curve.append({**line, "cpu_seconds": round(so_far, 2)})
        return so_far * (1 + 1 / len(curve)) > budget  # one more epoch of average length would not fit

    chosen = recipe_of(kind, seed, rate, epochs)
    with tempfile.TemporaryDirectory() as folder:
        recognizer = train(chosen, folder, corpus, progress=False, device="cpu", after_epoch=is_over)
    done = Trained(recognizer, chosen, curve, corpus["test"])
    print(f"{kind} seed {seed} rate {rate:g}: {len(curve)} of {epochs} epochs, dev {done.dev_wer:.2%}", flush=True)
    return done


def spent() -> float:
    """Seconds of processor time that this process has used."""
    return time.process_time()


def best_rate(runs: Mapping[float, Trained]) -> float:
    """The learning rate with the fewest errors on dev."""
    return min(runs, key=lambda rate: runs[rate].dev_wer)


def epoch_seconds(curve: Sequence[Mapping]) -> list[float]:
    """Processor time of each epoch but the first, in which the sound is read from the disk."""
    ends = [line["cpu_seconds"] for line in curve]
    return [after - before for before, after in itertools.pairwise(ends)]


# --- receipts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paper:
    """Writes the receipts of one call of this program."""

    results: Path
    command: str
    commit: str | None
    corpus: Corpus

    def write(self, kind: str, seed: int, runs: Mapping[float, Trained]) -> None:
        """The receipt of an encoder and a seed: the best of `runs`, {learning rate: training}, and how others did."""
        rate = best_rate(runs)
        chosen, hypotheses = runs[rate], {way: runs[rate].heard.hypotheses[way] for way in WAYS}
        shown = tuple(f"wer.{way}" for way in WAYS)
        metrics = {name: value for name, value in chosen.heard.metrics().items() if name.startswith(shown)}
        metrics |= {
            "parameters": chosen.recognizer.model.parameter_count(),
            "learning_rate": rate,
            "dev_wer": chosen.dev_wer,
            "epochs": len(chosen.curve),
            "epochs.planned": chosen.recipe.epochs,
            "cpu_seconds": chosen.curve[-1]["cpu_seconds"],
            "cpu_seconds.epoch": statistics.median(epoch_seconds(chosen.curve)),
        }
        metrics |= {f"dev_wer.rate.{other:g}": run.dev_wer for other, run in runs.items()}
        path = receipt.write(
            self.results / f"encoders-{kind}.seed{seed}.json", f"encoders-{kind}", self.command, metrics, hypotheses,
            seed, commit=self.commit, device="cpu", recipe=config.to_dict(chosen.recipe), curve=chosen.curve,
        )  # fmt: skip
        print(f"{path.name}: {chosen.heard.report(examples=0)}", flush=True)

    def summarise(self, seeds: Sequence[int], costs: Mapping[str, Mapping[str, list]]) -> None:
        """Means over the seeds and each pair of encoders compared on the same sentences; beside them the costs."""
        paths = {kind: [self.results / f"encoders-{kind}.seed{seed}.json" for seed in seeds] for kind in SHAPES}
        runs = {kind: [receipt.read(path) for path in found] for kind, found in paths.items()}
        references, metrics = {u.id: u.text for u in self.corpus["test"]}, {}
        for way in WAYS:
            for kind, found in runs.items():
                metrics[f"wer.{way}.{kind}"] = statistics.mean(run["metrics"][f"wer.{way}"] for run in found)
            for pair in itertools.combinations(SHAPES, 2):
                compared = compare(references, *([run["hypotheses"][way] for run in runs[kind]] for kind in pair))
                name = f"difference.{way}.{pair[0]}.{pair[1]}"
                metrics |= {name: compared.difference, f"{name}.low": compared.low, f"{name}.high": compared.high}
                metrics[f"{name}.better"] = compared.probability_of_improvement
        sizes = [found[0]["metrics"]["parameters"] for found in runs.values()]
        metrics["parameters.spread"] = max(sizes) / min(sizes) - 1
        path = receipt.write(
            self.results / "encoders.json", "encoders", self.command, metrics, commit=self.commit, device="cpu",
            seeds=list(seeds), frames=list(FRAMES), cost=costs,
        )  # fmt: skip
        print(path.read_text(encoding="utf-8"), flush=True)


def compare(
    references: Mapping[str, str], first: Sequence[Mapping[str, str]], second: Sequence[Mapping[str, str]]
) -> score.Comparison:
    """Paired bootstrap of two systems with several seeds each: a sentence is drawn with what all seeds made of it."""
    keys = [(seed, name) for seed in range(len(first)) for name in references]
    return score.paired_bootstrap(
        {key: references[key[1]] for key in keys},
        {key: first[key[0]][key[1]] for key in keys},
        {key: second[key[0]][key[1]] for key in keys},
        groups={key: key[1] for key in keys},
    )


# --- cost -----------------------------------------------------------------------------------------


def cost(kind: str, frames: Sequence[int] = FRAMES, repeats: int = 7) -> dict[str, list[float]]:
    """What the stack of blocks alone costs for one utterance of so many frames, in float32 and one thread.

    seconds  processor time of a forward pass, median of `repeats`
    bytes    what a training step has to keep of it for the way back
    """
    torch.manual_seed(0)
    encoder = Model({"sound": Shape(80)}, 2, recipe_of(kind, 0, RATES[0], 1).model).branches["sound"].eval()
    return {
        "seconds": [statistics.median(forward_seconds(encoder, T) for _ in range(repeats)) for T in frames],
        "bytes": [kept_bytes(encoder, T) for T in frames],
    }


def run_blocks(encoder: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """(B, T', D) through the blocks of an encoder, every frame real."""
    lengths = torch.full((x.shape[0],), x.shape[1])
    real = length_mask(lengths, x.shape[1])
    for block in encoder.blocks:
        x = block(x, real, real[:, None, None, :], lengths)
    return x


def forward_seconds(encoder: torch.nn.Module, frames: int) -> float:
    """Processor time of one forward pass of the blocks over one utterance."""
    x = torch.randn(1, frames, encoder.dim)
    with torch.inference_mode():
        began = spent()
        run_blocks(encoder, x)
        return spent() - began


def kept_bytes(encoder: torch.nn.Module, frames: int) -> int:
    """Bytes of all that autograd keeps of a forward pass of the blocks, each piece of memory once, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in encoder.parameters()}
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run_blocks(encoder, torch.randn(1, frames, encoder.dim))
    return sum(size for size, _ in kept.values())


if __name__ == "__main__":
    main()
