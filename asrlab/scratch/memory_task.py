"""A task that is nothing but memory: which symbol came first? (After Hochreiter and Schmidhuber 1997.)

A sequence begins with one of a few symbols; noise follows; at the end the first symbol is asked for. The length says
over how many steps the answer has to be carried, and over how many the gradient has to come back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SYMBOLS, NOISE = 4, 4  # the inputs: one place for each symbol, and so many of noise


def sequences(count: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """X (count, length, SYMBOLS + NOISE) and the first symbols (count,)."""
    first = torch.randint(SYMBOLS, (count,), generator=generator)
    X = torch.zeros(count, length, SYMBOLS + NOISE)
    X[:, 1:, SYMBOLS:] = torch.randn(count, length - 1, NOISE, generator=generator)
    X[torch.arange(count), 0, first] = 1.0
    return X, first


class Rememberer(nn.Module):
    """Reads a sequence and gives scores of the symbols after its last step: (B, T, features) -> (B, SYMBOLS).

    cell         "elman" or "lstm"
    forget_bias  of the LSTM at the beginning: sigmoid(forget_bias) is the share that a cell keeps in a step
    """

    def __init__(self, cell: str, size: int = 32, forget_bias: float = 0.0):
        super().__init__()
        kind = {"elman": nn.RNN, "lstm": nn.LSTM}[cell]
        self.recurrent = kind(SYMBOLS + NOISE, size, batch_first=True)
        self.scores = nn.Linear(size, SYMBOLS)
        if cell == "lstm":
            with torch.no_grad():
                self.recurrent.bias_hh_l0[size : 2 * size] = 0
                self.recurrent.bias_ih_l0[size : 2 * size] = forget_bias

    def forward(self, X: Tensor) -> Tensor:
        return self.scores(self.recurrent(X)[0][:, -1])


def learn(model: Rememberer, length: int, steps: int = 200, batch: int = 32, seed: int = 0) -> float:
    """Train on ever new sequences; returns the share of 500 unseen ones whose first symbol is remembered."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(steps):
        X, first = sequences(batch, length, generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), first).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        X, first = sequences(500, length, generator)
        return float((model(X).argmax(dim=1) == first).float().mean())
