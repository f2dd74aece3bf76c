"""PocketSphinx, as a peer: it runs in an environment of its own, see benchmarks/pocketsphinx_an4.py."""

from pocketsphinx import Decoder, get_model_path
from serve import serve

decoder = None


def load(dictionary, lm):
    """A decoder with PocketSphinx's own US English acoustic model; everything else at its default."""
    global decoder
    decoder = Decoder(hmm=get_model_path("en-us/en-us"), dict=dictionary, lm=lm, samprate=16000, loglevel="FATAL")


def decode(samples):
    """The best text for a file of 16-bit samples at 16 kHz, decoded as a whole: its mean is known before it begins."""
    with open(samples, "rb") as file:
        audio = file.read()
    decoder.start_utt()
    decoder.process_raw(audio, full_utt=True)
    decoder.end_utt()
    best = decoder.hyp()
    return best.hypstr if best is not None else ""


serve({"load": load, "decode": decode})
