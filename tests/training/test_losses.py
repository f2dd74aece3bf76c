"""Losses: against the NumPy versions and torch's own, and the checks against what torch finds infinite."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from asrlab.core.errors import AsrlabError
from asrlab.scratch import ctc
from asrlab.training import losses


def batch(seed=0, B=4, T=12, V=6, U=4):
    g = torch.Generator().manual_seed(seed)
    log_probs = torch.randn(B, T, V, generator=g, dtype=torch.float64).log_softmax(-1).float()
    lengths = torch.randint(2 * U, T + 1, (B,), generator=g)
    targets = torch.randint(1, V, (B, U), generator=g)
    target_lengths = torch.randint(0, U + 1, (B,), generator=g)
    return log_probs, lengths, targets, target_lengths


@pytest.mark.parametrize("seed", range(5))
def test_ctc_loss_of_each_utterance_is_the_one_from_scratch(seed):
    log_probs, lengths, targets, target_lengths = batch(seed)
    found = losses.ctc_loss(log_probs, lengths, targets, target_lengths, normalise="none")
    for b in range(len(found)):
        alone = ctc.loss(log_probs[b, : lengths[b]].double().numpy(), targets[b, : target_lengths[b]].tolist())
        assert found[b].item() == pytest.approx(alone, rel=1e-5)


def test_normalised_by_tokens_the_mean_is_torchs():
    log_probs, lengths, targets, target_lengths = batch()
    expected = F.ctc_loss(log_probs.transpose(0, 1), targets, lengths, target_lengths, reduction="mean")
    assert losses.ctc_loss(log_probs, lengths, targets, target_lengths).mean().item() == pytest.approx(expected.item())


def test_ctc_gradient_is_the_one_from_scratch_and_stops_at_the_lengths():
    log_probs, lengths, targets, target_lengths = batch(3)
    logits = log_probs.double().clone().requires_grad_()
    losses.ctc_loss(logits.log_softmax(-1), lengths, targets, target_lengths, normalise="none").sum().backward()
    for b, T in enumerate(lengths.tolist()):
        alone = ctc.gradient_logits(log_probs[b, :T].double().numpy(), targets[b, : target_lengths[b]].tolist())
        np.testing.assert_allclose(logits.grad[b, :T].numpy(), alone, atol=1e-5)
        assert not logits.grad[b, T:].any()


def test_half_precision_is_summed_in_single():
    log_probs, lengths, targets, target_lengths = batch()
    half = log_probs.bfloat16()
    expected = losses.ctc_loss(half.float(), lengths, targets, target_lengths)
    assert torch.equal(losses.ctc_loss(half, lengths, targets, target_lengths), expected)


def test_feasible_exactly_where_torchs_loss_is_finite():
    g = torch.Generator().manual_seed(1)
    for _ in range(300):
        T, U, V = (int(torch.randint(low, high, (), generator=g)) for low, high in ((1, 7), (0, 5), (2, 4)))
        target = torch.randint(1, V, (1, U), generator=g)
        finite = bool(F.ctc_loss(torch.zeros(T, 1, V).log_softmax(-1), target, [T], [U], reduction="sum").isfinite())
        assert (int(losses.required_frames(target, torch.tensor([U]))) <= T) == finite
        if finite:
            losses.check_feasible([T], target.tolist())
        else:
            with pytest.raises(losses.InfeasibleError):
                losses.check_feasible([T], target.tolist())


def test_padding_does_not_count_as_repeats():
    padded = torch.tensor([[1, 2, 2, 2], [3, 3, 0, 0], [0, 0, 0, 0]])
    assert losses.required_frames(padded, torch.tensor([2, 2, 0])).tolist() == [2, 3, 0]


def test_infeasible_names_the_utterance_and_the_remedy():
    log_probs, _, targets, _ = batch(T=12, U=4)
    targets[2] = torch.tensor([1, 1, 2, 2])
    with pytest.raises(losses.InfeasibleError) as caught:
        losses.ctc_loss(log_probs, torch.tensor([12, 12, 5, 1]), targets, torch.full((4,), 4), ids=["a", "b", "c", "d"])
    message = str(caught.value)
    for part in ("'c'", "1 more of 4", "T=5", "L=4", "2 repeats", "take 6", "subsample less", "longer tokens"):
        assert part in message
    assert caught.value.indices == (2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lengths": torch.tensor([12, 13, 12, 12])}, "utterance 'b': lengths=13, .* 0 to 12"),
        ({"target_lengths": torch.tensor([1, 1, 5, 1])}, "utterance 'c': target_lengths=5"),
        ({"targets": torch.full((4, 4), 6)}, "token 6 at position 0; the model has tokens 0 to 5"),
        ({"targets": torch.full((4, 4), -1)}, "token -1"),
        ({"targets": torch.zeros(4, 4, dtype=torch.long)}, "0 is the blank"),
        ({"lengths": torch.tensor([12])}, r"lengths \(1,\)"),
        ({"normalise": "frames"}, "normalise='frames'"),
    ],
)
def test_bad_batches_are_told(change, message):
    log_probs, _, targets, _ = batch()
    given = {
        "log_probs": log_probs, "lengths": torch.full((4,), 12), "targets": targets,
        "target_lengths": torch.tensor([1, 1, 1, 1]), "ids": list("abcd"),
    }  # fmt: skip
    with pytest.raises(AsrlabError, match=message):
        losses.ctc_loss(**{**given, **change})


def test_padded_targets_need_their_lengths():
    with pytest.raises(AsrlabError, match="target_lengths"):
        losses.check_feasible([3], torch.ones(1, 2))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_is_the_formula_and_torchs_mean(smoothing):
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 7, generator=g, dtype=torch.float64)
    targets = torch.randint(0, 7, (3, 5), generator=g)
    lengths = torch.tensor([5, 0, 2])
    mask = torch.arange(5) < lengths[:, None]

    log_p = logits.log_softmax(-1).numpy()
    by_hand = np.zeros(3)
    for b, n in enumerate(lengths.tolist()):
        for u in range(n):
            by_hand[b] -= (1 - smoothing) * log_p[b, u, targets[b, u]] + smoothing * log_p[b, u].mean()
    found = losses.label_smoothed_cross_entropy(logits, targets, lengths, smoothing, normalise="none")
    np.testing.assert_allclose(found.numpy(), by_hand, rtol=1e-5)

    ignored = targets.masked_fill(~mask, -100)
    mean = F.cross_entropy(logits.flatten(0, 1), ignored.flatten(), ignore_index=-100, label_smoothing=smoothing)
    assert (found.sum() / mask.sum()).item() == pytest.approx(mean.item(), rel=1e-6)
    torch.testing.assert_close(losses.label_smoothed_cross_entropy(logits, targets, mask, smoothing, "none"), found)
    per_token = losses.label_smoothed_cross_entropy(logits, targets, lengths, smoothing)
    torch.testing.assert_close(per_token, found / torch.tensor([5, 1, 2]))


def test_padding_may_hold_anything():
    logits = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
    padded = [torch.tensor([[1, 2, pad, pad]]) for pad in (0, 999)]
    found = [losses.label_smoothed_cross_entropy(logits, targets, torch.tensor([2])) for targets in padded]
    assert torch.equal(*found)


def test_smoothing_out_of_range_is_told():
    with pytest.raises(AsrlabError, match=r"smoothing of 1\.5"):
        losses.label_smoothed_cross_entropy(torch.zeros(1, 1, 2), torch.zeros(1, 1).long(), torch.ones(1).long(), 1.5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: the same losses there")
def test_gpu_gives_the_same_losses_without_waiting():
    log_probs, lengths, targets, target_lengths = batch()
    expected = losses.ctc_loss(log_probs, lengths, targets, target_lengths)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = losses.ctc_loss(log_probs.cuda(), lengths, targets, target_lengths)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)


def test_disagreement_is_the_symmetric_kl_of_the_real_frames_and_teaches_both_copies():
    torch.manual_seed(0)
    logits = torch.randn(6, 5, 4, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([5, 3, 1] * 2)
    log_probs = logits.log_softmax(dim=-1)
    found = losses.disagreement(log_probs, lengths)
    first, second = log_probs.detach().float()[:3], log_probs.detach().float()[3:]
    for b, frames in enumerate((5, 3, 1)):
        a, c = first[b, :frames], second[b, :frames]
        kl = torch.nn.functional.kl_div
        expected = 0.5 * (kl(a, c, reduction="sum", log_target=True) + kl(c, a, reduction="sum", log_target=True))
        assert found[b].item() == pytest.approx(expected.item(), rel=1e-5)
    # The gradient of KL(teacher || student) in the student's logits is student - teacher, nothing from beyond the end.
    found.sum().backward()
    probabilities = log_probs.detach().exp()
    gap = 0.5 * (probabilities[:3] - probabilities[3:])
    gap *= (torch.arange(5) < lengths[:3, None])[..., None]
    torch.testing.assert_close(logits.grad, torch.cat([gap, -gap]), rtol=1e-4, atol=1e-6)


def test_two_equal_copies_agree():
    log_probs = torch.randn(2, 4, 3).log_softmax(dim=-1)
    assert losses.disagreement(torch.cat([log_probs, log_probs]), torch.tensor([4, 4] * 2)).abs().max() == 0
