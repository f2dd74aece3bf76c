"""SpecAugment by what it hides and how often; speed perturbation against sines, torchaudio and single utterances."""

import itertools

import pytest
import torch
import torchaudio.functional

from asrlab.core.errors import AsrlabError
from asrlab.signals.augment import (
    ChannelOptions,
    LipsAugmentOptions,
    SpecAugmentOptions,
    jitter,
    random_channel,
    spec_augment,
    speed_lengths,
    speed_perturb,
)


@pytest.fixture(autouse=True)
def same_numbers_each_time():
    torch.manual_seed(0)


def augment(batch=4, frames=200, dim=80, lengths=None, seed=0, **options):
    lengths = torch.full((batch,), frames) if lengths is None else torch.tensor(lengths)
    generator = torch.Generator().manual_seed(seed)
    return spec_augment(torch.ones(batch, frames, dim), lengths, SpecAugmentOptions(**options), generator)


def test_masks_are_whole_frames_and_whole_bands():
    hidden = augment() == 0
    frames, bands = hidden.all(dim=2), hidden.all(dim=1)
    assert torch.equal(hidden, frames[:, :, None] | bands[:, None, :])
    assert frames.any()
    assert bands.any()


def test_the_same_seed_hides_the_same_and_utterances_differ():
    assert torch.equal(augment(seed=1), augment(seed=1))
    assert not torch.equal(augment(seed=1), augment(seed=2))
    assert not torch.equal(augment()[0], augment()[1])


def test_masks_stay_within_the_utterance_and_its_fraction():
    lengths = [200, 100, 39, 1]
    options = {"time_masks": 1, "time_fraction": 0.1, "freq_masks": 0}
    widths = torch.zeros(4, 11)
    for seed in range(400):
        hidden = augment(lengths=lengths, seed=seed, **options).eq(0).all(dim=2)
        for i, length in enumerate(lengths):
            assert not hidden[i, length:].any()
            assert hidden[i].sum() <= 0.1 * length
            widths[i, min(int(hidden[i].sum()), 10)] += 1
            places = hidden[i].nonzero()
            assert len(places) == 0 or places[-1] - places[0] + 1 == len(places)  # one stretch
    # widths 0 ... 10 of 100 frames are equally likely: 400 / 11 each, within 4.5 standard deviations
    assert (widths[1] - 400 / 11).abs().max() < 4.5 * (400 / 11 * 10 / 11) ** 0.5


def test_every_place_is_as_likely():
    """With a width of 1 or 0 each of 20 frames is hidden in half of the draws, divided by 20."""
    hidden = (
        augment(batch=20000, frames=20, dim=1, time_masks=1, time_fraction=0.05, freq_masks=0).eq(0).float().mean(dim=0)
    )
    assert torch.allclose(hidden, torch.full((20, 1), 1 / 40), atol=4.5 * (1 / 40 / 20000) ** 0.5)


def test_bands_are_at_most_so_wide_and_value_is_what_they_become():
    hidden = augment(batch=500, time_masks=0, freq_masks=1, freq_width=7, value=-3.0).eq(-3.0)
    assert set(hidden.sum(dim=(1, 2)).tolist()) == {200 * width for width in range(8)}
    with pytest.raises(AsrlabError, match=r"freq_width=500: wider than the \d+ features"):
        augment(freq_masks=1, freq_width=500)


def test_nothing_asked_is_nothing_hidden():
    assert augment(time_masks=0, freq_masks=0).eq(1).all()
    assert augment(time_fraction=0.0, freq_width=0).eq(1).all()
    for bad in ({"time_fraction": 1.5}, {"time_masks": -1}, {"freq_width": -2}):
        with pytest.raises(AsrlabError, match=f"{next(iter(bad))}=.*: give"):
            SpecAugmentOptions(**bad)


@pytest.mark.parametrize("factor", [0.9, 1.1, 0.8, 1.25, 2.0])
def test_a_sine_becomes_higher_and_shorter(factor):
    time = torch.arange(16000, dtype=torch.float64) / 16000
    faster = speed_perturb(torch.sin(2 * torch.pi * 400 * time), factor, 16000)
    assert len(faster) == speed_lengths(torch.tensor([16000]), factor, 16000) == -(-16000 // factor)
    expected = torch.sin(2 * torch.pi * 400 * factor * torch.arange(len(faster), dtype=torch.float64) / 16000)
    assert torch.allclose(faster[100:-100], expected[100:-100], atol=2e-3)


def test_speed_equals_torchaudio_and_one_is_nothing():
    x = torch.randn(3, 5000)
    expected, _ = torchaudio.functional.speed(x, 16000, 1.1)
    assert torch.allclose(speed_perturb(x, 1.1, 16000), expected, atol=1e-6)
    assert torch.equal(speed_perturb(x, 1.0, 16000), x)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_padded_speed_equals_each_utterance(factor):
    lengths = torch.tensor([5000, 3333, 401])
    x = torch.randn(3, 5000) * (torch.arange(5000) < lengths[:, None])
    together, new_lengths = speed_perturb(x, factor, 16000), speed_lengths(lengths, factor, 16000)
    for i in range(3):
        alone = speed_perturb(x[i, : lengths[i]], factor, 16000)
        assert len(alone) == new_lengths[i]
        assert torch.allclose(together[i, : new_lengths[i]], alone, atol=1e-6)


def test_speed_has_a_gradient_after_inference_mode():
    with torch.inference_mode():
        speed_perturb(torch.randn(100), 0.83, 16000)
    x = torch.randn(100, dtype=torch.float64, requires_grad=True)
    speed_perturb(torch.randn(100, requires_grad=True), 0.83, 16000).sum().backward()
    assert torch.autograd.gradcheck(lambda w: speed_perturb(w, 0.83, 16000), x, fast_mode=True)


def test_absurd_speeds_are_refused():
    for factor in (0.0, -1.0, 11.0, float("nan")):
        with pytest.raises(AsrlabError, match=r"factor=.*: give a speed between 0\.1 and 10"):
            speed_perturb(torch.zeros(100), factor, 16000)


# --- channels ---------------------------------------------------------------------------------------------------------


def through(features=None, lengths=None, seed=0, **options):
    features = torch.randn(400, 12, 40) if features is None else features
    lengths = torch.full((len(features),), features.shape[1]) if lengths is None else torch.tensor(lengths)
    generator = torch.Generator().manual_seed(seed)
    return features, random_channel(features, lengths, ChannelOptions(**options), generator)


def test_a_channel_is_a_constant_for_each_band():
    before, after = through(share=1.0, cut=0.0, colour=0.5)
    gains = after - before
    torch.testing.assert_close(gains, gains[:, :1].expand_as(gains), atol=1e-5, rtol=0)
    assert gains.mean(dim=2).abs().max() < 1e-5  # half waves have no mean: loudness stays
    assert gains[:, 0].std().item() == pytest.approx(0.5, rel=0.1)
    assert (gains[:, 0].diff(dim=1).abs().amax(dim=1) < 0.5).float().mean() > 0.9  # a curve, no jumps


def test_so_many_go_through_and_so_many_are_cut():
    before, after = through(share=0.3, cut=0.5, colour=0.2)
    changed = (after != before).flatten(1).any(dim=1)
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.08)
    lost = after.std(dim=1) < 1e-6  # a band that is lost is one value
    assert lost[changed].any(dim=1).float().mean().item() == pytest.approx(0.5, abs=0.12)
    assert not lost[~changed].any()


def test_what_is_lost_lies_at_the_ends_and_below_the_mean():
    _, after = through(share=1.0, cut=1.0, keep=0.6, low=0.15, floor=3.0)
    lost = after.std(dim=1) < 1e-6
    assert not lost[:, 6:24].any()  # 0.15 and 0.6 of 40 bands
    assert lost[:, -1].float().mean() > 0.9
    assert lost[:, 0].float().mean().item() == pytest.approx(0.5, abs=0.15)
    values = after[:, 0][lost]
    assert values.max() <= -1
    assert values.min() >= -3


def test_no_channel_no_change_and_padding_stays():
    before, after = through(share=0.0)
    assert torch.equal(before, after)
    before, after = through(torch.randn(3, 10, 8), [10, 4, 0], share=1.0, cut=1.0)
    assert torch.equal(after[1, 4:], before[1, 4:])
    assert torch.equal(after[2], before[2])
    for bad in ({"share": 1.5}, {"colour": -1.0}, {"waves": 0}, {"keep": 2.0}):
        with pytest.raises(AsrlabError, match=next(iter(bad))):
            ChannelOptions(**bad)


def test_pictures_are_mirrored_and_moved_as_one_film():
    films = torch.arange(200 * 2 * 4 * 6, dtype=torch.int16).view(200, 2, 4, 6)
    seen = jitter(films, LipsAugmentOptions(mirror=0.5, shift=1), torch.Generator().manual_seed(0))
    mirrored = 0
    for film, found in zip(films, seen, strict=True):
        for down, across, flip in itertools.product((-1, 0, 1), (-1, 0, 1), (False, True)):
            rows, columns = (torch.arange(4) + down).clamp(0, 3), (torch.arange(6) + across).clamp(0, 5)
            if torch.equal(film[:, rows][:, :, columns.flip(0) if flip else columns], found):
                mirrored += flip
                break
        else:
            raise AssertionError("neither mirrored nor moved")
    assert 60 < mirrored < 140  # of 200, at one half
    assert jitter(films, LipsAugmentOptions()) is films
    nothing = torch.zeros(3, 1)
    assert jitter(nothing, LipsAugmentOptions(0.5, 2)) is nothing
