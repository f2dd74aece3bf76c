"""Words spoken to order: voices that do not meet, samples that repeat, and noise exactly as loud as asked."""

from itertools import pairwise

import numpy as np
import pytest

from asrlab.classic import words
from asrlab.core.errors import AsrlabError
from asrlab.signals.effects import active_power


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    """A cache of this module alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASRLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        words._noise.cache_clear()
        yield
        words._noise.cache_clear()


@pytest.fixture(scope="module")
def few(cache):
    return words.spoken(("en-us+m3", "en-gb+f2"), words=("one", "two", "red"), seed=5)


def test_no_variant_is_in_two_splits():
    variants = {split: {voice.split("+")[1] for voice in words.voices(split)} for split in ("train", "dev", "test")}
    assert not variants["train"] & variants["test"]
    assert not variants["dev"] & (variants["train"] | variants["test"])
    with pytest.raises(AsrlabError, match="split='eval'"):
        words.voices("eval")


def test_every_word_by_every_voice_and_each_its_own_stretch_of_the_file(few):
    assert [(u.text, u.speaker) for u in few] == [
        (word, voice) for voice in ("en-us+m3", "en-gb+f2") for word in ("one", "two", "red")
    ]
    for before, after in pairwise(few):
        assert after.start == pytest.approx(before.start + before.seconds)
    for utterance in few:
        samples = utterance.load(16000)
        assert len(samples) == round(utterance.seconds * 16000)
        assert np.abs(samples).max() > 0.05
        assert 140 <= int(utterance.tags["rate"]) <= 210


def test_the_same_call_gives_the_same_samples_also_when_made_anew(few):
    before = [u.load(16000) for u in few]
    few[0].source().path.write_bytes(b"damaged")
    again = words.spoken(("en-us+m3", "en-gb+f2"), words=("one", "two", "red"), seed=5)
    assert again == few
    assert all(np.array_equal(a, u.load(16000)) for a, u in zip(before, again, strict=True))


def test_faster_is_shorter():
    slow, fast = (words.spoken(("en-us+m3",), words=("seven",), rates=(r, r), pitches=(50, 50))[0] for r in (90, 380))
    assert slow.seconds > 1.3 * fast.seconds


@pytest.mark.parametrize("snr", [10, 0, -5])
def test_noise_has_the_level_that_was_asked_for(few, snr):
    """With the gain c of the whole and noise n, a noisy recording is c (x + n): c is found by least squares."""
    for clean, noisy in zip(few, words.with_noise(few, snr, "white"), strict=True):
        x, y = clean.load(16000).astype(float), noisy.load(16000).astype(float)
        assert len(x) == len(y)
        assert noisy.tags["snr"] == str(snr)
        assert (noisy.id, noisy.text, noisy.speaker) == (clean.id, clean.text, clean.speaker)
        gain = (x @ y) / (x @ x)
        found = 10 * np.log10(gain**2 * active_power(x, 16000) / np.mean((y - gain * x) ** 2))
        assert found == pytest.approx(snr, abs=0.6)  # x and n are not quite orthogonal


def test_noises_differ_in_colour(few):
    def slope(name):
        power = np.abs(np.fft.rfft(words._noise(name, 16000, "test").astype(float))) ** 2
        bands = [power[int(f * 30) : int(2 * f * 30)].mean() for f in (250, 500, 1000, 2000)]
        return np.diff(10 * np.log10(bands))

    assert slope("white") == pytest.approx(0, abs=0.5)
    assert slope("pink") == pytest.approx(-3, abs=0.5)  # dB in each octave
    assert len(words._noise("babble", 16000, "test")) == int(words.BABBLE_SECONDS * 16000)
    with pytest.raises(AsrlabError, match="noise='rain'"):
        words.with_noise(few, 0, "rain")


def test_babble_is_of_talkers_that_are_heard_nowhere_else():
    variants = {purpose: {voice.split("+")[1] for voice in words.talkers(purpose)} for purpose in words.PURPOSES}
    assert not variants["train"] & variants["test"]
    for split in ("dev", "test"):
        measured = {voice.split("+")[1] for voice in words.voices(split)}
        assert not measured & (variants["train"] | variants["test"])
    assert all(len(set(words.talkers(purpose))) == words.BABBLE_TALKERS for purpose in words.PURPOSES)


@pytest.mark.parametrize("noise", words.NOISES)
def test_noise_to_train_in_is_not_the_noise_to_test_in(noise):
    train, test = (words._noise(noise, 16000, purpose).astype(float) for purpose in words.PURPOSES)
    spectra = np.fft.rfft(train), np.fft.rfft(test)
    together = np.fft.irfft(spectra[0] * spectra[1].conj())  # correlation at every shift
    assert np.abs(together).max() < 0.2 * np.sqrt((train @ train) * (test @ test))


def test_mixed_noise_takes_turns_and_keeps_the_order(few):
    mixed = words.mixed_noise(few, (None, 5.0), "white")
    assert [u.id for u in mixed] == [u.id for u in few]
    assert [u.tags.get("snr") for u in mixed] == [None, "5"] * 3
    assert np.array_equal(mixed[0].load(16000), few[0].load(16000))


def test_nothing_to_say():
    with pytest.raises(AsrlabError, match="0 takes"):
        words.spoken(("en-us+m3",), takes=0)
