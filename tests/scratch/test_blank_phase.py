"""The small language: what its frames say, and the silence that CTC goes through on the way."""

import numpy as np
import pytest

from asrlab.scratch import ctc
from asrlab.scratch.blank_phase import TOKENS, examples, learn


def test_frames_give_their_letters_away():
    data = examples(count=20)
    for one in data:
        assert ctc.collapse(one.truth) == one.target and len(one.frames) == len(one.truth)
    right = [(one.frames.argmax(axis=1) == one.truth).mean() for one in data]
    assert np.mean(right) == 1
    assert all((a.frames == b.frames).all() for a, b in zip(data, examples(count=20), strict=True))


@pytest.mark.usefixtures("one_thread")
def test_silence_comes_first_and_letters_rise_from_it():
    data = examples(count=32)
    learned = learn(data, window=7, steps=350, keep=(0, 350))
    assert learned.losses[-1] < 0.2 < learned.losses[0]
    assert max(learned.blanks[10:80]) > 0.95  # nothing but blank
    assert learned.blanks[-1] < 0.2
    first, last = learned.beliefs[0], learned.beliefs[350]
    assert first.shape == last.shape == (len(data[0].truth), len(TOKENS))
    np.testing.assert_allclose(np.exp(last).sum(axis=1), 1, atol=1e-5)
    assert ctc.collapse(last.argmax(axis=1)) == data[0].target
