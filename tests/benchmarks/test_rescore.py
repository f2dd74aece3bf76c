"""Receipts brought up to date: the same rates, intervals over speakers, recipes that today's package reads."""

import json
from pathlib import Path

import pytest

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.scoring import score
from asrlab.training.recipe import Recipe
from benchmarks import rescore

SAID = {f"u{i}": Utterance(f"u{i}", "a b", f"s{i % 3}", 1.0) for i in range(9)}
HEARD = {i: "a b" if u.speaker == "s0" else "a" for i, u in SAID.items()}
OLD = {
    "corpus": "an4", "front_end": {"normalise": "level"},
    "model": {"encoder": {"kind": "cnn"}, "decoder": {"dim": 9}, "ctc_weight": 1.0, "inner_weight": 0.3},
    "consistency": 0.2, "epochs": 3,
}  # fmt: skip


def test_intervals_are_over_speakers_and_rates_stay():
    run = {"name": "x", "metrics": {"wer.beam": 1 / 3, "wer.beam.low": 0.0}, "hypotheses": {"beam": HEARD}}
    after = rescore.rescored(run, {"mine": SAID})
    texts = {i: u.text for i, u in SAID.items()}
    expected = score.bootstrap(texts, HEARD, {i: u.speaker for i, u in SAID.items()})
    assert after["metrics"] == expected.as_metrics("wer.beam")
    assert after | {"metrics": run["metrics"]} == run
    assert rescore.rescored(run, {}) == run
    with pytest.raises(AsrlabError, match=r"receipt x: wer.beam is 0.33.* and was 0.5; run it again"):
        rescore.rescored(run | {"metrics": {"wer.beam": 0.5}}, {"mine": SAID})


def test_an_old_recipe_says_the_same_in_todays_words():
    today = config.from_dict(Recipe, rescore.todays(OLD))
    assert today.objectives == pytest.approx({"ctc": 0.7, "inner_ctc": 0.3, "consistency": 0.2})
    assert (today.model.ctc, today.model.inner_ctc, today.model.decoder) == (True, True, None)
    assert today.inputs.sound.normalise == "level" and today.model.branches["sound"].kind == "cnn"
    both = config.from_dict(Recipe, rescore.todays(OLD | {"model": OLD["model"] | {"ctc_weight": 0.5}}))
    assert both.model.decoder.dim == 9 and both.objectives["attention"] == 0.5
    assert rescore.todays(config.to_dict(today)) == config.to_dict(today)


def test_every_receipt_has_a_recipe_of_today():
    paths = sorted(Path(rescore.RESULTS).glob("*.json"))
    recipes = [(path, json.loads(path.read_text())) for path in paths]
    found = [config.from_dict(Recipe, run["recipe"], str(path)) for path, run in recipes if "recipe" in run]
    assert len(found) > 10
