"""Language models over words: n-grams with modified Kneser-Ney smoothing."""

from asrlab.lm.arpa import read_arpa, write_arpa
from asrlab.lm.ngram import NGram

__all__ = ["NGram", "read_arpa", "write_arpa"]
