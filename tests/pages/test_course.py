"""What the pages share: trained once however many ask, told apart by the code, tables that are the receipts' means."""

import threading
import time

import numpy as np
import pytest
from filelock import FileLock

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape
from asrlab.corpora import Corpus, Utterance
from asrlab.models import EncoderOptions, Model, ModelOptions
from asrlab.pages import course
from asrlab.recognizer import Recognizer
from asrlab.scoring import receipt
from asrlab.signals.inputs import InputOptions
from asrlab.text import CharTokenizer
from asrlab.training.checkpoint import CHECKPOINT
from asrlab.training.loop import LOG, learning_rate


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    """The cache in a folder of its own, and in the place of training a stand-in that counts how often it is called."""
    calls = []

    def pretend(recipe, directory, corpus, progress):
        calls.append(directory)
        time.sleep(0.2)
        (directory / CHECKPOINT).write_bytes(b"much")
        (directory / LOG).write_text('{"epoch": 1, "loss": 2.0}\n')
        encoder = EncoderOptions("cnn", dim=8, layers=1, subsampling_channels=2)
        model = Model({"sound": Shape(80)}, 4, ModelOptions({"sound": encoder}))
        Recognizer(InputOptions(), model, CharTokenizer.fit(["ab"])).save(directory)

    utterance = Utterance.recorded("u", tmp_path / "u.wav", "ab", "s", 1.0)
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(course, "train", pretend)
    monkeypatch.setattr(course, "sources", lambda *modules: set())  # somebody may be editing them
    monkeypatch.setattr(course.corpora, "load", lambda name, **options: Corpus(name, {"train": (utterance,)}, 16000))
    return calls


def test_it_trains_once_however_many_ask(trainings):
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(course.trained())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs.append(course.trained())
    assert len(trainings) == 1 and len(runs) == 4
    assert len({run.directory for run in runs}) == 1
    assert all(run.log == ({"epoch": 1, "loss": 2.0},) and run.seconds >= 0.2 for run in runs)
    assert not (runs[0].directory / CHECKPOINT).exists()
    waveform = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    first, second = (run.recognizer.log_probs([waveform])[0] for run in runs[:2])
    np.testing.assert_array_equal(first, second)


def test_a_training_that_was_killed_is_done_again(trainings, monkeypatch):
    def killed(recipe, directory, corpus, progress):
        (directory / LOG).write_text("")
        raise KeyboardInterrupt

    pretend = course.train
    monkeypatch.setattr(course, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        course.trained()
    monkeypatch.setattr(course, "train", pretend)
    assert course.trained().log and len(trainings) == 1


def test_what_killed_runs_left_is_swept_away_unless_somebody_is_at_it(trainings):
    kept = course.trained().directory
    orphan, busy, other = (kept.with_name(name) for name in ("scenetalk-0a", "scenetalk-0b", "an4-0c"))
    for directory in (orphan, busy, other):
        directory.mkdir()
    with FileLock(busy / course.LOCK):
        course.trained(changes=["epochs=2"])
    assert not orphan.exists() and all(directory.exists() for directory in (kept, busy, other))


def test_another_recipe_or_other_code_is_another_run(trainings, tmp_path, monkeypatch):
    code = tmp_path / "code.py"
    code.write_text("old")
    monkeypatch.setattr(course, "sources", lambda *modules: {code})
    first, changed = course.trained(), course.trained(changes=["epochs=2"])
    assert changed.recipe.epochs == 2
    code.write_text("new")
    assert len({first.directory, changed.directory, course.trained().directory}) == 3 == len(trainings)


def test_results_are_means_over_seeds_and_intervals_of_single_runs(tmp_path):
    for seed, rate in ((1, 0.04), (2, 0.06)):
        metrics = {"wer.greedy": rate, "wer.greedy.low": 0.0, "wer.greedy.high": 1.0}
        receipt.write(tmp_path / f"an4.seed{seed}.json", "an4", "x", metrics, seed=seed, wall_seconds=60.0 * seed)
    metrics = {"wer.trigram": 0.125, "wer.trigram.low": 0.1, "wer.trigram.high": 0.15, "speed": 1.0}
    receipt.write(tmp_path / "peer.json", "peer", "x", metrics)
    receipt.write(tmp_path / "an4.json", "an4", "typed", {"wer.greedy.mean": 0.5}, commit="c", device="cpu")  # of all
    table = course.results("an4*.json", "peer.json", folder=tmp_path)
    assert table.rows[1:] == (
        ("AN4 recogniser of this book", "greedy", "2", "5.00", "4.0 – 6.0", "1.5"),
        ("peer", "its own search, trigram", "1", "12.50", "10.0 – 15.0", "–"),
    )
    assert "no receipt" in course.results("none*.json", folder=tmp_path).rows[1][0]


def test_a_table_escapes_what_it_shows():
    shown = course.Table((("a", "b"), ("<script>", "1")))._repr_html_()
    assert "&lt;script&gt;" in shown and "<script>" not in shown and shown.count("<th") == 3  # thead, th, th


def test_an_excerpt_is_the_source_or_an_error():
    shown = course.excerpt(learning_rate, "if epochs", before="done =").code
    assert shown.splitlines()[0] == "if epochs < recipe.warmup_epochs:" and len(shown.splitlines()) == 2
    assert course.excerpt(learning_rate, "done =").code.splitlines()[-1].startswith("return")
    for first, before in (("nothing", None), ("done =", "if epochs")):
        with pytest.raises(AsrlabError, match="change the page"):
            course.excerpt(learning_rate, first, before)
