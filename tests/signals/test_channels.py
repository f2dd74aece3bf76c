"""Channels: each does what its name says, to the length, the band, the level; a recogniser hears through them."""

import numpy as np
import pytest

from asrlab.scoring.score import wer
from asrlab.scratch.front_end import quantise, signal_to_noise, tone
from asrlab.signals.channels import CHANNELS, hear_through

RATE = 16000


def level(x, frequency):
    """Amplitude of one frequency in the middle of the sound."""
    part = x[RATE // 4 : RATE // 4 + RATE // 2] * np.hanning(RATE // 2)
    return 4 * np.abs(part @ np.exp(-2j * np.pi * frequency * np.arange(RATE // 2) / RATE)) / (RATE // 2)


@pytest.fixture(scope="module")
def x():
    return sum(tone(f, 1.0, RATE, 0.1) for f in (100, 1000, 6000)).astype(np.float32)


@pytest.mark.parametrize("name", CHANNELS)
def test_lengths_and_types_stay(name, x):
    out = CHANNELS[name](x, RATE)
    assert out.shape == x.shape and out.dtype == np.float32 and np.isfinite(out).all() and np.abs(out).max() <= 1.5


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("as recorded", (1, 1, 1)), ("20 dB quieter", (0.1, 0.1, 0.1)), ("DC offset", (1, 1, 1)),
        ("best MP3", (1, 1, 1)), ("mu-law, 8 bits", (1, 1, 1)), ("8 kHz", (1, 1, 0)), ("300 to 3400 Hz", (0, 1, 0.03)),
        ("telephone", (0, 1, 0)),
    ],
)  # fmt: skip
def test_each_lets_through_what_its_name_says(name, kept, x):
    out = CHANNELS[name](x, RATE)
    found = [level(out, f) / 0.1 for f in (100, 1000, 6000)]
    np.testing.assert_allclose(found, kept, atol=0.06)


def test_eight_bits_in_two_ways(x):
    quiet = 0.03 * x
    np.testing.assert_allclose(CHANNELS["even steps, 8 bits"](quiet, RATE), quantise(quiet, 8), atol=1 / 127)
    even, bent = (signal_to_noise(quiet, CHANNELS[f"{how}, 8 bits"](quiet, RATE)) for how in ("even steps", "mu-law"))
    assert bent > even + 15


def test_levels_come_closer_and_peaks_are_cut(x):
    envelope = np.where(np.arange(RATE) < RATE // 2, 1.0, 0.1).astype(np.float32)
    out = CHANNELS["compressor"](x * envelope, RATE)
    before = np.abs(x[: RATE // 2]).max() / np.abs(0.1 * x[RATE // 2 :]).max()
    after = np.abs(out[RATE // 4 : RATE // 2]).max() / np.abs(out[-RATE // 4 :]).max()
    assert after < before / 4
    assert np.mean(np.abs(CHANNELS["clipping"](x, RATE)) == 1) > 0.5


def test_a_recogniser_hears_through_a_channel(toy_run):
    test = toy_run.corpus["test"]
    said = {u.id: u.text for u in test}
    clean, quieter = (
        hear_through(toy_run.recognizer, test, CHANNELS[name]) for name in ("as recorded", "20 dB quieter")
    )
    assert list(clean) == list(said)
    assert wer(said, clean) < 0.3
    assert wer(said, hear_through(toy_run.recognizer, test, lambda x, rate: 0.001 * x[::-1].copy())) > wer(said, clean)
    assert wer(clean, quieter) < 0.3  # normalised features forget the level
