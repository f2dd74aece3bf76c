"""Noise and context without a browser: the answers are the recogniser's, and the page mixes what it heard."""

import numpy as np
import pytest
from node import run_many

pytest.importorskip("anywidget", reason="anywidget is not installed")

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.pages.course import packaged
from asrlab.scoring.score import errors
from asrlab.signals.effects import active_power, add_noise
from asrlab.widgets import noise_context

LEVELS = (None, 10, -5)


@pytest.fixture(scope="module")
def recognizer():
    return packaged("scenetalk-las")


@pytest.fixture(scope="module")
def utterance():
    return next(u for u in corpora.load("scenetalk")["test"] if len(u.text.split()) >= 7)


@pytest.fixture(scope="module")
def data(recognizer, utterance):
    return noise_context.NoiseContext(recognizer, utterance, LEVELS).data


def test_each_level_shows_what_the_recogniser_answers(recognizer, utterance, data):
    samples = utterance.load(recognizer.sample_rate)
    noise = noise_context.white(utterance, recognizer.sample_rate)
    for level, shown in zip(LEVELS, data["levels"], strict=True):
        mixture = samples if level is None else add_noise(samples, noise, level)
        log_probs = recognizer.log_probs([mixture])[0]
        for name, text in (
            ("alone", recognizer.greedy(log_probs).text),
            ("context", recognizer.decode(log_probs)[0].text),
        ):
            heard = [heard for _, _, heard in shown[name] if heard]
            assert " ".join(heard) == text


def test_the_page_mixes_as_loud_as_the_level_says(recognizer, utterance, data):
    samples = utterance.load(recognizer.sample_rate)[:2000]
    noise = noise_context.white(utterance, recognizer.sample_rate)[:2000]
    whole = utterance.load(recognizer.sample_rate), noise_context.white(utterance, recognizer.sample_rate)
    for level, shown in zip(LEVELS[1:], data["levels"][1:], strict=True):
        powers = active_power(whole[0], recognizer.sample_rate), float(np.mean(whole[1].astype(float) ** 2))
        assert 10 * np.log10(powers[0] / powers[1] / shown["gain"] ** 2) == pytest.approx(level, abs=0.01)
    calls = [(samples.tolist(), noise.tolist(), gain, 10.0) for gain in (0.0, 0.5)]
    for (clean, added, gain, _), found in zip(calls, run_many("noise_context", "mix", calls), strict=True):
        assert np.allclose(found, np.array(clean) + gain * np.array(added), atol=1e-6)
    (limited,) = run_many("noise_context", "mix", [([1.0, -2.0], [0.0, 0.0], 0.0, 0.5)])
    assert limited == [0.25, -0.5]


def test_labels_and_shares():
    assert run_many("noise_context", "labelOf", [(None,), (0,), (10,), (-5,)]) == [
        "none", "as loud as the voice", "10 dB below the voice", "5 dB above the voice",
    ]  # fmt: skip
    pairs = [("move the star", "move a star now"), ("a b", "a b"), ("a b", "b")]
    operations = [noise_context._operations(*pair) for pair in pairs]
    expected = [errors([said], [heard])[0].rate for said, heard in pairs]
    assert run_many("noise_context", "wrongShare", [(ops,) for ops in operations]) == pytest.approx(expected)


def test_the_telling_recording_is_one_that_context_saves(monkeypatch):
    class Said(str):
        text = property(str)

    heard = {
        "a b": [("a b", "a b"), ("a x", "a b"), ("x", "a b")],
        "c d": [("c d", "c d"), ("c d", "c d"), ("x", "c d")],
        "e f": [("x", "e f"), ("x", "e f"), ("x", "e f")],  # wrong without any noise
    }
    monkeypatch.setattr(noise_context, "answers", lambda recognizer, utterance: heard[str(utterance)])
    assert noise_context.telling(None, [Said(text) for text in heard]) == "a b"


def test_a_recogniser_without_ctc_is_refused(recognizer, utterance, monkeypatch):
    monkeypatch.setattr(recognizer.model, "ctc", None)
    with pytest.raises(AsrlabError, match="no CTC head"):
        noise_context.answers(recognizer, utterance)
