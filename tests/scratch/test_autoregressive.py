"""Cross entropy by the chain rule: all texts of a small decoder add up to one; torch's and the package's own losses."""

from itertools import product

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.scratch import autoregressive
from asrlab.training import losses

END = 0


def decoder(before, V):
    """Any table of probabilities that depends on everything said so far; after three tokens it must end."""
    if len(before) == 3:
        return np.where(np.arange(V) == END, 0.0, -np.inf)
    logits = np.random.default_rng([1, *before]).standard_normal(V)
    return logits - np.logaddexp.reduce(logits)


@pytest.mark.equation("attention-chain")
def test_probabilities_of_all_texts_add_up_to_one():
    V, total = 3, 0.0
    for L in range(4):
        for text in product(range(1, V), repeat=L):
            rows = np.stack([decoder(text[:u], V) for u in range(L + 1)])
            total += np.exp(autoregressive.log_probability(rows, [*text, END]))
    assert total == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.equation("label-smoothing")
def test_smoothed_loss_is_torchs_and_that_of_training(smoothing):
    logits = torch.tensor(np.random.default_rng(2).standard_normal((5, 7)))
    target = torch.tensor([3, 1, 1, 6, END])
    mine = autoregressive.smoothed_loss(logits.log_softmax(-1).numpy(), target.tolist(), smoothing)
    theirs = torch.nn.functional.cross_entropy(logits, target, label_smoothing=smoothing, reduction="sum")
    assert mine == pytest.approx(theirs.item(), rel=1e-12)
    batch = losses.label_smoothed_cross_entropy(logits[None], target[None], torch.tensor([5]), smoothing, "none")
    assert mine == pytest.approx(batch.item(), rel=1e-5)


def test_the_end_is_a_token_too():
    with pytest.raises(AsrlabError, match="the end too"):
        autoregressive.log_probability(np.zeros((3, 4)), [1, 2])
