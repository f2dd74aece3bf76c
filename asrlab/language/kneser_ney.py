"""Modified Kneser-Ney estimation, interpolated, of any order.

S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language modeling", Computer Speech and
Language 13 (1999), section 3.  For a history h and a word w,

    p(w | h) = (a(h w) - D(a(h w))) / sum_x a(h x)  +  gamma(h) p(w | h'),

where h' is h without its oldest word, a(.) is the count at the highest order and the number of different words seen
on the left (the *continuation count*) below it, and gamma(h) is just the mass that the discounts D took away.  The
recursion ends in the uniform distribution over words, `</s>` and `<unk>`, so that an unknown word has a probability.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"

#: Discounts of counts 1, 2 and 3+ where counts-of-counts cannot give any (some n_1..n_4 is 0, as in a tiny corpus).
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)

Gram = tuple[str, ...]
#: An n-gram model: for each length 1, 2, ..., n-gram -> (log p(last word | words before), log backoff weight), nats.
Entries = Sequence[Mapping[Gram, tuple[float, float]]]


def adjusted_counts(sentences: Iterable[Sequence[str]], order: int) -> list[dict[Gram, int]]:
    """The counts a(.) of every n-gram: element k - 1 maps n-grams of length k to their adjusted counts.

    A sentence is read as `<s> w_1 ... w_n </s>` with one `<s>`.  The highest order has plain counts; a lower one has
    the number of different words on the left, or the plain count if the n-gram begins with `<s>`, which has no left.
    """
    plain: list[Counter[Gram]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        padded = (BEGIN, *sentence, END)
        for length in range(1, order + 1):
            plain[length - 1].update(padded[i : i + length] for i in range(len(padded) - length + 1))
    counts: list[dict[Gram, int]] = []
    for length in range(1, order):
        left = Counter(gram[1:] for gram in plain[length])
        left.update({gram: n for gram, n in plain[length - 1].items() if gram[0] == BEGIN})
        counts.append(dict(left))
    counts.append(dict(plain[order - 1]))
    counts[0].pop((BEGIN,), None)  # never predicted
    return counts


def discounts(counts: Mapping[Gram, int]) -> tuple[float, float, float]:
    """D_1, D_2 and D_3+ of one order from its counts-of-counts (Chen and Goodman 1999, equation 26).

    Where n_1, n_2, n_3 or n_4 is 0, or a discount comes out below 0, all three are `FALLBACK_DISCOUNTS`.
    """
    of = Counter(counts.values())
    n1, n2, n3, n4 = (of[k] for k in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) == 0:
        return FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    d = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return d if min(d) >= 0 else FALLBACK_DISCOUNTS


def estimate(sentences: Iterable[Sequence[str]], order: int, vocabulary: Iterable[str] = ()) -> Entries:
    """Estimate an n-gram model.

    Args:
        sentences: word sequences without `<s>` and `</s>`.
        order: length of the longest n-gram, 1 or more.
        vocabulary: words that get a probability even if no sentence has them.

    Returns:
        `Entries` up to the order; `<s>` itself has log-probability -inf: it is a history only.
    """
    counts = adjusted_counts(sentences, order)
    words = sorted({gram[0] for gram in counts[0]} | set(vocabulary) | {END, UNKNOWN})
    uniform = 1.0 / len(words)
    probability: list[dict[Gram, float]] = []
    backoff: dict[Gram, float] = {}
    for length, grams in enumerate(counts, start=1):
        d = (0.0, *discounts(grams))
        total: dict[Gram, int] = defaultdict(int)
        taken: dict[Gram, float] = defaultdict(float)
        for gram, n in grams.items():
            total[gram[:-1]] += n
            taken[gram[:-1]] += d[min(n, 3)]
        for history, n in total.items():
            backoff[history] = taken[history] / n
        counted: Mapping[Gram, int] = grams
        if length == 1:
            counted = {(word,): grams.get((word,), 0) for word in words}
        lower = dict.fromkeys(counted, uniform) if length == 1 else probability[-1]
        probability.append(
            {
                gram: (n - d[min(n, 3)]) / total[gram[:-1]] + backoff[gram[:-1]] * lower[gram[1:] or gram]
                for gram, n in counted.items()
            }
        )
    entries = [
        {gram: (math.log(p), math.log(backoff.get(gram, 1.0))) for gram, p in table.items()} for table in probability
    ]
    entries[0][(BEGIN,)] = (-math.inf, math.log(backoff.get((BEGIN,), 1.0)))
    return entries
