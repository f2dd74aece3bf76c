"""SpeechBrain's side of benchmarks/training.py: its own Conformer, front end and CTC loss, set to the same sizes."""

from __future__ import annotations

import logging

import numpy as np
import torch
from serve import serve
from speechbrain.lobes.models.convolution import ConvolutionFrontEnd
from speechbrain.lobes.models.transformer.TransformerASR import TransformerASR
from speechbrain.nnet.linear import Linear
from speechbrain.nnet.losses import ctc_loss

logging.getLogger("speechbrain").setLevel(logging.ERROR)
STATE: dict = {}
# Its recipes' ConvolutionFrontEnd also normalises each convolution; without that it does less work and matches ours.
SETTINGS = {
    "front end": "ConvolutionFrontEnd, 2 blocks, kernel 3, stride 2, no normalisation, no dropout, ReLU",
    "encoder": "TransformerASR.encode, encoder_module conformer, attention_type RoPEMHA, normalize_before",
    "loss": "nnet.losses.ctc_loss on float32 log-probabilities", "optimiser": "torch.optim.AdamW, clip_grad_norm_",
}  # fmt: skip


def prepare(features: int, vocabulary: int, encoder: dict, rate: float, clip: float) -> dict:
    """Build the model; returns its size and what was chosen."""
    torch.manual_seed(1)
    channels, dim = encoder["subsampling_channels"], encoder["dim"]
    front = ConvolutionFrontEnd(
        (None, None, features), num_blocks=2, num_layers_per_block=1, out_channels=(channels, channels),
        kernel_sizes=(3, 3), strides=(2, 2), dilations=(1, 1), residuals=(False, False), activation=torch.nn.ReLU,
        norm=None, dropout=0.0,
    )  # fmt: skip
    conformer = TransformerASR(
        tgt_vocab=vocabulary, input_size=channels * -(-features // 4), d_model=dim, nhead=encoder["heads"],
        num_encoder_layers=encoder["layers"], num_decoder_layers=0, d_ffn=encoder["expansion"] * dim,
        dropout=encoder["dropout"], activation=torch.nn.SiLU, conformer_activation=torch.nn.SiLU,
        kernel_size=encoder["kernel"], encoder_module="conformer", attention_type="RoPEMHA", normalize_before=True,
        causal=False,
    )  # fmt: skip
    model = torch.nn.ModuleList([front, conformer, Linear(input_size=dim, n_neurons=vocabulary)]).train()
    STATE.update(model=model, clip=clip, optimizer=torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98)))
    return {"parameters": sum(p.numel() for p in model.parameters()), "settings": SETTINGS}


def load(path: str) -> int:
    """Take the batch in `path`; returns how many frames the encoder makes of the longest utterance."""
    arrays = {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    STATE["x"], STATE["targets"] = arrays["x"], arrays["targets"]
    STATE["lengths"] = arrays["lengths"] / arrays["x"].shape[1]  # relative ones, as SpeechBrain has them
    STATE["sizes"] = arrays["sizes"] / arrays["targets"].shape[1]
    with torch.no_grad():
        return STATE["model"][0](STATE["x"][:1]).shape[1]


def step(bfloat16: bool) -> float:
    """One update; the mean loss of an utterance."""
    front, conformer, head = STATE["model"]
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = head(conformer.encode(front(STATE["x"]), STATE["lengths"]))
    log_probs = logits.float().log_softmax(dim=-1)
    loss = ctc_loss(log_probs, STATE["targets"], STATE["lengths"], STATE["sizes"], 0, reduction="batchmean")
    STATE["optimizer"].zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(STATE["model"].parameters(), STATE["clip"])
    STATE["optimizer"].step()
    return loss.item()


serve({"prepare": prepare, "load": load, "step": step})
