"""Old and deep methods under changing conditions: voice, accent, noise, speaking rate, and how much there was to learn.

Everything starts from one place, called home: words as train has them, in its accents and at its rates, without noise,
but from voices that train does not have. Each axis changes one thing about home and leaves the others alone.

What a system heard is kept in the cache, under a name that is made of the options and of the code that it ran.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from asrlab import corpora
from asrlab.classic import words
from asrlab.classic.systems import NAMES, classify_all, train
from asrlab.core.errors import AsrlabError
from asrlab.core.files import write_whole
from asrlab.core.sources import sources
from asrlab.corpora import Utterance
from asrlab.corpora.scenetalk.espeak import ACCENTS
from asrlab.scoring import score
from asrlab.scoring.score import Comparison, Interval

AXES = {  # axis -> what is changed
    "voice": "the voice",
    "accent": "the accent",
    "noise": "how far the speech is above other voices",
    "rate": "the speaking rate, words a minute",
    "size": "recordings to learn from",
}
TRAININGS = ("clean", "noisy")
METHOD_SOURCES = {"gmm-hmm": "gmm_hmm", "svm": "svm", "mlp": "mlp", "ctc": "deep"}


@dataclass(frozen=True)
class ConditionsOptions:
    """What is learned from and tested on. The whole takes a minute or two on one core."""

    accents: tuple[str, ...] = ("en-us", "en-gb")  # of train and of home
    sizes: tuple[int, ...] = (2, 8, 16)  # recordings of each word to learn from; the last is what other axes train on
    snrs: tuple[int, ...] = (20, 10, 5, 0, -5)  # dB
    rates: tuple[int, ...] = (90, 130, 230, 300, 380)  # words a minute, beside home's 140 to 210
    trained_snrs: tuple[float | None, ...] = (None, 15.0, 5.0, 0.0)  # of the training that knows noise; None: clean
    steps: int = 480  # of the deep system
    seed: int = 0  # decides rates, pitches and stretches of noise


@dataclass(frozen=True)
class Condition:
    """One place to test: an axis, where on it, and the recordings that lie there."""

    axis: str
    level: str
    utterances: tuple[Utterance, ...]
    seen: bool  # whether train has such recordings

    @property
    def key(self) -> str:
        return f"{self.axis} {self.level}"


@dataclass(frozen=True)
class Job:
    """One system, trained once: on `size` recordings of each word, clean or with noise in three quarters of them."""

    system: str
    training: str
    size: int


@dataclass
class Results:
    """Everything that was heard, and how to ask about it. Levels of "size" are numbers of recordings, as texts."""

    options: ConditionsOptions
    conditions: dict[str, Condition]  # by key, home among them as "home"
    heard: dict[Job, dict[str, dict[str, str]]] = field(default_factory=dict)  # condition -> utterance -> word
    seconds: dict[Job, float] = field(default_factory=dict)  # of training, when it was done

    @property
    def systems(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(job.system for job in self.heard))

    def levels(self, axis: str) -> list[str]:
        """The places on an axis, home's own where it belongs."""
        if axis == "size":
            return [str(len(words.WORDS) * size) for size in self.options.sizes]
        found = [c.level for c in self.conditions.values() if c.axis == axis]
        if axis == "noise":
            return ["clean", *found]
        return sorted([*found, HOME_RATE], key=_first_number) if axis == "rate" else found

    def answers(self, system: str, axis: str, level: str, training: str = "clean") -> dict[str, str]:
        """{utterance: word} of a system at a place. Raises AsrlabError for a place or system that is not there."""
        size = self.options.sizes[-1]
        if axis == "size":
            size, key = int(level) // len(words.WORDS), "home"
        else:
            key = "home" if level in ("clean", HOME_RATE) else f"{axis} {level}"
        job = Job(system, training, size)
        if job not in self.heard or key not in self.heard[job]:
            raise AsrlabError(f"{system}, trained {training}: nothing was measured at {axis} {level}")
        return self.heard[job][key]

    def references(self, axis: str, level: str) -> dict[str, str]:
        """{utterance: word} as said."""
        return {u.id: u.text for u in self.condition(axis, level).utterances}

    def condition(self, axis: str, level: str) -> Condition:
        """Which recordings a place has."""
        key = f"{axis} {level}"
        return self.conditions[key if key in self.conditions else "home"]

    def rate(self, system: str, axis: str, level: str, training: str = "clean", samples: int = 2000) -> Interval:
        """The share of words misrecognised, with its 95% bootstrap interval."""
        heard = self.answers(system, axis, level, training)
        return score.bootstrap(self.references(axis, level), heard, samples=samples)

    def compare(self, baseline: tuple[str, str], system: tuple[str, str], axis: str, level: str) -> Comparison:
        """A paired bootstrap of two (system, training) on the same recordings; whole voices are drawn."""
        first, second = (self.answers(name, axis, level, training) for name, training in (baseline, system))
        speakers = {u.id: u.speaker for u in self.condition(axis, level).utterances}
        return score.paired_bootstrap(self.references(axis, level), first, second, groups=speakers)

    def series(self, axis: str, training: str = "clean") -> dict[str, dict[str, Interval]]:
        """For `plot.bars`: {system as readers see it: {level: interval}}."""
        return {
            NAMES[system]: {level: self.rate(system, axis, level, training) for level in self.levels(axis)}
            for system in self.systems
        }


HOME_RATE = "140-210"


def run(
    options: ConditionsOptions = ConditionsOptions(),
    systems: Sequence[str] = tuple(NAMES),
    after_job: Callable[[Job], None] | None = None,
) -> Results:
    """Train every system in every way and test it everywhere; what is in the cache is not done again.

    after_job  called when a system has been trained and tested

    An interrupted run goes on where it was. Raises AsrlabError for an unknown system.
    """
    results = Results(options, conditions(options))
    for job in jobs(options, systems):
        found = _kept(job, options, partial(_do, job, options, results.conditions))
        results.heard[job], results.seconds[job] = found["heard"], found["seconds"]
        if after_job:
            after_job(job)
    return results


def jobs(options: ConditionsOptions, systems: Sequence[str] = tuple(NAMES)) -> list[Job]:
    """What has to be trained, the quick methods first."""
    ways = [(training, options.sizes[-1]) for training in TRAININGS] + [("clean", size) for size in options.sizes[:-1]]
    return [Job(system, *way) for system in sorted(systems, key=lambda name: name == "ctc") for way in ways]


def conditions(options: ConditionsOptions = ConditionsOptions()) -> dict[str, Condition]:
    """Every place to test, by key: six recordings of each word."""
    strangers, trained = words.voices("test", options.accents), words.voices("train", options.accents)
    home = words.spoken(strangers, seed=options.seed + 1)
    evenly = trained[:: -(-len(trained) // len(strangers))]
    found = [
        Condition("home", "", home, seen=False),
        Condition("voice", "heard in training", words.spoken(evenly, seed=options.seed + 2), seen=True),
        Condition("voice", "new", home, seen=False),
    ]
    for accent in (*options.accents, *(accent for accent in ACCENTS if accent not in options.accents)):
        said = words.spoken(words.voices("test", (accent,)), takes=2, seed=options.seed + 3)
        found.append(Condition("accent", accent, said, accent in options.accents))
    for snr in options.snrs:
        noisy = words.with_noise(home, snr, "babble", seed=options.seed)
        found.append(Condition("noise", f"{snr} dB", noisy, seen=False))
    for rate in options.rates:
        said = words.spoken(strangers, rates=(rate, rate), seed=options.seed + 4)
        found.append(Condition("rate", str(rate), said, seen=False))
    return {c.key.strip(): c for c in found}


def training_set(job: Job, options: ConditionsOptions = ConditionsOptions()) -> tuple[Utterance, ...]:
    """What a job learns from: `size` recordings of each word, spread over the voices; a set holds the smaller ones."""
    voices = words.voices("train", options.accents)
    takes = -(-options.sizes[-1] // len(voices))
    everything = words.spoken(voices, takes=takes, seed=options.seed)
    by_word: dict[str, list[Utterance]] = {}
    for utterance in everything:
        by_word.setdefault(utterance.text, []).append(utterance)
    # Steps of 7 meet every recording once, since their number is a multiple of 16 here, and neighbours are far apart.
    chosen = [
        said[(7 * k + 3 * place) % len(said)] for place, said in enumerate(by_word.values()) for k in range(job.size)
    ]
    if job.training == "clean":
        return tuple(chosen)
    return words.mixed_noise(chosen, options.trained_snrs, "babble", seed=options.seed)


def _do(job: Job, options: ConditionsOptions, places: Mapping[str, Condition]) -> dict:
    """Train, then test: everywhere with all that there is to learn from, else at home."""
    began = time.perf_counter()
    classifier = train(job.system, training_set(job, options), steps=options.steps)
    seconds = time.perf_counter() - began
    wanted = places if job.size == options.sizes[-1] else {"home": places["home"]}
    return {"seconds": seconds, "heard": {key: classify_all(classifier, c.utterances) for key, c in wanted.items()}}


def _kept(job: Job, options: ConditionsOptions, do: Callable[[], dict]) -> dict:
    digest = hashlib.sha256(json.dumps([_code(job.system), asdict(job), asdict(options)]).encode()).hexdigest()
    path = corpora.cache() / "conditions" / f"{job.system}-{digest[:16]}.json"
    if not path.exists():
        write_whole(path, json.dumps(do()))
    return json.loads(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def _code(system: str) -> str:
    """A digest of all files that decide what a system hears; those of the other methods are not among them."""
    here = "".join(inspect.getsource(part) for part in (conditions, training_set, _do))
    digest, shared = hashlib.sha256(here.encode()), {Path(__file__).with_name("systems.py")}
    for path in sorted(shared | sources(f"asrlab.classic.{METHOD_SOURCES[system]}", "asrlab.classic.words")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _first_number(level: str) -> float:
    return float(level.split("-")[0])
