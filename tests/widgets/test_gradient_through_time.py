"""The widget's JavaScript computes what asrlab.scratch.recurrence computes."""

import numpy as np
import pytest
from node import run_many

from asrlab.core.errors import AsrlabError
from asrlab.scratch import recurrence as scratch

widgets = pytest.importorskip(
    "asrlab.widgets.gradient_through_time", reason="anywidget is not installed; pip install asrlab[book]"
)
DATA = widgets.weights()
X = DATA["X"][:40]
ARRAYS = {name: np.array(value) for name, value in DATA.items()}
ELMAN = [(radius, linear) for radius in (0.5, 0.95, 1.3) for linear in (False, True)]


def elman_net(radius: float, linear: bool) -> scratch.Elman:
    return scratch.Elman(ARRAYS["W"], radius * ARRAYS["U"], np.zeros(8), np.zeros((8, 1)), np.zeros(1), linear)


def elman_norms(radius: float, linear: bool) -> tuple:
    net = elman_net(radius, linear)
    h, _ = scratch.elman(np.array(X), net)
    seen = scratch.Elman(net.W, net.U, net.b, ARRAYS["last"][:, None], net.c, linear)
    dy = np.zeros((len(X), 1))
    dy[-1] = 1  # so that the gradient at the last state is `last`
    return h, np.linalg.norm(scratch.state_gradients(h, dy, seen), axis=1)


def lstm_net(bias: float) -> scratch.Lstm:
    b = np.zeros(32)
    b[8:16] = bias
    return scratch.Lstm(ARRAYS["lstm_W"], ARRAYS["lstm_U"], b)


def test_states_and_gradients_of_the_elman_network_are_pythons():
    expected = [elman_norms(*case) for case in ELMAN]
    states = run_many("gradient_through_time", "elman", [(X, DATA["W"], DATA["U"], *case) for case in ELMAN])
    for found, (h, _) in zip(states, expected, strict=True):
        np.testing.assert_allclose(found, h, rtol=1e-9, atol=1e-12)
    calls = [(h, DATA["U"], *case, DATA["last"]) for h, case in zip(states, ELMAN, strict=True)]
    for found, (_, norms) in zip(run_many("gradient_through_time", "elmanGradients", calls), expected, strict=True):
        np.testing.assert_allclose(found, norms, rtol=1e-9)


def test_gradients_of_the_lstm_are_pythons():
    biases = [-2.0, 0.0, 1.0, 6.0]
    calls = [(X, DATA["lstm_W"], DATA["lstm_U"], bias, DATA["last"]) for bias in biases]
    for bias, found in zip(biases, run_many("gradient_through_time", "lstmNorms", calls), strict=True):
        net = lstm_net(bias)
        h, cell = scratch.lstm(np.array(X), net)
        gradients = scratch.lstm_state_gradients(np.array(X), h, cell, ARRAYS["last"], net)
        np.testing.assert_allclose(found, np.linalg.norm(gradients, axis=1), rtol=1e-9)


def test_the_weights_have_the_radius_that_the_slider_multiplies():
    assert scratch.spectral_radius(ARRAYS["U"]) == pytest.approx(1, abs=1e-3)
    assert np.linalg.norm(ARRAYS["last"]) == pytest.approx(1, abs=1e-3)


def test_verdicts():
    found = run_many("gradient_through_time", "verdict", [(1e-4,), (0.5,), (1e4,)])
    assert found == ["vanished", "still there", "exploded"]


@pytest.mark.parametrize("options", [{"radius": 2.0}, {"cell": "gru"}])
def test_odd_options_are_refused(options):
    with pytest.raises(AsrlabError, match=next(iter(options))):
        widgets.GradientThroughTime(**options)
