"""`asrlab bench`: finite figures, in the order of what they measure, and posteriors that say what they should."""

import math
import re

import numpy as np
import torch

from asrlab import bench
from asrlab.decode import greedy
from asrlab.scoring import score
from asrlab.text import CharTokenizer


def test_every_figure_is_finite_and_printed(capsys, monkeypatch):
    monkeypatch.setattr(bench, "UTTERANCES", 2)
    monkeypatch.setattr(bench, "SECONDS", 1.0)
    found = bench.measure_machine(patience=0.0)
    out = capsys.readouterr().out.splitlines()
    assert list(found) == [
        "features", "training float32", "training bfloat16", "decoding greedy", "decoding beam", "decoding beam + LM"
    ]  # fmt: skip
    assert all(math.isfinite(value) and value > 0 for value in found.values())
    printed = [re.match(r"  (\S.*?)  +(\d+)   ", line) for line in out[1:]]
    assert [(m[1], int(m[2])) for m in printed] == [(name, round(value)) for name, value in found.items()]
    assert re.match(r"(cpu|gpu), .*; seconds of speech in one second:", out[0])
    assert found["decoding greedy"] > 1


def test_the_median_of_at_least_three_and_none_for_warming(monkeypatch):
    clock = iter([0.0, 0.0, 9.0, 10.0, 11.0, 20.0, 22.0, 100.0])  # until, then begin and end of each
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(clock))
    calls = []
    assert bench.median_seconds(lambda: calls.append(1), 0.0, torch.device("cpu")) == 2.0
    assert len(calls) == 4


def test_the_posteriors_say_the_text():
    """A token lies 6 above noise of deviation 1.5, so of all frames some 2 in 100 say something else."""
    text = "add the red cube"
    tokenizer = CharTokenizer.fit([text])
    ids = tokenizer.encode(text)
    expected = np.zeros(2 * len(ids) + 1, int)
    expected[1::2] = ids
    right, errors = [], []
    for seed in range(10):
        log_probs = bench.posteriors(tokenizer, text, seed)
        assert np.allclose(np.exp(log_probs).sum(axis=1), 1.0, atol=1e-5)
        right.append(np.mean(log_probs.argmax(axis=1) == expected))
        errors.append(score.cer(text, greedy(log_probs, tokenizer).text))
    assert 0.95 < np.mean(right) < 1.0  # noise there is, or beam search would have nothing to do
    assert np.mean(errors) < 0.1
