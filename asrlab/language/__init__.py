"""Language models over words: n-grams with modified Kneser-Ney smoothing."""

from asrlab.language.ngram import NGram

__all__ = ["NGram"]
