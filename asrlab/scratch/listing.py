"""The layers of the listing that the book starts from, in torch, under the names and arguments that Keras gives them.

They are here so that the listing runs as it is printed. What each layer turns out is what the next one reads, so only
the output sizes are written down; `Sequential.add` passes them on.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from asrlab.core.errors import AsrlabError


class Embedding(nn.Module):
    """A learned vector for each token: ids (B, N) -> (B, N, output_dim)."""

    def __init__(self, input_dim: int, output_dim: int, input_length: int):
        super().__init__()
        self.input_length = input_length  # N, the same for every text: shorter ones are padded
        self.table = nn.Embedding(input_dim, output_dim)

    def build(self, size: int) -> int:
        return self.table.embedding_dim

    def forward(self, ids: Tensor) -> Tensor:
        """Raises AsrlabError unless `ids` are (B, input_length) integers within the vocabulary."""
        if ids.is_floating_point():
            raise AsrlabError(f"{ids.dtype} {tuple(ids.shape)}: an embedding looks up integers, the ids of words")
        if ids.ndim != 2 or ids.shape[1] != self.input_length:
            raise AsrlabError(f"ids {tuple(ids.shape)}: expected (B, {self.input_length}); pad or cut the texts")
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < self.table.num_embeddings:
            raise AsrlabError(f"ids up to {int(ids.max())}: the vocabulary has 0 to {self.table.num_embeddings - 1}")
        return self.table(ids)


class LSTM(nn.Module):
    """Reads a sequence and answers with its last state: (B, N, D) -> (B, units). (Hochreiter and Schmidhuber 1997)

    dropout            probability that a value of the input is silenced in training
    recurrent_dropout  the same for the state that goes from one step to the next; both masks are drawn once for a
                       whole sequence (Gal and Ghahramani 2016, arXiv:1512.05287)
    """

    def __init__(self, units: int, dropout: float = 0.0, recurrent_dropout: float = 0.0):
        super().__init__()
        self.units, self.dropout, self.recurrent_dropout = units, dropout, recurrent_dropout

    def build(self, size: int) -> int:
        self.cell = nn.LSTMCell(size, self.units)
        return self.units

    def forward(self, x: Tensor) -> Tensor:
        hidden = cell = x.new_zeros(len(x), self.units)
        input_mask = self._mask(self.dropout, x[:, 0])
        state_mask = self._mask(self.recurrent_dropout, hidden)
        for step in x.unbind(dim=1):
            hidden, cell = self.cell(step * input_mask, (hidden * state_mask, cell))
        return hidden

    def _mask(self, rate: float, like: Tensor) -> Tensor:
        return nn.functional.dropout(torch.ones_like(like), rate, self.training)


class Dense(nn.Module):
    """A linear map, and with activation="softmax" probabilities: (B, D) -> (B, units)."""

    def __init__(self, units: int, activation: str | None = None):
        super().__init__()
        if activation not in (None, "softmax"):
            raise AsrlabError(f"activation={activation!r}: the listing has softmax; give that or None")
        self.units, self.activation = units, activation

    def build(self, size: int) -> int:
        self.linear = nn.Linear(size, self.units)
        return self.units

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        return y.softmax(dim=-1) if self.activation == "softmax" else y


class Sequential(nn.Sequential):
    """Layers one after the other."""

    def __init__(self):
        super().__init__()
        self.size: int | None = None  # of what the last layer gives

    def add(self, layer: Any) -> None:
        """Put a layer behind the others."""
        self.size = layer.build(self.size)
        self.append(layer)
