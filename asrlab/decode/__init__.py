"""From log-probabilities to words: greedy, CTC prefix beam search, attention beam search and their combination."""

from asrlab.decode.beam import BeamDecoder, BeamOptions
from asrlab.decode.greedy import greedy
from asrlab.decode.hypothesis import Hypothesis, Word

__all__ = ["BeamDecoder", "BeamOptions", "Hypothesis", "Word", "greedy"]
