"""Acoustic models: encoders under one interface, their fusion, and the heads on top of them."""

from asrlab.models.decoder import AttentionDecoder, DecoderOptions, DecoderState
from asrlab.models.encoders import Encoder, EncoderOptions
from asrlab.models.fusion import FusionOptions
from asrlab.models.model import Model, ModelOptions, Output

__all__ = [
    "AttentionDecoder",
    "DecoderOptions",
    "DecoderState",
    "Encoder",
    "EncoderOptions",
    "FusionOptions",
    "Model",
    "ModelOptions",
    "Output",
]
