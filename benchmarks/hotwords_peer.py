"""The other decoders with hotwords, as `benchmarks/hotwords.py` calls them; runs in the environment of each."""

from __future__ import annotations

import logging
import time

import numpy as np
from serve import serve

CASES = {}


def prepare(case, peer, path, tokens, beam, lm, words, hotwords, weight, alpha, beta):
    """Keep a function for a case: it decodes the (utterances, T, V) log-probabilities of the .npy at `path`."""
    CASES[case] = {"pyctcdecode": like_pyctcdecode, "ctc_beam_decoder": like_pyctcdecode, "asr_decoder": asr_decoder}[
        peer
    ](peer, np.load(path), tokens, beam, lm, words, hotwords, weight, alpha, beta)


def decode(case):
    """Texts of all utterances."""
    return CASES[case]()


def seconds(case, least):
    """Mean processor time of decoding all utterances, again and again until `least` seconds are over."""
    began, rounds, spent = time.process_time(), 0, 0.0
    while rounds == 0 or spent < least:
        CASES[case]()
        rounds, spent = rounds + 1, time.process_time() - began
    return spent / rounds


def like_pyctcdecode(peer, log_probs, tokens, beam, lm, words, hotwords, weight, alpha, beta):
    """Both have one interface; they take the hotwords with each call, and make what they need of them there."""
    logging.disable(logging.WARNING)
    if peer == "pyctcdecode":
        from pyctcdecode import build_ctcdecoder
    else:
        from ctc_beam_decoder import build_ctcdecoder
    labels = ["", *(t.replace("▁", " ") for t in tokens[1:])]
    decoder = build_ctcdecoder(labels, lm, unigrams=words, alpha=alpha, beta=beta)
    extra = {"hotwords": hotwords, "hotword_weight": weight} if hotwords else {}
    return lambda: [" ".join(decoder.decode(x, beam_width=beam, **extra).split()) for x in log_probs]


def asr_decoder(peer, log_probs, tokens, beam, lm, words, hotwords, weight, alpha, beta):
    """No language model; a context graph of tokens, a score for each of them."""
    import torch
    from asr_decoder import CTCDecoder

    torch.set_num_threads(1)
    ids = {token: i for i, token in enumerate(tokens)}
    contexts = [f"▁{phrase}" for phrase in hotwords] or None  # with the mark before its word, as it is decoded
    decoder = CTCDecoder(contexts, ids, context_score=weight)
    frames = [torch.from_numpy(x) for x in log_probs]

    def run():
        texts = []
        for x in frames:
            found = decoder.ctc_prefix_beam_search(x, min(beam, x.shape[1]), is_last=True)["tokens"][0]
            texts.append(" ".join("".join(tokens[v] for v in found).replace("▁", " ").split()))
        return texts

    return run


serve({"prepare": prepare, "decode": decode, "seconds": seconds})
