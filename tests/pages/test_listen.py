"""The card must hold the sound itself, a picture that is right side up, and words at their times."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile
from PIL import Image

from asrlab.core.errors import AsrlabError
from asrlab.decode.hypothesis import Word
from asrlab.pages.listen import PEAKS, card

RATE = 16000
TIMES = np.arange(RATE) / RATE


def embedded(html: str, kind: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(re.search(f'data:{kind};base64,([^"]+)"', html)[1]))


def test_the_sound_in_the_card_is_the_sound_that_was_given():
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, RATE).astype(np.float32)
    heard, rate = soundfile.read(embedded(card(samples, RATE).html, "audio/flac"), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(heard, samples, atol=1 / 32767)


def test_a_rising_tone_rises_in_the_picture():
    """A sweep from 200 Hz to 6 kHz: the brightest row must move up from the lower to the upper third."""
    sweep = np.sin(2 * np.pi * np.cumsum(np.linspace(200, 6000, RATE)) / RATE) * 0.5
    picture = Image.open(embedded(card(sweep, RATE).html, "image/png"))
    loudness = np.asarray(picture)  # palette indices grow with loudness
    assert picture.height == 80
    brightest = loudness.argmax(axis=0)
    assert brightest[5] > 2 * picture.height / 3
    assert brightest[-5] < picture.height / 3
    assert np.mean(np.diff(brightest) <= 0) > 0.95


def test_the_outline_follows_the_envelope():
    """Silence, then sound: the path is flat for the first half and full for the second."""
    samples = np.where(TIMES < 0.5, 0.0, 0.25 * np.sin(2 * np.pi * 300 * TIMES))
    path = re.search(r'd="M([^"]+)Z"', card(samples, RATE).html)[1]
    points = [tuple(map(float, point.split())) for point in path.split("L")]
    upper = points[:PEAKS]
    assert all(y == 0 for x, y in upper if x < PEAKS / 2 - 1)
    assert all(y == pytest.approx(-1, abs=0.1) for x, y in upper if x > PEAKS / 2)


def test_words_carry_their_times_and_are_escaped():
    words = [Word("red", 0.1, 0.4, 0.9), Word("<b>", 0.5, 0.8, 0.5)]
    html = card(0.1 * np.sin(TIMES), RATE, words=words, title="a & b").html
    found = re.findall(r'data-start="([\d.]+)" data-end="([\d.]+)" data-confidence="([\d.]+)">([^<]*)<', html)
    assert found == [("0.100", "0.400", "0.90", "red"), ("0.500", "0.800", "0.50", "&lt;b&gt;")]
    assert "a &amp; b" in html
    assert "Spectrogram of red &lt;b&gt;: 1.0 seconds" in html


def test_silence_has_a_card():
    assert "nan" not in card(np.zeros(RATE), RATE).html.split("<audio")[0].split("base64")[0]


def test_two_channels_are_refused_with_a_remedy():
    with pytest.raises(AsrlabError, match=r"\(2, 16000\): expected \(N,\); mix"):
        card(np.zeros((2, RATE)), RATE)
