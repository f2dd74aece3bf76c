"""What people call what files and code call otherwise: voices, accents, systems, ways of decoding, curves.

One table for all figures, tables and recordings of the pages. A name that is not in it is shown as it is, with spaces.
"""

from __future__ import annotations

import re

ACCENTS = {  # of espeak-ng, as its own list of voices explains them
    "en-us": "American",
    "en-gb": "British",
    "en-gb-x-rp": "RP",
    "en-gb-x-gbclan": "Lancaster",
    "en-gb-x-gbcwmd": "West Midlands",
    "en-gb-scotland": "Scottish",
    "en-us-nyc": "New York",
    "en-029": "Caribbean",
}
PEOPLE = {"f": "woman", "m": "man", "": "voice"}
DECODING = {
    "greedy": "greedy",
    "beam": "beam search",
    "lm": "beam search, language model",
    "beam_lm": "beam search, language model",
    "lexicon": "beam search, lexicon",
    "lexicon_lm": "beam search, lexicon, language model",
    "hotwords": "beam search, hotwords",
    "attention": "attention alone, beam search",
    "joint": "attention and CTC together, beam search",
    "words": "its own search, words of its dictionary",
    "trigram": "its own search, trigram",
    "none": "no language model",
    "train": "n-gram of the transcripts",
    "text": "n-gram of text that nobody spoke",
    "mixed": "n-grams of both, interpolated",
    "text_less_train": "n-gram of that text, less the transcripts'",
    "mixed_less_train": "n-grams of both, less the transcripts'",
    "label_prior": "n-grams of both, less CTC's label prior",
    "neural": "n-grams of both, and an LSTM",
    "rescored": "rescored by the attention decoder",
    "rescored_text": "rescored by attention and that n-gram",
    "rescored_text_less_own": "the same, less attention's internal model",
    "oracle": "the best of the list, chosen by who knows",
}
SYSTEMS = {
    "an4": "AN4 recogniser of this book",
    "an4-utterance": "AN4 recogniser, every band normalised",
    "pocketsphinx-an4": "PocketSphinx",
    "scenetalk-las": "attention, trained with CTC",
    "scenetalk-las-attention": "attention, trained alone",
    "small-digits": "eight single words, small",
    "small-commands": "commands of six words, small",
    "small-mandarin": "Mandarin words, small",
    "fine-tune-digits": "eight single words, fine-tuned",
    "fine-tune-commands": "commands of six words, fine-tuned",
    "fine-tune-mandarin": "Mandarin words, fine-tuned",
    "neighbours-an4": "AN4 recogniser, every band normalised",
    "neighbours-scenetalk": "attention, trained with CTC",
}
METHODS = {
    "gmm-hmm": "GMM-HMM",
    "svm": "SVM",
    "mlp": "MLP",
    "ctc": "CNN, CTC",
    "cnn": "CNN",
    "lstm": "LSTM",
    "transformer": "Transformer",
    "conformer": "Conformer",
}
CURVES = {
    "loss": "loss",
    "loss.ctc": "loss of CTC",
    "loss.inner_ctc": "loss of CTC half-way up",
    "loss.attention": "loss of the attention decoder",
    "loss.consistency": "disagreement of two copies",
    "dev_wer": "words wrong on dev",
    "dev_cer": "letters wrong on dev",
    "wer": "words wrong",
    "cer": "letters wrong",
}
_CODE = re.compile(rf"\b({'|'.join(sorted(ACCENTS, key=len, reverse=True))})(?:\+([mf])\d)?(?![\w+-])")


def voice(code: str) -> str:
    """A synthetic voice: "en-gb-scotland+f2" is "a Scottish woman", "en-us" alone "an American voice"."""
    found = _CODE.fullmatch(code)
    if not found:
        return code
    accent, person = ACCENTS[found[1]], PEOPLE[found[2] or ""]
    return f"{'an' if accent[0] in 'AEIOU' or accent == 'RP' else 'a'} {accent} {person}"


def readable(text: str) -> str:
    """A text with every voice code in it replaced by what people call that voice."""
    return _CODE.sub(lambda found: voice(found[0]), text)


def decoding(way: str) -> str:
    """A way of decoding, as receipts name it: "lexicon_lm"."""
    return DECODING.get(way, way.replace("_", " "))


def system(name: str) -> str:
    """A recogniser, as receipts name it: "fsdd-gmm-hmm", "encoders-lstm"."""
    if name in SYSTEMS:
        return SYSTEMS[name]
    method = next((shown for method, shown in METHODS.items() if name == method or name.endswith(f"-{method}")), None)
    split = ", published split" if method and "-published-" in name else ""
    return f"{method}{split}" if method else name.replace("-", " ").replace("_", " ")


def curve(name: str) -> str:
    """A column of a training log: "dev_wer"."""
    return CURVES.get(name, name.replace("_", " "))
