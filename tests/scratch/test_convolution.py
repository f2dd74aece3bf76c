"""Convolution, held to scipy.signal and torch.nn.functional, to perturbation and to autograd."""

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F
from torch import nn

from asrlab.core.errors import AsrlabError
from asrlab.scratch import convolution as c

RNG = np.random.default_rng(3)
SHAPES = [(1, 1, 1), (7, 1, 3), (12, 4, 5), (9, 3, 9)]  # T, F, k
WAYS = [(1, 0, 1), (2, 0, 1), (1, 3, 1), (1, 0, 2), (3, 2, 2), (4, 4, 1)]  # stride, padding, dilation


def layer(T, features, k, channels=3):
    return RNG.normal(size=(T, features)), RNG.normal(size=(k, features, channels)), RNG.normal(size=channels)


def torch_conv(X, W, b, **options):
    """torch's convolution, its channels in the middle and its weights (C, F, k)."""
    x, w = torch.tensor(X.T[None]), torch.tensor(W.transpose(2, 1, 0).copy())
    return F.conv1d(x, w, torch.tensor(b), **options)[0].T.numpy()


@pytest.mark.equation("convolution-sum")
@pytest.mark.parametrize(("T", "k"), [(1, 1), (9, 4), (20, 20), (30, 3)])
def test_slide_is_scipys_correlation(T, k):
    x, w = RNG.normal(size=T), RNG.normal(size=k)
    np.testing.assert_allclose(c.slide(x, w), scipy.signal.correlate(x, w, mode="valid"), atol=1e-12)


@pytest.mark.equation("flipped")
@pytest.mark.parametrize(("T", "k"), [(1, 1), (9, 4), (3, 8)])
def test_convolve_is_scipys_convolution_and_slide_with_the_kernel_reversed(T, k):
    x, w = RNG.normal(size=T), RNG.normal(size=k)
    np.testing.assert_allclose(c.convolve(x, w), scipy.signal.convolve(x, w), atol=1e-12)
    np.testing.assert_allclose(c.convolve(x, w), c.slide_with(x, w[::-1], p=k - 1), atol=1e-12)


@pytest.mark.equation("convolution")
@pytest.mark.parametrize("shape", SHAPES)
def test_conv_is_torchs(shape):
    X, W, b = layer(*shape)
    np.testing.assert_allclose(c.conv(X, W, b), torch_conv(X, W, b), atol=1e-12)
    np.testing.assert_allclose(c.conv(X, W, b, c.relu), np.maximum(torch_conv(X, W, b), 0), atol=1e-12)


@pytest.mark.equation("source-convolution")
def test_the_articles_formula_is_torchs_linear_layer_and_mixes_no_frames():
    X, W, b = RNG.normal(size=(6, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)
    linear = torch.relu(F.linear(torch.tensor(X), torch.tensor(W.T.copy()), torch.tensor(b))).numpy()
    np.testing.assert_allclose(c.dense(X, W, b, c.relu), linear, atol=1e-12)
    assert c.frames_seen(lambda frames: c.dense(frames, W, b), X, 3) == [3]


@pytest.mark.equation("im2col")
@pytest.mark.parametrize("way", WAYS)
def test_windows_times_weights_is_the_convolution(way):
    s, p, r = way
    X, W, b = layer(21, 4, 5)
    expected = torch_conv(X, W, b, stride=s, padding=p, dilation=r)
    np.testing.assert_allclose(c.conv_matmul(X, W, b, s=s, p=p, r=r), expected, atol=1e-12)


def test_windows_are_torchs_unfold():
    X = RNG.normal(size=(15, 4))
    image = torch.tensor(X.T[None, :, None, :])  # (1, F, 1, T)
    unfolded = F.unfold(image, kernel_size=(1, 5), stride=(1, 2))[0].T.reshape(-1, 4, 5)  # features first, then taps
    np.testing.assert_allclose(c.windows(X, 5, s=2), unfolded.transpose(1, 2).reshape(-1, 20).numpy())


@pytest.mark.equation("strided", "output-length")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("T", "k"), [(10, 3), (17, 5), (40, 4)])
def test_stride_padding_and_dilation_are_torchs(T, k, way):
    s, p, r = way
    x, w = RNG.normal(size=T), RNG.normal(size=k)
    expected = torch_conv(x[:, None], w[:, None, None], np.zeros(1), stride=s, padding=p, dilation=r)[:, 0]
    np.testing.assert_allclose(c.slide_with(x, w, s, p, r), expected, atol=1e-12)
    assert c.output_length(T, k, s, p, r) == len(expected)


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(AsrlabError, match="T=4 frames and padding 0 are shorter than the 5"):
        c.output_length(4, 3, r=2)
    with pytest.raises(AsrlabError, match="s=0"):
        c.output_length(4, 3, s=0)
    with pytest.raises(AsrlabError, match="same F"):
        c.conv(np.zeros((5, 2)), np.zeros((3, 4, 1)), np.zeros(1))


@pytest.mark.equation("equivariance")
@pytest.mark.parametrize("delay", [1, 2, 5])
def test_convolution_commutes_with_delays_and_a_stride_only_with_its_multiples(delay):
    X, W, b = layer(60, 3, 5)
    assert c.equivariance_gap(lambda x: c.conv(x, W, b, c.relu), X, delay) < 1e-12
    strided = c.equivariance_gap(lambda x: c.conv_matmul(x, W, b, c.relu, s=2), X, delay, s=2)
    assert (strided < 1e-12) == (delay % 2 == 0)


def test_padding_breaks_equivariance_at_the_edge():
    X, W, b = layer(60, 3, 5)
    X += 5.0  # so that the zeros outside are an edge
    late = np.concatenate([np.full((4, 3), 5.0), X])
    usual, moved = (c.conv_matmul(x, W, b, p=2) for x in (X, late))
    assert np.abs(moved[4:] - usual)[2:].max() < 1e-12
    assert np.abs(moved[4:] - usual)[:2].max() > 1e-3


STACKS = [[(3, 1, 1)], [(3, 2, 1), (3, 2, 1)], [(3, 2, 1), (3, 2, 1), (11, 1, 1)], [(5, 1, 1), (3, 1, 4), (2, 3, 2)]]


@pytest.mark.equation("receptive-field")
@pytest.mark.parametrize("stack", STACKS)
def test_receptive_field_is_where_gradients_arrive_and_changes_are_felt(stack):
    torch.manual_seed(0)
    layers = [nn.Conv1d(2, 2, k, stride=s, dilation=r) for k, s, r in stack]
    network = nn.Sequential(*layers).double()
    x = torch.randn(1, 2, 120, dtype=torch.float64, requires_grad=True)
    y = network(x)
    R, S = c.receptive_field(stack)
    reached = [torch.autograd.grad(y[0, :, t].sum(), x, retain_graph=True)[0].abs().sum((0, 1)) > 0 for t in (2, 3)]
    first, second = (torch.nonzero(one).flatten().tolist() for one in reached)
    assert (first[0], first[-1] - first[0] + 1) == (2 * S, R)
    assert second[0] - first[0] == S

    def run(X):
        with torch.no_grad():
            return network(torch.tensor(X.T[None]))[0].T.numpy()

    assert c.frames_seen(run, x.detach()[0].T.numpy(), 2) == first


class Counted(float):
    """A number that counts how often it is multiplied."""

    times = 0

    def __mul__(self, other):
        Counted.times += 1
        return float(self) * other


@pytest.mark.equation("conv-cost")
@pytest.mark.parametrize("groups", [1, 4])
def test_cost_counts_torchs_parameters_and_the_multiplications_of_the_loop(groups):
    T, k, features, channels = 9, 5, 8, 12
    parameters, multiplications = c.cost(T - k + 1, k, features, channels, groups)
    assert parameters == sum(p.numel() for p in nn.Conv1d(features, channels, k, groups=groups).parameters())
    Counted.times = 0
    for _ in range(groups):  # each group is a convolution of its own
        shape = (T, features // groups)
        X = np.array([Counted(1.0) for _ in range(shape[0] * shape[1])], dtype=object).reshape(shape)
        c.conv(X, np.ones((k, shape[1], channels // groups)), np.zeros(channels // groups))
    assert Counted.times == multiplications


def test_cost_of_a_dense_layer():
    parameters, multiplications = c.dense_cost(30, 8, 26, 12)
    assert parameters == sum(p.numel() for p in nn.Linear(30 * 8, 26 * 12).parameters())
    assert multiplications == parameters - 26 * 12


@pytest.mark.equation("separable")
def test_separable_is_a_grouped_convolution_and_a_pointwise_one():
    X, depth, point = RNG.normal(size=(20, 6)), RNG.normal(size=(5, 6)), RNG.normal(size=(6, 4))
    x = torch.tensor(X.T[None])
    alone = F.conv1d(x, torch.tensor(depth.T[:, None].copy()), groups=6)
    expected = F.conv1d(alone, torch.tensor(point.T[:, :, None].copy()))[0].T.numpy()
    np.testing.assert_allclose(c.separable(X, depth, point), expected, atol=1e-12)
    # The same as one full convolution whose weights are the products of the two.
    full = depth[:, :, None] * point[None]
    np.testing.assert_allclose(c.separable(X, depth, point), c.conv(X, full, np.zeros(4)), atol=1e-12)


@pytest.mark.equation("causal")
def test_causal_sees_no_future_and_streams():
    x, w = RNG.normal(size=50), RNG.normal(size=7)
    y = c.causal(x, w)
    np.testing.assert_allclose(y, scipy.signal.lfilter(w[::-1], 1.0, x), atol=1e-12)
    assert c.frames_seen(lambda X: c.causal(X[:, 0], w)[:, None], x[:, None], 20) == list(range(14, 21))
    for pieces in ([50], [1] * 50, [3, 20, 1, 26]):
        stream = c.Stream(w)
        heard = [stream.push(piece) for piece in np.split(x, np.cumsum(pieces)[:-1])]
        assert [len(part) for part in heard] == pieces
        np.testing.assert_allclose(np.concatenate(heard), y, atol=1e-12)


def test_a_stream_of_one_tap_has_no_past():
    np.testing.assert_allclose(c.Stream([2.0]).push(np.array([1.0, 3.0])), [2.0, 6.0])


def test_peaks_are_scipys_and_a_plateau_counts_once():
    y = RNG.normal(size=200)
    found, _ = scipy.signal.find_peaks(np.concatenate([[-9], y, [-9]]), height=0.5)
    assert c.peaks(y, 0.5) == (found - 1).tolist()
    assert c.peaks(np.array([0.0, 2, 2, 0, 1]), 0.5) == [1, 4]
    assert c.peaks(np.array([0.0, 2, 2, 0, 1]), 3.0) == []
