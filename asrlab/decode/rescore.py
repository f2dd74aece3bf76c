"""A second look at the best hypotheses of a search, by models that the search could not hold.

A beam search needs scores that grow word by word.  What reads a whole sentence, a neural language model say, or an
attention decoder, judges the n best texts afterwards.  The list bounds what can be gained: a text that is not in it
cannot be chosen.  `asrlab.scoring.surface` says how good the best choice would be, and chooses weights on dev data.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.decode.attention import Decoder, token_log_probs
from asrlab.decode.hypothesis import Hypothesis
from asrlab.decode.languages import weighted

#: What judges whole hypotheses: a number (nats) for each; `asrlab.language.neural.NeuralLM` is one.
Scorer = Callable[[Sequence[Hypothesis]], Sequence[float]]


class HasLogprob(Protocol):
    """A model of text, such as an `NGram`."""

    def logprob(self, sentence: str) -> float:
        """Log-probability (nats) of a whole sentence."""


def by_text(model: HasLogprob) -> Scorer:
    """A model of text as a scorer."""
    return lambda hypotheses: [model.logprob(h.text) for h in hypotheses]


def by_attention(decoder: Decoder, memory: Tensor) -> Scorer:
    """An attention decoder as a scorer of one utterance: CTC proposes, attention, which sees whole texts, decides
    (Watanabe et al. 2017, section II-C).

    memory  (T, D) encoded speech of the utterance
    """
    return lambda hypotheses: token_log_probs(decoder, memory, [h.tokens for h in hypotheses])


def with_parts(hypotheses: Sequence[Hypothesis], scorers: Mapping[str, Scorer]) -> list[Hypothesis]:
    """The hypotheses with what each scorer says of them as a further part, not weighted; their scores stay.

    Raises:
        AsrlabError: a name that is a part already, a scorer that gives another number of values, NaN or +inf.
    """
    added = [dict(h.parts) for h in hypotheses]
    for name, scorer in scorers.items():
        if any(name in parts for parts in added):
            raise AsrlabError(f"scorer {name!r}: the hypotheses have a part of this name; choose another")
        values = [float(x) for x in scorer(hypotheses)]
        if len(values) != len(hypotheses) or not all(x < math.inf for x in values):
            raise AsrlabError(f"scorer {name!r}: {values[:5]} for {len(hypotheses)} texts; give each a finite number")
        for parts, value in zip(added, values, strict=True):
            parts[name] = value
    return [replace(h, parts=parts) for h, parts in zip(hypotheses, added, strict=True)]


def rescore(hypotheses: Sequence[Hypothesis], scorers: Mapping[str, tuple[float, Scorer]]) -> list[Hypothesis]:
    """The hypotheses of a search with weighted further scores added to theirs; the best first.

    Args:
        hypotheses: of one utterance, from a decoder with nbest > 1.
        scorers: name -> (weight, scorer); a weight below 0 takes a model away.

    Raises:
        AsrlabError: see `with_parts`.
    """
    found = with_parts(hypotheses, {name: scorer for name, (_, scorer) in scorers.items()})
    extra = [sum(weighted(w, h.parts[name]) for name, (w, _) in scorers.items()) for h in found]
    found = [replace(h, score=h.score + more) for h, more in zip(found, extra, strict=True)]
    return sorted(found, key=lambda h: h.score, reverse=True)


@equation("rescoring-score")
def score_of(hypothesis: Hypothesis, weights: Mapping[str, float]) -> float:
    """The weighted sum of a hypothesis' parts. Raises AsrlabError for a part that it does not have."""
    for name in weights:
        if name not in hypothesis.parts:
            raise AsrlabError(f"weight of {name!r}: the hypotheses have parts {', '.join(hypothesis.parts)}")
    return sum(weighted(weight, hypothesis.parts[name]) for name, weight in weights.items())


def reweighted(hypotheses: Sequence[Hypothesis], weights: Mapping[str, float]) -> list[Hypothesis]:
    """The hypotheses scored anew by weights for their parts, those of the search forgotten; the best first."""
    found = [replace(h, score=score_of(h, weights)) for h in hypotheses]
    return sorted(found, key=lambda h: h.score, reverse=True)


def merged(lists: Iterable[Sequence[Hypothesis]]) -> list[Hypothesis]:
    """Several searches' hypotheses of one utterance as one list: of each text the one with the best "ctc" part.

    So weights are tried on texts that searches with other weights found; their `score` is then of no use.
    """
    best: dict[str, Hypothesis] = {}
    for h in itertools.chain.from_iterable(lists):
        if h.text not in best or h.parts["ctc"] > best[h.text].parts["ctc"]:
            best[h.text] = h
    return list(best.values())
