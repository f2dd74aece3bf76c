"""The network in NumPy against torch, small differences and torch's optimisers; the vowels against their spectra."""

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.scratch import learning, vowels

SIZES = {"no hidden layer": (2, 3), "one hidden layer": (2, 5, 3)}


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    return generator.standard_normal((11, 2)), generator.integers(3, size=11)


def torch_loss(x, y, theta, mask=1.0):
    """The same network, written with torch's layers."""
    h = torch.from_numpy(x)
    for i in range(0, len(theta), 2):
        h = torch.nn.functional.linear(h, theta[i].T, theta[i + 1])
        h = torch.tanh(h) * mask if i + 2 < len(theta) else h
    return torch.nn.functional.cross_entropy(h, torch.from_numpy(y))


def in_torch(theta):
    return [torch.tensor(value, requires_grad=True) for value in theta]


@pytest.mark.equation("neuron")
def test_a_neuron_by_hand():
    x = np.array([[2.0, 1.0], [0.0, 4.0]])
    np.testing.assert_allclose(learning.neuron(x, np.array([0.5, -1.0]), 0.25), [0.25, -3.75])


@pytest.mark.equation("softmax")
def test_softmax_is_torchs_also_for_scores_that_overflow():
    z = np.array([[1.0, 2.0, 4.0], [1000.0, 0.0, 999.0]])
    np.testing.assert_allclose(learning.softmax(z), torch.from_numpy(z).softmax(-1).numpy(), atol=1e-14)
    two = learning.softmax(np.array([0.0, 1.5]))[1]
    assert two == pytest.approx(1 / (1 + np.exp(-1.5)))  # of two classes, a sigmoid of the difference


@pytest.mark.equation("cross-entropy", "hidden-layer")
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_the_loss_is_torchs(data, sizes):
    x, y = data
    theta = learning.start(sizes, seed=1)
    found = learning.cross_entropy(learning.forward(x, theta)[1], y)
    assert found == pytest.approx(torch_loss(x, y, in_torch(theta)).item(), rel=1e-12)


@pytest.mark.equation("score-gradient")
def test_the_gradient_of_the_scores_by_small_differences(data):
    y = data[1]
    z = np.random.default_rng(3).standard_normal((11, 3))
    found = learning.score_gradient(z, y)
    for n, k in ((0, 0), (4, 2), (10, 1)):
        step = np.zeros_like(z)
        step[n, k] = 1e-6
        expected = (learning.cross_entropy(z + step, y) - learning.cross_entropy(z - step, y)) / 2e-6
        assert found[n, k] == pytest.approx(expected, abs=1e-8)


@pytest.mark.equation("backpropagation")
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_the_gradient_is_what_torch_differentiates(data, sizes):
    x, y = data
    theta = learning.start(sizes, seed=2)
    mask = learning.dropout((11, 5), 0.4, np.random.default_rng(1)) if len(sizes) == 3 else 1.0
    theirs = in_torch(theta)
    torch_loss(x, y, theirs, torch.as_tensor(mask)).backward()
    for ours, value in zip(learning.gradient(x, y, theta, mask), theirs, strict=True):
        np.testing.assert_allclose(ours, value.grad.numpy(), atol=1e-12)


@pytest.mark.equation("gradient-step")
@pytest.mark.equation("adam")
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_many_steps_are_those_of_torchs_optimisers(data, name):
    x, y = data
    theta = learning.start((2, 5, 3), seed=4)
    theirs, state = in_torch(theta), learning.AdamState.start(theta)
    optimiser = (torch.optim.SGD if name == "sgd" else torch.optim.Adam)(theirs, lr=0.05)
    for _ in range(20):
        gradients = learning.gradient(x, y, theta)
        if name == "sgd":
            theta = learning.sgd(theta, gradients, 0.05)
        else:
            theta, state = learning.adam(theta, gradients, state, 0.05)
        optimiser.zero_grad()
        torch_loss(x, y, theirs).backward()
        optimiser.step()
    for ours, value in zip(theta, theirs, strict=True):
        np.testing.assert_allclose(ours, value.detach().numpy(), atol=1e-9)


def test_adams_first_step_has_the_length_of_the_rate_whatever_the_slope():
    theta = [np.array([1.0, 1.0, 1.0])]
    moved, _ = learning.adam(theta, [np.array([1e-3, -2.0, 500.0])], learning.AdamState.start(theta), rate=0.1)
    np.testing.assert_allclose(moved[0], [0.9, 1.1, 0.9], atol=2e-6)


@pytest.mark.equation("dropout")
def test_dropout_silences_its_share_and_keeps_the_mean():
    mask = learning.dropout((400, 500), 0.25, np.random.default_rng(0))
    assert {*np.unique(mask)} == {0.0, 1 / 0.75}
    deviation = np.sqrt(0.25 / 0.75 / mask.size)  # of the mean of so many independent entries
    assert abs(mask.mean() - 1) < 5 * deviation
    with pytest.raises(AsrlabError, match="q=1"):
        learning.dropout((2, 2), 1, np.random.default_rng(0))


def test_an_epoch_has_every_example_once():
    found = list(learning.batches(11, 4, np.random.default_rng(0)))
    assert [len(one) for one in found] == [4, 4, 3]
    assert sorted(np.concatenate(found)) == list(range(11))


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_it_learns_the_vowels_and_watches_every_epoch(optimiser):
    x, y = vowels.examples(120)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    seen = []
    theta = learning.train(
        x, y, learning.start((2, 2)), 60, 0.1, optimiser=optimiser, watch=lambda epoch, _: seen.append(epoch)
    )
    assert seen == list(range(61))
    assert learning.share_wrong(x, y, theta) < 0.15 < learning.share_wrong(x, y, [-theta[0], -theta[1]])


def test_an_unknown_optimiser_is_refused():
    x, y = vowels.examples(4)
    with pytest.raises(AsrlabError, match="'magic'"):
        learning.train(x, y, learning.start((2, 2)), 1, 0.1, optimiser="magic")


def test_examples_scatter_around_the_published_means():
    x, y = vowels.examples(6000, spread=0.05)
    bad_men = x[(y == 1) & (np.arange(6000) // 2 % 3 == 0)]
    np.testing.assert_allclose(bad_men.mean(axis=0), [0.66, 1.72], rtol=0.01)
    np.testing.assert_allclose(bad_men.std(axis=0), [0.033, 0.086], rtol=0.1)


def test_a_vowel_has_its_pitch_and_rings_at_its_formants():
    sound = vowels.speak((530, 1840, 2480), pitch=100, seconds=1.0)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))  # a bin a hertz
    harmonics = spectrum[100:4000:100]
    between = spectrum[150:4000:100]
    assert np.median(harmonics[: len(between)] / between) > 20
    for formant in (530, 1840, 2480):
        near = np.arange(round(formant / 100) - 3, round(formant / 100) + 4) * 100
        assert abs(near[spectrum[near].argmax()] - formant) <= 100
    assert np.abs(sound).max() == pytest.approx(0.5, rel=0.05)


def test_a_formant_above_half_the_rate_is_refused():
    with pytest.raises(AsrlabError, match="4500 Hz at 8000 Hz"):
        vowels.speak((530, 4500), 100, sample_rate=8000)
