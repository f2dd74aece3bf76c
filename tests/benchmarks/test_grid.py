"""The experiments on GRID: what is fed in, the grammar, and a whole small run with its receipts."""

import itertools
import json

import numpy as np
import pytest
import toy

from asrlab import corpora
from asrlab.core import config
from asrlab.core.streams import Shape
from asrlab.corpora import Corpus, Source
from asrlab.corpora.base import note_of_times
from asrlab.corpora.grid import GRAMMAR, sentence
from asrlab.language.automaton import score as nats
from asrlab.models import Model
from asrlab.scoring import receipt
from asrlab.signals import effects
from asrlab.training import recipe as recipes
from benchmarks import grid

SECONDS = 1.2


def spoken(folder) -> Corpus:
    """Sentences of GRID, all its words in train, each a tone and a grey of its own for a fifth of a second."""
    found = []
    for i in range(33):
        name = "".join(list(place)[i % len(place)] for place in GRAMMAR)
        text = sentence(name)
        numbers = [sorted(w for place in GRAMMAR for w in place.values()).index(word) for word in text.split()]
        time = np.arange(round(0.2 * toy.RATE)) / toy.RATE
        samples = np.concatenate([0.3 * np.sin(2 * np.pi * (300 + 60 * n) * time) for n in numbers])
        u = toy.utterance(folder, name, text, samples.astype(np.float32))
        np.save(
            folder / f"{name}.npy",
            np.repeat(np.array(numbers, np.uint8) * 5, 5)[:, None, None] + np.eye(32, 48, dtype=np.uint8),
        )
        times = [(word, 0.2 * i, 0.2 * (i + 1)) for i, word in enumerate(text.split())]
        u = u.moved(Source(folder / f"{name}.npy", seconds=SECONDS), "lips", notes={"words": note_of_times(times)})
        found.append(u)
    return Corpus("grid", {"train": tuple(found[:25]), "dev": tuple(found[25:27]), "test": tuple(found[27:])}, toy.RATE)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    return grid.Bench(spoken(folder), toy.corpus(folder, train=21, dev=0, test=8), quick=True)


def test_the_grammar_is_that_of_the_corpus():
    language = grid.grammar()
    assert len(language.labels) == 51

    def worth(text: str) -> float:
        labels = np.array([language.labels.get(word, 0) for word in text.split()], np.int64)
        return nats(language.automaton, 1, labels)

    assert worth("bin blue at f two now") == 0
    for wrong in (
        "bin blue at f two",
        "bin blue at two f now",
        "bin blue at f two now now",
        "bin blue at w two now",
        "",
    ):
        assert worth(wrong) == -np.inf


def test_systems_are_equally_large_and_differ_in_what_joins_them():
    sizes, rest = {}, set()
    shapes = {"sound": Shape(40, 0.01), "lips": Shape(32 * 48, 0.04)}
    for system in grid.FUSED:
        plain = config.to_dict(recipe := grid.recipe_of(system, 1, "babble"))
        sizes[system] = Model(shapes, 52, recipe.model).parameter_count()
        rest.add(json.dumps({**plain, "model": None}, sort_keys=True))
    assert max(sizes.values()) / min(sizes.values()) < 1.03, sizes
    assert len(rest) == 1


def test_what_is_fed_in(bench):
    given = bench.clean[0]
    found = {name: condition(bench, 0, dict(given)) for name, condition in bench.conditions()}
    again = {name: condition(bench, 0, dict(given)) for name, condition in bench.conditions()}
    for name in found:  # the same for every system, and never what was given itself
        assert all(np.array_equal(found[name][m], again[name][m]) for m in found[name])
    for name in ("babble+0", "noise+0", "speaker+0"):
        added = found[name]["sound"] - given["sound"]
        power = effects.active_power(given["sound"], toy.RATE) / np.mean(added.astype(float) ** 2)
        assert abs(10 * np.log10(power)) < 0.1 and np.array_equal(found[name]["lips"], given["lips"])
    assert set(found["no_video"]) == {"sound"} and set(found["no_sound"]) == {"lips"}
    assert np.array_equal(found["frozen"]["lips"], np.repeat(given["lips"][:1], 30, axis=0))
    assert not np.array_equal(found["other_video"]["lips"], given["lips"])
    late = grid.shifted(200)(bench, 0, given)["lips"]
    assert np.array_equal(late[5:], given["lips"][:-5]) and np.array_equal(late[0], given["lips"][0])
    early = grid.shifted(-200)(bench, 0, given)["lips"]
    assert np.array_equal(early[:-5], given["lips"][5:])
    for where, black in {"start": slice(0, 15), "middle": slice(7, 22), "end": slice(15, 30)}.items():
        lips = grid.missing(where, 0.5)(bench, 0, given)["lips"]
        assert not lips[black].any() and (lips != given["lips"]).any(axis=(1, 2)).sum() <= 15
    smooth = grid.shrunk(8)(bench, 0, given)["lips"]
    assert smooth.shape == given["lips"].shape and np.ptp(np.diff(smooth[0].astype(int), axis=1)) < 3
    assert len(dict(grid.Bench(bench.grid, bench.an4).conditions())) > 60


def test_gain_in_decibels_is_read_off_the_curve_of_sound_alone():
    metrics = {
        f"sound.wer.grammar/babble{snr:+d}": rate
        for snr, rate in zip((-10, -5, 0, 5, 10), (0.8, 0.6, 0.4, 0.2, 0.1), strict=True)
    }
    assert grid.effective_gain({**metrics, "gate.wer.grammar/babble+0": 0.3}, "gate") == pytest.approx(2.5)
    assert grid.effective_gain({**metrics, "gate.wer.grammar/babble+0": 0.7}, "gate") == pytest.approx(-7.5)
    assert grid.effective_gain({**metrics, "gate.wer.grammar/babble+0": 0.01}, "gate") is None


def test_a_whole_small_run_and_one_that_goes_on(bench, tmp_path, monkeypatch, one_thread):
    monkeypatch.setattr(corpora, "load", lambda name, **options: getattr(bench, name))
    monkeypatch.setattr(recipes, "load_corpus", lambda recipe: bench.grid)
    small = [f"model.{part}.{name}={value}" for part in ("branches.sound", "branches.lips", "trunk")
             for name, value in (("dim", 16), ("layers", 1), ("kernel", 3))]  # fmt: skip
    small += [f"model.branches.{name}.subsampling_channels=16" for name in ("sound", "lips")]
    plain = recipes.load("grid")
    monkeypatch.setattr(recipes, "load", lambda name: config.override(plain, small))
    options = ["--quick", "--seeds", "1", "--runs", str(tmp_path / "runs"), "--results", str(tmp_path)]
    grid.main([*options, "--systems", "sound", "lips", "gate"])
    said = {u.id: u.text for u in bench.test}
    runs = {system: receipt.read(tmp_path / f"grid-{system}.seed1.json") for system in ("sound", "lips", "gate")}
    for run in runs.values():
        for name, rate in receipt.rescore(run, said).items():
            assert run["metrics"][f"wer.{name}"] == pytest.approx(rate)
    allowed = [set(place.values()) for place in GRAMMAR]
    for text in runs["gate"]["hypotheses"]["grammar/clean"].values():
        assert all(word in place for word, place in zip(text.split(), allowed, strict=True))
    assert (
        "grammar/no_video" not in runs["lips"]["hypotheses"] and "grammar/no_sound" not in runs["sound"]["hypotheses"]
    )
    together = receipt.read(tmp_path / "grid.json")
    assert {"difference.gate.clean.low", "sound.wer.grammar/clean", "lips.letters.clean"} <= set(together["metrics"])
    assert all(">" in pair for pair in itertools.chain.from_iterable(together["letters"].values()))
    monkeypatch.setattr(grid, "train", None)  # whoever trained again would fail
    grid.main([*options, "--systems", "sound", "lips", "gate"])
