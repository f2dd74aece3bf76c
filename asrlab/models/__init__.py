"""Acoustic models: encoders under one interface, and the heads on top of them."""

from asrlab.models.asr import AsrModel, ModelOptions, Output
from asrlab.models.decoder import AttentionDecoder, DecoderOptions, DecoderState
from asrlab.models.encoders import Encoder, EncoderOptions

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
