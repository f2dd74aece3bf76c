"""FSDD: the old methods and a deep one, tested on speakers whom they never heard, and on the published split beside it.

    python -m benchmarks.fsdd [--systems svm ctc ...] [--few 5] [NAME=VALUE ...]

Every system is trained once for each speaker held out (fsdd-SYSTEM.SPEAKER.json), once more with only a few takes of
each digit and speaker (fsdd-few-SYSTEM.SPEAKER.json), and once on the published split, whose test speakers are those of
train (fsdd-published-SYSTEM.json). Each is tested clean and in pink noise; receipts hold all that was heard.
fsdd.json compares the systems, pair by pair. NAME=VALUE changes the recipe of the deep one, recipes/fsdd.yaml.

What a receipt of the same command and code already answers is not run again, so an interrupted run goes on.
"""

import argparse
import itertools
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from asrlab import corpora
from asrlab.classic.systems import NAMES, classify_all, train
from asrlab.classic.words import with_noise
from asrlab.core import config
from asrlab.corpora import Corpus, Utterance, fsdd
from asrlab.scoring import receipt, score
from asrlab.training import recipe

RESULTS = Path(__file__).parent / "results"
NOISE, SNRS = "pink", (20, 10, 5, 0, -5)
FEW = 5  # takes of each digit and speaker, of the 45
FEW_STEPS = 400  # of the deep system on few takes: about half of what its recipe makes of all
COMMAND = ["python", "-m", "benchmarks.fsdd"]


@dataclass(frozen=True)
class Case:
    """One training and its tests."""

    system: str
    held_out: str  # a speaker, or "" for the published split
    few: bool = False

    @property
    def name(self) -> str:
        """Of its receipt."""
        kind = "few-" if self.few else "" if self.held_out else "published-"
        return f"fsdd-{kind}{self.system}"

    @property
    def file(self) -> str:
        return f"{self.name}.{self.held_out}.json" if self.held_out else f"{self.name}.json"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--few", type=int, default=FEW, help="takes of each digit in the small training set")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings of the deep one are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options, changes = parser.parse_known_args(arguments)
    state, deep = receipt.code_state(), config.override(recipe.load("fsdd"), changes)
    everything = cases(options.systems, fsdd.speakers(corpora.home("fsdd")))
    bar = tqdm(everything)
    for case in bar:
        bar.set_description(f"{case.name} {case.held_out}")
        path = options.results / case.file
        if not is_there(path, state):
            write(case, path, run(case, deep, options), state, changes, deep)
    print(summarise(options.results, state).read_text(encoding="utf-8"))


def cases(systems: Sequence[str], speakers: Sequence[str]) -> list[Case]:
    """All trainings, the quick systems first."""
    quick_first = sorted(systems, key=lambda system: system == "ctc")
    return [
        case
        for system in quick_first
        for case in (
            *(Case(system, speaker) for speaker in speakers),
            Case(system, ""),
            *(Case(system, speaker, few=True) for speaker in speakers),
        )
    ]


def is_there(path: Path, state: str | None) -> bool:
    """Whether a receipt was written by this very code."""
    clean = state is not None and not state.endswith("+dirty")
    return clean and path.exists() and receipt.read(path)["commit"] == state


def split(case: Case, few: int) -> Corpus:
    """The corpus of a case; dev, of the training speakers, is left alone: nothing is chosen by it."""
    if not case.held_out:
        return corpora.load("fsdd")
    corpus = corpora.load("fsdd", split="leave-one-out", held_out=case.held_out)
    if not case.few:
        return corpus
    takes = range(fsdd.TEST_TAKES.stop, fsdd.TEST_TAKES.stop + few)
    kept = tuple(u for u in corpus["train"] if int(u.tags["take"]) in takes)
    return replace(corpus, splits={**corpus.splits, "train": kept})


def run(case: Case, deep: recipe.Recipe, options: argparse.Namespace) -> dict:
    """Train and test: seconds of both, the number of training recordings, and what was heard in each noise."""
    corpus, began = split(case, options.few), time.perf_counter()
    directory = options.runs / Path(case.file).stem
    steps = FEW_STEPS if case.few else 0
    trained = train(case.system, corpus["train"], corpus.sample_rate, deep, directory, steps)
    seconds = time.perf_counter() - began
    heard = {noise: classify_all(trained, sounds) for noise, sounds in tests(corpus["test"], corpus.sample_rate)}
    said = {u.id: u.text for u in corpus["test"]}
    return {"seconds": seconds, "recordings": len(corpus["train"]), "said": said, "heard": heard}


def tests(utterances: tuple[Utterance, ...], sample_rate: int) -> Iterator[tuple[str, tuple[Utterance, ...]]]:
    """The test recordings as they are, and in noise."""
    yield "clean", utterances
    for snr in SNRS:
        yield f"{snr}dB", with_noise(utterances, snr, NOISE, sample_rate)


def trained_on(case: Case, deep: recipe.Recipe) -> recipe.Recipe:
    """The recipe with the corpus that the case really had, whatever its file says."""
    options = {"split": "leave-one-out", "held_out": case.held_out} if case.held_out else {}
    return replace(deep, corpus_options=options)


def write(case: Case, path: Path, found: dict, state: str | None, changes: list[str], deep: recipe.Recipe) -> None:
    metrics = {"train.recordings": found["recordings"]}
    for noise, heard in found["heard"].items():
        metrics |= score.measure(found["said"], heard).as_metrics(f"wer.{noise}")
    extra = {"recipe": config.to_dict(trained_on(case, deep))} if case.system == "ctc" else {}
    command = shlex.join([*COMMAND, "--systems", case.system, *changes])
    receipt.write(
        path, case.name, command, metrics, found["heard"], deep.seed, found["seconds"], commit=state, device="cpu",
        system=case.system, held_out=case.held_out, noise=NOISE, **extra,
    )  # fmt: skip


def summarise(results: Path, state: str | None) -> Path:
    """Each system over all speakers held out, and the paired bootstrap of every two systems on the same recordings."""
    corpus = corpora.load("fsdd")
    said = {u.id: u.text for split in corpus.splits.values() for u in split}
    metrics = {}
    for kind in ("", "few-", "published-"):
        heard = {system: pooled(results, f"fsdd-{kind}{system}") for system in NAMES}
        heard = {system: texts for system, texts in heard.items() if texts}
        for system, texts in heard.items():
            rates = {noise: score.measure(_only(said, part), part) for noise, part in texts.items()}
            for noise, rate in rates.items():
                metrics |= rate.as_metrics(f"{kind}{system}.{noise}")
        for (first, one), (second, other) in itertools.combinations(heard.items(), 2):
            if set(one["clean"]) == set(other["clean"]):
                compared = score.paired_bootstrap(_only(said, one["clean"]), one["clean"], other["clean"])
                name = f"{kind}{second}-minus-{first}.clean"
                metrics |= {name: compared.difference, f"{name}.low": compared.low, f"{name}.high": compared.high}
    return receipt.write(results / "fsdd.json", "fsdd", COMMAND, metrics, commit=state, device="cpu", noise=NOISE)


def pooled(results: Path, name: str) -> dict[str, dict[str, str]]:
    """What a system heard in all its receipts together: {noise: {utterance: word}}."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(results.glob(f"{name}.json")) + sorted(results.glob(f"{name}.*.json")):
        for noise, texts in receipt.read(path)["hypotheses"].items():
            found.setdefault(noise, {}).update(texts)
    return found


def _only(said: Mapping[str, str], heard: Mapping[str, str]) -> dict[str, str]:
    return {id: said[id] for id in heard}


if __name__ == "__main__":
    main()
