"""CTC forward-backward: against listing all paths, against torch (loss and gradient), and finite differences."""

from itertools import product

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.scratch import ctc
from asrlab.training import losses

# (T, V, target): empty, one token, different and equal neighbours, just feasible, infeasible.
TINY = [
    (1, 2, []), (3, 2, []), (1, 2, [1]), (4, 2, [1]), (4, 3, [1, 2]), (2, 3, [1, 2]), (5, 3, [1, 1]), (3, 3, [1, 1]),
    (6, 3, [2, 1, 2]), (6, 3, [1, 1, 2]), (5, 4, [3, 1, 2]), (5, 2, [1, 1, 1]), (2, 3, [1, 1]), (1, 3, [1, 2]),
]  # fmt: skip


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def example(T, V, seed=0):
    return log_softmax(2 * np.random.default_rng(seed).standard_normal((T, V)))


def torch_loss(logits, target):
    logits = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.ctc_loss(
        logits.log_softmax(-1)[:, None], torch.tensor([target], dtype=torch.long).view(1, -1), [len(logits)],
        [len(target)], reduction="sum",
    )  # fmt: skip
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss.item(), gradient.numpy()


@pytest.mark.equation("ctc")
@pytest.mark.equation("ctc-alpha")
@pytest.mark.equation("ctc-probability")
@pytest.mark.equation("ctc-feasible")
@pytest.mark.parametrize(("T", "V", "target"), TINY)
@pytest.mark.parametrize("blank", [0, "last"])
def test_loss_is_the_sum_over_all_paths(T, V, target, blank):
    log_y = example(T, V)
    if blank == "last":
        blank = V - 1
        target = [k - 1 for k in target]
    expected = ctc.brute_force_loss(log_y, target, blank)
    assert ctc.loss(log_y, target, blank) == pytest.approx(expected, abs=1e-12)
    assert np.isinf(expected) == (ctc.frames_needed(target) > T)


@pytest.mark.parametrize(("T", "V"), [(3, 3), (4, 2)])
def test_probabilities_of_all_texts_add_up_to_one(T, V):
    log_y = example(T, V)
    texts = {tuple(ctc.collapse(path)) for path in product(range(V), repeat=T)}
    assert sum(np.exp(-ctc.loss(log_y, text)) for text in texts) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("T", "V", "target"), [*TINY[:12], (40, 8, [1, 2, 2, 2, 5, 7]), (99, 30, list(range(1, 30)))])
def test_loss_and_gradient_are_torchs(T, V, target):
    logits = np.random.default_rng(1).standard_normal((T, V))
    expected, gradient = torch_loss(logits, target)
    log_y = log_softmax(logits)
    assert ctc.loss(log_y, target) == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(ctc.gradient_logits(log_y, target), gradient, atol=1e-9)


@pytest.mark.equation("ctc-gradient")
@pytest.mark.parametrize(("T", "V", "target"), TINY[:12])
def test_gradients_are_the_finite_differences(T, V, target):
    logits, step = np.random.default_rng(2).standard_normal((T, V)), 1e-6
    for base, of, gradient in (
        (log_softmax(logits), lambda x: x, ctc.gradient),
        (logits, log_softmax, ctc.gradient_logits),
    ):
        numeric = np.empty((T, V))
        for t, k in product(range(T), range(V)):
            move = np.zeros((T, V))
            move[t, k] = step
            numeric[t, k] = (ctc.loss(of(base + move), target) - ctc.loss(of(base - move), target)) / (2 * step)
        np.testing.assert_allclose(gradient(of(base), target), numeric, atol=1e-7)


@pytest.mark.equation("ctc-beta")
@pytest.mark.equation("ctc-occupancy")
@pytest.mark.parametrize(("T", "V", "target"), TINY[:12])
def test_alpha_times_beta_is_the_probability_at_every_frame(T, V, target):
    log_y = example(T, V)
    joint = np.logaddexp.reduce(ctc.forward(log_y, target) + ctc.backward(log_y, target), axis=1)
    np.testing.assert_allclose(joint, -ctc.loss(log_y, target), atol=1e-12)
    np.testing.assert_allclose(ctc.posteriors(log_y, target).sum(axis=1), 1, atol=1e-12)


@pytest.mark.equation("ctc-best-path")
@pytest.mark.parametrize(("T", "V", "target"), TINY[:12])
def test_best_path_is_the_best_of_all_paths(T, V, target):
    log_y = example(T, V)
    path = ctc.with_blanks(target)[ctc.best_path(log_y, target)]
    best = max(
        sum(log_y[range(T), other]) for other in map(list, product(range(V), repeat=T)) if ctc.collapse(other) == target
    )
    assert ctc.collapse(path) == target
    assert sum(log_y[range(T), path]) == pytest.approx(best, abs=1e-12)


@pytest.mark.equation("ctc-collapse")
@pytest.mark.parametrize(
    ("path", "text"), [([1, 1, 0, 2], [1, 2]), ([1, 0, 1], [1, 1]), ([0, 0], []), ([], []), ([0, 1, 2, 2, 0], [1, 2])]
)
def test_collapse(path, text):
    assert ctc.collapse(path) == text


@pytest.mark.parametrize(("T", "V", "target"), TINY)
@pytest.mark.equation("ctc-paths")
def test_paths_are_counted(T, V, target):
    listed = list(ctc.paths(T, V, target))
    assert ctc.count_paths(T, target) == len(listed)
    assert all(ctc.collapse(path) == target for path in listed)


@pytest.mark.parametrize(("T", "V", "target"), TINY[:12])
@pytest.mark.equation("ctc-occupancy")
def test_occupancy_is_the_share_of_the_paths(T, V, target):
    log_y = example(T, V)
    shares = np.zeros((T, V))
    for path in ctc.paths(T, V, target):
        shares[range(T), path] += np.exp(sum(log_y[range(T), path]) + ctc.loss(log_y, target))
    np.testing.assert_allclose(-ctc.gradient(log_y, target), shares, atol=1e-12)


@pytest.mark.equation("ctc-states")
def test_the_states_spell_the_slowest_reading():
    assert ctc.with_blanks([3, 3, 1]).tolist() == [0, 3, 0, 3, 0, 1, 0]
    assert ctc.with_blanks([]).tolist() == [0]
    for target in ([], [1], [2, 1, 1], [1, 2, 3]):
        assert ctc.collapse(ctc.with_blanks(target)) == target


@pytest.mark.equation("log-add")
def test_log_add_is_numpys_and_does_not_underflow():
    logs = [-3.0, -1.5, -np.inf, -40.0]
    assert ctc.log_add(logs) == pytest.approx(np.logaddexp.reduce(logs), abs=1e-14)
    assert ctc.log_add([-5000.0, -5000.0]) == pytest.approx(-5000 + np.log(2), abs=1e-12)
    assert ctc.log_add([]) == ctc.log_add([-np.inf, -np.inf]) == -np.inf


@pytest.mark.equation("ctc-consistency")
def test_disagreement_is_that_of_training_and_zero_for_equals():
    first, second = example(6, 5, seed=3), example(6, 5, seed=4)
    fast = losses.disagreement(torch.tensor(np.stack([first, second])), torch.tensor([6, 6]))
    assert ctc.disagreement(first, second) == pytest.approx(fast.item(), rel=1e-5)
    assert ctc.disagreement(first, second) == pytest.approx(ctc.disagreement(second, first))
    assert ctc.disagreement(first, first) == 0


def test_impossible_targets_are_told():
    log_y = example(2, 3)
    assert ctc.loss(log_y, [1, 1]) == np.inf
    for function in (ctc.posteriors, ctc.gradient, ctc.gradient_logits, ctc.best_path):
        with pytest.raises(AsrlabError, match="T=2 frames"):
            function(log_y, [1, 1])
    with pytest.raises(AsrlabError, match="token 3"):
        ctc.loss(log_y, [3])
    with pytest.raises(AsrlabError, match="holds the blank"):
        ctc.loss(log_y, [1, 0])
    with pytest.raises(AsrlabError, match="at least one frame"):
        ctc.loss(np.zeros((0, 3)), [])
    with pytest.raises(AsrlabError, match="too many to list"):
        ctc.brute_force_loss(example(30, 30), [1])
