"""How many errors a list of hypotheses leaves, for the best choice from it and for every choice of weights.

The weights of a score are chosen on dev data.  `surface` counts the errors for each of them from lists that were
searched once, so that a thousand settings cost no thousand searches.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
    """Word errors on a set of utterances for every choice of some weights."""

    weights: Mapping[str, tuple[float, ...]]  # part -> the A, B, ... weights that were tried for it
    fixed: Mapping[str, float]  # weights of other parts
    errors: np.ndarray  # (A, B, ...) integers
    words: int  # that were said

    @property
    def rates(self) -> np.ndarray:
        """(A, B, ...) word error rates, fractions."""
        return self.errors / self.words

    @property
    def best(self) -> dict[str, float]:
        """All weights where the errors are fewest; of equals those nearest to the middle of them, as the safest."""
        places = np.argwhere(self.errors == self.errors.min())
        middle = places[int(np.abs(places - places.mean(axis=0)).sum(axis=1).argmin())]
        chosen = {name: tried[k] for (name, tried), k in zip(self.weights.items(), middle.tolist(), strict=True)}
        return {**self.fixed, **chosen}

    @property
    def at_edge(self) -> tuple[str, ...]:
        """The parts for which fewest errors are found at an end of what was tried and nowhere else: try more of them.

        A weight of 0 is no end: it says that a part is better left out.
        """
        found = []
        for axis, (name, tried) in enumerate(self.weights.items()):
            places = np.argwhere(self.errors == self.errors.min())[:, axis]
            ends = [k for k in (0, len(tried) - 1) if tried[k] != 0]
            if len(tried) > 1 and np.isin(places, ends).all():
                found.append(name)
        return tuple(found)

    def __add__(self, other: "Surface") -> "Surface":
        """Of both sets of utterances together. Raises AsrlabError if other weights were tried."""
        return self._joined(other, 1)

    def __sub__(self, other: "Surface") -> "Surface":
        """Without the utterances of `other`, as to choose weights for a speaker by all others."""
        return self._joined(other, -1)

    def _joined(self, other: "Surface", sign: int) -> "Surface":
        if (self.weights, self.fixed) != (other.weights, other.fixed):
            raise AsrlabError("surfaces of other weights: count both over the same grid")
        return replace(self, errors=self.errors + sign * other.errors, words=self.words + sign * other.words)


def surface(
    references: Sequence[str],
    nbest: Sequence[Sequence[Hypothesis]],
    weights: Mapping[str, Sequence[float]],
    fixed: Mapping[str, float],
) -> Surface:
    """Count the word errors of what is chosen from lists of hypotheses, for every combination of weights.

    Args:
        references: what was said, N texts.
        nbest: N lists of hypotheses, none of them empty.
        weights: part -> the weights to try for it, ascending.
        fixed: weights of other parts, as {"ctc": 1.0}; a part without weight does not count.

    Raises:
        AsrlabError: no utterance, an empty list, no weight, or a part that hypotheses do not have.
    """
    if not references or len(references) != len(nbest) or not all(nbest):
        raise AsrlabError(f"{len(references)} references, {len(nbest)} lists: give each text a list with hypotheses")
    shape = [len(tried) for tried in weights.values()]
    if not shape or not all(shape):
        raise AsrlabError(f"weights={dict(weights)}: give at least one weight to try, for at least one part")
    grid = np.array(list(itertools.product(*weights.values())), np.float64)  # (A B ..., parts)
    total = np.zeros(len(grid), np.int64)
    for reference, hypotheses in zip(references, nbest, strict=True):
        base = np.array([score_of(h, fixed) for h in hypotheses])
        parts = np.array([[score_of(h, {name: 1.0}) for name in weights] for h in hypotheses])
        errors = np.array([word_errors(reference, h.text) for h in hypotheses])
        total += errors[(base + grid @ np.maximum(parts, IMPOSSIBLE).T).argmax(axis=1)]
    tried = {name: tuple(map(float, values)) for name, values in weights.items()}
    return Surface(tried, dict(fixed), total.reshape(shape), sum(len(text.split()) for text in references))
