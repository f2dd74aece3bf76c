"""Edit distance by dynamic programming (Wagner & Fischer 1974), and the alignment that it finds.

The least number of substitutions, deletions and insertions that turns a reference into a hypothesis. Divided by the
length of the reference, in words, it is the word error rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError


@equation("edit-distance")
def distance_table(reference: Sequence, hypothesis: Sequence) -> np.ndarray:
    """D, int (R+1, H+1): D[i, j] is the distance of the reference's first i units to the hypothesis' first j.

    The recursion is that of Wagner and Fischer (1974):

        D[i, 0] = i,   D[0, j] = j
        D[i, j] = min(D[i-1, j-1] + [reference[i] != hypothesis[j]],   keep or substitute
                      D[i-1, j] + 1,                                   delete
                      D[i, j-1] + 1)                                   insert
    """
    table = np.zeros((len(reference) + 1, len(hypothesis) + 1), dtype=int)
    table[:, 0] = np.arange(len(reference) + 1)
    table[0, :] = np.arange(len(hypothesis) + 1)
    for i, said in enumerate(reference, start=1):
        for j, heard in enumerate(hypothesis, start=1):
            table[i, j] = min(
                table[i - 1, j - 1] + (said != heard),
                table[i - 1, j] + 1,
                table[i, j - 1] + 1,
            )
    return table


def edit_distance(reference: Sequence, hypothesis: Sequence) -> int:
    """The least number of edits that turns one sequence (a list of words, a text) into another."""
    return int(distance_table(reference, hypothesis)[-1, -1])


def align(reference: Sequence, hypothesis: Sequence) -> list[tuple[str, int, int]]:
    """One cheapest alignment: [(kind, i, j), ...] from left to right, found by walking back through the table.

    kind is "equal", "substitute", "delete" or "insert"; i and j are positions in the reference and the hypothesis
    (where a side has no unit, the position of its next one). Where several steps are equally cheap, the diagonal is
    taken, then the deletion: other programs may choose another alignment of the same cost.
    """
    table = distance_table(reference, hypothesis)
    i, j = len(reference), len(hypothesis)
    steps = []
    while i > 0 or j > 0:
        if i > 0 and j > 0 and table[i, j] == table[i - 1, j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            steps.append(("equal" if reference[i] == hypothesis[j] else "substitute", i, j))
        elif i > 0 and table[i, j] == table[i - 1, j] + 1:
            i -= 1
            steps.append(("delete", i, j))
        else:
            j -= 1
            steps.append(("insert", i, j))
    return steps[::-1]


@equation("word-error-rate")
def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Edits over all utterances by words over all references, a fraction. AsrlabError if no word was said at all."""
    edits = sum(edit_distance(r.split(), h.split()) for r, h in zip(references, hypotheses, strict=True))
    words = sum(len(r.split()) for r in references)
    if words == 0:
        raise AsrlabError(f"no word in {len(references)} references: a rate needs at least one; leave silence out")
    return edits / words


def count_alignments(reference_length: int, hypothesis_length: int) -> int:
    """How many alignments there are: the recursion of the table with a sum where it has a minimum.

    The last step substitutes (or keeps), deletes or inserts, and each is preceded by any alignment of what is left.
    """
    before = [1] * (hypothesis_length + 1)  # with nothing to delete, insertions alone: one way
    for _ in range(reference_length):
        here = [1]
        for j in range(1, hypothesis_length + 1):
            here.append(before[j - 1] + before[j] + here[j - 1])
        before = here
    return before[-1]
