"""Blocks in NumPy against torch's own Transformer layer, and against the Conformer that the package trains."""

import numpy as np
import pytest
import torch
from torch import nn

from asrlab.core.errors import AsrlabError
from asrlab.models.encoders import ConformerBlock, ConvModule, EncoderOptions
from asrlab.scratch import transformer

T, D = 9, 8


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((T, D))


def weights(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in module.state_dict().items()}


def randomised(module: nn.Module) -> nn.Module:
    """Double precision, no dropout, and all weights away from their tidy beginnings."""
    torch.manual_seed(1)
    module = module.double().eval()
    with torch.no_grad():
        for value in module.parameters():
            value.add_(0.3 * torch.randn_like(value))
    return module


def in_torch(module: nn.Module, x: np.ndarray, *others) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(x)[None], *others)[0].numpy()


def norm_of(module: nn.LayerNorm) -> transformer.Part:
    w = weights(module)
    return lambda x: transformer.layer_norm(x, w["weight"], w["bias"], module.eps)


def feed_of(first: nn.Linear, second: nn.Linear) -> transformer.Part:
    one, two = weights(first), weights(second)
    return lambda x: transformer.feed_forward(x, one["weight"].T, one["bias"], two["weight"].T, two["bias"])


@pytest.mark.equation("residual")
def test_a_residual_adds_a_share_and_needs_equal_shapes(x):
    np.testing.assert_allclose(transformer.residual(x, lambda x: 2 * x, share=0.5), 2 * x)
    with pytest.raises(AsrlabError, match="needs the shape"):
        transformer.residual(x, lambda x: x[:3])


@pytest.mark.equation("residual")
def test_the_gradient_of_a_residual_keeps_the_way_past_the_part(x):
    """Of a part that gives nothing back, the derivative of the whole is still the identity."""
    step = np.zeros_like(x)
    step[2, 3] = 1e-6
    moved = transformer.residual(x + step, lambda x: 0 * x) - transformer.residual(x, lambda x: 0 * x)
    np.testing.assert_allclose(moved / 1e-6, step / 1e-6, atol=1e-9)


@pytest.mark.equation("layer-norm")
def test_layer_norm_is_torchs_and_forgets_loudness(x):
    module = randomised(nn.LayerNorm(D))
    np.testing.assert_allclose(norm_of(module)(x), in_torch(module, x), atol=1e-12)
    loud = 1000 * x + 7
    plain = transformer.layer_norm(x, np.ones(D), np.zeros(D), epsilon=0)
    np.testing.assert_allclose(transformer.layer_norm(loud, np.ones(D), np.zeros(D), epsilon=0), plain, atol=1e-9)


@pytest.mark.equation("silu", "glu")
def test_silu_and_the_gate_are_torchs(x):
    a = torch.from_numpy(x)
    np.testing.assert_allclose(transformer.silu(x), nn.functional.silu(a).numpy(), atol=1e-13)
    linear = randomised(nn.Linear(D, 2 * D))
    w = weights(linear)
    expected = nn.functional.glu(linear(a)).detach().numpy()
    np.testing.assert_allclose(transformer.gated(x, w["weight"].T, w["bias"]), expected, atol=1e-12)


@pytest.mark.equation("transformer-block", "feed-forward")
def test_the_block_is_torchs_transformer_layer(x):
    heads = 2
    layer = nn.TransformerEncoderLayer(
        D, heads, 4 * D, dropout=0.0, activation=nn.functional.silu, batch_first=True, norm_first=True
    )
    layer = randomised(layer)
    attention = layer.self_attn
    nn.init.zeros_(attention.in_proj_bias), nn.init.zeros_(attention.out_proj.bias)  # ours has no biases there
    W_q, W_k, W_v = attention.in_proj_weight.detach().numpy().reshape(3, heads, D // heads, D)
    each = [(q.T, k.T, v.T) for q, k, v in zip(W_q, W_k, W_v, strict=True)]
    found = transformer.transformer_block(
        x,
        lambda x: transformer.self_attention(x, each, attention.out_proj.weight.detach().numpy().T),
        feed_of(layer.linear1, layer.linear2),
        [norm_of(layer.norm1), norm_of(layer.norm2)],
    )
    np.testing.assert_allclose(found, in_torch(layer, x), atol=1e-10)


def convolution_of(module: ConvModule) -> transformer.Convolution:
    w = weights(module)
    kernel = w["conv.conv.weight"][:, 0, 0].T
    return transformer.Convolution(
        w["gate.0.weight"].T, w["gate.0.bias"], kernel, w["conv.conv.bias"],
        w["finish.0.weight"], w["finish.0.bias"], w["finish.2.weight"].T, w["finish.2.bias"],
    )  # fmt: skip


@pytest.mark.equation("conformer-convolution")
def test_the_convolution_is_the_packages(x):
    module = randomised(ConvModule(EncoderOptions(dim=D, heads=2, kernel=5)))
    expected = in_torch(module, x, torch.ones(1, T, dtype=torch.bool))
    np.testing.assert_allclose(convolution_of(module)(x), expected, atol=1e-12)


@pytest.mark.equation("conformer-block")
def test_the_block_is_the_packages_conformer(x):
    block = randomised(ConformerBlock(EncoderOptions(dim=D, heads=2, kernel=5)))
    real = torch.ones(1, T, dtype=torch.bool)
    see = real[:, None, None, :]
    found = transformer.conformer_block(
        x,
        feed_of(block.feed_in[0], block.feed_in[3]),
        lambda x: in_torch(block.attend, x, see),  # with its turned queries and keys, which have a test of their own
        convolution_of(block.convolve),
        feed_of(block.feed_out[0], block.feed_out[3]),
        [norm_of(norm) for norm in block.norms],
    )
    np.testing.assert_allclose(found, in_torch(block, x, real, see, torch.tensor([T])), atol=1e-10)
