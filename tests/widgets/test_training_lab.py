"""The training lab without a browser: start, pause, go on, stop, go on after a kill; what it shows; bad choices."""

import json
import time
from dataclasses import asdict

import pytest
import toy
from node import run_many

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.scoring import receipt
from asrlab.scoring.evaluate import dev_metrics
from asrlab.scoring.score import errors

pytest.importorskip("anywidget", reason="anywidget is not installed")

from asrlab.training.recipe import Recipe
from asrlab.widgets import training_lab as lab
from asrlab.widgets.training_run import LabSettings, TrainingRun, as_data, averaged, recipe_of, subset
from benchmarks import training_lab as benchmark


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return toy.corpus(tmp_path_factory.mktemp("lab"), train=6, dev=3)


@pytest.fixture(autouse=True)
def _quickly(one_thread):
    pass


def until(true, seconds=60):
    for _ in range(seconds * 50):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def test_pause_goes_on_and_stop_ends_with_what_was_learned(tmp_path, corpus):
    states = []
    run = TrainingRun(toy.recipe(epochs=50), tmp_path, corpus, lambda run: states.append(run.state))
    run.start()
    until(lambda: len(run.lines) >= 1)
    run.pause()
    until(lambda: run.state == "paused")
    seen = len(run.lines)
    time.sleep(0.3)
    assert len(run.lines) == seen < 50  # nothing happens in a pause
    run.resume()
    until(lambda: len(run.lines) > seen)
    run.stop()
    run.wait(60)
    assert run.state == "stopped" and len(run.lines) < 50
    assert states[0] == "running" and "paused" in states and states[-1] == "stopped"
    assert [line["epoch"] for line in run.lines] == list(range(1, len(run.lines) + 1))
    assert [one["epoch"] for one in run.snapshots] == list(range(1, len(run.lines) + 1))
    assert run.recognizer.greedy(run.recognizer.log_probs([corpus["dev"][0].load(16000)])[0]) is not None
    with pytest.raises(AsrlabError, match="is stopped; make another"):
        run.start()


def test_a_run_that_was_killed_goes_on_to_the_same_numbers(tmp_path, corpus):
    class Killed(Exception):
        pass

    def kill(run):
        if len(run.lines) == 3:
            raise Killed

    recipe = toy.recipe(epochs=4)
    first = TrainingRun(recipe, tmp_path / "a", corpus, kill)
    first._go.set()
    with pytest.raises(Killed):
        first._run()
    again, whole = TrainingRun(recipe, tmp_path / "a", corpus), TrainingRun(recipe, tmp_path / "b", corpus)
    for run in (again, whole):
        run.start()
        run.wait(60)
        assert run.state == "finished"
    assert [line["loss"] for line in again.lines] == [line["loss"] for line in whole.lines]


def test_what_is_shown_is_what_the_averaged_weights_say(tmp_path, corpus):
    seen = []

    def look(run):
        if run.snapshots and run.state == "running":
            recognizer, epoch = averaged(run.recipe, corpus, run.directory)
            seen.append((epoch, dev_metrics(recognizer, corpus["dev"])["dev_wer"]))

    recipe = toy.recipe(toy.BOTH, epochs=3)
    run = TrainingRun(recipe, tmp_path, corpus, look)
    run.start()
    run.wait(60)
    logged = {line["epoch"]: line["dev_wer"] for line in run.lines}
    assert seen and all(rate == pytest.approx(logged[epoch]) for epoch, rate in seen)
    for one in run.snapshots:
        rows, labels = one["attention"]["rows"], one["attention"]["labels"]
        assert len(rows) == len(labels) and all(sum(row) == pytest.approx(1, abs=0.3) for row in rows)
    data = json.loads(json.dumps(as_data(run, LabSettings())))
    assert data["epochs"] == 3 and len(data["lines"]) == 3 and data["utterances"] == 6


def test_the_controls_start_and_a_bad_choice_is_told_not_thrown(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(lab, "recipe_of", lambda settings: toy.recipe(epochs=settings.epochs))
    shown = lab.TrainingLab(corpus, tmp_path)
    shown.epochs.value = 2
    shown.start.click()
    assert shown.start.disabled and not shown.stop.disabled and shown.encoder.disabled
    shown.run.wait(60)
    until(lambda: shown.run.over)
    assert shown.status.value == "Done." and len(shown.curves.data["lines"]) == 2 and not shown.start.disabled
    long = toy.corpus(tmp_path, train=2, dev=1)
    monkeypatch.setattr(lab, "recipe_of", lambda settings: toy.recipe(epochs=1, batch_seconds=0.1))
    failing = lab.TrainingLab(long, tmp_path / "c")
    failing.begin()
    failing.run.wait(60)
    until(lambda: failing.run.over)
    assert "raise batch_seconds" in failing.status.value and failing.curves.data["state"] == "failed"


def test_settings_become_a_recipe_and_impossible_ones_are_refused():
    recipe = recipe_of(LabSettings("conformer", "small", "masks and speeds", True, 1e-3, 5))
    encoder = recipe.model.branches["sound"]
    assert (encoder.kind, encoder.dim, recipe.epochs) == ("conformer", 64, 5)
    assert recipe.speeds == (0.9, 1.0, 1.1) and recipe.objectives == {"ctc": 0.5, "attention": 0.5}
    assert recipe_of(LabSettings(augmentation="none")).spec_augment.time_masks == 0
    with pytest.raises(AsrlabError, match="size='huge'"):
        LabSettings(size="huge")
    with pytest.raises(AsrlabError, match="kind='rnn': give one of"):
        recipe_of(LabSettings(encoder="rnn"))


def test_a_subset_is_evenly_spaced(corpus):
    assert [u.id for u in subset(corpus, 3, 9)["train"]] == ["train0", "train2", "train4"]
    assert len(subset(corpus, 3, 9)["dev"]) == 3


def test_the_player_names_the_epoch_that_is_kept_and_counts_errors():
    logs = [[{"epoch": 1, "dev_wer": 0.5}, {"epoch": 2, "dev_wer": 0.25}, {"epoch": 3, "dev_wer": 0.25}], []]
    assert run_many("training_lab", "bestEpoch", [(log,) for log in logs]) == [3, None]
    from asrlab.scoring.score import align

    pairs = [("draw a red ring", "draw red big thing"), ("a b", "a b"), ("a", "")]
    ops = [[[op.kind, op.reference, op.hypothesis] for op in align(*pair)] for pair in pairs]
    expected = [errors([said], [heard])[0].rate for said, heard in pairs]
    assert run_many("training_lab", "errorRate", [(one,) for one in ops]) == pytest.approx(expected)


@pytest.mark.parametrize("name", lab.RECORDED)
def test_a_recording_is_a_receipt_of_todays_recipe(name):
    recording = lab.RECORDED[name]
    made = receipt.read(recording.path(name))
    again = "run: python -m benchmarks.training_lab"
    assert config.from_dict(Recipe, made["recipe"]) == recipe_of(recording.settings), again
    assert made["lab"]["settings"] == asdict(recording.settings), again
    assert made["command"] == f"python -m benchmarks.training_lab --only {name}"
    assert made["commit"] and not made["commit"].endswith("+dirty")
    assert len(json.dumps(made["lab"])) < 250_000  # what a page carries; the attention of 30 epochs is most of it


def test_two_recordings_learn_and_one_does_not():
    runs = {one["title"]: one["data"] for one in lab.TrainingLab.recorded().runs}
    assert list(runs) == [one.title for one in lab.RECORDED.values()]
    good, fast, attention = runs.values()
    for data in (good, attention):
        assert data["state"] == "finished" and len(data["lines"]) == data["epochs"] == len(data["snapshots"])
        assert data["lines"][-1]["dev_cer"] < 0.25
    assert fast["state"] == "failed" or fast["lines"][-1]["dev_cer"] > 0.4
    assert all(one["attention"] for one in attention["snapshots"])


def test_a_recording_is_made_and_a_missing_one_is_named(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(benchmark, "recipe_of", lambda settings: toy.recipe(epochs=2))
    monkeypatch.setattr(benchmark, "TrainingRun", lambda recipe, directory: TrainingRun(recipe, directory, corpus))
    benchmark.main(["--results", str(tmp_path)])
    runs = lab.TrainingLab.recorded(tmp_path).runs
    assert [len(one["data"]["lines"]) for one in runs] == [2] * len(lab.RECORDED)
    next(iter(tmp_path.glob("*.json"))).unlink()
    with pytest.raises(AsrlabError, match="no such file"):
        lab.TrainingLab.recorded(tmp_path)
