"""Pooled vectors, against sums written out by hand."""

import numpy as np
import pytest

from asrlab.classic.pooled import PooledOptions, pool, vectors
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.signals.features import FrontEnd


def test_pool_is_mean_and_spread_of_each_part():
    frames = np.arange(14.0).reshape(7, 2) ** 1.5
    found = pool(frames, parts=3)
    expected = []
    for first, last in ((0, 2), (2, 4), (4, 7)):
        for statistic in (np.mean, np.std):
            expected += [statistic([frames[t, f] for t in range(first, last)]) for f in range(2)]
    assert found == pytest.approx(expected)


def test_order_counts_between_parts_and_not_within_one():
    generator = np.random.default_rng(0)
    frames = generator.normal(size=(12, 3))
    shuffled = np.concatenate([generator.permutation(part) for part in np.split(frames, 3)])
    assert pool(shuffled, 3) == pytest.approx(pool(frames, 3))
    assert pool(frames[::-1], 1) == pytest.approx(pool(frames, 1))
    assert pool(frames[::-1], 3) != pytest.approx(pool(frames, 3))


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_word_shorter_than_its_parts(length):
    found = pool(np.ones((length, 2)), parts=3)
    assert found == pytest.approx([1, 1, 0, 0] * 3)


def test_nothing_to_pool():
    with pytest.raises(AsrlabError, match=r"frames \(0, 2\)"):
        pool(np.ones((0, 2)))
    with pytest.raises(AsrlabError, match="parts=0"):
        PooledOptions(parts=0)


def test_vectors_have_the_size_that_the_options_say_and_forget_the_level(tmp_path):
    import soundfile

    samples = np.random.default_rng(1).normal(scale=0.1, size=4000)
    utterances = []
    for name, gain in (("loud", 1.0), ("soft", 0.25)):
        soundfile.write(tmp_path / f"{name}.wav", gain * samples, 8000, subtype="FLOAT")
        utterances.append(Utterance.recorded(name, tmp_path / f"{name}.wav", "one", "s", 0.5))
    options = PooledOptions(sample_rate=8000)
    loud, soft = vectors(utterances, options)
    assert len(loud) == options.dim == 2 * FrontEnd(options.front_end).dim * options.parts
    assert loud == pytest.approx(soft, abs=1e-3)
