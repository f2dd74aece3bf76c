"""The rehearsal of a large corpus: every stage goes through all of its speech, and the ends of a curve are its ends."""

import pytest

from asrlab.core import config
from asrlab.models import ModelOptions
from benchmarks import rehearsal


def test_first_and_last_quarter_are_told_apart():
    curve = [(h / 10, float(h * h), 100.0 + h) for h in range(11)]  # slower and slower, and more and more memory
    found = rehearsal.summary("train", curve)
    assert found["hours.train"] == 1.0 and found["seconds.train"] == 100.0
    assert found["seconds.train.first"] == pytest.approx(9 / 0.3)
    assert found["seconds.train.last"] == pytest.approx((100 - 49) / 0.3)
    assert (found["megabytes.train.first"], found["megabytes.train.last"]) == (103.0, 110.0)


def test_all_of_the_speech_is_packed_learned_from_and_decoded(tmp_path):
    model = {"branches": {"sound": {"kind": "cnn", "dim": 16, "layers": 1, "heads": 1, "subsampling_channels": 4}}}
    small = config.from_dict(ModelOptions, model)
    metrics, curves = rehearsal.rehearse(1 / 60, tmp_path / "work", 1, model=small)
    assert metrics["hours.pack"] == pytest.approx(1 / 60, rel=0.2)
    assert metrics["hours.train"] == pytest.approx(0.8 * metrics["hours.pack"], rel=0.1)
    assert metrics["hours.decode"] == pytest.approx(0.1 * metrics["hours.pack"], rel=0.5)
    assert metrics["shards"] == 3 and metrics["gigabytes"] > 0
    for curve in curves.values():
        hours, seconds, megabytes = zip(*curve, strict=True)
        assert list(hours) == sorted(hours) and list(seconds) == sorted(seconds) and min(megabytes) > 1
