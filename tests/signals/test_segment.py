"""Framing against loops; voice activity and cutting against recordings whose pauses are known."""

import itertools
import os
import time
from pathlib import Path

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.signals import audio
from asrlab.signals.segment import SegmentOptions, cut_at_quiet, frame, segment_speech

RATE = 16000


def recording(bursts: list[tuple[float, float]], seconds: float, snr_db: float, seed: int = 0) -> np.ndarray:
    """Noise at -50 dB, and syllables (noise that comes and goes four times a second) where the bursts are."""
    draw = np.random.default_rng(seed)
    x = draw.standard_normal(round(seconds * RATE)) * 10 ** (-50 / 20)
    for start, end in bursts:
        span = slice(round(start * RATE), round(end * RATE))
        count = span.stop - span.start
        syllables = np.sqrt(2) * np.abs(np.sin(np.pi * 4 * np.arange(count) / RATE + 0.7))
        x[span] += syllables * draw.standard_normal(count) * 10 ** ((snr_db - 50) / 20)
    return x.astype(np.float32)


BURSTS = [(1.0, 2.2), (3.5, 3.9), (6.0, 9.0), (11.0, 11.7)]


@pytest.mark.parametrize("shape", [(1000,), (2, 1000)])
def test_frames_are_views_of_the_slices(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    frames = frame(x, 400, 160)
    assert frames.shape == (*shape[:-1], 1 + (1000 - 400) // 160, 400)
    for t in range(frames.shape[-2]):
        np.testing.assert_array_equal(frames[..., t, :], x[..., t * 160 : t * 160 + 400])
    assert np.shares_memory(frames, x)


def test_frames_need_a_frame():
    assert frame(np.zeros(400), 400, 160).shape == (1, 400)
    with pytest.raises(AsrlabError, match="399 samples: the shortest allowed is one frame of 400"):
        frame(np.zeros(399), 400, 160)
    with pytest.raises(AsrlabError, match="hop=0"):
        frame(np.zeros(399), 40, 0)


@pytest.mark.parametrize("snr", [40, 20, 10])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_speech_is_found_where_it_is(snr, offset):
    options = SegmentOptions(padding=0.0)
    found = segment_speech(recording(BURSTS, 13, snr) + np.float32(offset), RATE, options)
    assert len(found) == len(BURSTS)
    np.testing.assert_allclose(found, BURSTS, atol=0.08)
    padded = segment_speech(recording(BURSTS, 13, snr) + np.float32(offset), RATE)
    np.testing.assert_allclose(np.array(padded) - found, [[-0.15, 0.15]] * len(BURSTS), atol=1e-6)


def test_the_floor_follows_the_noise():
    """The same speech first in a quiet room, then where the noise alone is as loud as the speech was before."""
    quiet, loud = recording(BURSTS, 20, 20), recording(BURSTS, 20, 20, seed=1) * 10
    found = segment_speech(np.concatenate([quiet, loud]), RATE, SegmentOptions(floor_seconds=2.0))
    later = [(start - 20, end - 20) for start, end in found if start > 22.5]  # two seconds until the quiet is forgotten
    np.testing.assert_allclose(later, BURSTS[1:], atol=0.25)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(5 * RATE, np.float32),
        np.zeros(1, np.float32),
        np.zeros(0, np.float32),
        np.full(5 * RATE, 0.5, np.float32),
        recording([], 5, 0),
        recording([(2.0, 2.03)], 5, 10),
    ],
    ids=["silence", "one sample", "no sample", "offset", "steady noise", "a click"],
)
def test_no_speech_gives_nothing(x):
    assert segment_speech(x, RATE) == []


def test_digital_silence_around_noise_does_not_make_it_speech():
    x = np.concatenate([np.zeros(2 * RATE, np.float32), recording([(2.0, 3.0)], 5, 20), np.zeros(2 * RATE, np.float32)])
    found = segment_speech(x, RATE, SegmentOptions(padding=0.0))
    np.testing.assert_allclose(found, [(4.0, 5.0)], atol=0.08)


def test_a_clip_cut_tightly_around_a_word_is_speech():
    word = recording([(0.0, 0.4)], 0.4, 30)
    assert segment_speech(word, RATE) == [(0.0, 0.4)]


def test_short_pauses_are_bridged_and_padding_never_overlaps():
    x = recording([(1.0, 1.5), (1.7, 2.2), (2.9, 3.4)], 5, 30)
    assert len(segment_speech(x, RATE)) == 2
    found = segment_speech(x, RATE, SegmentOptions(padding=5.0))
    assert found[0][0] == 0.0
    assert found[0][1] == found[1][0]
    assert found[1][1] == 5.0


def test_long_speech_is_cut_to_measure():
    x = recording([(0.5, 9.5)], 10, 30)
    whole = segment_speech(x, RATE)
    pieces = segment_speech(x, RATE, SegmentOptions(max_seconds=2.0))
    assert len(whole) == 1
    assert len(pieces) >= 5
    assert max(end - start for start, end in pieces) <= 2.0
    assert (pieces[0][0], pieces[-1][1]) == whole[0]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(pieces))


def test_cuts_fall_into_pauses():
    pauses = [4.0, 7.5, 12.0, 16.1]
    edges = [0.0, *pauses, 20.0]
    bursts = [(a + 0.1, b - 0.1) for a, b in itertools.pairwise(edges)]
    pieces = cut_at_quiet(recording(bursts, 20, 30), RATE, 5.0)
    np.testing.assert_allclose([end for _, end in pieces[:-1]], pauses, atol=0.1)


@pytest.mark.parametrize("seconds", [0.0001, 1.0, 5.0, 5.01, 6.3, 60.0])
def test_cuts_cover_everything_and_leave_no_crumbs(seconds):
    x = recording([], seconds, 0)
    pieces = cut_at_quiet(x, RATE, 5.0)
    assert pieces[0][0] == 0.0
    assert pieces[-1][1] == len(x) / RATE
    assert all(a[1] == b[0] for a, b in itertools.pairwise(pieces))
    lengths = [end - start for start, end in pieces]
    assert max(lengths) <= 5.0 + 1e-9
    assert len(pieces) == 1 or min(lengths) >= 1.2
    with pytest.raises(AsrlabError, match=r"max_seconds=0\.1: too short"):
        cut_at_quiet(x, RATE, 0.1)


def test_a_quarter_of_an_hour_takes_a_moment():
    x = np.tile(recording(BURSTS, 12.5, 20), 72)
    began = time.process_time()
    found = segment_speech(x, RATE, SegmentOptions(max_seconds=20))
    pieces = cut_at_quiet(x, RATE, 20)
    assert time.process_time() - began < 2.0  # 0.08 s on an idle machine
    assert len(found) == 72 * len(BURSTS)
    assert 45 <= len(pieces) <= 90


def test_nan_is_named():
    x = np.zeros(RATE, np.float32)
    x[8000] = np.nan
    with pytest.raises(AsrlabError, match=r"NaN or infinity near 0\.50 s; replace"):
        segment_speech(x, RATE)
    with pytest.raises(AsrlabError, match=r"samples of shape \(2, 3\)"):
        segment_speech(np.zeros((2, 3)), RATE)


@pytest.mark.skipif("ASRLAB_DATA" not in os.environ, reason="ASRLAB_DATA names no folder of recordings")
def test_real_words_are_found_between_pauses():
    paths = sorted(Path(os.environ["ASRLAB_DATA"]).glob("free-spoken-digit-dataset/recordings/*_1.wav"))[:20]
    if not paths:
        pytest.skip("no free-spoken-digit-dataset in ASRLAB_DATA")
    draw = np.random.default_rng(0)
    pieces, truth, now = [], [], 0
    for path in paths:
        word = audio.load(path)
        word *= 0.05 / np.std(word)
        pieces += [np.zeros(RATE, np.float32), word]
        truth.append(((now + RATE) / RATE, (now + RATE + len(word)) / RATE))
        now += RATE + len(word)
    x = np.concatenate([*pieces, np.zeros(RATE, np.float32)])
    x += (0.002 * draw.standard_normal(len(x))).astype(np.float32)
    found = segment_speech(x, RATE)
    for start, end in truth:  # no word is lost, none swallows its neighbour
        assert any(abs((start + end) / 2 - (a + b) / 2) < 0.3 and a < end and b > start for a, b in found)
    assert len(found) == len(truth)
