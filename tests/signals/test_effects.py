"""Effects against torchaudio, sample-by-sample loops, analytic responses and measured decibels."""

import numpy as np
import pytest
import torch
import torchaudio.functional

from asrlab.core.errors import AsrlabError
from asrlab.signals import effects
from asrlab.signals.effects import CompressorOptions
from asrlab.signals.segment import segment_speech


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def sine(frequency: float, level: float = 0.5, samples: int = 16000, sample_rate: int = 16000) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(samples) / sample_rate)).astype(np.float32)


def decibels(x: np.ndarray) -> float:
    return 10 * np.log10(np.mean(x.astype(np.float64) ** 2))


@pytest.mark.parametrize("levels", [256, 16])
def test_mu_law_equals_torchaudio(levels):
    x = np.linspace(-1, 1, 10001).astype(np.float32)
    codes = effects.mu_law_encode(x, levels)
    np.testing.assert_array_equal(codes, torchaudio.functional.mu_law_encoding(torch.from_numpy(x), levels))
    decoded = effects.mu_law_decode(codes, levels)
    oracle = torchaudio.functional.mu_law_decoding(torch.from_numpy(codes), levels)
    np.testing.assert_allclose(decoded, oracle, atol=1e-6)
    np.testing.assert_array_equal(effects.mu_law_encode(decoded, levels), codes)


def test_mu_law_knows_its_codes():
    with pytest.raises(AsrlabError, match=r"codes from 0 to 256: with levels=256 they lie in 0 \.\.\. 255"):
        effects.mu_law_decode(np.array([0, 256]))


def test_telephone_keeps_the_voice_band_only():
    for frequency, least, most in ((1000, -1.0, 1.0), (2500, -1.0, 1.0), (60, -200, -40), (6000, -200, -40)):
        y = effects.telephone(sine(frequency), 16000)
        assert len(y) == 16000
        assert least < decibels(y[2000:-2000]) - decibels(sine(frequency)) < most, frequency


@pytest.mark.parametrize("codec", ["mp3", "ogg"])
def test_codecs_distort_less_at_higher_quality_and_do_not_shift(codec):
    x = effects.band_pass(noise(32000), 16000, 200, 3000)
    errors = [np.std(effects.codec_round_trip(x, 16000, codec, quality) - x) / np.std(x) for quality in (0, 0.5, 1)]
    assert errors[2] < errors[1] < errors[0] < 1
    assert 1e-4 < errors[2] < 0.3  # lossy; a shift by one sample would give 0.9
    assert len(effects.codec_round_trip(x[:12345], 16000, codec)) == 12345


def test_codecs_refuse_what_they_lack():
    with pytest.raises(AsrlabError, match="codec='aac': expected mp3 or ogg"):
        effects.codec_round_trip(noise(100), 16000, "aac")
    with pytest.raises(AsrlabError, match="17000 Hz: mp3 has no such rate"):
        effects.codec_round_trip(noise(100), 17000, "mp3")
    with pytest.raises(AsrlabError, match="quality=2"):
        effects.codec_round_trip(noise(100), 16000, "mp3", 2)


def compress_loop(x, sample_rate, o):
    """Giannoulis et al. 2012, equations 4 and 17, a sample at a time."""
    attack, release = (np.exp(-1 / (ms / 1000 * sample_rate)) if ms else 0.0 for ms in (o.attack_ms, o.release_ms))
    peak = smooth = 0.0
    out = []
    for sample in x.astype(np.float64):
        level = 20 * np.log10(max(abs(sample), 1e-8))
        over = level - o.threshold_db
        if 2 * over < -o.knee_db:
            target = level
        elif 2 * abs(over) <= o.knee_db and o.knee_db:
            target = level + (1 / o.ratio - 1) * (over + o.knee_db / 2) ** 2 / (2 * o.knee_db)
        else:
            target = o.threshold_db + over / o.ratio
        peak = max(level - target, release * peak)
        smooth = attack * smooth + (1 - attack) * peak
        out.append(sample * 10 ** ((o.make_up_db - smooth) / 20))
    return np.array(out)


@pytest.mark.parametrize(
    "options",
    [
        CompressorOptions(),
        CompressorOptions(threshold_db=-20, ratio=10, knee_db=0, attack_ms=1, release_ms=20, make_up_db=6),
        CompressorOptions(attack_ms=0, release_ms=0),
        CompressorOptions(ratio=1),
    ],
)
def test_compressor_equals_the_loop_over_samples(options, monkeypatch):
    x = noise(3000) * np.repeat([0.01, 5.0, 0.0, 1.0, 0.1, 2.0], 500).astype(np.float32)
    expected = compress_loop(x, 8000, options)
    np.testing.assert_allclose(effects.compress(x, 8000, options), expected, rtol=1e-5, atol=1e-8)
    monkeypatch.setattr(effects, "BLOCK", 700)
    np.testing.assert_allclose(effects.compress(x, 8000, options), expected, rtol=1e-5, atol=1e-8)


def test_compressor_turns_the_loud_down_by_its_ratio_and_leaves_the_quiet():
    options = CompressorOptions(threshold_db=-20, ratio=4, knee_db=0, attack_ms=1, release_ms=1000)
    square = np.sign(sine(100)) + (sine(100) == 0)  # a level that holds still
    for level, expected in ((-8, -17.0), (-20, -20.0), (-50, -50.0)):
        y = effects.compress(np.float32(10 ** (level / 20)) * square.astype(np.float32), 16000, options)
        assert decibels(y[8000:]) == pytest.approx(expected, abs=1e-3)


def test_emphasis_equals_torchaudio_and_comes_back():
    x = noise(5000)
    lifted = effects.pre_emphasis(x, 0.97)
    np.testing.assert_allclose(lifted, torchaudio.functional.preemphasis(torch.from_numpy(x), 0.97), atol=1e-7)
    np.testing.assert_allclose(effects.de_emphasis(lifted, 0.97), x, atol=1e-5)
    with pytest.raises(AsrlabError, match=r"coefficient=1\.0: the inverse is unstable"):
        effects.de_emphasis(x, 1.0)


@pytest.mark.parametrize("low, high", [(300, 3400), (300, None), (None, 3400)])
def test_band_pass_has_the_butterworth_response(low, high):
    impulse = np.zeros(1 << 15, np.float32)
    impulse[0] = 1
    response = np.abs(np.fft.rfft(effects.band_pass(impulse, 16000, low, high)))
    hertz = np.fft.rfftfreq(len(impulse), 1 / 16000)
    warped = np.tan(np.pi * hertz / 16000)  # the bilinear transform bends the frequency axis

    def edge(f):
        return np.tan(np.pi * f / 16000)

    with np.errstate(divide="ignore"):
        if low and high:
            analog = (warped**2 - edge(low) * edge(high)) / (warped * (edge(high) - edge(low)))
        else:
            analog = warped / edge(high) if high else edge(low) / warped
        expected = 1 / np.sqrt(1 + analog**8)  # order 4
    np.testing.assert_allclose(response, expected, atol=2e-4)


def test_band_pass_knows_the_nyquist_frequency():
    for low, high in ((0, 3400), (300, 8000), (3400, 300)):
        with pytest.raises(AsrlabError, match=rf"low={low}, high={high} Hz: expected 0 < low < high < 8000"):
            effects.band_pass(noise(100), 16000, low, high)
    np.testing.assert_array_equal(effects.band_pass(noise(100), 16000, None, None), noise(100))


def test_dc_goes_and_nothing_else():
    x = noise(5000)
    x -= x.mean()
    np.testing.assert_allclose(effects.remove_dc(x + np.float32(0.25)), x, atol=1e-6)


@pytest.mark.parametrize("length", [300, 5000, 20000])
@pytest.mark.parametrize("snr", [-5, 0, 20])
def test_added_noise_has_the_ratio(length, snr):
    x, n = sine(200, samples=5000), noise(length)
    for generator in (None, np.random.default_rng(1)):
        added = effects.add_noise(x, n, snr, generator) - x
        assert decibels(x) - decibels(added) == pytest.approx(snr, abs=1e-3)
    again = effects.add_noise(x, n, snr, np.random.default_rng(1)) - x
    np.testing.assert_array_equal(added, again)
    if length == 300:  # repeats itself
        np.testing.assert_allclose(added[300:600], added[:300], atol=1e-6)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors_are_samples_too(kind):
    x = torch.from_numpy(noise(4000)).to(kind).requires_grad_()
    plain = x.detach().float().numpy()
    np.testing.assert_array_equal(effects.pre_emphasis(x), effects.pre_emphasis(plain))
    assert segment_speech(x, 8000) == segment_speech(plain, 8000)
    with pytest.raises(AsrlabError, match="int16 of shape"):
        effects.pre_emphasis(torch.zeros(5, dtype=torch.int16))


def test_silence_has_no_ratio():
    for x, n, name in ((np.zeros(10), noise(10), "samples"), (noise(10), np.zeros(10), "noise")):
        with pytest.raises(AsrlabError, match=f"{name}: silent"):
            effects.add_noise(x, n, 10)


@pytest.mark.parametrize(
    "effect",
    [
        effects.mu_law_encode,
        effects.pre_emphasis,
        effects.remove_dc,
        lambda x: effects.compress(x, 16000),
        lambda x: effects.telephone(x, 16000),
        lambda x: effects.codec_round_trip(x, 16000),
    ],
)
def test_bad_samples_are_refused_and_one_sample_is_not(effect):
    for bad in (np.array([0.1, np.nan]), np.zeros(0), np.zeros((2, 2)), np.zeros(4, np.int16)):
        with pytest.raises(AsrlabError, match=r"samples: .*; (give|replace)"):
            effect(bad)
    assert len(effect(np.array([0.5]))) == 1
