"""The attention decoder: listen, attend and spell (Chan et al. 2016, arXiv:1508.01211).

Embedding, LSTM, softmax, as in the listing that the book starts from, and what that listing lacks: at every letter an
attention over the encoded speech. Token 0, the blank of CTC, begins and ends a text here.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import length_mask
from asrlab.models.layers import Dropout

BOUNDARY = 0  # begins and ends every text
LOWEST = torch.finfo(torch.float32).min  # of an energy: no weight beside any other, and no NaN where there is no frame


@dataclass(frozen=True)
class DecoderOptions:
    dim: int = 192  # width of the embedding and of the LSTM
    attention_dim: int = 128  # width of the space in which speech and text are compared
    location_channels: int = 16  # convolution channels that show the attention where it looked last
    location_kernel: int = 31  # width of that convolution, in encoder frames
    dropout: float = 0.1  # probability that a value is silenced in training
    label_smoothing: float = 0.1  # probability mass that the training target gives to all tokens alike

    def __post_init__(self) -> None:
        for name in ("dim", "attention_dim", "location_channels", "location_kernel"):
            if getattr(self, name) < 1:
                raise AsrlabError(f"decoder {name}={getattr(self, name)}: give 1 or more")
        if not 0 <= self.dropout < 0.99 or not 0 <= self.label_smoothing < 1:
            raise AsrlabError(
                f"decoder dropout={self.dropout}, label_smoothing={self.label_smoothing}: give shares below 1"
            )


@dataclass(frozen=True)
class DecoderState:
    """What the decoder remembers between two tokens, one row a hypothesis."""

    memory: Tensor  # (B, T, D) encoded speech
    keys: Tensor  # (B, T, A) the same, projected for comparison
    real: Tensor  # (B, T) True inside each utterance
    hidden: Tensor  # (B, D) of the LSTM
    cell: Tensor  # (B, D) of the LSTM
    context: Tensor  # (B, D) what the last attention read
    looked: Tensor  # (B, T) attention weights so far, summed

    def select(self, rows: Tensor) -> "DecoderState":
        """The state of some hypotheses, in the order of `rows`; a row may come twice."""
        return DecoderState(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class AttentionDecoder(nn.Module):
    """Embedding -> LSTM -> attention over the encoder's frames -> softmax over tokens."""

    def __init__(self, memory_dim: int, vocabulary: int, options: DecoderOptions):
        super().__init__()
        dim = options.dim
        self.embed = nn.Embedding(vocabulary, dim)
        self.lstm = nn.LSTMCell(dim + memory_dim, dim)
        self.key = nn.Linear(memory_dim, options.attention_dim)
        self.query = nn.Linear(dim, options.attention_dim, bias=False)
        self.location = nn.Conv1d(1, options.location_channels, options.location_kernel, padding="same", bias=False)
        self.locate = nn.Linear(options.location_channels, options.attention_dim, bias=False)
        self.energy = nn.Linear(options.attention_dim, 1, bias=False)
        self.dropout = Dropout(options.dropout)
        self.out = nn.Linear(dim + memory_dim, vocabulary)

    def start(self, memory: Tensor, lengths: Tensor) -> DecoderState:
        """State before the first token: `memory (B, T, D)`, `lengths (B,)`."""
        batch, frames, dim = memory.shape
        zero = memory.new_zeros(batch, self.lstm.hidden_size)
        return DecoderState(
            memory, self.key(memory), length_mask(lengths, frames),
            zero, zero, memory.new_zeros(batch, dim), memory.new_zeros(batch, frames),
        )  # fmt: skip

    def step(self, state: DecoderState, tokens: Tensor) -> tuple[Tensor, DecoderState]:
        """Read `tokens (B,)`, give log-probabilities `(B, V)` of the next ones and the state after them."""
        logits, state, _ = self._step(state, self.embed(tokens))
        return logits.float().log_softmax(dim=-1), state

    def forward(self, memory: Tensor, lengths: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(B, L + 1, V)` of each target and of the end after it, given the true tokens before; and attention.

        `targets (B, L)` are padded with 0. The attention weights are `(B, L + 1, T)`.
        """
        state = self.start(memory, lengths)
        inputs = self.dropout(self.embed(F.pad(targets, (1, 0), value=BOUNDARY)))
        logits, weights = [], []
        for embedded in inputs.unbind(dim=1):
            step_logits, state, weight = self._step(state, embedded)
            logits.append(step_logits)
            weights.append(weight)
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1)

    def _step(self, state: DecoderState, embedded: Tensor) -> tuple[Tensor, DecoderState, Tensor]:
        hidden, cell = self.lstm(torch.cat([embedded, state.context], dim=-1), (state.hidden, state.cell))
        location = self.locate(self.location(state.looked[:, None]).transpose(1, 2))
        energy = self.energy(torch.tanh(state.keys + self.query(hidden)[:, None] + location)).squeeze(-1)
        weight = energy.float().masked_fill(~state.real, LOWEST).softmax(dim=-1).to(state.memory.dtype)
        context = (weight[:, None] @ state.memory).squeeze(1)
        logits = self.out(self.dropout(torch.cat([hidden, context], dim=-1)))
        after = DecoderState(state.memory, state.keys, state.real, hidden, cell, context, state.looked + weight)
        return logits, after, weight
