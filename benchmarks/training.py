"""Training throughput beside SpeechBrain: features to updated weights, seconds of speech in one second of work.

    python -m benchmarks.training [--repeats 7] [--threads 2] [--only short] [--out benchmarks/results/training.json]

Both sides train a Conformer of the default recipe's size (width, layers, heads, kernel, feed-forward width, dropout, 4x
convolutional subsampling with as many channels, rotary positions, CTC over as many tokens) on the same batch: forward,
CTC loss, backward, clipping, AdamW. They take turns, with the same torch and the same number of threads.

    short    utterances of about 3 s, as in AN4
    long     utterances of about 14 s, as in LibriSpeech

    SHAPE-float32    both in single precision
    SHAPE-auto       ours as it is shipped (precision=auto) beside the faster of SpeechBrain's two: single precision, or
                     bfloat16 by autocast

    ratio.speechbrain.CASE     their time / ours, > 1 where we are ahead
    throughput.SYSTEM.CASE     seconds of speech (without padding) trained on in a second
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape, Stream
from asrlab.models import Model
from asrlab.scoring import receipt
from asrlab.training import objectives
from asrlab.training.batching import Batch
from asrlab.training.loop import make_optimizer, uses_bfloat16
from asrlab.training.recipe import Recipe
from benchmarks.peers import Peer, compare, peer_python

REQUIREMENTS = ("speechbrain==1.1.2",)
FEATURES, VOCABULARY, FRAMES_A_SECOND = 80, 32, 100
TOKENS_A_SECOND = 12
SHAPES = {"short": (18, 2.9, 3.3), "long": (4, 13.5, 14.9)}  # utterances, shortest and longest in seconds
RECIPE = Recipe()
ENCODER = RECIPE.model.branches["sound"]


def batch_of(shape: str) -> tuple[Stream, Batch]:
    """Features `(B, T, F)` of noise, zero beyond each length, and the batch with random texts."""
    count, shortest, longest = SHAPES[shape]
    draw = torch.Generator().manual_seed(1)
    lengths = torch.linspace(shortest * FRAMES_A_SECOND, longest * FRAMES_A_SECOND, count).round().long()
    x = torch.randn(count, int(lengths.max()), FEATURES, generator=draw)
    x = x * (torch.arange(x.shape[1]) < lengths[:, None])[..., None]
    sizes = lengths * TOKENS_A_SECOND // FRAMES_A_SECOND
    targets = torch.randint(1, VOCABULARY, (count, int(sizes.max())), generator=draw)
    targets = targets * (torch.arange(targets.shape[1]) < sizes[:, None])
    return Stream(x, lengths), Batch(tuple(map(str, range(count))), {}, {"text": Stream(targets, sizes)})


class Ours:
    """Our model and its optimiser; `step` is what `asrlab.training.loop` does between two batches."""

    def __init__(self):
        torch.manual_seed(1)
        self.model = Model({"sound": Shape(FEATURES)}, VOCABULARY, RECIPE.model).train()
        self.optimizer = make_optimizer(RECIPE, self.model)

    def step(self, features: Stream, batch: Batch, bfloat16: bool) -> float:
        """One update; the mean loss of an utterance."""
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            output = self.model({"sound": features}, batch.targets["text"].values)
        loss = objectives.losses(RECIPE.objectives, self.model, output, batch)[0].mean()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), RECIPE.clip)
        self.optimizer.step()
        return loss.item()


def run(repeats: int, threads: int, only: str, folder: Path) -> tuple[dict[str, float], dict]:
    """All cases; metrics as the module's text says, and what was compared."""
    torch.set_num_threads(threads)
    ours, auto = Ours(), uses_bfloat16("auto", torch.device("cpu"))
    encoder, settings = asdict(ENCODER), {}
    metrics: dict[str, float] = {}
    python = peer_python("speechbrain", REQUIREMENTS, shared=True)
    with Peer(python, Path(__file__).with_name("training_peer.py"), threads) as peer:
        sizes = {"features": FEATURES, "vocabulary": VOCABULARY, "encoder": encoder}
        theirs = peer("prepare", **sizes, rate=RECIPE.learning_rate, clip=RECIPE.clip)
        settings = {
            "encoder": encoder, "threads": threads, "auto": "bfloat16" if auto else "float32",
            "parameters": {"asrlab": ours.model.parameter_count(), "speechbrain": theirs["parameters"]},
            "speechbrain": theirs["settings"],
        }  # fmt: skip
        print(settings["parameters"])
        for shape in [name for name in SHAPES if only in name]:
            features, batch = batch_of(shape)
            (x, lengths), (targets, sizes) = features, batch.targets["text"]
            path = folder / f"{shape}.npz"
            np.savez(path, x=x, lengths=lengths, targets=targets, sizes=sizes)
            frames, expected = peer("load", path=str(path)), -(-x.shape[1] // ENCODER.subsampling)
            if abs(frames - expected) > 1:
                raise AsrlabError(f"{shape}: {frames} frames in SpeechBrain, {expected} in asrlab; not the same task")
            metrics |= _shape(shape, features, batch, ours, peer, auto, repeats)
    return metrics, settings


def _shape(
    shape: str, features: Stream, batch: Batch, ours: Ours, peer: Peer, auto: bool, repeats: int
) -> dict[str, float]:
    """Both cases of a shape."""
    single, half = (peer.timed("step", bfloat16=bfloat16) for bfloat16 in (False, True))
    metrics = compare(
        {
            f"{shape}-float32": {"asrlab": lambda: ours.step(features, batch, False), "speechbrain": single},
            f"{shape}-auto": {
                "asrlab": lambda: ours.step(features, batch, auto),
                "speechbrain_float32": single, "speechbrain_bfloat16": half,
            },
        },
        repeats=repeats,
    )  # fmt: skip
    case = f"{shape}-auto"
    both = [metrics[f"ratio.speechbrain_{precision}.{case}"] for precision in ("float32", "bfloat16")]
    metrics[f"ratio.speechbrain.{case}"] = min(both)
    spoken = features.lengths.sum().item() / FRAMES_A_SECOND
    for key, seconds in list(metrics.items()):
        kind, _, rest = key.partition(".")
        if kind == "seconds":
            metrics[f"throughput.{rest}"] = spoken / seconds
            system, _, where = rest.partition(".")
            print(f"{where:15s} {system:22s} {1e3 * seconds:9.1f} ms {spoken / seconds:9.1f} s/s", flush=True)
    return metrics


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="rounds, of which the median counts")
    parser.add_argument("--threads", type=int, default=2, help="for both sides")
    parser.add_argument("--only", default="", help="only shapes with this in their name")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training.json"))
    arguments = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        metrics, settings = run(arguments.repeats, arguments.threads, arguments.only, Path(folder))
    for key, value in metrics.items():
        if key.startswith("ratio.speechbrain."):
            print(f"{key:40s} x{value:.2f}")
    receipt.write(
        arguments.out, "training", ["python", "-m", "benchmarks.training", *sys.argv[1:]], metrics,
        wall_seconds=time.perf_counter() - began, seed=1, settings={"requirements": REQUIREMENTS, **settings},
    )  # fmt: skip


if __name__ == "__main__":
    main()
