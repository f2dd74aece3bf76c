"""The mel explorer: its JavaScript computes as signals.features and asrlab.scratch.front_end do; sounds come back."""

import base64
import io

import numpy as np
import pytest
import soundfile
import torch
from node import run_js, run_many

from asrlab.core.errors import AsrlabError
from asrlab.scratch import front_end as scratch
from asrlab.signals import features
from asrlab.signals.features import FrontEndOptions

RATE = 16000
USUAL = {"window": 25, "hop": 10, "shape": "hann", "bands": 80, "scale": "mel", "log": True, "emphasis": 0.97}


def sound(seconds=0.15, seed=0):
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return noise + scratch.tone(440, seconds, RATE)


def explorer():
    return pytest.importorskip("asrlab.widgets.mel_explorer", reason="anywidget is not installed")


@pytest.mark.parametrize("n", [2, 8, 256])
def test_the_fast_transform_is_numpys(n):
    x = sound()[:n] + 1j * sound(seed=1)[:n]
    forward, back = run_many("mel_explorer", "fft", [(x.real.tolist(), x.imag.tolist(), sign) for sign in (-1, 1)])
    np.testing.assert_allclose(np.array(forward[0]) + 1j * np.array(forward[1]), np.fft.fft(x), atol=1e-10)
    np.testing.assert_allclose(np.array(back[0]) + 1j * np.array(back[1]), n * np.fft.ifft(x), atol=1e-10)


def test_with_the_usual_settings_the_picture_is_log_mel():
    cases = [{}, {"window": 32, "hop": 4, "bands": 40}, {"emphasis": 0, "window": 64, "bands": 128}]
    calls = [(sound().tolist(), RATE, USUAL | case) for case in cases]
    for case, found in zip(cases, run_many("mel_explorer", "features", calls), strict=True):
        set_to = USUAL | case
        options = FrontEndOptions(
            window_ms=set_to["window"], hop_ms=set_to["hop"], n_mels=set_to["bands"], pre_emphasis=set_to["emphasis"]
        )
        expected = features.log_mel(torch.from_numpy(sound())[None], options)[0]
        np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize(("shape", "window"), [("hamming", scratch.hamming), ("rectangular", np.ones)])
def test_other_windows_all_bins_and_no_logarithm_are_those_of_the_page(shape, window):
    settings = USUAL | {"shape": shape, "scale": "linear", "log": False, "emphasis": 0, "window": 20}
    expected = scratch.spectrogram(sound(), window(320), 160, 512)
    found = run_js("mel_explorer", "features", sound().tolist(), RATE, settings)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(("bands", "points"), [(80, 512), (128, 128), (8, 1024)])
def test_filters_are_the_triangles_also_where_they_catch_nothing(bands, points):
    found = np.zeros((points // 2 + 1, bands))
    for m, one in enumerate(run_js("mel_explorer", "melFilters", bands, points, RATE)):
        found[one["first"] : one["first"] + len(one["weights"]), m] = one["weights"]
    np.testing.assert_allclose(found, scratch.mel_filters(bands, points, RATE), atol=1e-12)


def test_a_flat_spectrum_stays_flat_when_it_is_spread_again():
    filters = run_js("mel_explorer", "melFilters", 40, 512, RATE)
    row = [3.0 * sum(one["weights"]) for one in filters]
    spread = run_js("mel_explorer", "spread", row, filters, 257)
    found = np.array(list(spread.values()) if isinstance(spread, dict) else spread)
    np.testing.assert_allclose(found[1:256], 3.0)
    assert found[0] == 0


def test_a_sound_is_rebuilt_from_powers_alone_and_closer_with_each_round():
    x, window = sound(0.3), scratch.hann(400)
    P = scratch.spectrogram(x, window, 100, 512)

    def miss(rounds):
        y = np.array(run_js("mel_explorer", "rebuilt", P.tolist(), 400, 100, rounds))
        again = scratch.spectrogram(y, window, 100, 512)
        assert np.abs(np.fft.rfft(y)).argmax() * RATE / len(y) == pytest.approx(440, abs=10)
        return np.linalg.norm(np.sqrt(again) - np.sqrt(P)) / np.linalg.norm(np.sqrt(P))

    first, third, tenth = (miss(rounds) for rounds in (0, 3, 10))
    assert tenth < third < first and tenth < 0.3


def test_a_sound_comes_back_also_where_frames_do_not_overlap():
    P = scratch.spectrogram(sound(0.3), scratch.hann(80), 320, 128)
    y = np.array(run_js("mel_explorer", "rebuilt", P.tolist(), 80, 320, 2))
    assert len(y) == (len(P) - 1) * 320 + 640 and np.isfinite(y).all() and np.abs(y[320:-320]).min() < np.abs(y).max()


@pytest.mark.parametrize(("milliseconds", "expected"), [(64, [1000, 1080]), (10, [1040])])
def test_a_long_window_tells_two_tones_apart_and_a_short_one_does_not(milliseconds, expected):
    x = explorer().examples()["two tones"]
    W = 16 * milliseconds
    frame = x[100 : 100 + W] * scratch.hann(W)
    power = scratch.power(scratch.dft(frame, 2048))
    assert run_js("mel_explorer", "peaks", power.tolist(), RATE) == pytest.approx(expected, abs=30)


def test_a_vowel_has_its_pitch_and_its_resonances():
    x = explorer().vowel()
    assert np.abs(x).max() == pytest.approx(0.4, abs=0.02)
    smooth = scratch.envelope(np.log(scratch.spectrogram(x, scratch.hann(800), 160, 1024).mean(axis=0))[None], 60)[0]
    tops = np.flatnonzero((smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] > smooth[2:])) + 1
    for centre in (700, 1100, 2500):
        assert np.abs(tops * RATE / 1024 - centre).min() < 80
    early = x[800:4000]
    alike = np.correlate(early, early, "full")[len(early) - 1 :]
    assert RATE / (80 + alike[80:300].argmax()) == pytest.approx(105, abs=8)  # 110 Hz, gliding down


def test_sounds_travel_as_they_are_and_odd_ones_are_refused():
    widget = explorer().MelExplorer({"mine": sound(0.5)})
    names = [one["name"] for one in widget.data["sounds"]]
    assert names == ["mine", "a sweep", "two tones", "a vowel"]
    read, rate = soundfile.read(io.BytesIO(base64.b64decode(widget.data["sounds"][0]["flac"])))
    assert rate == RATE
    np.testing.assert_allclose(read, np.clip(sound(0.5), -1, 1), atol=2 / 32768)
    for bad, message in (
        (np.zeros((2, 1000)), "shape"), (np.zeros(100), r"lasts 0\.01"), (np.full(8000, np.nan), "finite"),
        (np.zeros(8000, int), "int64"),
    ):  # fmt: skip
        with pytest.raises(AsrlabError, match=message):
            explorer().MelExplorer({"odd": bad})
    with pytest.raises(AsrlabError, match="sample_rate=4000"):
        explorer().MelExplorer(sample_rate=4000)
