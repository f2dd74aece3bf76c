"""Own recordings, a few minutes of them: the recipes `small` and `fine-tune` as they are, on three small corpora.

    python -m benchmarks.small [--recipes small fine-tune] [--only digits commands mandarin] [--seeds 1 2 3]

digits    eight words, single, of six speakers (FSDD), 2.4 minutes to learn from; other takes are the test
commands  sentences of six words out of 51 (GRID's first speaker, sound alone), four minutes
mandarin  words of one to four characters, each recorded once by one person (audio-cmn), four minutes

A stand-in is written as a folder of manifests, which is all that the recipe knows of it. Each run has a receipt
(RECIPE-NAME.seedN.json); one that the same code has written is not run again.
"""

import argparse
import itertools
import os
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from asrlab import corpora
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.corpora.base import header
from asrlab.corpora.manifest import save_manifest
from asrlab.scoring import receipt
from asrlab.scoring.evaluate import evaluate
from asrlab.text import normalise
from asrlab.training import recipe
from asrlab.training.loop import train
from benchmarks.fsdd import is_there

RESULTS = Path(__file__).parent / "results"
EIGHT = ("zero", "one", "two", "three", "four", "five", "six", "seven")
TAKES = {"test": range(5), "dev": range(5, 7), "train": range(10, 17)}
SENTENCES = {"train": 80, "dev": 20, "test": 100}
MANDARIN = "audio-cmn/24k-abr/hsk"  # cmn-WORD.mp3
WORDS = {"train": 200, "dev": 40, "test": 200}
Splits = dict[str, Sequence[Utterance]]


def digits() -> Splits:
    everything = [u for split in corpora.load("fsdd").splits.values() for u in split if u.text in EIGHT]
    return {split: [u for u in everything if int(u.tags["take"]) in takes] for split, takes in TAKES.items()}


def commands() -> Splits:
    return drawn([u for split in corpora.load("grid").splits.values() for u in split], SENTENCES)


def mandarin() -> Splits:
    folder = Path(os.environ.get("ASRLAB_DATA", "")) / MANDARIN
    paths = sorted(folder.glob("cmn-*.mp3"))
    if not paths:
        raise AsrlabError(f"{folder}: no recordings; fetch audio-cmn from shtooka.net, and say where in ASRLAB_DATA")
    texts = [normalise(path.stem.removeprefix("cmn-")) for path in paths]
    seconds = [length for length, _ in map(header, paths)]
    rows = zip(texts, paths, texts, itertools.repeat("tan"), seconds)
    return drawn([Utterance.recorded(*row) for row in rows], WORDS)


def drawn(everything: Sequence[Utterance], sizes: dict[str, int]) -> Splits:
    """So many by chance for each split, the same every time."""
    order = sorted(everything, key=lambda u: u.id)
    random.Random(0).shuffle(order)
    return {split: [order.pop() for _ in range(size)] for split, size in sizes.items()}


RECIPES = ("small", "fine-tune")
STAND_INS = {"digits": digits, "commands": commands, "mandarin": mandarin}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--only", nargs="+", choices=STAND_INS, default=list(STAND_INS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where stand-ins and trainings are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    state = receipt.code_state()
    bar = tqdm(list(itertools.product(options.recipes, options.only, options.seeds)))
    for way, name, seed in bar:
        bar.set_description(f"{way}, {name}, seed {seed}")
        path = options.results / f"{way}-{name}.seed{seed}.json"
        if not is_there(path, state):
            run(way, name, seed, options.runs, path, state)


def run(way: str, name: str, seed: int, runs: Path, path: Path, state: str | None) -> None:
    folder = write(STAND_INS[name](), runs / name)
    chosen = replace(recipe.load(way), corpus=str(folder), seed=seed)
    corpus, began = recipe.load_corpus(chosen), time.perf_counter()
    recognizer = train(chosen, runs / f"{way}-{name}.seed{seed}", corpus, progress=False)
    seconds = time.perf_counter() - began
    result = evaluate(recognizer, corpus["test"])
    receipt.write(
        path, f"{way}-{name}", ["python", "-m", "benchmarks.small"], result.metrics(), result.hypotheses, seed,
        round(seconds, 1), commit=state, search=result.own, recipe=config.to_dict(chosen),
        minutes=round(sum(u.seconds for u in corpus["train"]) / 60, 2),
    )  # fmt: skip


def write(splits: Splits, folder: Path) -> Path:
    """A folder of manifests, as somebody with recordings would have it: no picture, no tag."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, utterances in splits.items():
        plain = [Utterance.recorded(u.id, u.source().path, u.text, u.speaker, u.seconds) for u in utterances]
        save_manifest(plain, folder / f"{split}.jsonl")
    return folder


if __name__ == "__main__":
    main()
