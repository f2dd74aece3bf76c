"""The acoustic model: an encoder with one or two heads, CTC and attention."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from asrlab.core.errors import AsrlabError
from asrlab.models.decoder import AttentionDecoder, DecoderOptions
from asrlab.models.encoders import Encoder, EncoderOptions


@dataclass(frozen=True)
class ModelOptions:
    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    decoder: DecoderOptions = field(default_factory=DecoderOptions)
    ctc_weight: float = 1.0  # share of CTC in the loss: 1 is CTC alone, 0 attention alone, between: both
    inner_weight: float = 0.0  # share of a second CTC loss half-way up the encoder (Lee and Watanabe 2021), 0: none

    def __post_init__(self):
        if not 0 <= self.ctc_weight <= 1 or not 0 <= self.inner_weight < 1:
            raise AsrlabError(
                f"ctc_weight={self.ctc_weight}, inner_weight={self.inner_weight}: shares lie between 0 and 1"
            )
        if self.inner_weight and self.encoder.layers < 2:
            raise AsrlabError(f"inner_weight={self.inner_weight}: an encoder of one layer has no middle; give it 0")


@dataclass(frozen=True)
class Output:
    """What the model says of a batch."""

    frames: Tensor  # (B, T, D) encoded speech
    lengths: Tensor  # (B,) frames of each utterance
    log_probs: Tensor | None  # (B, T, V) CTC head, nats
    inner_log_probs: Tensor | None = None  # (B, T, V) the same half-way up the encoder, in training
    logits: Tensor | None = None  # (B, L + 1, V) attention head, if targets were given
    attention: Tensor | None = None  # (B, L + 1, T) where it looked


class AsrModel(nn.Module):
    """Features `(B, T, F)` to log-probabilities of `vocabulary` tokens, token 0 the blank."""

    def __init__(self, features: int, vocabulary: int, options: ModelOptions):
        super().__init__()
        self.options = options
        self.encoder = Encoder(features, options.encoder)
        dim = self.encoder.dim
        self.ctc = nn.Linear(dim, vocabulary) if options.ctc_weight > 0 else None
        self.inner_ctc = nn.Linear(dim, vocabulary) if self.ctc is not None and options.inner_weight > 0 else None
        self.decoder = AttentionDecoder(dim, vocabulary, options.decoder) if options.ctc_weight < 1 else None

    def forward(self, x: Tensor, lengths: Tensor, targets: Tensor | None = None) -> Output:
        """`x (B, T, F)`, `lengths (B,)`; with `targets (B, L)`, padded with 0, the attention head is run as well."""
        if self.training and self.inner_ctc is not None:
            frames, lengths, tapped = self.encoder(x, lengths, tap=len(self.encoder.blocks) // 2 - 1)
            inner = self._log_probs(self.inner_ctc, tapped)
        else:
            (frames, lengths), inner = self.encoder(x, lengths), None
        log_probs = None if self.ctc is None else self._log_probs(self.ctc, frames)
        logits = attention = None
        if self.decoder is not None and targets is not None:
            logits, attention = self.decoder(frames, lengths, targets)
        return Output(frames, lengths, log_probs, inner, logits, attention)

    @staticmethod
    def _log_probs(head: nn.Linear, frames: Tensor) -> Tensor:
        with torch.autocast(frames.device.type, enabled=False):  # a softmax over log-probabilities wants all its bits
            return head(frames.float()).log_softmax(dim=-1)

    def parameter_count(self) -> int:
        """How many numbers training adjusts."""
        return sum(p.numel() for p in self.parameters())
