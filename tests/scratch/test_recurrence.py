"""Recurrent networks by hand, against torch.autograd, finite differences and torch's own LSTM."""

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.scratch import recurrence as scratch

T, F, D, K = 9, 3, 5, 4
RANDOM = np.random.default_rng(1)
X, START, WEIGHTS = RANDOM.normal(size=(T, F)), RANDOM.normal(size=D), RANDOM.normal(size=(T, K))
EPSILON = 1e-6


@pytest.fixture(params=[False, True], ids=["tanh", "linear"])
def net(request):
    return scratch.random_elman(F, D, K, seed=3, linear=request.param)


def loss(net, X=X, h_0=START) -> float:
    return float((WEIGHTS * scratch.elman(X, net, h_0)[1] ** 2).sum())


def gradients(net) -> tuple:
    h, y = scratch.elman(X, net, START)
    delta = scratch.state_gradients(h, 2 * WEIGHTS * y, net)
    return h, delta, scratch.weight_gradients(X, h, delta, net)


def differences(function, at: np.ndarray) -> np.ndarray:
    """The derivative of function(array) at each entry, by central differences."""
    result = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        step = np.zeros(at.shape)
        step[place] = EPSILON
        result[place] = (function(at + step) - function(at - step)) / (2 * EPSILON)
    return result


@pytest.mark.equation("recurrence")
def test_states_and_scores_are_those_of_torch():
    net = scratch.random_elman(F, D, K, seed=3)
    theirs = torch.nn.RNN(F, D, batch_first=True).double()
    for name, value in (
        ("weight_ih_l0", net.W),
        ("weight_hh_l0", net.U),
        ("bias_ih_l0", net.b),
        ("bias_hh_l0", 0 * net.b),
    ):
        getattr(theirs, name).data = torch.from_numpy(value)
    h, y = scratch.elman(X, net, START)
    expected = theirs(torch.from_numpy(X)[None], torch.from_numpy(START)[None, None])[0][0].detach().numpy()
    np.testing.assert_allclose(h[1:], expected, atol=1e-12)
    np.testing.assert_allclose(y, expected @ net.V + net.c, atol=1e-12)
    assert not scratch.elman(X, net)[0][0].any()  # h_0 is zero unless given


@pytest.mark.equation("bptt")
def test_the_gradient_of_the_first_state_is_that_of_finite_differences(net):
    _, delta, _ = gradients(net)
    np.testing.assert_allclose(delta[0], differences(lambda h_0: loss(net, h_0=h_0), START), rtol=1e-5, atol=1e-6)


@pytest.mark.equation("bptt-weights")
def test_the_gradients_of_the_weights_are_those_of_finite_differences(net):
    _, _, found = gradients(net)
    for name, gradient in found.items():
        expected = differences(lambda value, name=name: loss(changed(net, name, value)), getattr(net, name))
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


def changed(net, name, value):
    return scratch.Elman(**{**vars(net), name: value})


@pytest.mark.equation("bptt", "bptt-weights")
def test_gradients_are_those_of_autograd(net):
    _, delta, found = gradients(net)
    W, U, b = (torch.tensor(value, requires_grad=True) for value in (net.W, net.U, net.b))
    state, states, total = torch.from_numpy(START), [], 0.0
    for x_t, weight in zip(torch.from_numpy(X), torch.from_numpy(WEIGHTS), strict=True):
        a = W @ x_t + U @ state + b
        state = a if net.linear else torch.tanh(a)
        state.retain_grad()
        states.append(state)
        total = total + (weight * (torch.from_numpy(net.V).T @ state) ** 2).sum()
    total.backward()
    np.testing.assert_allclose(delta[1:], np.stack([one.grad for one in states]), atol=1e-10)
    for name, theirs in (("W", W), ("U", U), ("b", b)):
        np.testing.assert_allclose(found[name], theirs.grad, atol=1e-10)


@pytest.mark.equation("jacobian-product")
def test_the_product_is_the_derivative_of_one_state_by_another(net):
    h, _ = scratch.elman(X, net, START)
    for s, t in ((0, T), (2, 6), (3, 4)):

        def entry(h_s, k, s=s, t=t):
            return scratch.elman(X[s:t], net, h_s)[0][-1][k]

        rows = [differences(lambda h_s, k=k, entry=entry: entry(h_s, k), h[s]) for k in range(D)]
        np.testing.assert_allclose(scratch.jacobian(h, s, t, net), np.stack(rows), atol=1e-7)
    np.testing.assert_array_equal(scratch.jacobian(h, 4, 4, net), np.eye(D))


@pytest.mark.equation("jacobian-bound")
def test_no_jacobian_is_larger_than_its_bound(net):
    h, _ = scratch.elman(3 * X, net, START)
    for s in range(T):
        for t in range(s, T + 1):
            size = np.linalg.norm(scratch.jacobian(h, s, t, net), ord=2)
            assert size <= scratch.jacobian_bound(net.U, t - s) * (1 + 1e-12)


def test_the_bound_is_reached_by_a_linear_network_whose_weights_turn_only():
    turn = np.linalg.qr(RANDOM.normal(size=(D, D)))[0]
    net = changed(scratch.random_elman(F, D, K, linear=True), "U", 1.1 * turn)
    h, _ = scratch.elman(X, net)
    size = np.linalg.norm(scratch.jacobian(h, 0, T, net), ord=2)
    assert size == pytest.approx(scratch.jacobian_bound(net.U, T)) == pytest.approx(1.1**T)


def test_a_spectral_radius_below_one_may_grow_before_it_shrinks():
    U = np.array([[0.5, 8.0], [0.0, 0.5]])
    assert scratch.spectral_radius(U) == pytest.approx(0.5)
    sizes = [np.linalg.norm(np.linalg.matrix_power(U, n), ord=2) for n in range(40)]
    assert max(sizes) > 5 and sizes[-1] < 1e-8


def test_scaling_gives_the_radius_or_says_why_not():
    assert scratch.spectral_radius(scratch.scaled(RANDOM.normal(size=(D, D)), 0.9)) == pytest.approx(0.9)
    with pytest.raises(AsrlabError, match="spectral radius is 0"):
        scratch.scaled(np.array([[0.0, 1.0], [0.0, 0.0]]), 0.9)


@pytest.mark.equation("clipping")
@pytest.mark.parametrize("longest", [0.5, 1e6])
def test_clipping_is_that_of_torch(longest):
    gradient = RANDOM.normal(size=20)
    theirs = torch.nn.Parameter(torch.zeros(20, dtype=torch.double))
    theirs.grad = torch.from_numpy(gradient.copy())
    torch.nn.utils.clip_grad_norm_([theirs], longest)
    np.testing.assert_allclose(scratch.clip(gradient, longest), theirs.grad, rtol=1e-5)
    assert not scratch.clip(np.zeros(3), longest).any()


def both_lstms():
    theirs = torch.nn.LSTMCell(F, D).double()
    values = (theirs.weight_ih, theirs.weight_hh, theirs.bias_ih + theirs.bias_hh)
    return theirs, scratch.Lstm(*(value.detach().numpy() for value in values))


@pytest.mark.equation("lstm", "lstm-gates")
def test_the_lstm_is_that_of_torch():
    torch.manual_seed(0)
    theirs, net = both_lstms()
    h, cell = scratch.lstm(X, net)
    state = (torch.zeros(1, D).double(), torch.zeros(1, D).double())
    for t, x_t in enumerate(torch.from_numpy(X), start=1):
        state = theirs(x_t[None], state)
        np.testing.assert_allclose(h[t], state[0][0].detach(), atol=1e-12)
        np.testing.assert_allclose(cell[t], state[1][0].detach(), atol=1e-12)


def test_the_gradients_of_the_lstm_are_those_of_autograd():
    torch.manual_seed(0)
    theirs, net = both_lstms()
    h, cell = scratch.lstm(X, net)
    dh = RANDOM.normal(size=D)
    for s in (0, 4, T):
        state = tuple(torch.tensor(one[s][None], requires_grad=True) for one in (h, cell))
        last = state
        for x_t in torch.from_numpy(X[s:]):
            last = theirs(x_t[None], last)
        (last[0] @ torch.from_numpy(dh)).sum().backward()
        expected = [
            0 * one if leaf.grad is None else leaf.grad[0].numpy()
            for leaf, one in zip(state, (h[0], h[0]), strict=True)
        ]
        found = scratch.lstm_state_gradients(X, h, cell, dh, net)[s]
        np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-12)


@pytest.mark.equation("cell-path")
def test_gates_that_do_not_look_at_the_state_leave_the_product_of_the_forget_gates():
    """With U = 0 the cells are the only way from one frame to the next, so finite differences see that way alone."""
    net = scratch.Lstm(RANDOM.normal(size=(4 * D, F)), np.zeros((4 * D, D)), RANDOM.normal(size=4 * D))
    gates = np.stack([scratch.lstm_gates(x_t, np.zeros(D), net)[1] for x_t in X])

    def last_cell(first):
        h = np.zeros(D)
        for x_t in X:
            h, first = scratch.lstm_step(x_t, h, first, net)
        return first

    found = differences(lambda first: last_cell(first).sum(), np.zeros(D))
    np.testing.assert_allclose(scratch.cell_path(gates), found, rtol=1e-5, atol=1e-9)
