"""How many errors a list of hypotheses leaves, for the best choice from it and for every pair of weights.

The weights of a score are chosen on dev data.  `surface` counts the errors for each pair of them from lists that were
searched once, so that a thousand settings cost no thousand searches.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.decode.hypothesis import Hypothesis
from asrlab.decode.rescore import score_of
from asrlab.scoring.edits import align

IMPOSSIBLE = -1e6  # nats, in place of -inf: that times a weight of 0 would be no number


def word_errors(reference: str, hypothesis: str) -> int:
    """Substitutions, deletions and insertions that turn one text into the other."""
    return sum(op.kind != "equal" for op in align(reference, hypothesis))


@equation("oracle-error")
def oracle(reference: str, hypotheses: Sequence[Hypothesis]) -> Hypothesis:
    """The hypothesis with the fewest word errors, of equals the first: as good as rescoring can get.

    Raises AsrlabError if there is none.
    """
    if not hypotheses:
        raise AsrlabError("hypotheses: none to choose from")
    return min(hypotheses, key=lambda h: word_errors(reference, h.text))


@dataclass(frozen=True)
class Surface:
    """Word errors on a set of utterances for every pair of two weights."""

    names: tuple[str, str]  # of the two parts that are weighed
    weights: tuple[tuple[float, ...], tuple[float, ...]]  # (A,) and (B,) that were tried
    fixed: Mapping[str, float]  # weights of other parts
    errors: np.ndarray  # (A, B) integers
    words: int  # that were said

    @property
    def rates(self) -> np.ndarray:
        """(A, B) word error rates, fractions."""
        return self.errors / self.words

    @property
    def best(self) -> dict[str, float]:
        """All weights where the errors are fewest; of equals those nearest to the middle of them, as the safest."""
        places = np.argwhere(self.errors == self.errors.min())
        middle = places[int(np.abs(places - places.mean(axis=0)).sum(axis=1).argmin())]
        chosen = {name: w[k] for name, w, k in zip(self.names, self.weights, middle.tolist(), strict=True)}
        return {**self.fixed, **chosen}

    @property
    def at_edge(self) -> bool:
        """Whether fewest errors are found at an edge of the grid alone: then widen it. A weight of 0 is no edge."""
        inside = self.errors
        for axis, values in enumerate(self.weights):
            keep = slice(0 if values[0] == 0 else 1, -1)
            inside = inside[keep] if axis == 0 else inside[:, keep]
        return bool(inside.min(initial=self.errors.max() + 1) > self.errors.min())


def surface(
    references: Sequence[str],
    nbest: Sequence[Sequence[Hypothesis]],
    first: tuple[str, Sequence[float]],
    second: tuple[str, Sequence[float]],
    fixed: Mapping[str, float],
) -> Surface:
    """Count the word errors of what is chosen from lists of hypotheses, for every pair of two weights.

    Args:
        references: what was said, N texts.
        nbest: N lists of hypotheses, none of them empty.
        first: name of a part and the A weights to try for it; `second` likewise, B of them.
        fixed: weights of other parts, as {"ctc": 1.0}; a part without weight does not count.

    Raises:
        AsrlabError: no utterance, an empty list, or a part that hypotheses do not have.
    """
    if not references or len(references) != len(nbest) or not all(nbest):
        raise AsrlabError(f"{len(references)} references, {len(nbest)} lists: give each text a list with hypotheses")
    grid = np.array(list(itertools.product(first[1], second[1])), np.float64)  # (A B, 2)
    total = np.zeros(len(grid), np.int64)
    for reference, hypotheses in zip(references, nbest, strict=True):
        base = np.array([score_of(h, fixed) for h in hypotheses])
        parts = np.array([[h.parts[name] for name in _known(h, first[0], second[0])] for h in hypotheses])
        errors = np.array([word_errors(reference, h.text) for h in hypotheses])
        scores = base + grid @ np.maximum(parts, IMPOSSIBLE).T
        total += errors[scores.argmax(axis=1)]
    shape = (len(first[1]), len(second[1]))
    tried = (tuple(map(float, first[1])), tuple(map(float, second[1])))
    words = sum(len(text.split()) for text in references)
    return Surface((first[0], second[0]), tried, dict(fixed), total.reshape(shape), words)


def _known(hypothesis: Hypothesis, *names: str) -> tuple[str, ...]:
    for name in names:
        if name not in hypothesis.parts:
            raise AsrlabError(f"weight of {name!r}: the hypotheses have parts {', '.join(hypothesis.parts)}")
    return names
