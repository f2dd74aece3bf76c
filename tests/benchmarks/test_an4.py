"""The summary of several seeds: means and ranges by hand, and the comparison with the peer's best way."""

import pytest

from asrlab import corpora
from asrlab.corpora import Corpus, Utterance
from asrlab.scoring import receipt
from benchmarks.an4 import summarise

SAID = {"u1": "a b c d", "u2": "e f"}


def write(folder, name, seed, rates, hypotheses, wall):
    metrics = {f"wer.{way}": rate for way, rate in rates.items()}
    receipt.write(folder / f"{name}.json", name, "typed", metrics, hypotheses, seed, wall, commit="c", device="cpu")


def test_means_ranges_and_the_peer(tmp_path, monkeypatch):
    utterances = tuple(Utterance.recorded(i, tmp_path / "x.wav", text, "s", 1.0) for i, text in SAID.items())
    monkeypatch.setattr(corpora, "load", lambda name: Corpus(name, {"test": utterances}, 16000))
    one_wrong, two_wrong = {"u1": "a b c x", "u2": "e f"}, {"u1": "a b x x", "u2": "e f"}
    for seed, texts, wall in ((1, SAID, 60), (2, one_wrong, 90), (3, two_wrong, 120)):
        rates = {"lexicon": 0.5, "lexicon_lm": seed / 6 - 1 / 6}
        write(tmp_path, f"an4.seed{seed}", seed, rates, {"lexicon": two_wrong, "lexicon_lm": texts}, wall)
    peer = {"words": SAID, "trigram": two_wrong}
    write(tmp_path, "pocketsphinx-an4", None, {"words": 0.0, "trigram": 1 / 3}, peer, 5)
    summarise(tmp_path, [1, 2, 3], "c")
    found = receipt.read(tmp_path / "an4.json")["metrics"]
    assert found["wer.lexicon_lm.mean"] == pytest.approx(1 / 6)
    assert (found["wer.lexicon_lm.least"], found["wer.lexicon_lm.most"]) == pytest.approx((0, 1 / 3))
    assert (found["wall_seconds.mean"], found["wall_seconds.most"]) == (90, 120)
    assert found["pocketsphinx.difference"] == pytest.approx(-1 / 6)  # the middle seed against the trigram
    assert found["ratio.pocketsphinx.wer"] == pytest.approx(2)
