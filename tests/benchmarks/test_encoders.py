"""One budget, three encoders: sizes are equal, schedules end within the budget, comparisons are those of `score`."""

import json

import pytest
import torch
import toy

from asrlab import corpora
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape
from asrlab.models import Model
from asrlab.scoring import receipt, score
from benchmarks import encoders

VOCABULARY = 53  # tokens of scenetalk


def test_the_three_models_are_equally_large():
    sizes = {
        kind: Model({"sound": Shape(80)}, VOCABULARY, encoders.recipe_of(kind, 1, 1e-3, 5).model).parameter_count()
        for kind in encoders.SHAPES
    }
    assert max(sizes.values()) / min(sizes.values()) < 1.03, sizes


def test_recipes_differ_in_the_encoder_and_its_precision_alone():
    texts = [json.dumps(the_rest(kind), sort_keys=True) for kind in encoders.SHAPES]
    assert len(set(texts)) == 1


def the_rest(kind):
    plain = config.to_dict(encoders.recipe_of(kind, 1, 1e-3, 5))
    plain["model"]["branches"].pop("sound")
    plain.pop("precision")
    return plain


def test_a_run_from_pilot_to_summary(tmp_path, monkeypatch, one_thread):
    corpus = toy.corpus(tmp_path, train=16, dev=4, test=4)
    monkeypatch.setattr(corpora, "load", lambda name, **options: corpus)
    monkeypatch.setattr(encoders, "FRAMES", (10, 20))
    shapes = {"cnn": ("dim: 16, layers: 1, kernel: 3", "float32"), "lstm": ("dim: 16, layers: 1", "float32")}
    monkeypatch.setattr(encoders, "SHAPES", shapes)
    monkeypatch.setattr(encoders, "cost", lambda kind: {"seconds": [0.1, 0.2], "bytes": [1, 2]})
    monkeypatch.setattr(encoders, "WAYS", ("greedy",))
    clock = iter(range(10**6))
    monkeypatch.setattr(encoders, "spent", lambda: float(next(clock)))  # every look at the clock: a second later
    encoders.main(["--budget", "6.5", "--seeds", "1", "2", "--results", str(tmp_path)])

    first = receipt.read(tmp_path / "encoders-cnn.seed1.json")
    assert first["metrics"]["epochs.planned"] == 6
    assert first["metrics"]["cpu_seconds"] <= 6.5
    assert {"dev_wer.rate.0.001", "dev_wer.rate.0.003"} <= set(first["metrics"])
    second = receipt.read(tmp_path / "encoders-cnn.seed2.json")
    assert second["metrics"]["learning_rate"] == first["metrics"]["learning_rate"]
    references = {u.id: u.text for u in corpus["test"]}
    for run in (first, second):
        assert receipt.rescore(run, references)["greedy"] == pytest.approx(run["metrics"]["wer.greedy"])
        assert min(line["dev_wer"] for line in run["curve"]) == run["metrics"]["dev_wer"]
    summary = receipt.read(tmp_path / "encoders.json")
    assert "difference.greedy.cnn.lstm.low" in summary["metrics"]

    with pytest.raises(AsrlabError, match="budget=1"):
        encoders.main(["--budget", "1", "--results", str(tmp_path)])


def test_compare_with_one_seed_is_the_paired_bootstrap():
    said = {str(i): f"a b c {i}" for i in range(20)}
    one = {key: text.replace("b", "x") if int(key) % 3 else text for key, text in said.items()}
    two = {key: text.replace("c", "") if int(key) % 4 == 0 else text for key, text in said.items()}
    ours, theirs = encoders.compare(said, [one], [two]), score.paired_bootstrap(said, one, two)
    assert (ours.baseline, ours.system, ours.difference) == (theirs.baseline, theirs.system, theirs.difference)
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    # Twice the same seed is no more evidence than once.
    doubled = encoders.compare(said, [one, one], [two, two])
    assert doubled.high - doubled.low == pytest.approx(ours.high - ours.low, abs=0.01)


def test_kept_bytes_counts_each_piece_of_memory_once():
    class Squares(torch.nn.Module):
        def forward(self, x, *_):
            return x * x + x.exp()  # keeps x once, though twice used, and exp(x)

    class Blocks(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.dim, self.weight = 4, torch.nn.Parameter(torch.ones(4))
            self.blocks = [lambda x, *_: x * self.weight, Squares()]

    floats = 4 * 4 * 10  # bytes of one tensor of 10 frames
    # The input (for the weight's gradient), the product, its exponential; the weight itself is not counted.
    assert encoders.kept_bytes(Blocks(), 10) == 3 * floats
