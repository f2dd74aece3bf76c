"""Acoustic models: encoders under one interface, and the heads on top of them."""

from asrlab.models.decoder import AttentionDecoder, DecoderOptions, DecoderState
from asrlab.models.encoders import Encoder, EncoderOptions
from asrlab.models.model import AsrModel, ModelOptions, Output

__all__ = [
    "AsrModel",
    "AttentionDecoder",
    "DecoderOptions",
    "DecoderState",
    "Encoder",
    "EncoderOptions",
    "ModelOptions",
    "Output",
]
