"""The pieces of the encoders against torch's own, and against what their equations promise."""

import math

import pytest
import torch
from torch import nn

from asrlab.models import layers
from asrlab.models.layers import Dropout, FeedForward, SelfAttention, SqueezeExcite, Subsampling, TimeConv


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


# --- masks ------------------------------------------------------------------------------------------------------------


def test_length_mask():
    mask = layers.length_mask(torch.tensor([2, 0, 3]), 3)
    assert mask.tolist() == [[True, True, False], [False, False, False], [True, True, True]]


@pytest.mark.parametrize(("chunk", "left"), [(1, -1), (1, 0), (1, 2), (3, -1), (3, 0), (3, 1), (4, 2)])
def test_chunk_mask_frame_by_frame(chunk, left):
    frames = 11
    mask = layers.chunk_mask(frames, chunk, left)
    for query in range(frames):
        for key in range(frames):
            chunks_back = query // chunk - key // chunk
            assert mask[query, key] == (chunks_back >= 0 and (left < 0 or chunks_back <= left))


def test_chunks_of_one_frame_are_causal():
    assert torch.equal(layers.chunk_mask(7, 1, -1), torch.ones(7, 7).tril().bool())


# --- attention --------------------------------------------------------------------------------------------------------


def test_rotation_by_angles_written_out():
    """Su et al. 2021, equation 15: pair i of a vector at position t turns by t / 10000^(i / pairs)."""
    x = torch.randn(1, 1, 5, 6, dtype=torch.float64)
    y = layers.rotary(x)
    for t in range(5):
        for i in range(3):
            angle = t * 10000 ** (-i / 3)
            turned = complex(x[0, 0, t, i], x[0, 0, t, i + 3]) * complex(math.cos(angle), math.sin(angle))
            assert complex(y[0, 0, t, i], y[0, 0, t, i + 3]) == pytest.approx(turned, abs=1e-6)


def test_rotated_queries_and_keys_meet_by_their_distance_alone():
    q, k = (torch.randn(1, 2, 1, 8, dtype=torch.float64).expand(-1, -1, 20, -1) for _ in range(2))
    scores = layers.rotary(q) @ layers.rotary(k).transpose(-1, -2)  # the same q and the same k at every time
    for distance in range(-19, 20):
        diagonal = scores.diagonal(distance, dim1=-2, dim2=-1)
        assert torch.allclose(diagonal, diagonal[..., :1].expand_as(diagonal), atol=1e-5)
    assert scores[0, 0, 0].std() > 0.1  # and the distance does matter


def as_torch(attention: SelfAttention, dim: int) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(dim, attention.heads, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": attention.project_in.weight, "in_proj_bias": attention.project_in.bias,
            "out_proj.weight": attention.project_out.weight, "out_proj.bias": attention.project_out.bias,
        }
    )  # fmt: skip
    return theirs


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_without_rotation_it_is_multi_head_attention(monkeypatch, heads):
    monkeypatch.setattr(layers, "rotary", lambda x: x)
    ours = SelfAttention(16, heads)
    x, lengths = torch.randn(3, 7, 16), torch.tensor([7, 4, 1])
    real = layers.length_mask(lengths, 7)
    chunks = layers.chunk_mask(7, 2, 1)
    theirs, _ = as_torch(ours, 16)(x, x, x, key_padding_mask=~real, attn_mask=~chunks, need_weights=False)
    found = ours(x, real[:, None, None, :] & chunks)
    for row, length in enumerate(lengths):
        assert torch.allclose(found[row, :length], theirs[row, :length], atol=1e-6)


def test_the_result_moves_with_the_sound():
    """Attention that knows distances only gives a shifted utterance the shifted answer."""
    attention = SelfAttention(16, 2).double()
    x = torch.randn(1, 6, 16, dtype=torch.float64)
    shifted = torch.cat([torch.randn(1, 5, 16, dtype=torch.float64), x], dim=1)
    mask = torch.ones(1, 1, 1, 6, dtype=torch.bool)
    behind = torch.arange(11)[None, None, None] >= 5
    assert torch.allclose(attention(x, mask), attention(shifted, behind)[:, 5:], atol=1e-6)


# --- convolution ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "stride", "groups"), [(1, 1, 1), (3, 1, 1), (4, 1, 1), (5, 2, 1), (15, 1, 8)])
def test_time_convolution_is_conv1d(kernel, stride, groups):
    ours = TimeConv(8, 16, kernel, stride, groups).double()
    theirs = nn.Conv1d(8, 16, kernel, stride, groups=groups).double()
    theirs.load_state_dict({"weight": ours.conv.weight.squeeze(2), "bias": ours.conv.bias})
    x = torch.randn(2, 13, 8, dtype=torch.float64, requires_grad=True)
    side = nn.functional.pad(x.transpose(1, 2), ((kernel - 1) // 2, kernel // 2))
    expected = theirs(side).transpose(1, 2)
    found = ours(x)
    assert found.shape[1] == math.ceil(13 / stride)
    assert torch.allclose(found, expected, atol=1e-12)
    gradients = [torch.autograd.grad(y.square().sum(), x, retain_graph=True)[0] for y in (found, expected)]
    assert torch.allclose(*gradients, atol=1e-12)


@pytest.mark.parametrize("kernel", [1, 2, 5])
def test_causal_convolution_sees_the_past_only(kernel):
    ours = TimeConv(4, 4, kernel, causal=True).double()
    theirs = nn.Conv1d(4, 4, kernel, padding=kernel - 1).double()
    theirs.load_state_dict({"weight": ours.conv.weight.squeeze(2), "bias": ours.conv.bias})
    x = torch.randn(1, 9, 4, dtype=torch.float64)
    assert torch.allclose(ours(x), theirs(x.transpose(1, 2))[..., :9].transpose(1, 2), atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_squeeze_and_excitation_is_a_gain_from_a_mean(causal):
    module = SqueezeExcite(6, 3, causal).double()
    (narrow, _, wide, _), lengths = module.gain, (7, 4)
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    found = module(x, layers.length_mask(torch.tensor(lengths), 7))
    for row, n in enumerate(lengths):
        for t in range(n):
            heard = x[row, : t + 1 if causal else n].mean(dim=0)
            inner = narrow.weight @ heard + narrow.bias
            gain = 2 / (1 + (-(wide.weight @ (inner * inner.sigmoid()) + wide.bias)).exp())
            assert torch.allclose(found[row, t], gain * x[row, t], atol=1e-12)


@pytest.mark.parametrize(("subsampling", "causal"), [(2, False), (4, False), (4, True), (8, True)])
def test_subsampling_is_a_stack_of_convolutions(subsampling, causal):
    module = Subsampling(10, 6, subsampling, 3, causal).double()
    x = torch.randn(1, 21, 10, dtype=torch.float64)
    y, lengths = module(x, torch.tensor([21]))
    h = x[:, None]
    for conv in module.convs:
        time = (2, 0) if causal else (1, 1)
        h = nn.functional.relu(nn.functional.conv2d(nn.functional.pad(h, (1, 1, *time)), conv.weight, conv.bias, 2))
    expected = module.project(h.transpose(1, 2).reshape(1, h.shape[2], -1))
    assert lengths.tolist() == [math.ceil(21 / subsampling)]
    assert y.shape == (1, math.ceil(21 / subsampling), 6)
    assert torch.allclose(_reordered(y, module, h), expected, atol=1e-10)


def _reordered(y, module, h):
    """Ours flattens (frequency, channel); this undoes it, so that the linear map sees (channel, frequency)."""
    channels, frequencies = h.shape[1], h.shape[3]
    flat = h.permute(0, 2, 3, 1).flatten(2)
    assert torch.allclose(module.project(flat), y, atol=1e-10)
    order = torch.arange(channels * frequencies).view(frequencies, channels).T.flatten()
    weight = module.project.weight[:, order]
    back = weight[:, torch.argsort(order)]
    assert torch.equal(back, module.project.weight)
    return module.project(h.transpose(1, 2).reshape(1, h.shape[2], -1))


def test_feed_forward():
    module = FeedForward(6, 3, 0.5).eval()
    first, second = module[0], module[3]
    x = torch.randn(2, 5, 6)
    h = x @ first.weight.T + first.bias
    expected = (h * torch.sigmoid(h)) @ second.weight.T + second.bias
    assert first.weight.shape == (18, 6)
    assert torch.allclose(module(x), expected, atol=1e-6)


# --- dropout ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.05, 0.1, 0.25, 0.5, 0.9])
def test_dropout_silences_its_share_and_keeps_the_mean(p):
    x = torch.ones(997, 1003)
    y = Dropout(p).train()(x)
    share = (y == 0).double().mean().item()
    exact = round(256 * p) / 256
    assert abs(exact - p) <= 1 / 512
    assert share == pytest.approx(exact, abs=4 * math.sqrt(p * (1 - p) / x.numel()))
    assert y.max().item() == pytest.approx(1 / (1 - exact), rel=1e-6)
    assert y.unique().numel() == 2
    assert y.mean().item() == pytest.approx(1.0, abs=4 * math.sqrt(p / (1 - p) / x.numel()))
    columns = (y == 0).double().mean(dim=0)  # no place is silenced more often than another
    assert columns.std().item() == pytest.approx(math.sqrt(p * (1 - p) / 997), rel=0.2)


def test_dropout_draws_are_independent_and_repeat_with_the_seed():
    drop, x = Dropout(0.5).train(), torch.ones(64, 1001)
    torch.manual_seed(1)
    first, second = drop(x), drop(x)
    torch.manual_seed(1)
    assert torch.equal(drop(x), first)
    agree = ((first == 0) == (second == 0)).double().mean().item()
    assert agree == pytest.approx(0.5, abs=0.01)
    neighbours = ((first[:, 1:] == 0) == (first[:, :-1] == 0)).double().mean().item()
    assert neighbours == pytest.approx(0.5, abs=0.01)


def test_dropout_is_nothing_in_evaluation_or_at_zero():
    x = torch.randn(3, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x
    assert Dropout(0.5).train()(torch.ones(0, 5)).shape == (0, 5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dropout_passes_gradients_where_it_passes_values(dtype):
    x = torch.ones(7, 9, dtype=dtype, requires_grad=True)
    y = Dropout(0.5).train()(x.T)  # also of a view
    y.sum().backward()
    assert y.dtype == dtype
    assert torch.equal(x.grad, y.T.detach())
