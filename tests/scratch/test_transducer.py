"""The transducer's grid: against listing all walks, torchaudio (loss and gradient), and finite differences."""

from itertools import product

import numpy as np
import pytest
import torch
import torchaudio

from asrlab.core.errors import AsrlabError
from asrlab.scratch import transducer

# (T, V, target): nothing to say, one token, doubles, more tokens than frames.
TINY = [
    (1, 2, []), (4, 2, []), (1, 2, [1]), (3, 3, [2]), (4, 3, [1, 2]), (4, 3, [1, 1]), (2, 4, [3, 1, 2]), (1, 3, [1, 2]),
    (5, 4, [2, 2, 3]),
]  # fmt: skip


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def random_logits(T, V, target, seed=0):
    return 2 * np.random.default_rng(seed).standard_normal((T, len(target) + 1, V))


def torchaudios(logits, target):
    logits = torch.tensor(logits, dtype=torch.float32)[None].requires_grad_()
    lengths = [torch.tensor([n], dtype=torch.int32) for n in (logits.shape[1], len(target))]
    targets = torch.tensor([target], dtype=torch.int32).view(1, -1)
    loss = torchaudio.functional.rnnt_loss(logits, targets, *lengths, blank=0, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss.item(), gradient[0].numpy()


@pytest.mark.parametrize(("T", "V", "target"), TINY)
@pytest.mark.parametrize("blank", [0, "last"])
@pytest.mark.equation("transducer-alpha")
@pytest.mark.equation("transducer-probability")
def test_loss_is_the_sum_over_all_walks(T, V, target, blank):
    log_y = log_softmax(random_logits(T, V, target))
    if blank == "last":
        blank, target = V - 1, [k - 1 for k in target]
    expected = transducer.brute_force_loss(log_y, target, blank)
    assert transducer.loss(log_y, target, blank) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("T", "V", "target"), TINY)
@pytest.mark.equation("transducer-paths")
def test_walks_are_counted(T, V, target):
    walks = {tuple(path) for path in transducer.paths(T, target)}
    assert transducer.count_paths(T, target) == len(walks)
    for walk in walks:
        assert walk[-1] == 0 and walk.count(0) == T and [k for k in walk if k] == target


def test_all_texts_of_a_table_that_ignores_what_was_said_add_up_to_one():
    """With p(k | t, u) = p(k | t) the number of tokens said in a frame is geometric; long texts hold little."""
    T, V = 2, 3
    per_frame = log_softmax(np.random.default_rng(5).standard_normal((T, V)) + np.array([3, 0, 0]))
    total = 0.0
    for L in range(9):
        log_y = np.repeat(per_frame[:, None], L + 1, axis=1)
        total += sum(np.exp(-transducer.loss(log_y, text)) for text in product(range(1, V), repeat=L))
    assert total == pytest.approx(1, abs=1e-3) and total < 1


@pytest.mark.parametrize(("T", "V", "target"), TINY)
@pytest.mark.equation("transducer-beta")
def test_every_walk_leaves_each_frame_and_says_each_token_once(T, V, target):
    log_y = log_softmax(random_logits(T, V, target))
    assert transducer.backward(log_y, target)[0, 0] == pytest.approx(-transducer.loss(log_y, target), abs=1e-12)
    right, up = transducer.steps(log_y, target)
    np.testing.assert_allclose(right.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(up.sum(axis=0), 1, atol=1e-12)


@pytest.mark.parametrize(("T", "V", "target"), TINY)
@pytest.mark.equation("transducer-gradient")
def test_gradient_is_the_finite_differences(T, V, target):
    logits, step = random_logits(T, V, target, seed=2), 1e-6
    numeric = np.empty_like(logits)
    for place in product(*map(range, logits.shape)):
        move = np.zeros_like(logits)
        move[place] = step
        ends = [transducer.loss(log_softmax(logits + sign * move), target) for sign in (1, -1)]
        numeric[place] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(transducer.gradient_logits(log_softmax(logits), target), numeric, atol=1e-7)


@pytest.mark.parametrize(("T", "V", "target"), [*TINY[2:], (40, 8, [1, 2, 2, 2, 5, 7])])
@pytest.mark.equation("transducer-probability")
def test_loss_and_gradient_are_torchaudios(T, V, target):
    logits = random_logits(T, V, target, seed=1)
    expected, gradient = torchaudios(logits, target)
    assert transducer.loss(log_softmax(logits), target) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(transducer.gradient_logits(log_softmax(logits), target), gradient, atol=1e-4)


@pytest.mark.equation("transducer-joint")
def test_joint_asks_every_pair():
    rng = np.random.default_rng(6)
    h, g = rng.standard_normal((5, 3)), rng.standard_normal((4, 2))
    A, B, W = rng.standard_normal((3, 6)), rng.standard_normal((2, 6)), rng.standard_normal((6, 7))
    log_y = transducer.joint(h, g, A, B, W)
    assert log_y.shape == (5, 4, 7)
    for t, u in product(range(5), range(4)):
        hidden = torch.tanh(torch.tensor(h[t] @ A + g[u] @ B))
        expected = torch.log_softmax(hidden @ torch.tensor(W), dim=-1).numpy()
        np.testing.assert_allclose(log_y[t, u], expected, atol=1e-12)


def test_wrong_arguments_are_told():
    log_y = log_softmax(random_logits(3, 4, [1, 2]))
    with pytest.raises(AsrlabError, match=r"\(T, 2, V\)"):
        transducer.loss(log_y, [1])
    with pytest.raises(AsrlabError, match="token 4"):
        transducer.loss(log_y, [1, 4])
    with pytest.raises(AsrlabError, match="holds the blank"):
        transducer.loss(log_y, [1, 0])
    with pytest.raises(AsrlabError, match="too many to list"):
        transducer.brute_force_loss(np.zeros((30, 31, 2)), [1] * 30)
