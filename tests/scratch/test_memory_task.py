"""The task of memory: what it asks, and that it can be learned where the gradient arrives."""

import pytest
import torch

from asrlab.scratch import memory_task as task


def test_the_answer_is_in_the_first_step_and_nowhere_else():
    X, first = task.sequences(50, 7, torch.Generator().manual_seed(1))
    symbols = X[:, :, : task.SYMBOLS]
    assert (symbols[:, 0].argmax(dim=1) == first).all()
    assert symbols[:, 0].sum() == 50 and not symbols[:, 1:].any()
    assert set(first.tolist()) == set(range(task.SYMBOLS))


def test_an_lstm_begins_with_the_forget_gate_that_was_asked_for():
    model = task.Rememberer("lstm", size=6, forget_bias=4.0).recurrent
    assert (model.bias_ih_l0 + model.bias_hh_l0)[6:12].tolist() == [4.0] * 6


@pytest.mark.parametrize("cell", ["elman", "lstm"])
def test_five_steps_are_learned(cell, one_thread):
    torch.manual_seed(0)
    assert task.learn(task.Rememberer(cell, forget_bias=2.0), length=5, steps=150) > 0.95
