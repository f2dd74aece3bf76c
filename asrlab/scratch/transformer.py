"""The parts of a Transformer block beside its attention, and the block of the Conformer, in NumPy.

A block reads frames x (T, D) and gives back frames of the same shape. Each part reads what `layer_norm` makes of the
frames, and what it finds is *added* to them: the frames are a road, the parts are shops beside it.

Symbols, as in the equations:
    x              (T, D)   frames
    gain, shift    (D,)     of a layer norm: gamma and beta
    W1, b1, W2, b2          (D, E), (E,), (E, D), (D,) of a feed-forward layer, E = 4 D as a rule
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.scratch.attention import multi_head

Part = Callable[[np.ndarray], np.ndarray]  # (T, D) -> (T, D)


@equation("residual")
def residual(x: np.ndarray, part: Part, share: float = 1.0) -> np.ndarray:
    """x and, added to it, a share of what a part makes of it (He et al., CVPR 2016).

    Raises AsrlabError if the part gives back another shape: then there is nothing to add to.
    """
    found = part(x)
    if found.shape != x.shape:
        raise AsrlabError(f"the part made {found.shape} of {x.shape}: a residual needs the shape that it read")
    return x + share * found


@equation("layer-norm")
def layer_norm(x: np.ndarray, gain: np.ndarray, shift: np.ndarray, epsilon: float = 1e-5) -> np.ndarray:
    """Each frame with mean 0 and variance 1 over its D numbers, then a gain and a shift for each (Ba et al. 2016)."""
    mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return gain * (x - mean) / np.sqrt(variance + epsilon) + shift


@equation("silu")
def silu(a: np.ndarray) -> np.ndarray:
    """a times its own sigmoid: near 0 for negative a, near a for positive (Ramachandran et al. 2017)."""
    return a / (1 + np.exp(-a))


@equation("feed-forward")
def feed_forward(x: np.ndarray, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray) -> np.ndarray:
    """Two layers on each frame alone, the inner one wider."""
    return silu(x @ W1 + b1) @ W2 + b2


@equation("glu")
def gated(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One half of a layer's outputs, each let through as far as the other half says (Dauphin et al. 2017)."""
    a, gate = np.split(x @ W + b, 2, axis=-1)
    return a / (1 + np.exp(-gate))


def depthwise(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Each of the D numbers through a kernel of its own over time, (k, D) with k odd; silence beyond the ends."""
    k, T = len(kernel), len(x)
    padded = np.concatenate([np.zeros((k // 2, x.shape[1])), x, np.zeros((k // 2, x.shape[1]))])
    return sum(kernel[i] * padded[i : i + T] for i in range(k)) + bias


class Convolution(NamedTuple):
    """The weights of a Conformer's convolution: gate, depthwise kernel, norm, and the mixing layer at the end."""

    W: np.ndarray  # (D, 2 D)
    b: np.ndarray
    kernel: np.ndarray  # (k, D)
    bias: np.ndarray
    gain: np.ndarray
    shift: np.ndarray
    V: np.ndarray  # (D, D)
    c: np.ndarray

    @equation("conformer-convolution")
    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Gate, convolve over time, normalise, bend, mix (Gulati et al. 2020, section 2.2, with a layer norm)."""
        found = depthwise(gated(x, self.W, self.b), self.kernel, self.bias)
        return silu(layer_norm(found, self.gain, self.shift)) @ self.V + self.c


def self_attention(x: np.ndarray, heads: Sequence[Sequence[np.ndarray]], W_o: np.ndarray) -> np.ndarray:
    """`multi_head` with queries, keys and values from the same frames."""
    return multi_head(x, x, x, heads, W_o)


@equation("transformer-block")
def transformer_block(x: np.ndarray, attend: Part, feed: Part, norms: Sequence[Part]) -> np.ndarray:
    """Attention, then feed-forward, each behind its norm and added (pre-norm, Xiong et al. 2020)."""
    x = residual(x, lambda x: attend(norms[0](x)))
    return residual(x, lambda x: feed(norms[1](x)))


@equation("conformer-block")
def conformer_block(
    x: np.ndarray, feed_in: Part, attend: Part, convolve: Part, feed_out: Part, norms: Sequence[Part]
) -> np.ndarray:
    """Half a feed-forward, attention, convolution, half a feed-forward; a norm at the end (Gulati et al. 2020)."""
    x = residual(x, lambda x: feed_in(norms[0](x)), share=0.5)
    x = residual(x, lambda x: attend(norms[1](x)))
    x = residual(x, lambda x: convolve(norms[2](x)))
    x = residual(x, lambda x: feed_out(norms[3](x)), share=0.5)
    return norms[4](x)
