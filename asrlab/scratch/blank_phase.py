"""A small language to watch CTC learn in: every letter lasts some frames, and every frame shows its letter.

A network could name the right letter in each frame and never need the blank. What it does on the way there is the
subject: at first it says nothing but blank (Zeyer et al. 2021, arXiv:2105.14849).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

LETTERS = "abcde"
TOKENS = ("∅", *LETTERS)


@dataclass(frozen=True)
class Example:
    """One utterance of the language."""

    target: list[int]  # (L,) tokens, no letter twice in a row
    truth: np.ndarray  # (T,) the letter of each frame
    frames: np.ndarray  # (T, V) what is heard: a one for the letter, plus a little noise


@dataclass(frozen=True)
class Learned:
    """What a training went through."""

    losses: list[float]  # nats a token, before each step
    blanks: list[float]  # share of all frames in which the blank is the likeliest
    beliefs: dict[int, np.ndarray]  # step -> log_y (T, V) of the first example


def examples(count: int = 64, letters: int = 4, noise: float = 0.1, seed: int = 0) -> list[Example]:
    """Texts of so many letters, each of them 4 to 7 frames long."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(count):
        target = [int(rng.integers(1, len(TOKENS)))]
        while len(target) < letters:
            target.append(int(rng.choice([k for k in range(1, len(TOKENS)) if k != target[-1]])))
        truth = np.repeat(target, rng.integers(4, 8, size=letters))
        frames = np.eye(len(TOKENS))[truth] + noise * rng.standard_normal((len(truth), len(TOKENS)))
        made.append(Example(target, truth, frames))
    return made


def learn(data: list[Example], window: int, steps: int = 400, keep: tuple[int, ...] = (), seed: int = 0) -> Learned:
    """Train a network with one hidden layer, which sees `window` frames (an odd number) at a time, by CTC on all data.

    keep  the steps before which the beliefs about the first example are kept
    """
    V, hidden = len(TOKENS), 32
    lengths = torch.tensor([len(one.truth) for one in data])
    inputs = nn.utils.rnn.pad_sequence([torch.tensor(one.frames, dtype=torch.float32) for one in data], True)
    targets = torch.tensor([one.target for one in data])
    sizes = torch.full((len(data),), targets.shape[1])
    spoken = torch.arange(inputs.shape[1]) < lengths[:, None]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would spend their time waiting for each other
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = nn.Conv1d(V, hidden, window, padding=window // 2)
        network = nn.Sequential(first, nn.ReLU(), nn.Conv1d(hidden, V, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses, blanks, beliefs = [], [], {}
    for step in range(steps + 1):
        log_y = network(inputs.transpose(1, 2)).transpose(1, 2).log_softmax(dim=-1)
        loss = nn.functional.ctc_loss(log_y.transpose(0, 1), targets, lengths, sizes)
        losses.append(loss.item())
        blanks.append((log_y.argmax(dim=-1)[spoken] == 0).float().mean().item())
        if step in keep:
            beliefs[step] = log_y[0, : lengths[0]].detach().double().numpy()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    return Learned(losses, blanks, beliefs)
