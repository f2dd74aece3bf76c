"""A real face in noise: sound, lips and four ways to join them on GRID, each taken away, swapped and spoilt.

    python -m benchmarks.grid [--systems sound lips gate ...] [--seeds 1 2 3] [--noise FOLDER] [--quick]

Every system learns by the recipe `grid`, in babble of AN4's training talkers; it is measured in babble of AN4's test
talkers, in noise of a kind that it never heard (recordings in FOLDER, pink noise without it), against one interfering
speaker, and with video that is missing, frozen, blurred, shifted or another sentence's. What is fed in depends on the
sentence and the condition alone, so every comparison is paired. A run that is there is not run again: a killed program
goes on from where it was.

Writes benchmarks/results/grid-SYSTEM.seedN.json, and benchmarks/results/grid.json, which compares them.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import statistics
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from asrlab import corpora
from asrlab.core import config
from asrlab.corpora import Corpus, Utterance
from asrlab.corpora.base import word_times
from asrlab.corpora.grid import GRAMMAR, LETTERS
from asrlab.decode import BeamDecoder, BeamOptions
from asrlab.language.automaton import FORBIDDEN, Automaton, WordAutomaton
from asrlab.recognizer import Recognizer
from asrlab.scoring import receipt, score
from asrlab.signals import audio, effects, noise
from asrlab.text import lexicon_tokens
from asrlab.training import recipe as recipes
from asrlab.training.checkpoint import CHECKPOINT
from asrlab.training.loop import train
from asrlab.training.recipe import Recipe

RESULTS = Path(__file__).parent / "results"
RATE, PICTURES = 16000, 25  # samples and pictures a second
TALKERS = 6  # in babble
# Late fusion has nothing above it: what others have there stands in its branches, a little wider for equal size.
DEEPER = [f"model.branches.{name}.{what}" for name in ("sound", "lips") for what in ("layers=3", "dim=130")]
#: What each system changes in the recipe. All have equally many parameters, but for the two that read one stream.
SYSTEMS: dict[str, list[str]] = {
    "sound": ["inputs.lips=null", "model.branches.lips=null", "modality_dropout={}"],
    "lips": ["inputs.sound=null", "model.branches.sound=null", "modality_dropout={}"],
    "concat": ["model.fusion.kind=concat"],
    "gate": ["model.fusion.kind=gate"],
    "cross": ["model.fusion.kind=cross"],
    "late": ["model.fusion.kind=late", "model.trunk=null", *DEEPER],
}
SNRS = (10, 5, 0, -5, -10)  # dB
SHIFTS = (-400, -200, -80, 80, 200, 400)  # ms by which the video comes late
SHRUNK = (2, 4, 8)  # times fewer pixels each way
FUSED = ("concat", "gate", "cross", "late")

Inputs = dict[str, np.ndarray]
Condition = Callable[["Bench", int, Inputs], Inputs]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--noise", type=Path, help="folder of recordings of noise that no training hears")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--quick", action="store_true", help="an epoch, twelve sentences, a few conditions")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    command = ["python", "-m", "benchmarks.grid", *(["--quick"] if options.quick else [])]
    command += ["--noise", options.noise.name] if options.noise else []
    bench = Bench(
        recipes.load_corpus(recipes.load("grid")), corpora.load("an4", dev_speakers=12), options.noise, options.quick
    )
    for seed, system in itertools.product(options.seeds, options.systems):
        path = options.results / f"grid-{system}.seed{seed}.json"
        if path.exists():
            continue
        began, commit = time.perf_counter(), receipt.code_state()
        chosen = recipe_of(system, seed, bench.training_noise(options.runs), options.quick)
        directory = options.runs / f"grid-{system}.seed{seed}"
        curve: list[Mapping] = []
        recognizer = train(chosen, directory, bench.grid, device="cpu", progress=False, after_epoch=curve.append)
        found = bench.measure(recognizer)
        receipt.write(
            path, f"grid-{system}", shlex.join([*command, "--systems", system, "--seeds", str(seed)]),
            bench.metrics(found) | {"parameters": recognizer.model.parameter_count()}, found, seed,
            time.perf_counter() - began, commit=commit, device="cpu", recipe=config.to_dict(chosen), curve=curve,
        )  # fmt: skip
        (directory / CHECKPOINT).unlink(missing_ok=True)  # the receipt is whole: nothing has to go on from here
        print(path.name, {name: round(value, 4) for name, value in bench.metrics(found).items()}, flush=True)
    summarise(bench, options.results, command)


def recipe_of(system: str, seed: int, babble: Path, quick: bool = False) -> Recipe:
    """The recipe of a system: that of `grid`, with its changes, in the babble that lies in a folder."""
    changes = [f"seed={seed}", "dev_split=dev", "noise.kinds=[files]", f"noise.files={babble}", "noise.share=0.8"]
    if quick:
        changes += ["epochs=1", "warmup_epochs=0.5"]
    return config.override(recipes.load("grid"), [*SYSTEMS[system], *changes])


# --- what is fed in -------------------------------------------------------------------------------


@dataclass
class Bench:
    """The data of the experiments: sentences, talkers for babble, noise that nobody has learned."""

    grid: Corpus
    an4: Corpus
    noise: Path | None = None
    quick: bool = False

    @cached_property
    def test(self) -> tuple[Utterance, ...]:
        return self.grid["test"][:12] if self.quick else self.grid["test"]

    @cached_property
    def clean(self) -> list[Inputs]:
        """What each sentence of test holds, undisturbed."""
        return [{"sound": u.load(RATE), "lips": u.load(PICTURES, "lips")} for u in self.test]

    @cached_property
    def talkers(self) -> list[np.ndarray]:
        """Recordings of the test talkers of AN4."""
        return [u.load(RATE) for u in self.an4["test"]]

    @cached_property
    def decoder(self) -> Callable[[Recognizer], BeamDecoder]:
        language = grammar()

        def made(recognizer: Recognizer) -> BeamDecoder:
            spellings = lexicon_tokens(recognizer.tokenizer, language.labels)
            options = BeamOptions(beam=64, token_threshold=100.0, beam_threshold=100.0, blank_threshold=1.0)
            return BeamDecoder(
                recognizer.tokenizer, options, {"grammar": (1.0, language)}, spellings, recognizer.frame_seconds
            )

        return made

    def training_noise(self, runs: Path) -> Path:
        """A folder of babble of AN4's training talkers, made once."""
        folder = runs / "grid-babble"
        count = 2 if self.quick else 100
        speech = [u.load(RATE) for u in self.an4["train"][:: 20 if self.quick else 1]]
        for i in range(count):
            path = folder / f"{i:03d}.wav"
            if not path.exists():
                audio.save(path, 0.1 * babble(speech, 10 * RATE, np.random.default_rng(i)), RATE)
        return folder.resolve()

    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """All conditions by name."""
        yield "clean", lambda bench, i, given: given
        snrs = (0,) if self.quick else SNRS
        noises: dict[str, Condition] = {"babble": in_babble, "noise": in_noise, "speaker": with_speaker}
        for (name, disturb), snr in itertools.product(noises.items(), snrs):
            yield f"{name}{snr:+d}", heard(disturb, snr)
        for snr in (None, *snrs):
            level = "" if snr is None else f".babble{snr:+d}"
            disturb = heard(in_babble, snr)
            yield f"no_video{level}", then(disturb, without("lips"))
            for times in SHRUNK[-1:] if self.quick else SHRUNK:
                yield f"shrunk{times}{level}", then(disturb, shrunk(times))
        yield "no_sound", without("sound")
        for snr in (None, 0):
            level, disturb = ("", heard(in_babble, None)) if snr is None else (".babble+0", heard(in_babble, 0))
            yield f"other_video{level}", then(disturb, other_video)
            yield f"frozen{level}", then(disturb, frozen)
            for where, share in itertools.product(("start", "middle", "end"), (0.25, 0.5)):
                yield f"missing_{where}{round(100 * share)}{level}", then(disturb, missing(where, share))
            for ms in SHIFTS[::5] if self.quick else SHIFTS:
                yield f"shift{ms:+d}{level}", then(disturb, shifted(ms))

    def measure(self, recognizer: Recognizer) -> dict[str, dict[str, str]]:
        """{"grammar/CONDITION" and "given/CONDITION": {sentence id: what was recognised}}.

        grammar  the best sentence that GRID allows;  given: the best word for each stretch in which a word is said
        """
        decoder, reads = self.decoder(recognizer), recognizer.inputs.names
        found: dict[str, dict[str, str]] = {}
        for name, condition in self.conditions():
            inputs = [condition(self, i, dict(given)) for i, given in enumerate(self.clean)]
            inputs = [{m: values for m, values in given.items() if m in reads} for given in inputs]
            if not all(inputs):
                continue  # nothing is left to read
            log_probs = recognizer.log_probs(inputs)
            pairs = list(zip(self.test, log_probs, strict=True))
            found[f"grammar/{name}"] = {u.id: decoder.decode(x)[0].text for u, x in pairs}
            found[f"given/{name}"] = {u.id: " ".join(spotted(recognizer, u, x)) for u, x in pairs}
        return found

    def metrics(self, found: Mapping[str, Mapping[str, str]]) -> dict[str, float]:
        """Word error rates of all conditions, as fractions, and of the letters alone."""
        said = {u.id: u.text for u in self.test}
        letter = {name: text.split()[3] for name, text in said.items()}
        rates = {f"wer.{name}": score.wer(said, heard) for name, heard in found.items()}
        for name, texts in found.items():
            if name.startswith("given/"):
                heard = {i: text.split()[3] for i, text in texts.items()}
                rates[f"letters.{name.removeprefix('given/')}"] = score.wer(letter, heard)
        return rates


def chance(utterance: Utterance, name: str) -> np.random.Generator:
    """What is random about a sentence in a condition: the same for every system."""
    return np.random.default_rng(zlib.crc32(f"{utterance.id}/{name}".encode()))


def heard(disturb: Condition, snr: float | None) -> Condition:
    """Sound with a disturbance at so many dB, None: without."""

    def condition(bench: Bench, i: int, given: Inputs) -> Inputs:
        if snr is None:
            return given
        other = disturb(bench, i, given)["sound"]
        return {**given, "sound": effects.add_noise(given["sound"], other, snr, sample_rate=RATE)}

    return condition


def then(first: Condition, second: Condition) -> Condition:
    """One condition upon another."""
    return lambda bench, i, given: second(bench, i, first(bench, i, given))


def in_babble(bench: Bench, i: int, given: Inputs) -> Inputs:
    """Six talkers of AN4's test set at once."""
    draw = chance(bench.test[i], "talkers")
    return {"sound": babble(bench.talkers, len(given["sound"]), draw)}


def in_noise(bench: Bench, i: int, given: Inputs) -> Inputs:
    """A recording of noise; pink noise where there is none."""
    draw = chance(bench.test[i], "recording")
    if bench.noise is None:
        spectrum = np.fft.rfft(draw.standard_normal(len(given["sound"])))
        spectrum /= np.sqrt(np.arange(len(spectrum)).clip(min=1))
        return {"sound": np.fft.irfft(spectrum, len(given["sound"])).astype(np.float32)}
    files = noise.recordings(str(bench.noise))
    found = np.zeros(0)
    while not found.any():  # some recordings are a short sound and then nothing
        whole = audio.load(files[draw.integers(len(files))][0], RATE)
        found = effects.fit(np.roll(whole, -int(draw.integers(len(whole)))), len(given["sound"]))
    return {"sound": found}


def with_speaker(bench: Bench, i: int, given: Inputs) -> Inputs:
    """Another sentence of the same person: sound alone cannot know whom to write down."""
    return {"sound": bench.clean[other_sentence(bench, i)]["sound"]}


def other_video(bench: Bench, i: int, given: Inputs) -> Inputs:
    """The lips of another sentence."""
    return {**given, "lips": bench.clean[other_sentence(bench, i)]["lips"]}


def other_sentence(bench: Bench, i: int) -> int:
    """Another sentence of test, the same whenever it is asked for."""
    return (i + 1 + int(chance(bench.test[i], "other").integers(len(bench.test) - 1))) % len(bench.test)


def without(modality: str) -> Condition:
    """One modality is not there at all."""
    return lambda bench, i, given: {name: values for name, values in given.items() if name != modality}


def frozen(bench: Bench, i: int, given: Inputs) -> Inputs:
    """The film stands still at its first picture."""
    return {**given, "lips": np.repeat(given["lips"][:1], len(given["lips"]), axis=0)}


def missing(where: str, share: float) -> Condition:
    """A share of the pictures is black: at the start, in the middle or at the end."""

    def condition(bench: Bench, i: int, given: Inputs) -> Inputs:
        lips = given["lips"].copy()
        gone = round(share * len(lips))
        begin = {"start": 0, "middle": (len(lips) - gone) // 2, "end": len(lips) - gone}[where]
        lips[begin : begin + gone] = 0
        return {**given, "lips": lips}

    return condition


def shifted(ms: int) -> Condition:
    """The film comes so much later than the sound (earlier, where negative); its first or last picture stands still."""

    def condition(bench: Bench, i: int, given: Inputs) -> Inputs:
        lips = given["lips"]
        moment = np.arange(len(lips)) - round(ms / 1000 * PICTURES)
        return {**given, "lips": lips[moment.clip(0, len(lips) - 1)]}

    return condition


def shrunk(times: int) -> Condition:
    """Pictures of so many times fewer pixels each way, made as large again: a face that is far away."""

    def condition(bench: Bench, i: int, given: Inputs) -> Inputs:
        lips = torch.from_numpy(given["lips"]).float()[:, None]
        small = torch.nn.functional.avg_pool2d(lips, times)
        large = torch.nn.functional.interpolate(small, lips.shape[2:], mode="bilinear", align_corners=False)
        return {**given, "lips": large[:, 0].round().to(torch.uint8).numpy()}

    return condition


def babble(speech: Sequence[np.ndarray], length: int, draw: np.random.Generator) -> np.ndarray:
    """(length,) six talkers at once, equally loud, each from a place of its own; about as loud as one at full power."""
    total = np.zeros(length, np.float32)
    for choice in draw.choice(len(speech), size=min(TALKERS, len(speech)), replace=False):
        voice = speech[choice]
        start = int(draw.integers(len(voice)))
        voice = np.take(voice, np.arange(start, start + length), mode="wrap")
        total += voice / np.sqrt(max(effects.active_power(speech[choice], RATE), 1e-9))
    return total / np.sqrt(TALKERS)


# --- what is recognised ---------------------------------------------------------------------------


def grammar() -> WordAutomaton:
    """The sentences of GRID: one word of each place, in their order, all equally likely."""
    words = sorted({word for place in GRAMMAR for word in place.values()})
    labels = {word: number for number, word in enumerate(words, start=1)}
    arcs = [[(labels[word], 0) for word in words]]  # state 0, for looking ahead
    arcs += [[(labels[word], state + 2) for word in place.values()] for state, place in enumerate(GRAMMAR)]
    arcs.append([])  # all is said
    flat = [arc for state in arcs for arc in sorted(state)]
    states = len(arcs)
    automaton = Automaton(
        start=np.array([1], np.int32),
        first=np.cumsum([0, *map(len, arcs)]).astype(np.int32),
        label=np.array([label for label, _ in flat], np.int32),
        weight=np.zeros(len(flat)),
        next=np.array([state for _, state in flat], np.int32),
        fail=np.full(states, FORBIDDEN, np.int32),
        fail_weight=np.zeros(states),
        final=np.where(np.arange(states) == states - 1, 0.0, -np.inf),
    )
    return WordAutomaton(automaton, labels, whole_vocabulary=True)


def spotted(recognizer: Recognizer, utterance: Utterance, log_probs: np.ndarray) -> list[str]:
    """The best word for each stretch in which a word is said, from (T, V) log-probabilities; blank is none."""
    words = []
    for _, start, end in word_times(utterance):
        first = min(round(start / recognizer.frame_seconds), len(log_probs) - 1)
        last = max(first + 1, round(end / recognizer.frame_seconds))
        token = int(log_probs[first:last, 1:].sum(axis=0).argmax()) + 1
        words.append(recognizer.tokenizer.decode([token]))
    return words


# --- comparisons ----------------------------------------------------------------------------------


def summarise(bench: Bench, results: Path, command: Sequence[str]) -> None:
    """Means over seeds; each fusion against the better of sound and lips alone, paired; which letters are mixed up."""
    runs: dict[str, list[dict]] = {}
    for system in SYSTEMS:
        found = sorted(results.glob(f"grid-{system}.seed*.json"))
        if found:
            runs[system] = [receipt.read(path) for path in found]
    said, metrics, mixed = {u.id: u.text for u in bench.test}, {}, {}
    for system, done in runs.items():
        for name in done[0]["metrics"]:
            metrics[f"{system}.{name}"] = statistics.mean(run["metrics"][name] for run in done)
        mixed[system] = confusions(said, [run["hypotheses"]["given/clean"] for run in done])
    for system in (name for name in FUSED if name in runs):
        for condition in (name for name in runs[system][0]["hypotheses"] if name.startswith("grammar/")):
            alone = [s for s in ("sound", "lips") if s in runs and condition in runs[s][0]["hypotheses"]]
            if not alone:
                continue
            best = min(alone, key=lambda s: metrics[f"{s}.wer.{condition}"])
            compared = compare(said, *([run["hypotheses"][condition] for run in runs[s]] for s in (best, system)))
            name = f"difference.{system}.{condition.removeprefix('grammar/')}"
            metrics |= {name: compared.difference, f"{name}.low": compared.low, f"{name}.high": compared.high}
        if "sound" in runs:
            gain = effective_gain(metrics, system)
            metrics |= {f"gain_db.{system}": gain} if gain is not None else {}
    path = receipt.write(
        results / "grid.json", "grid", shlex.join(command), metrics, device="cpu",
        seeds={system: [run["seed"] for run in done] for system, done in runs.items()}, letters=mixed,
    )  # fmt: skip
    print(f"{path}: {', '.join(runs)}", flush=True)


def compare(
    said: Mapping[str, str], first: Sequence[Mapping[str, str]], second: Sequence[Mapping[str, str]]
) -> score.Comparison:
    """Paired bootstrap of two systems over the seeds that both have; a sentence is drawn with all of them."""
    keys = [(seed, name) for seed in range(min(len(first), len(second))) for name in said]
    return score.paired_bootstrap(
        {key: said[key[1]] for key in keys},
        {(seed, name): first[seed][name] for seed, name in keys},
        {(seed, name): second[seed][name] for seed, name in keys},
        groups={key: key[1] for key in keys},
    )


def confusions(said: Mapping[str, str], runs: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """How often each letter was recognised as another, "m>n": 3, the most frequent first, all seeds together."""
    counts: dict[str, int] = {}
    for texts, (name, text) in itertools.product(runs, said.items()):
        spoken, found = text.split()[3], texts[name].split()[3]
        if spoken in LETTERS and spoken != found:
            counts[f"{spoken}>{found}"] = counts.get(f"{spoken}>{found}", 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def effective_gain(metrics: Mapping[str, float], system: str) -> float | None:
    """How many dB cleaner the babble would have to be for sound alone to do as well as `system` does at 0 dB.

    Between the measured levels the error rate is taken to run straight; None where sound alone never does so well.
    """
    wanted = metrics.get(f"{system}.wer.grammar/babble+0")
    levels = sorted(snr for snr in SNRS if f"sound.wer.grammar/babble{snr:+d}" in metrics)
    rates = [metrics[f"sound.wer.grammar/babble{snr:+d}"] for snr in levels]
    if wanted is None or len(levels) < 2 or wanted < rates[-1]:
        return None
    return float(np.interp(-wanted, np.maximum.accumulate([-rate for rate in rates]), levels))


if __name__ == "__main__":
    main()
