"""The other decoders, one at a time, as `benchmarks/decoders.py` calls them; runs in the environment of each.

`prepare` loads posteriors and builds a decoder, `decode` decodes all utterances and returns their texts.
"""

from __future__ import annotations

import time

import numpy as np
from serve import serve

CASES = {}


def prepare(case, peer, path, tokens, beam, lm=None, lexicon=None, alpha=0.0, beta=0.0, **options):
    """Keep a function for a case.

    path     .npy of (utterances, T, V) log-probabilities, float32
    tokens   V strings, tokens[0] the blank, "▁" the mark of a word
    lm       path of an ARPA file, or None
    lexicon  word -> its tokens
    alpha    weight of the LM;  beta: nats added for each word
    options  what else the peer's decoder takes
    """
    log_probs = np.load(path)
    CASES[case] = {"pyctcdecode": pyctcdecode, "flashlight": flashlight, "fast_ctc_decode": fast_ctc_decode}[peer](
        log_probs, tokens, beam, lm, lexicon, alpha, beta, **options
    )


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


def pyctcdecode(log_probs, tokens, beam, lm, lexicon, alpha, beta, **options):
    import logging

    from pyctcdecode import build_ctcdecoder

    logging.disable(logging.WARNING)
    pieces = any(len(t) > 1 and t.startswith("▁") for t in tokens)
    labels = ["", *("<unk>" if t == "<unk>" else t if pieces else t.replace("▁", " ") for t in tokens[1:])]
    words = None if lm is None else sorted(lexicon)
    decoder = build_ctcdecoder(labels, lm, unigrams=words, alpha=alpha, beta=beta)
    return lambda: [decoder.decode(x, beam_width=beam, **options) for x in log_probs]


def flashlight(log_probs, tokens, beam, lm, lexicon, alpha, beta, token_beam, beam_threshold, log_add):
    from flashlight.lib.text import decoder as fl

    mark = tokens.index("▁") if "▁" in tokens else len(tokens)
    size = len(tokens)
    token_beam = min(token_beam, size)
    if lm is None:
        options = fl.LexiconFreeDecoderOptions(
            beam_size=beam, beam_size_token=token_beam, beam_threshold=beam_threshold, lm_weight=0.0, sil_score=0.0,
            log_add=log_add, criterion_type=fl.CriterionType.CTC,
        )  # fmt: skip
        decoder = fl.LexiconFreeDecoder(options, fl.ZeroLM(), mark, 0, [])
        vocabulary = None
    else:
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary

        vocabulary = Dictionary([*sorted(lexicon), "<unk>"])
        model = KenLM(lm, vocabulary)
        start = model.start(False)
        trie = fl.Trie(size, mark)
        for word, spelling in lexicon.items():
            _, score = model.score(start, vocabulary.get_index(word))
            trie.insert([tokens.index(t) for t in spelling], vocabulary.get_index(word), score)
        trie.smear(fl.SmearingMode.MAX)
        options = fl.LexiconDecoderOptions(
            beam_size=beam, beam_size_token=token_beam, beam_threshold=beam_threshold,
            lm_weight=alpha * np.log(10.0),  # its KenLM scores are log10
            word_score=beta, unk_score=-np.inf, sil_score=0.0, log_add=log_add, criterion_type=fl.CriterionType.CTC,
        )  # fmt: skip
        decoder = fl.LexiconDecoder(options, trie, model, mark, 0, vocabulary.get_index("<unk>"), [], False)

    def run():
        texts = []
        for x in log_probs:
            results = decoder.decode(x.ctypes.data, x.shape[0], x.shape[1])
            if not results:
                texts.append("")
            elif vocabulary is None:
                path = results[0].tokens
                kept = [v for v, before in zip(path, [-1, *path[:-1]], strict=True) if v != before and v != 0]
                texts.append(" ".join("".join(tokens[v] for v in kept if v < size).replace("▁", " ").split()))
            else:
                texts.append(" ".join(vocabulary.get_entry(w) for w in results[0].words if w >= 0))
        return texts

    return run


def fast_ctc_decode(log_probs, tokens, beam, lm, lexicon, alpha, beta, **options):
    from fast_ctc_decode import beam_search

    probabilities = np.exp(log_probs)

    def run():
        texts = (beam_search(x, tokens, beam_size=beam, **options)[0] for x in probabilities)
        return [" ".join(t.replace("▁", " ").split()) for t in texts]

    return run


serve({"prepare": prepare, "decode": decode, "seconds": seconds})
