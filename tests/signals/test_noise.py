"""Noise as augmentation: as loud as asked over active speech, as often as asked, nowhere that nothing is."""

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Stream
from asrlab.signals import audio, effects, noise
from asrlab.signals.noise import NoiseOptions, active_power, add_to_sound, noisy

RATE = 16000
ALL = {"kinds": noise.KINDS}


def speech(batch=6, seed=0):
    """Bursts of tones with long pauses between them, of several lengths; the last has none."""
    rng = np.random.default_rng(seed)
    lengths = torch.tensor([RATE * 2 - 777 * i for i in range(batch - 1)] + [0])
    waveforms = torch.zeros(batch, RATE * 2)
    for row, length in enumerate(lengths.tolist()):
        t = np.arange(length) / RATE
        burst = (np.sin(2 * np.pi * 1.5 * t + row) > 0.3) * np.sin(2 * np.pi * (200 + 90 * row) * t)
        waveforms[row, :length] = torch.from_numpy(rng.uniform(0.05, 0.5) * burst)
    return waveforms, lengths


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    for name, seconds in (("short.wav", 0.3), ("long.flac", 5.0)):
        audio.save(tmp_path / name, 0.1 * rng.standard_normal(round(8000 * seconds)).astype(np.float32), 8000)
    return str(tmp_path)


def options(folder, kind, **changes):
    return NoiseOptions(**{"kinds": (kind,), "share": 1.0, "files": folder if kind == "files" else "", **changes})


@pytest.mark.parametrize("kind", noise.KINDS)
@pytest.mark.parametrize("snr", [-5.0, 12.0])
def test_the_ratio_is_that_of_active_speech_to_noise(folder, kind, snr):
    x, lengths = speech()
    y = noisy(x, lengths, options(folder, kind, snr_db=(snr, snr)), RATE)
    for row, length in enumerate(lengths.tolist()[:-1]):
        clean, added = x[row, :length].double().numpy(), (y - x)[row, :length].double().numpy()
        loud = clean[np.abs(clean) > 0]  # the bursts, by how they were made
        found = 10 * np.log10(np.mean(loud**2) / np.mean(added**2))
        assert found == pytest.approx(snr, abs=0.6)  # frames at the edges of a burst are half a burst
        measured = 10 * np.log10(effects.active_power(clean, RATE) / np.mean(added**2))
        assert measured == pytest.approx(snr, abs=1e-2)
    beyond = torch.arange(x.shape[1])[None, :] >= lengths[:, None]
    assert (y[beyond] == 0).all()  # nothing where nothing is, nor in the utterance of length 0


def test_levels_spread_over_the_range_and_the_share_is_that_of_the_utterances():
    x, lengths = speech(batch=101)
    torch.manual_seed(0)
    y = noisy(x, lengths, NoiseOptions(("white",), snr_db=(5.0, 15.0), share=0.3), RATE)
    changed = ((y - x).abs().amax(dim=1) > 0)[:-1]
    assert 0.12 <= changed.float().mean() <= 0.48  # four standard deviations of 100 draws
    ratio = 10 * torch.log10(active_power(x, lengths, RATE) * lengths / (y - x).square().sum(dim=1))
    found = ratio[:-1][changed]
    assert found.min() > 4.9 and found.max() < 15.1 and found.max() - found.min() > 5


def test_without_a_kind_or_a_share_nothing_changes_and_no_chance_is_used(folder):
    x, lengths = speech()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for none in (NoiseOptions(), NoiseOptions(("white",), share=0.0)):
        assert noisy(x, lengths, none, RATE) is x
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", noise.KINDS)
def test_all_chance_is_of_the_generator(folder, kind):
    x, lengths = speech()
    one, same, other = (
        noisy(x, lengths, options(folder, kind), RATE, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_babble_is_of_the_others_and_alone_there_is_none():
    x, lengths = speech(batch=3)
    y = noisy(x, lengths, NoiseOptions(("babble",), snr_db=(0.0, 0.0), share=1.0), RATE)
    added = (y - x)[0, : lengths[0]].double().numpy()
    spectrum = np.abs(np.fft.rfft(added * np.hanning(len(added))))
    loudest = np.argmax(spectrum) * RATE / len(added)
    assert loudest == pytest.approx(290, abs=10)  # Hz, of the only other; its own is 200 Hz
    alone = noisy(x[:1], lengths[:1], NoiseOptions(("babble",), share=1.0), RATE)
    assert torch.equal(alone, x[:1])


def test_silence_stays_silent():
    x, lengths = torch.zeros(2, 8000), torch.tensor([8000, 3])
    assert (noisy(x, lengths, NoiseOptions(("white", "pink"), share=1.0), RATE) == 0).all()


def test_pink_noise_falls_by_three_decibels_in_an_octave():
    x = torch.ones(1, RATE * 8)
    torch.manual_seed(0)
    y = noisy(x, torch.tensor([RATE * 8]), NoiseOptions(("pink",), share=1.0), RATE) - x
    power = torch.fft.rfft(y[0].double()).abs().square()
    bands = [float(power[8 * f : 16 * f].mean().log10()) * 10 for f in (250, 500, 1000, 2000)]
    assert np.diff(bands) == pytest.approx(-3, abs=0.5)


def test_active_power_batched_is_that_of_each_alone():
    x, lengths = speech()
    lengths[2], lengths[3] = 100, 320  # less than a frame, and one
    found = active_power(x, lengths, RATE)
    for row, length in enumerate(lengths.tolist()[:-1]):
        alone = effects.active_power(x[row, :length], RATE)
        assert float(found[row]) == pytest.approx(alone, rel=1e-5)
    assert float(found[-1]) == 0


def test_pauses_do_not_change_active_power():
    tone = np.sin(2 * np.pi * 250 * np.arange(RATE) / RATE)
    quiet = 1e-4 * np.random.default_rng(0).standard_normal(3 * RATE)
    with_pauses = np.concatenate([quiet, tone, quiet])
    assert effects.active_power(tone, RATE) == pytest.approx(0.5, rel=1e-3)
    assert effects.active_power(with_pauses, RATE) == pytest.approx(0.5, rel=1e-3)


def test_only_sound_among_the_streams_is_touched():
    x, lengths = speech()
    lips = Stream(torch.zeros(6, 4, 2, 2), torch.full((6,), 4))
    heard = add_to_sound({"sound": Stream(x, lengths), "lips": lips}, NoiseOptions(("white",), share=1.0),
                         {"sound": RATE, "lips": 25.0})  # fmt: skip
    assert heard["lips"] is lips and not torch.equal(heard["sound"].values, x)
    assert add_to_sound({"lips": lips}, NoiseOptions(("white",)), {"lips": 25.0})["lips"] is lips


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"kinds": ("rain",)}, "noise.kinds='rain'"),
        ({"snr_db": (5.0, 0.0)}, "noise.snr_db"),
        ({"snr_db": (0.0,)}, "noise.snr_db"),
        ({"snr_db": (0.0, float("inf"))}, "noise.snr_db"),
        ({"share": 1.5}, "noise.share"),
        ({"share": float("nan")}, "noise.share"),
        ({"kinds": ("files",)}, "noise.files"),
        ({"files": "somewhere"}, "noise.files"),
    ],
    ids=str,
)
def test_options_out_of_range_are_named(wrong, message):
    with pytest.raises(AsrlabError, match=message):
        NoiseOptions(**wrong)


def test_a_folder_without_recordings_is_named(tmp_path):
    x, lengths = speech()
    with pytest.raises(AsrlabError, match=r"noise\.files=.*give a folder of recordings"):
        noisy(x, lengths, NoiseOptions(("files",), share=1.0, files=str(tmp_path)), RATE)
