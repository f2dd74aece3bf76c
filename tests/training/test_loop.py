"""Training: it learns, it repeats, it survives a kill at any moment, and it says what is wrong before it is late."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import toy
import yaml
from safetensors.torch import load_file

from asrlab import cli
from asrlab.core.errors import AsrlabError, Preempted
from asrlab.core.sources import PACKAGE
from asrlab.core.streams import Shape
from asrlab.corpora import Corpus, Utterance, shards
from asrlab.corpora.manifest import save_manifest
from asrlab.models import Model
from asrlab.scoring import receipt
from asrlab.scoring.evaluate import dev_metrics, evaluate
from asrlab.training import loop as training
from asrlab.training import objectives
from asrlab.training.checkpoint import CHECKPOINT, State
from asrlab.training.diagnosis import diagnose, explain_not_finite
from asrlab.training.loop import (
    TrainingError,
    learning_rate,
    make_optimizer,
    seed_step,
    train,
)
from asrlab.training.losses import InfeasibleError
from asrlab.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")
HERE = Path(__file__).parent
PATHS = f"{HERE.parent}{os.pathsep}{PACKAGE.parent}"  # where a process of its own finds the toy and this checkout


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return toy.corpus(tmp_path_factory.mktemp("toy"), train=12, dev=3, test=2)


def run(recipe, directory, corpus, **options):
    return train(recipe, directory, corpus, progress=False, device="cpu", **options)


def weights(recognizer):
    return recognizer.model.state_dict()


def equal(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a).values(), weights(b).values(), strict=True))


def log(directory, timeless: bool = True) -> list[dict]:
    lines = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds" or not timeless} for line in lines]


# --- it learns --------------------------------------------------------------------------------------------------------


def test_it_learns_the_toy_language(toy_run):
    losses = [line["loss"] for line in toy_run.log]
    assert losses[-1] < 0.1 * losses[0]
    assert [line["epoch"] for line in toy_run.log] == list(range(1, toy_run.recipe.epochs + 1))
    assert all(math.isfinite(value) for line in toy_run.log for value in line.values())
    assert evaluate(toy_run.recognizer, toy_run.corpus["test"]).wer("greedy").value <= 0.1


def test_the_epoch_to_keep_is_the_best_on_dev(toy_run):
    best = min(line["dev_wer"] for line in toy_run.log)
    assert dev_metrics(toy_run.recognizer, toy_run.corpus["dev"])["dev_wer"] == best
    assert best < toy_run.log[0]["dev_wer"]


def test_the_directory_holds_all_that_is_promised(toy_run):
    from asrlab.core import config
    from asrlab.training import recipe

    training_files = {"recipe.json", "log.jsonl", "checkpoint.safetensors"}
    recognizer_files = {"recognizer.json", "model.safetensors", "lm.arpa"}
    seen = {name for name in os.listdir(toy_run.directory) if not name.startswith(".")}  # a lock stays hidden
    assert seen == training_files | recognizer_files
    assert config.load_json(Recipe, toy_run.directory / "recipe.json") == toy_run.recipe
    assert recipe.load(str(toy_run.directory / "recipe.json")) == toy_run.recipe


# --- it repeats -------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_and_another_others(corpus, tmp_path):
    recipe = toy.recipe(toy.CHANCE, epochs=2)
    first, again = (run(recipe, tmp_path / name, corpus) for name in "ab")
    assert equal(first, again)
    assert log(tmp_path / "a") == log(tmp_path / "b")
    assert not equal(first, run(toy.recipe(toy.CHANCE, epochs=2, seed=2), tmp_path / "c", corpus))


def test_noise_is_heard_in_training_and_no_share_of_it_changes_nothing(corpus, tmp_path):
    plain = run(toy.recipe(epochs=1), tmp_path / "plain", corpus)
    none = run(toy.recipe(epochs=1, noise={"kinds": ["babble"], "share": 0.0}), tmp_path / "none", corpus)
    noisy = run(toy.recipe(epochs=1, noise={"kinds": ["babble"], "share": 1.0}), tmp_path / "noisy", corpus)
    assert equal(plain, none)
    assert not equal(plain, noisy)


def test_workers_and_memory_change_nothing(corpus, tmp_path):
    found = [
        run(toy.recipe(toy.CHANCE, epochs=1, workers=workers, keep_audio=keep), tmp_path / f"{workers}{keep}", corpus)
        for workers, keep in ((0, True), (0, False), (1, True))
    ]
    assert equal(found[0], found[1])
    assert equal(found[0], found[2])


@pytest.mark.parametrize("parts", [2, 50])
def test_a_batch_in_parts_teaches_what_the_whole_does(corpus, tmp_path, parts):
    whole = run(toy.recipe(toy.BOTH, epochs=2), tmp_path / "whole", corpus)
    divided = run(toy.recipe(toy.BOTH, epochs=2, accumulate=parts), tmp_path / "parts", corpus)
    for a, b in zip(log(tmp_path / "whole"), log(tmp_path / "parts"), strict=True):
        assert a["step"] == b["step"]
        for name in ("loss", "loss.ctc", "loss.attention"):
            assert b[name] == pytest.approx(a[name], rel=1e-4)
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=1e-3)
    for name, value in weights(whole).items():
        assert torch.allclose(weights(divided)[name], value, atol=2e-3), name


def test_a_finished_run_is_read_and_not_repeated(corpus, tmp_path):
    recipe = toy.recipe(epochs=1)
    first = run(recipe, tmp_path, corpus)
    lines = log(tmp_path, timeless=False)
    seen = []
    again = run(recipe, tmp_path, corpus, after_epoch=seen.append)
    assert seen == []
    assert log(tmp_path, timeless=False) == lines
    assert equal(first, again)
    run(recipe, tmp_path, corpus, resume=False, after_epoch=seen.append)
    assert len(seen) == 1


def test_chance_is_a_function_of_seed_epoch_step_and_process():
    drawn = {}
    for key in [(1, 0, 0, 0), (2, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1)]:
        seed_step(*key)
        drawn[key] = torch.rand(3).tolist()
        seed_step(*key)
        assert torch.rand(3).tolist() == drawn[key]
    assert len({tuple(values) for values in drawn.values()}) == len(drawn)


# --- it survives ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_moment_it_goes_on_to_the_same_weights(tmp_path):
    """`kill -9` at random moments, within a checkpoint, and between the log and its replacement."""
    done = subprocess.run(
        [sys.executable, HERE / "killed_training.py", tmp_path], capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATHS},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    expected = (tmp_path / "undisturbed" / "model.safetensors").read_bytes()
    state = load_file(tmp_path / "undisturbed" / "checkpoint.safetensors")
    lines = log(tmp_path / "undisturbed")
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    for name in ("anytime", "checkpoint", "steps", "log"):
        assert (tmp_path / name / "model.safetensors").read_bytes() == expected, (name, done.stdout)
        found = load_file(tmp_path / name / "checkpoint.safetensors")
        assert all(torch.equal(found[key], state[key]) for key in state), (name, done.stdout)
        assert log(tmp_path / name) == lines, (name, done.stdout)


@pytest.mark.parametrize("save_steps", [0, 2])
def test_asked_to_stop_it_saves_and_goes_on_in_the_middle_of_an_epoch(corpus, tmp_path, monkeypatch, save_steps):
    recipe = toy.recipe(toy.CHANCE, epochs=2, batch_seconds=3.0, save_steps=save_steps, accumulate=2)
    steps, learn, before = [], training.learn, signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(training, "learn", lambda *how: steps.append(1) or learn(*how))
    whole = run(recipe, tmp_path / "whole", corpus)
    count = len(steps)
    assert count > 8
    for stop in (2, count // 2 + 1):  # within the first epoch, and the second
        steps.clear()
        monkeypatch.setattr(
            training, "learn",
            lambda *how, stop=stop: steps.append(1) or (len(steps) == stop and signal.raise_signal(signal.SIGTERM))
            or learn(*how),
        )  # fmt: skip
        with pytest.raises(Preempted, match=r"asked to stop in epoch \d, after \d of its \d steps; all is saved"):
            run(recipe, tmp_path / f"{stop}", corpus)
        assert signal.getsignal(signal.SIGTERM) == before
        assert len(steps) == stop
        again = run(recipe, tmp_path / f"{stop}", corpus)
        assert len(steps) == count  # none is taken twice
        assert equal(again, whole)
        assert log(tmp_path / f"{stop}") == log(tmp_path / "whole")


def test_asked_to_stop_between_epochs(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "dev_metrics", lambda *_: signal.raise_signal(signal.SIGTERM) or {"dev_wer": 0.5})
    with pytest.raises(Preempted, match="asked to stop after epoch 1; all is saved"):
        run(toy.recipe(epochs=2), tmp_path, corpus)
    assert [line["epoch"] for line in log(tmp_path)] == [1]
    run(toy.recipe(epochs=2), tmp_path, corpus)  # asked when it is done anyway
    assert (tmp_path / "recognizer.json").exists()


def test_in_another_thread_signals_stay_as_they_are(corpus, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run, toy.recipe(epochs=1), tmp_path, corpus).result()
    assert signal.getsignal(signal.SIGTERM) == before
    assert (tmp_path / "recognizer.json").exists()


def test_a_full_disk_costs_one_epoch_and_says_so(corpus, tmp_path, monkeypatch):
    recipe = toy.recipe(toy.CHANCE)
    whole = run(recipe, tmp_path / "whole", corpus)
    write, count = Path.write_bytes, []

    def full(path, data):
        count.extend([path] if CHECKPOINT in path.name else [])
        second = CHECKPOINT in path.name and len(count) == 2
        write(path, data[: len(data) // 2 if second else None])
        if second:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(AsrlabError, match=r"checkpoint.safetensors: cannot be written \(.*No space left.*make room"):
        run(recipe, tmp_path / "full", corpus)
    seen = []
    assert equal(run(recipe, tmp_path / "full", corpus, after_epoch=seen.append), whole)
    assert [line["epoch"] for line in seen] == [2, 3]
    assert log(tmp_path / "full") == log(tmp_path / "whole")


def test_the_log_that_cannot_be_written_stays_as_it_was(tmp_path):
    path = tmp_path / "log.jsonl"
    for epoch in (1, 2, 3):
        training.append_log(path, {"epoch": epoch, "loss": 1.0})
    training.append_log(path, {"epoch": 2, "loss": 0.5})  # a resumed run writes epoch 2 again: 2 and 3 were too much
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5}
    ]  # fmt: skip
    path.write_text(path.read_text() + '{"epoch": 3, "lo')  # half a line
    training.append_log(path, {"epoch": 3, "loss": 0.1})
    assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [1, 2, 3]


@pytest.mark.parametrize("place", ["file", "file/run"])
def test_a_directory_that_cannot_be_made(corpus, tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(AsrlabError, match=rf"{place}: cannot be written \(.*\); choose another directory"):
        run(toy.recipe(), tmp_path / place, corpus)
    assert (tmp_path / "file").read_text() == ""


def test_a_damaged_checkpoint_is_told_and_not_overwritten(corpus, tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"what is this")
    with pytest.raises(AsrlabError, match=r"checkpoint.safetensors: damaged, or no checkpoint"):
        run(toy.recipe(), tmp_path, corpus)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == b"what is this"
    assert {name for name in os.listdir(tmp_path) if not name.startswith(".")} == {"checkpoint.safetensors"}


def test_a_changed_recipe_does_not_go_on(corpus, tmp_path):
    run(toy.recipe(epochs=1), tmp_path, corpus)
    with pytest.raises(AsrlabError, match=r"another recipe \(learning_rate was 0.005 and is 0.001\)"):
        run(toy.recipe(epochs=1, learning_rate=1e-3), tmp_path, corpus)
    run(toy.recipe(epochs=1, learning_rate=1e-3), tmp_path, corpus, resume=False)


# --- many processes ---------------------------------------------------------------------------------------------------


def torchrun(*words):
    """Two gloo processes; returns what they said."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, words)],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATHS},
    )  # fmt: skip


def test_two_processes_learn_what_one_does(tmp_path):
    """The same command under torch.distributed.run, two gloo processes: the same loss curve, told once."""
    toys = toy.corpus(tmp_path / "wav" if (tmp_path / "wav").mkdir() else tmp_path, train=14, dev=3, test=5)
    for split, utterances in toys.splits.items():
        save_manifest(utterances, tmp_path / "corpus" / f"{split}.jsonl")
    values = {**toy.TINY, "corpus": str(tmp_path / "corpus"), "speeds": [0.9, 1.0, 1.1], "accumulate": 2}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    done = torchrun(
        "-m", "asrlab", "train", tmp_path / "recipe.yaml", "--cpu", "--quiet", "--dir", tmp_path / "two"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("receipt: ") == 1
    written = receipt.read(tmp_path / "two" / "receipt.json")
    assert written["command"].startswith("torchrun --nproc-per-node=2 -m asrlab train ")
    assert list(written["hypotheses"]["greedy"]) == [u.id for u in toys["test"]]
    from asrlab.training import recipe

    one = recipe.load(str(tmp_path / "recipe.yaml"))
    alone = run(one, tmp_path / "one", recipe.load_corpus(one))
    for a, b in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        for name in ("epoch", "step", "lr"):
            assert a[name] == b[name]
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-4)
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=1e-3)
    together = load_file(tmp_path / "two" / "model.safetensors")
    for name, value in weights(alone).items():
        assert torch.allclose(together[name], value, atol=2e-3), name


def test_two_processes_read_shards_of_their_own_and_stop_together(tmp_path):
    """Shards in two lanes are the same training for one process and for two, of which one is asked to stop."""
    toys = toy.corpus(tmp_path, train=24, dev=3, test=2)
    shards.write(toys["train"], tmp_path / "shards" / "train", per_shard=6)
    for split in ("dev", "test"):
        shards.write(toys[split], tmp_path / "shards" / split)
    values = {**toy.TINY, "corpus": str(tmp_path / "shards"), "lanes": 2, "epochs": 2}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    command = (HERE / "two_processes.py", tmp_path / "recipe.yaml", tmp_path / "two")
    done = torchrun(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (tmp_path / "two" / "recognizer.json").exists()
    assert done.stdout.count("asked to stop in epoch 2, after 1 of its") == 2
    done = torchrun(*command, "to the end")
    assert done.returncode == 0, done.stderr[-3000:]
    opened = {rank: set(re.findall(rf"^{rank} read (.*)$", done.stdout, re.MULTILINE)) for rank in (0, 1)}
    assert opened[0] and opened[1] and not opened[0] & opened[1]
    from asrlab.training import recipe

    one = recipe.load(str(tmp_path / "recipe.yaml"))
    alone = run(one, tmp_path / "one", recipe.load_corpus(one))
    for a, b in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        assert (a["epoch"], a["step"]) == (b["epoch"], b["step"])
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-4)
    together = load_file(tmp_path / "two" / "model.safetensors")
    for name, value in weights(alone).items():
        assert torch.allclose(together[name], value, atol=2e-3), name


def test_two_processes_hear_what_one_does_and_one_that_dies_loses_nothing(tmp_path, toy_run):
    save_manifest(toy_run.corpus["test"], tmp_path / "corpus" / "test.jsonl")
    words = ("decode", toy_run.directory, "--corpus", tmp_path / "corpus", "--quiet", "--cpu", "--out")
    assert cli.main([str(word) for word in (*words, tmp_path / "one.jsonl")]) == 0
    done = torchrun(HERE / "dying_process.py", *words, tmp_path / "two.jsonl")
    assert done.returncode != 0
    assert not (tmp_path / "two.jsonl").exists()
    heard = [line for path in (tmp_path / "two.jsonl.part").iterdir() for line in path.read_text().split("\n") if line]
    assert len(heard) > 1
    done = torchrun("-m", "asrlab", *words, tmp_path / "two.jsonl")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("greedy ") == 1
    assert (tmp_path / "two.jsonl").read_text() == (tmp_path / "one.jsonl").read_text()
    assert not (tmp_path / "two.jsonl.part").exists()


# --- it says what is wrong --------------------------------------------------------------------------------------------


def mistaken(corpus, tmp_path, text=None, samples=None, **fields):
    """Train with one more utterance, `odd`."""
    rng = np.random.default_rng(0)
    samples = toy.sing("a", rng) if samples is None else samples
    odd = toy.utterance(tmp_path, "odd", text or "a", samples)
    more = replace(corpus, splits={**corpus.splits, "train": (*corpus["train"], odd)})
    run(toy.recipe(**fields), tmp_path / "run", more)


def test_a_text_longer_than_its_frames_is_told_before_training(corpus, tmp_path):
    with pytest.raises(InfeasibleError, match=r"utterance 'odd': T=7 frames cannot hold L=26 tokens with 0 repeats"):
        mistaken(corpus, tmp_path, "abcde" * 5)
    assert not (tmp_path / "run").exists()
    mistaken(corpus, tmp_path, "abcde", epochs=1)  # as many as fit are fine


def test_a_recording_too_long_or_too_short_is_told_before_training(corpus, tmp_path):
    with pytest.raises(AsrlabError, match=r"utterance 'odd' \(.*odd.wav\): lasts 6.5 s, .*batch_seconds=6: raise"):
        mistaken(corpus, tmp_path, samples=np.full(int(6.5 * toy.RATE), 0.1, np.float32))
    with pytest.raises(AsrlabError, match=r"'odd' .*lasts 5.8 s, at speed 0.9 more than batch_seconds=6"):
        mistaken(corpus, tmp_path, samples=np.full(int(5.8 * toy.RATE), 0.1, np.float32), speeds=[0.9, 1.0])
    with pytest.raises(AsrlabError, match=r"utterance 'odd' .*lasts 0.0200 s, .*less than one window of 0.025 s: leav"):
        mistaken(corpus, tmp_path, samples=np.full(320, 0.1, np.float32), **toy.ATTENTION)
    assert not (tmp_path / "run").exists()


def test_a_text_that_the_tokenizer_cannot_write(corpus, tmp_path):
    words = {word: (("A",),) for word in corpus.words("train")}
    spelled = replace(corpus, lexicon=words)
    with pytest.raises(AsrlabError, match=r"utterance 'odd' \(.*odd.wav\): word 'zebra' is not in the lexicon \("):
        mistaken(spelled, tmp_path, "zebra", tokenizer="phone")


def test_splits_that_are_none(corpus, tmp_path):
    with pytest.raises(AsrlabError, match=r"corpus 'toy' has no split 'training'; it has train, dev, test"):
        run(toy.recipe(train_splits=["training"]), tmp_path / "run", corpus)
    with pytest.raises(AsrlabError, match="has no split 'develop'"):
        run(toy.recipe(dev_split="develop"), tmp_path / "run", corpus)
    with pytest.raises(AsrlabError, match=r"corpus 'toy': no utterances in train_splits=\['train'\]"):
        run(toy.recipe(), tmp_path / "run", Corpus("toy", {"train": (), "dev": ()}, toy.RATE))
    assert not (tmp_path / "run").exists()


def test_a_file_that_vanished_is_named(corpus, tmp_path):
    gone = Utterance.recorded("gone", tmp_path / "gone.wav", "a", "s", 1.0)
    with pytest.raises(AsrlabError, match=r"gone.wav: no such file"):
        run(toy.recipe(), tmp_path / "run", Corpus("toy", {**corpus.splits, "train": (gone,)}, toy.RATE))


def test_a_loss_that_is_no_number_ends_training_and_names_the_utterances(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "learning_rate", lambda recipe, epochs: 1e30)  # no recipe may ask for it
    told = r"epoch 1, step \d, learning rate 1\.00e\+30.*: the .*lower learning_rate"
    with pytest.raises(TrainingError, match=told) as error:
        run(toy.recipe(), tmp_path, corpus)
    named = re.findall(r"train\d+", str(error.value))
    assert set(named) <= {u.id for u in corpus["train"]}
    assert log(tmp_path) == []


def test_the_last_checkpoint_survives_a_loss_that_is_no_number(corpus, tmp_path, monkeypatch):
    recipe = toy.recipe()
    losses_of, broken = objectives.losses, []

    def spoiled(weights, model, output, batch):
        losses, named = losses_of(weights, model, output, batch)
        spoils = torch.tensor([bool(broken) and name == "train3" for name in batch.ids])
        return losses * torch.where(spoils, math.nan, 1.0), named

    monkeypatch.setattr(objectives, "losses", spoiled)
    with pytest.raises(
        TrainingError,
        match=r"epoch 2, step \d+.*the loss of utterance 'train3' \(.*train3\.wav\) is not finite\. .*intact",
    ):
        run(recipe, tmp_path, corpus, after_epoch=broken.append)
    broken.clear()
    run(recipe, tmp_path, corpus)
    assert [line["epoch"] for line in log(tmp_path)] == [1, 2, 3]


def test_what_is_said_of_a_number_that_is_none():
    losses = torch.tensor([1.0, math.nan, math.inf, 2.0])
    told = explain_not_finite(4, 2, ["a", "b", "c", "d"], losses, toy.recipe(), 1e-3)
    assert told.startswith(
        "epoch 5, step 3, learning rate 1.00e-03 (learning_rate=0.005): the loss of b, c is not finite"
    )
    assert "the loss is finite but its gradient is not" in explain_not_finite(
        0, 0, ["a"], torch.ones(1), toy.recipe(), 1e-3
    )


def test_silence_is_diagnosed_once_and_not_too_early(corpus, tmp_path, monkeypatch, capsys):
    assert diagnose(0.1, {"epoch": 1, "blank": 1.0}) is None
    assert diagnose(0.9, {"epoch": 9, "blank": 0.8}) is None
    assert diagnose(0.9, {"epoch": 9}) is None
    told = diagnose(0.5, {"epoch": 5, "blank": 0.999})
    assert told.startswith("epoch 5: 99.9% of the frames are blank with 50% of the training done")
    assert "longer warm-up" in told
    stuck = {"epoch": 5, "dev_wer": 1.0, "dev_cer": 0.9, "variety": 0.02, "blank": 0.8}
    told = diagnose(0.5, stuck)
    assert told.startswith("epoch 5: nearly all answers on dev are alike with 50% of the training done (CER 90%)")
    assert diagnose(0.2, stuck) is None and diagnose(0.5, {**stuck, "variety": 0.5}) is None
    assert diagnose(0.5, {**stuck, "dev_cer": 0.1}) is None  # few texts may well have few answers
    # A model that cannot learn, because its inputs say nothing, learns to be silent.
    monkeypatch.setattr(training, "dev_metrics", lambda *_: {"dev_wer": 1.0, "dev_cer": 1.0, "blank": 1.0})
    run(toy.recipe(epochs=4), tmp_path, corpus)
    assert capsys.readouterr().out.count("of the frames are blank") == 1


# --- the pieces -------------------------------------------------------------------------------------------------------


def test_patience_and_the_callers_word_end_training(corpus, tmp_path, monkeypatch):
    wers = iter([0.5, 0.4, 0.6, 0.5, 0.3])
    monkeypatch.setattr(training, "dev_metrics", lambda *_: {"dev_wer": next(wers)})
    run(toy.recipe(epochs=9, patience=2), tmp_path / "a", corpus)
    assert [line["dev_wer"] for line in log(tmp_path / "a")] == [0.5, 0.4, 0.6, 0.5]
    monkeypatch.undo()
    run(toy.recipe(epochs=9), tmp_path / "b", corpus, after_epoch=lambda line: line["epoch"] == 2)
    assert len(log(tmp_path / "b")) == 2
    run(toy.recipe(epochs=9), tmp_path / "b", corpus)  # it was stopped, not interrupted
    assert len(log(tmp_path / "b")) == 2


def test_where_words_are_not_spaced_the_epoch_is_chosen_by_characters(corpus, tmp_path, monkeypatch):
    def lines():
        return iter([{"dev_wer": 1.0, "dev_cer": cer} for cer in (0.9, 0.3, 0.5)])

    for letters, best in ((str.maketrans("abcde", "abcde"), 3), (str.maketrans("abcde ", "天地玄黄宇宙"), 2)):
        dev = tuple(replace(u, text=u.text.translate(letters)) for u in corpus["dev"])
        found, kept = lines(), []
        monkeypatch.setattr(training, "dev_metrics", lambda *_, found=found: next(found))
        keep = State.keep_best
        monkeypatch.setattr(
            State,
            "keep_best",
            lambda self, *how, keep=keep, kept=kept: (keep(self, *how), kept.append(self.best_epoch)),
        )
        spoken = replace(corpus, splits={**corpus.splits, "dev": dev})
        run(toy.recipe(search="greedy"), tmp_path / str(best), spoken)
        assert kept[-1] == best  # of equals the last
        monkeypatch.undo()


def test_without_a_dev_split_the_last_epoch_counts(corpus, tmp_path):
    recognizer = run(toy.recipe(epochs=2, dev_split=""), tmp_path, corpus)
    average = load_file(tmp_path / "checkpoint.safetensors")
    assert "dev_wer" not in log(tmp_path)[0]
    assert all(torch.equal(average[f"average.{name}"], value) for name, value in weights(recognizer).items())


@pytest.mark.parametrize("warmup", [0.0, 0.005, 1.0, 3.0])
def test_the_learning_rate_climbs_to_its_peak_and_falls_to_zero(warmup):
    recipe = toy.recipe(epochs=10, warmup_epochs=warmup, learning_rate=0.5)
    at = np.linspace(0, 10, 2001)
    rates = np.array([learning_rate(recipe, x) for x in at])
    assert rates.max() <= 0.5
    assert learning_rate(recipe, warmup) == pytest.approx(0.5)
    assert rates[0] > 0
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)
    assert (np.diff(rates[at <= warmup]) >= 0).all()
    assert (np.diff(rates[at >= warmup]) <= 0).all()
    assert learning_rate(recipe, (10 + warmup) / 2) == pytest.approx(0.25)  # half a cosine, half-way


def test_weight_decay_pulls_at_matrices_alone():
    recipe = toy.recipe(weight_decay=0.1)
    model = Model({"sound": Shape(12)}, 5, recipe.model)
    optimizer = make_optimizer(recipe, model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in model.named_parameters():
        kept = 1 - recipe.learning_rate * 0.1 if p.ndim > 1 else 1.0
        assert torch.allclose(p, before[name] * kept), name


def test_clipping_bounds_the_step_that_is_logged_and_averaging_lags_behind(corpus, tmp_path):
    run(toy.recipe(epochs=1, clip=1e-9, learning_rate=1e-2), tmp_path, corpus)
    assert log(tmp_path)[0]["grad_norm"] > 1e-3  # what it was before clipping
    state = load_file(tmp_path / "checkpoint.safetensors")
    steps = log(tmp_path)[0]["step"]
    assert state["optimizer.0.step"].item() == steps == len(training.plan_epoch(
        [u.seconds for u in corpus["train"]], 6.0, (1.0,), 1, 0
    ))  # fmt: skip
    norm = sum(v.double().square().sum() for k, v in state.items() if k.endswith("exp_avg")).sqrt()
    assert norm <= 1e-9


def test_bfloat16_learns_much_the_same(corpus, tmp_path):
    for precision in ("float32", "bfloat16"):
        run(toy.recipe(precision=precision, epochs=2), tmp_path / precision, corpus)
    for a, b in zip(log(tmp_path / "float32"), log(tmp_path / "bfloat16"), strict=True):
        assert a["loss"] != b["loss"]
        assert b["loss"] == pytest.approx(a["loss"], rel=0.05)


def test_precision_by_name_and_by_device(monkeypatch):
    cpu = torch.device("cpu")
    assert training.uses_bfloat16("bfloat16", cpu)
    assert not training.uses_bfloat16("float32", cpu)
    for able in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: {"avx512_bf16": able})
        assert training.uses_bfloat16("auto", cpu) is able
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)  # a processor that says nothing of it
    assert not training.uses_bfloat16("auto", cpu)


@pytest.mark.parametrize("kind", ["char", "char-initial", "word", "subword"])
def test_every_tokenizer_writes_the_training_texts(corpus, kind):
    recipe = toy.recipe(tokenizer=kind, subwords=14)
    tokenizer = training.make_tokenizer(recipe, corpus, corpus["train"])
    for utterance in corpus["train"]:
        assert tokenizer.decode(tokenizer.encode(utterance.text)) == utterance.text


def test_tokenizers_that_are_none(corpus):
    with pytest.raises(AsrlabError, match="tokenizer='chars': give one of char, char-initial, word, subword, phone"):
        training.make_tokenizer(toy.recipe(tokenizer="chars"), corpus, corpus["train"])
    with pytest.raises(AsrlabError, match="corpus 'toy' has no pronunciation lexicon; use char"):
        training.make_tokenizer(toy.recipe(tokenizer="phone"), corpus, corpus["train"])


def test_the_language_model_is_that_of_the_training_texts(corpus):
    lm, words = training.make_language(toy.recipe(), corpus, corpus["train"])
    assert (lm, words) == (None, None)
    recipe = toy.recipe(language={"order": 2, "lexicon": True})
    lm, words = training.make_language(recipe, corpus, corpus["train"])
    assert words == corpus.words("train")
    texts = [u.text for u in corpus["train"]]
    assert lm.order == 2
    assert lm.perplexity(texts) < lm.perplexity([" ".join(reversed(t.split())) + " e" for t in texts])
