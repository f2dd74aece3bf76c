"""The front end, step by step: against numpy.fft, scipy, librosa, torchaudio, the fast versions, and physics."""

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.signal
import torch
import torchaudio

from asrlab.core.errors import AsrlabError
from asrlab.scratch import front_end as scratch
from asrlab.signals import effects, features
from asrlab.signals.features import FrontEndOptions
from asrlab.signals.segment import frame, segment_speech

RATE = 16000


def noise(*shape, seed=0):
    return 0.2 * np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.equation("aliasing")
@pytest.mark.parametrize(("f", "heard"), [(0, 0), (3000, 3000), (5000, 3000), (8000, 0), (11000, 3000), (13000, 3000)])
def test_a_tone_that_is_too_high_folds_over(f, heard):
    assert scratch.heard_frequency(f, 8000) == heard
    spectrum = np.abs(np.fft.rfft(scratch.tone(f + 0.25, 4.0, 8000)))  # a quarter of a Hz, so that no bin is empty
    assert spectrum.argmax() / 4 == pytest.approx(heard, abs=0.26)


@pytest.mark.equation("aliasing")
@pytest.mark.parametrize("f", [200.0, 3900.0, 4100.0, 6789.0, 9001.0])
def test_the_samples_of_a_folded_tone_are_the_same_samples(f):
    n = np.arange(800)
    folded = scratch.heard_frequency(f, 8000)
    np.testing.assert_allclose(np.cos(2 * np.pi * f * n / 8000), np.cos(2 * np.pi * folded * n / 8000), atol=1e-9)


def test_a_sweep_is_at_its_frequency_when_it_should_be():
    x = scratch.sweep(100, 4000, 2.0, RATE)
    crossings = np.sum(np.diff(np.signbit(x[RATE - 800 : RATE + 800])))  # 0.1 s around the middle: 2050 Hz
    assert crossings == pytest.approx(2 * 2050 * 0.1, abs=3)


@pytest.mark.equation("quantisation")
def test_quantising_to_16_bits_is_what_a_wav_file_does():
    x = np.clip(noise(5000), -1, 1)
    as_file = np.clip(np.floor(x * 32768 + 0.5), -32768, 32767) / 32768
    np.testing.assert_array_equal(scratch.quantise(x, 16), as_file)
    assert len(np.unique(scratch.quantise(np.linspace(-2, 2, 9999), 3))) == 8


@pytest.mark.equation("quantisation")
@pytest.mark.parametrize("bits", [6, 8, 12])
def test_rounding_errors_have_the_power_of_a_uniform_distribution(bits):
    x = np.random.default_rng(0).uniform(-0.9, 0.9, 100_000)
    error = scratch.quantise(x, bits) - x
    assert np.mean(error**2) == pytest.approx((2.0 ** (1 - bits)) ** 2 / 12, rel=0.02)
    snr = scratch.signal_to_noise(x, scratch.quantise(x, bits))
    assert snr == pytest.approx(6.02 * bits + 20 * np.log10(0.9), abs=0.1)


@pytest.mark.equation("mu-law")
def test_mu_law_is_torchaudios_and_the_packages():
    x = np.clip(noise(4000), -1, 1)
    codes = torchaudio.functional.mu_law_encoding(torch.from_numpy(x), 256)
    np.testing.assert_array_equal(np.floor((scratch.mu_law(x) + 1) / 2 * 255 + 0.5), codes)
    np.testing.assert_allclose(scratch.mu_law_inverse(scratch.mu_law(x)), x, atol=1e-12)
    np.testing.assert_allclose(
        scratch.mu_law_quantise(x.astype(np.float32)), effects.mu_law_decode(effects.mu_law_encode(x)), atol=1e-5
    )


@pytest.mark.equation("pre-emphasis")
def test_pre_emphasis_is_scipys_filter_and_the_packages():
    x = noise(1000)
    np.testing.assert_allclose(scratch.pre_emphasis(x, 0.9), scipy.signal.lfilter([1, -0.9], [1], x), atol=1e-14)
    np.testing.assert_allclose(scratch.pre_emphasis(x), effects.pre_emphasis(x), atol=1e-6)


@pytest.mark.equation("filter-response")
def test_the_response_of_a_filter_is_scipys_and_what_it_does_to_a_wave():
    b, f = np.array([1.0, -0.97, 0.3]), np.array([0.0, 440.0, 3000.0, 8000.0])
    _, expected = scipy.signal.freqz(b, 1, f, fs=RATE)
    np.testing.assert_allclose(scratch.filter_response(b, f, RATE), expected, atol=1e-12)
    wave = np.exp(2j * np.pi * 440 * np.arange(50) / RATE)
    through = scipy.signal.lfilter(b, [1], wave)
    np.testing.assert_allclose(through[2:] / wave[2:], expected[1], atol=1e-12)


@pytest.mark.equation("compressor")
def test_above_the_threshold_ratio_decibels_become_one():
    level = np.array([-60.0, -30.0, -26.0, -10.0])
    out = level + scratch.compressor_gain_db(level, -30, 4)
    np.testing.assert_allclose(out, [-60, -30, -29, -25])
    loud = scratch.tone(1000, 1.0, RATE, amplitude=10 ** (-10 / 20)).astype(np.float32)
    options = effects.CompressorOptions(knee_db=0, attack_ms=0, release_ms=1000)
    settled = effects.compress(loud, RATE, options)[RATE // 2 :]
    assert 20 * np.log10(np.abs(settled).max()) == pytest.approx(-25, abs=0.2)


@pytest.mark.equation("hann-window")
@pytest.mark.parametrize("W", [8, 33, 400])
def test_windows_are_scipys_and_halves_of_hann_add_up_to_one(W):
    np.testing.assert_allclose(scratch.hann(W), scipy.signal.get_window("hann", W), atol=1e-14)
    np.testing.assert_allclose(scratch.hamming(W), scipy.signal.get_window("hamming", W), atol=1e-14)
    if W % 2 == 0:
        window = scratch.hann(W)
        np.testing.assert_allclose(window[: W // 2] + window[W // 2 :], 1)


@pytest.mark.equation("framing")
@pytest.mark.parametrize(("N", "W", "H"), [(400, 400, 160), (1000, 400, 160), (719, 400, 160), (720, 400, 160)])
def test_frames_are_the_packages_and_librosas(N, W, H):
    x, window = noise(N), scratch.hann(W)
    found = scratch.frames(x, window, H)
    assert found.shape == (1 + (N - W) // H, W)
    np.testing.assert_array_equal(found, frame(x, W, H) * window)
    np.testing.assert_array_equal(found, librosa.util.frame(x, frame_length=W, hop_length=H).T * window)


@pytest.mark.equation("dft", "power-spectrum")
@pytest.mark.parametrize(("W", "points"), [(16, 16), (400, 512), (25, 27)])
def test_comparing_with_each_wave_is_numpys_fft(W, points):
    x = noise(3, W)
    X = scratch.dft(x, points)
    np.testing.assert_allclose(X, np.fft.rfft(x, points), atol=1e-11)
    np.testing.assert_allclose(scratch.power(X), np.abs(np.fft.rfft(x, points)) ** 2, atol=1e-11)


@pytest.mark.equation("power-spectrum")
def test_power_forgets_where_a_wave_begins_and_keeps_the_energy():
    n = np.arange(64)
    shifted = [np.cos(2 * np.pi * 5 * n / 64 + phase) for phase in (0, 1, 2)]
    powers = [scratch.power(scratch.dft(x, 64)) for x in shifted]
    np.testing.assert_allclose(powers[1], powers[0], atol=1e-9)
    np.testing.assert_allclose(powers[2], powers[0], atol=1e-9)
    x = noise(64)
    P = scratch.power(scratch.dft(x, 64))
    assert (P[0] + 2 * P[1:-1].sum() + P[-1]) / 64 == pytest.approx(np.sum(x**2))  # Parseval


@pytest.mark.equation("mel-scale")
def test_mel_scale_is_librosas_and_torchs():
    f = np.linspace(0, 8000, 50)
    np.testing.assert_allclose(scratch.hz_to_mel(f), librosa.hz_to_mel(f, htk=True))
    np.testing.assert_allclose(scratch.hz_to_mel(f), features.hz_to_mel(torch.from_numpy(f)))
    np.testing.assert_allclose(scratch.mel_to_hz(scratch.hz_to_mel(f)), f, atol=1e-9)
    assert scratch.hz_to_mel(1000) == pytest.approx(1000, abs=0.1)


@pytest.mark.equation("mel-filter")
@pytest.mark.parametrize(("F", "points", "low"), [(80, 512, 20.0), (40, 512, 0.0), (23, 1024, 125.0)])
def test_filters_are_librosas_and_the_packages(F, points, low):
    found = scratch.mel_filters(F, points, RATE, low)
    expected = librosa.filters.mel(sr=RATE, n_fft=points, n_mels=F, fmin=low, htk=True, norm=None, dtype=np.float64)
    np.testing.assert_allclose(found, expected.T, atol=1e-12)
    np.testing.assert_allclose(found, features.mel_filterbank(F, points, RATE, low), atol=1e-12)


@pytest.mark.equation("mel-filter")
def test_a_filter_between_two_bins_catches_nothing():
    assert (scratch.mel_filters(128, 128, RATE).max(axis=0) == 0).any()
    between = scratch.mel_filters(20, 512, RATE).sum(axis=1)[10:200]
    np.testing.assert_allclose(between, 1)  # where one triangle falls, the next one rises


@pytest.mark.equation("log-mel", "framing", "dft")
@pytest.mark.parametrize(("seconds", "F"), [(0.2, 80), (0.5, 40)])
def test_all_steps_in_a_row_are_the_fast_front_end(seconds, F):
    x = noise(round(seconds * RATE))
    expected = features.log_mel(torch.from_numpy(x)[None], FrontEndOptions(n_mels=F))[0]
    np.testing.assert_allclose(scratch.log_mel_of(x, RATE, F), expected, atol=1e-9)


@pytest.mark.equation("log-mel")
def test_a_ratio_of_loudness_is_a_difference_of_features():
    x = noise(4000)
    np.testing.assert_allclose(scratch.log_mel_of(0.1 * x), scratch.log_mel_of(x) + 2 * np.log(0.1), atol=1e-9)
    assert scratch.log_mel(np.zeros((1, 5)), np.ones((5, 2)), floor=1e-6) == pytest.approx(np.log(1e-6))


@pytest.mark.equation("cepstrum")
def test_cepstrum_is_scipys_cosine_transform_and_the_packages():
    c = noise(7, 80)
    np.testing.assert_allclose(scratch.cepstrum(c), scipy.fft.dct(c, norm="ortho")[:, :13], atol=1e-12)
    np.testing.assert_allclose(scratch.cepstrum(c, 20), features.mfcc(torch.from_numpy(c), 20), atol=1e-12)
    np.testing.assert_allclose(scratch.envelope(c, 80), c, atol=1e-12)
    smooth = scratch.envelope(c, 13)
    np.testing.assert_allclose(scratch.envelope(smooth, 13), smooth, atol=1e-12)  # nothing more to lose


@pytest.mark.equation("deltas")
def test_deltas_are_librosas_the_packages_and_the_slope_of_a_line():
    c = noise(40, 6)
    found = scratch.deltas(c)
    np.testing.assert_allclose(found, features.deltas(torch.from_numpy(c)[None])[0], atol=1e-12)
    np.testing.assert_allclose(found[2:-2], librosa.feature.delta(c.T, width=5).T[2:-2], atol=1e-12)
    line = 3 + 0.25 * np.arange(20)[:, None]
    np.testing.assert_allclose(scratch.deltas(line, 3)[3:-3], 0.25)


@pytest.mark.equation("mean-variance")
def test_normalised_features_forget_the_microphone():
    c = noise(50, 8) * np.arange(1, 9)
    found = scratch.normalise(c)
    expected = features.normalise_utterance(torch.from_numpy(c)[None], torch.tensor([50]))[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    microphone = np.linspace(-3, 3, 8)  # in the logarithm a fixed filter is a fixed sum
    np.testing.assert_allclose(scratch.normalise(c + microphone), found, atol=1e-12)
    np.testing.assert_array_equal(scratch.normalise(np.ones((5, 2))), 0)


@pytest.mark.equation("voice-activity")
def test_speech_is_what_stands_out_of_the_quietest_frames_around():
    energy = np.random.default_rng(0).uniform(-70, -10, 200)
    found = scratch.is_speech(energy, 20)
    floor = scipy.ndimage.minimum_filter1d(energy, 41, mode="nearest")
    np.testing.assert_array_equal(found, (energy > floor + 6) & (energy > -60))


@pytest.mark.equation("voice-activity")
def test_two_words_in_noise_are_found_where_the_package_finds_them():
    x = 0.001 * np.random.default_rng(0).standard_normal(3 * RATE)
    for start in (0.8, 2.0):
        x[int(start * RATE) : int((start + 0.4) * RATE)] += scratch.tone(300, 0.4, RATE)
    steps = scratch.frames(x, np.ones(800), 160)
    found = scratch.is_speech(10 * np.log10(np.mean(steps**2, axis=1)), reach=500)
    edges = np.flatnonzero(np.diff(found.astype(int))) * 0.01 + 0.025
    np.testing.assert_allclose(edges, [0.8, 1.2, 2.0, 2.4], atol=0.04)
    padded = np.ravel(segment_speech(x.astype(np.float32), RATE))  # it keeps 0.15 s on either side
    np.testing.assert_allclose(padded, edges + np.tile([-0.15, 0.15], 2), atol=0.05)


def test_impossible_frames_are_refused_with_a_remedy():
    with pytest.raises(AsrlabError, match=r"399 samples.*longer sound"):
        scratch.frames(noise(399), scratch.hann(400), 160)
    with pytest.raises(AsrlabError, match=r"K=256.*at least"):
        scratch.dft(noise(400), 256)
