"""The rehearsal of a large corpus: every stage goes through all of its speech, and the ends of a curve are its ends."""

import pytest
import toy

from benchmarks import rehearsal


def test_first_and_last_quarter_are_told_apart():
    curve = [(h / 10, float(h * h), 100.0 + h) for h in range(11)]  # slower and slower, and more and more memory
    found = rehearsal.summary("train", curve)
    assert found["hours.train"] == 1.0 and found["seconds.train"] == 100.0
    assert found["seconds.train.first"] == pytest.approx(9 / 0.3)
    assert found["seconds.train.last"] == pytest.approx((100 - 49) / 0.3)
    assert (found["megabytes.train.first"], found["megabytes.train.last"]) == (103.0, 110.0)


def test_all_of_the_speech_is_packed_learned_from_and_decoded(tmp_path):
    once = toy.corpus(tmp_path, train=10, dev=2, test=3)
    hours = sum(once.seconds(split) for split in once.splits) / 3600
    metrics, curves = rehearsal.rehearse(once, 4 * hours, tmp_path / "packed")
    assert metrics["hours.pack"] == pytest.approx(4 * hours)
    assert metrics["hours.train"] == pytest.approx(4 * once.seconds("train") / 3600)
    assert metrics["hours.decode"] == pytest.approx(4 * once.seconds("test") / 3600)
    assert metrics["shards"] == 3 and metrics["gigabytes"] > 0
    for curve in curves.values():
        hours, seconds, megabytes = zip(*curve, strict=True)
        assert list(hours) == sorted(hours) and list(seconds) == sorted(seconds) and min(megabytes) > 1
