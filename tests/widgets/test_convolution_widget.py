"""The convolution widget: its JavaScript gives what asrlab.scratch.convolution and its own Python module give."""

import base64

import numpy as np
import pytest
from node import run_many

from asrlab.core.errors import AsrlabError
from asrlab.scratch import convolution as scratch

widgets = pytest.importorskip(
    "asrlab.widgets.convolution", reason="anywidget is not installed; pip install asrlab[book]"
)

RNG = np.random.default_rng(5)
WAYS = [(1, 0, 1), (1, 3, 1), (2, 3, 1), (3, 0, 2), (4, 48, 16), (1, 9, 3)]  # stride, padding, dilation
CASES = [(RNG.normal(size=120).tolist(), RNG.normal(size=7).tolist(), *way) for way in WAYS]


def test_outputs_and_their_number_are_pythons():
    for case, y in zip(CASES, run_many("convolution", "slide", CASES), strict=True):
        np.testing.assert_allclose(y, scratch.slide_with(np.array(case[0]), np.array(case[1]), *case[2:]), atol=1e-12)
    sizes = [(len(x), len(w), s, p, r) for x, w, s, p, r in CASES]
    assert run_many("convolution", "outputLength", sizes) == [scratch.output_length(*size) for size in sizes]
    assert run_many("convolution", "outputLength", [(90, 7, 1, 0, 16)]) == [0]  # too long to find a place


def test_products_add_up_to_the_output():
    for x, w, *way in CASES:
        y = scratch.slide_with(np.array(x), np.array(w), *way)
        found = run_many("convolution", "products", [(x, w, t, *way) for t in range(len(y))])
        np.testing.assert_allclose(np.sum(found, axis=1), y, atol=1e-12)


def test_peaks_are_pythons():
    lines = [RNG.normal(size=80).round(1).tolist() for _ in range(20)] + [[1.0], [1.0, 1.0, 0.0, 1.0]]
    for y, found in zip(lines, run_many("convolution", "peaks", [(y, 0.3) for y in lines]), strict=True):
        assert found == scratch.peaks(np.array(y), 0.3)


def test_clicks_are_pythons_and_lie_where_they_should():
    samples, times = (0.3 * RNG.normal(size=4000)).tolist(), [0.1, 0.105, 0.499, 3.0]
    (mixed,) = run_many("convolution", "withClicks", [(samples, 8000, times)])
    np.testing.assert_allclose(mixed, widgets.with_clicks(samples, 8000, times), atol=1e-9)
    silent = widgets.with_clicks(np.zeros(4000), 8000, [0.25])
    assert np.flatnonzero(silent)[0] // 8 == 250  # the first sample of a sine is 0, the next one is not


def test_held_repeats_each_value_for_a_stride():
    ((*found,),) = run_many("convolution", "held", [([1, -2, 0.5], 2)])
    assert found == pytest.approx([0.45, 0.45, -0.9, -0.9, 0.225, 0.225])


def test_sound_travels_as_whole_numbers():
    widget = widgets.Convolution(0.5 * np.sin(np.arange(8000) / 5).astype(np.float32), 8000, text="hum")
    (heard,) = run_many("convolution", "samplesOf", [(widget.data["sound"],)])
    sent = np.frombuffer(base64.b64decode(widget.data["sound"]), "<i2") / 32767
    np.testing.assert_allclose(heard, sent)
    assert np.abs(heard).max() == pytest.approx(1.0, abs=1e-3)
    assert len(widget.data["loudness"]) == 100
    assert len(widget.data["piece"]) == widgets.PIECE


def test_loudness_falls_by_what_decibels_say():
    tone = np.sin(2 * np.pi * 400 * np.arange(16 * widgets.HOP) / 8000)  # whole periods in a stretch
    tone[8 * widgets.HOP :] *= 0.1  # 20 dB down
    level = widgets.loudness(tone)
    assert level[0] == pytest.approx(1.0)
    assert level[-1] == pytest.approx(1 - 20 / widgets.RANGE)


def test_what_does_not_fit_is_refused():
    with pytest.raises(AsrlabError, match=r"0\.2 to 2\.5 s"):
        widgets.Convolution(np.zeros(16000 * 3), 16000)
    with pytest.raises(AsrlabError, match="signal='pitch'"):
        widgets.Convolution(np.zeros(16000), 16000, signal="pitch")
