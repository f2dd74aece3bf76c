"""Section 1: edit distance and its alignment."""

import functools
import itertools

import numpy as np

from asrlab.grading.exercise import Exercise, ExerciseSet, hint_of

COUNTERS = ("asrlab.scoring", "jiwer", "rapidfuzz", "Levenshtein", "editdistance", "difflib")


# --- inputs ---------------------------------------------------------------------------------------


def word_pairs(rng):
    """Texts as lists of words: empty ones, equal ones, then random ones over a few words, so that many agree."""
    words = np.array(["put", "the", "red", "circle", "in", "centre", "blue"])
    yield ["the"], []
    yield [], ["the", "red"]
    yield ["red", "circle"], ["red", "circle"]
    yield ["the", "red", "circle"], ["red", "circle"]
    yield ["put", "red", "in"], ["put", "blue", "in"]
    yield ["put", "the", "red"], ["red", "put", "the"]
    for kinds, longest in ((2, 2), (2, 3), (2, 4), (3, 5), (2, 6), (4, 6), (4, 7), (4, 8), (4, 8)):
        some = rng.choice(words, kinds, replace=False)
        yield tuple(rng.choice(some, rng.integers(1, longest + 1)).tolist() for _ in range(2))


# --- edit distance --------------------------------------------------------------------------------


def suffix_distance(reference, hypothesis):
    """The oracle: from the ends of both texts, by recursion."""

    @functools.cache
    def rest(i, j):
        if i == len(reference) or j == len(hypothesis):
            return len(reference) - i + len(hypothesis) - j
        if reference[i] == hypothesis[j]:
            return rest(i + 1, j + 1)  # to keep equal words is never worse
        return 1 + min(rest(i + 1, j + 1), rest(i + 1, j), rest(i, j + 1))

    return rest(0, 0)


def distance_by_table(reference, hypothesis):
    D = [[i + j for j in range(len(hypothesis) + 1)] for i in range(len(reference) + 1)]
    for i in range(1, len(reference) + 1):
        for j in range(1, len(hypothesis) + 1):
            change = 0 if reference[i - 1] == hypothesis[j - 1] else 1
            D[i][j] = min(D[i - 1][j - 1] + change, D[i - 1][j] + 1, D[i][j - 1] + 1)
    return D[-1][-1]


def distance_by_two_rows(reference, hypothesis):
    row = list(range(len(hypothesis) + 1))
    for i, said in enumerate(reference, start=1):
        before, row = row, [i]
        for j, heard in enumerate(hypothesis):
            row.append(min(before[j] + (said != heard), before[j + 1] + 1, row[j] + 1))
    return row[-1]


def distance_by_vectors(reference, hypothesis):
    steps = np.arange(len(hypothesis) + 1, dtype=np.float32)
    row = steps.copy()
    for said in reference:
        different = np.array([said != heard for heard in hypothesis], dtype=np.float32)
        best = row + 1
        best[1:] = np.minimum(best[1:], row[:-1] + different)
        row = np.minimum.accumulate(best - steps) + steps  # an insertion costs what steps grows by
    return row[-1]


def distance_by_search(reference, hypothesis):
    front, seen, edits = {(0, 0)}, set(), 0
    while True:
        after = set()
        while front:
            i, j = front.pop()
            while i < len(reference) and j < len(hypothesis) and reference[i] == hypothesis[j]:
                i, j = i + 1, j + 1
            if (i, j) == (len(reference), len(hypothesis)):
                return edits
            seen.add((i, j))
            after |= {(i + di, j + dj) for di, dj in ((1, 0), (0, 1), (1, 1))}
        front = {(i, j) for i, j in after - seen if i <= len(reference) and j <= len(hypothesis)}
        edits += 1


def always_pays_the_diagonal(reference, hypothesis):
    """The diagonal step costs 1 even where the two words are equal: keeping a word must be free."""
    D = np.add.outer(np.arange(len(reference) + 1), np.arange(len(hypothesis) + 1))
    for i, j in itertools.product(range(1, len(reference) + 1), range(1, len(hypothesis) + 1)):
        D[i, j] = 1 + min(D[i - 1, j - 1], D[i - 1, j], D[i, j - 1])
    return D[-1, -1]


def starts_from_zeros(reference, hypothesis):
    """The first row and the first column are left at 0: reaching the j-th word of the hypothesis from an empty
    reference takes j insertions."""
    D = np.zeros((len(reference) + 1, len(hypothesis) + 1), dtype=int)
    for i, j in itertools.product(range(1, len(reference) + 1), range(1, len(hypothesis) + 1)):
        change = reference[i - 1] != hypothesis[j - 1]
        D[i, j] = min(D[i - 1, j - 1] + change, D[i - 1, j] + 1, D[i, j - 1] + 1)
    return D[-1, -1]


def never_substitutes(reference, hypothesis):
    """A replaced word is counted as a deletion and an insertion, 2 in all: a substitution is one edit."""
    D = np.add.outer(np.arange(len(reference) + 1), np.arange(len(hypothesis) + 1))
    for i, j in itertools.product(range(1, len(reference) + 1), range(1, len(hypothesis) + 1)):
        keep = [D[i - 1, j - 1]] if reference[i - 1] == hypothesis[j - 1] else []
        D[i, j] = min([*keep, D[i - 1, j] + 1, D[i, j - 1] + 1])
    return D[-1, -1]


def compares_place_by_place(reference, hypothesis):
    """The words are compared place by place, so one missing word makes all that follow wrong: shifts must be
    tried too."""
    return sum(a != b for a, b in itertools.zip_longest(reference, hypothesis))


def compares_bags(reference, hypothesis):
    """Only which words occur is compared: their order counts too."""
    left = list(hypothesis)
    kept = sum(1 for word in reference if word in left and not left.remove(word))
    return max(len(reference), len(hypothesis)) - kept


def returns_the_rate(reference, hypothesis):
    """The distance is divided by the length of the reference: that is the word error rate; the number of edits is
    asked for."""
    row = list(range(len(hypothesis) + 1))
    for i, said in enumerate(reference, start=1):
        before, row = row, [i]
        for j, heard in enumerate(hypothesis):
            row.append(min(before[j] + (said != heard), before[j + 1] + 1, row[j] + 1))
    return row[-1] / len(reference) if reference else float(row[-1])


EDIT_DISTANCE = Exercise(
    name="edit.distance",
    title="The edit distance",
    function="edit_distance",
    points=10,
    minutes=20,
    equations=("edit-distance",),
    cases=word_pairs,
    oracle=suffix_distance,
    hints=(
        "Draw the table of the chapter for two short texts. What stands in its first row and its first column?",
        "Fill the cells from left to right, row by row. Each looks at three neighbours: diagonal, above, left.",
        "The step from above and the one from the left cost 1. The diagonal one costs 1 only if the words differ. Take"
        " the least of the three; the answer is the last cell.",
    ),
    right=(distance_by_table, distance_by_two_rows, distance_by_vectors, distance_by_search),
    mistakes=(
        always_pays_the_diagonal,
        starts_from_zeros,
        never_substitutes,
        compares_place_by_place,
        compares_bags,
        returns_the_rate,
    ),
    forbidden=COUNTERS,
)


# --- alignment ------------------------------------------------------------------------------------


def judge_alignments(cases, answers):
    """Any cheapest alignment is right."""
    for number, ((reference, hypothesis), pairs) in enumerate(zip(cases, answers, strict=True)):
        wrong = _fault_of_alignment(reference, hypothesis, pairs)
        if wrong:
            return number, wrong
    return None


def _fault_of_alignment(reference, hypothesis, pairs):
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return "A list of pairs (word, word) is asked for, with None where a side has no word."
    left, right = ([pair[side] for pair in pairs if pair[side] is not None] for side in (0, 1))
    if [None, None] in pairs:
        return "A pair of two gaps aligns nothing: leave it out."
    for mistake, first, second in (
        (swaps_the_sides, hypothesis, reference),
        (leaves_it_reversed, reference[::-1], hypothesis[::-1]),
    ):
        if (left, right) == (first, second) != (reference, hypothesis):
            return hint_of(mistake)
    if (left, right) != (reference, hypothesis):
        ends = [whole[len(whole) - len(part) :] == part for whole, part in ((reference, left), (hypothesis, right))]
        return (
            hint_of(stops_at_the_first_edge) if all(ends) else "The words of the pairs are not those of the two texts."
        )
    cost = sum(a != b for a, b in pairs)
    if cost == suffix_distance(reference, hypothesis):
        return None
    if all(None not in pair for pair in pairs[: min(len(reference), len(hypothesis))]):
        return hint_of(aligns_place_by_place)
    if all(a == b or None in (a, b) for a, b in pairs):
        return hint_of(avoids_substitutions)
    return f"The pairs cost {cost} edits, and there is a cheaper way."


def align_by_table(reference, hypothesis):
    D = [[i + j for j in range(len(hypothesis) + 1)] for i in range(len(reference) + 1)]
    for i, a in enumerate(reference, start=1):
        for j, b in enumerate(hypothesis, start=1):
            D[i][j] = min(D[i - 1][j - 1] + (a != b), D[i - 1][j] + 1, D[i][j - 1] + 1)
    i, j, pairs = len(reference), len(hypothesis), []
    while i or j:
        if i and j and D[i][j] == D[i - 1][j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
        elif i and D[i][j] == D[i - 1][j] + 1:
            i -= 1
            pairs.append((reference[i], None))
        else:
            j -= 1
            pairs.append((None, hypothesis[j]))
    return pairs[::-1]


def align_by_recursion(reference, hypothesis):
    @functools.cache
    def best(i, j):
        ways = []
        if i < len(reference):
            cost, pairs = best(i + 1, j)
            ways.append((cost + 1, ((reference[i], None), *pairs)))
        if j < len(hypothesis):
            cost, pairs = best(i, j + 1)
            ways.append((cost + 1, ((None, hypothesis[j]), *pairs)))
        if i < len(reference) and j < len(hypothesis):
            cost, pairs = best(i + 1, j + 1)
            ways.append((cost + (reference[i] != hypothesis[j]), ((reference[i], hypothesis[j]), *pairs)))
        return min(ways, key=lambda way: way[0], default=(0, ()))

    return list(best(0, 0)[1])


def align_by_carrying_paths(reference, hypothesis):
    row = [(j, [[None, word] for word in hypothesis[:j]]) for j in range(len(hypothesis) + 1)]
    for i, a in enumerate(reference, start=1):
        new = [(i, [[word, None] for word in reference[:i]])]
        for j, b in enumerate(hypothesis):
            ways = [(row[j][0] + int(a != b), row[j][1] + [[a, b]])]
            ways.append((row[j + 1][0] + 1, row[j + 1][1] + [[a, None]]))
            ways.append((new[j][0] + 1, new[j][1] + [[None, b]]))
            new.append(sorted(ways, key=lambda way: way[0])[0])
        row = new
    return row[-1][1]


def leaves_it_reversed(reference, hypothesis):
    """The alignment runs backwards: the walk begins at the last cell, so turn it round before you return it."""
    D = [[i + j for j in range(len(hypothesis) + 1)] for i in range(len(reference) + 1)]
    for i, a in enumerate(reference, start=1):
        for j, b in enumerate(hypothesis, start=1):
            D[i][j] = min(D[i - 1][j - 1] + (a != b), D[i - 1][j] + 1, D[i][j - 1] + 1)
    i, j, pairs = len(reference), len(hypothesis), []
    while i or j:
        if i and j and D[i][j] == D[i - 1][j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
        elif i and D[i][j] == D[i - 1][j] + 1:
            i -= 1
            pairs.append((reference[i], None))
        else:
            j -= 1
            pairs.append((None, hypothesis[j]))
    return pairs


def stops_at_the_first_edge(reference, hypothesis):
    """The walk stops when one text is used up, and the beginning of the other is lost: go on until both are."""
    D = [[i + j for j in range(len(hypothesis) + 1)] for i in range(len(reference) + 1)]
    for i, a in enumerate(reference, start=1):
        for j, b in enumerate(hypothesis, start=1):
            D[i][j] = min(D[i - 1][j - 1] + (a != b), D[i - 1][j] + 1, D[i][j - 1] + 1)
    i, j, pairs = len(reference), len(hypothesis), []
    while i and j:
        if D[i][j] == D[i - 1][j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
        elif D[i][j] == D[i - 1][j] + 1:
            i -= 1
            pairs.append((reference[i], None))
        else:
            j -= 1
            pairs.append((None, hypothesis[j]))
    return pairs[::-1]


def swaps_the_sides(reference, hypothesis):
    """The sides are swapped: the reference's word comes first in each pair, so a deletion is (word, None)."""
    D = [[i + j for j in range(len(hypothesis) + 1)] for i in range(len(reference) + 1)]
    for i, a in enumerate(reference, start=1):
        for j, b in enumerate(hypothesis, start=1):
            D[i][j] = min(D[i - 1][j - 1] + (a != b), D[i - 1][j] + 1, D[i][j - 1] + 1)
    i, j, pairs = len(reference), len(hypothesis), []
    while i or j:
        if i and j and D[i][j] == D[i - 1][j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((hypothesis[j], reference[i]))
        elif i and D[i][j] == D[i - 1][j] + 1:
            i -= 1
            pairs.append((None, reference[i]))
        else:
            j -= 1
            pairs.append((hypothesis[j], None))
    return pairs[::-1]


def aligns_place_by_place(reference, hypothesis):
    """The words are paired place by place from the left: a missing word shifts all that follow, so walk back through
    the table instead."""
    return list(itertools.zip_longest(reference, hypothesis))


def avoids_substitutions(reference, hypothesis):
    """A replaced word appears as a deletion and an insertion, which cost 2: pair the two words, which costs 1."""
    D = [[i + j for j in range(len(hypothesis) + 1)] for i in range(len(reference) + 1)]
    for i, a in enumerate(reference, start=1):
        for j, b in enumerate(hypothesis, start=1):
            D[i][j] = min([D[i - 1][j - 1]] * (a == b) + [D[i - 1][j] + 1, D[i][j - 1] + 1])
    i, j, pairs = len(reference), len(hypothesis), []
    while i or j:
        if i and j and reference[i - 1] == hypothesis[j - 1] and D[i][j] == D[i - 1][j - 1]:
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
        elif i and D[i][j] == D[i - 1][j] + 1:
            i -= 1
            pairs.append((reference[i], None))
        else:
            j -= 1
            pairs.append((None, hypothesis[j]))
    return pairs[::-1]


ALIGNMENT = Exercise(
    name="edit.alignment",
    title="The alignment behind the distance",
    function="align",
    points=15,
    minutes=30,
    equations=("edit-distance",),
    cases=word_pairs,
    oracle=align_by_recursion,
    judge=judge_alignments,
    hints=(
        "Fill the table of the edit distance and keep all of it. Where does a cheapest path end?",
        "Start at the last cell and ask which of its three neighbours its number came from. Note the pair that this"
        " step stands for, and go there.",
        "A diagonal step pairs two words, a step up is (word, None), a step to the left (None, word). Go on until both"
        " texts are used up, then turn the list round.",
    ),
    right=(align_by_table, align_by_recursion, align_by_carrying_paths),
    mistakes=(
        leaves_it_reversed,
        stops_at_the_first_edge,
        swaps_the_sides,
        aligns_place_by_place,
        avoids_substitutions,
    ),
    forbidden=COUNTERS,
    survivors={
        "D = np.add.outer(np.arange(rows + 1), np.arange(columns + 1)) | 1 -> 2": (
            "A table with a row or a column more than it needs, which is filled and never looked at."
        ),
    },
)

SET = ExerciseSet("1-background", "Counting errors", "book/1-background/counting-errors", (EDIT_DISTANCE, ALIGNMENT))
