"""The parts of the PocketSphinx benchmark that run without it."""

from asrlab.corpora.beside import read_dictionary
from benchmarks.pocketsphinx_an4 import write_dictionary


def test_dictionary_comes_back_as_it_was(tmp_path):
    lexicon = {"a": (("AH",), ("EY",)), "the": (("DH", "AH"), ("DH", "IY"), ("DH", "AH", "R"))}
    write_dictionary(lexicon, tmp_path / "words.dic")
    assert "the(3) DH AH R" in (tmp_path / "words.dic").read_text().splitlines()
    assert read_dictionary(tmp_path / "words.dic") == lexicon
