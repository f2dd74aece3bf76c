"""Language models over words: n-grams with modified Kneser-Ney smoothing."""

from asrlab.lm.ngram import NGram

__all__ = ["NGram"]
