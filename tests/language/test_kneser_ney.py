"""Modified Kneser-Ney against a hand-computed corpus, a textbook implementation and the laws of probability."""

import math

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language import NGram
from asrlab.language.kneser_ney import FALLBACK_DISCOUNTS, adjusted_counts, discounts, estimate


def corpus(seed=0, sentences=300, words=30):
    rng = np.random.default_rng(seed)
    p = 1.0 / np.arange(1, words + 1) ** 1.3
    return [[f"w{k}" for k in rng.choice(words, size=rng.integers(0, 8), p=p / p.sum())] for _ in range(sentences)]


def textbook(sentences, order, vocabulary=()):
    """p(word, history), by the definitions: counts over lists, no tables; slow."""
    padded = [["<s>", *s, "</s>"] for s in sentences]

    def occurrences(gram):
        return sum(s[i : i + len(gram)] == gram for s in padded for i in range(len(s)))

    def seen(n):
        return sorted({tuple(s[i : i + n]) for s in padded for i in range(len(s) - n + 1)})

    types = {n: seen(n) for n in range(1, order + 2)}
    words = {w for s in sentences for w in s} | set(vocabulary) | {"</s>", "<unk>"}

    def count(gram):
        if len(gram) == order or gram[0] == "<s>":
            return occurrences(list(gram))
        return len({g[0] for g in types[len(gram) + 1] if g[1:] == gram})

    counts = {n: {g: count(g) for g in types[n] if g != ("<s>",)} for n in range(1, order + 1)}

    def discount(n, c):
        n1, n2, n3, n4 = (sum(x == k for x in counts[n].values()) for k in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        return [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3][min(c, 3)]

    def p(word, history):
        n = len(history) + 1
        followers = {g: c for g, c in counts[n].items() if g[:-1] == history}
        lower = p(word, history[1:]) if history else 1 / len(words)
        if not followers:
            return lower
        total = sum(followers.values())
        gamma = sum(discount(n, c) for c in followers.values()) / total
        c = followers.get((*history, word), 0)
        return (c - discount(n, c)) / total + gamma * lower

    return p


def test_a_corpus_computed_by_hand():
    # Bigrams <s> a 2, a b 1, b </s> 1, a </s> 1; continuations a 1, b 1, </s> 2.  Discounts: the fall-back 0.5, 1.
    lm = NGram.train(["a b", "a"], order=2)
    after_a = lm.score(lm.start(), "a")[1]
    after_b = lm.score(after_a, "b")[1]
    for logp, expected in (
        (lm.score(lm.start(), "a")[0], (2 - 1) / 2 + 1 / 2 * 0.25),
        (lm.score(after_a, "b")[0], (1 - 0.5) / 2 + 0.5 * 0.25),
        (lm.finish(after_a), (1 - 0.5) / 2 + 0.5 * 0.375),
        (lm.finish(after_b), (1 - 0.5) / 1 + 0.5 * 0.375),
        (lm.score(0, "never seen")[0], 0.5 * 0.25),
        (lm.score(after_b, "a")[0], 0.5 * 0.25),  # backs off
    ):
        assert math.exp(logp) == pytest.approx(expected, abs=1e-12)
    assert lm.perplexity(["a b"]) == pytest.approx((0.625 * 0.375 * 0.6875) ** (-1 / 3))


def test_discounts_of_chen_and_goodman_and_where_they_fail():
    counts = {("n", str(i)): c for i, c in enumerate([1] * 40 + [2] * 15 + [3] * 8 + [4] * 5 + [9] * 3)}
    y = 40 / (40 + 2 * 15)
    assert discounts(counts) == pytest.approx((1 - 2 * y * 15 / 40, 2 - 3 * y * 8 / 15, 3 - 4 * y * 5 / 8))
    assert discounts({("a",): 1, ("b",): 1, ("c",): 2}) == FALLBACK_DISCOUNTS  # no 3, no 4
    negative = {("n", str(i)): c for i, c in enumerate([1] * 10 + [2] * 10 + [3] * 100 + [4] * 2)}
    assert discounts(negative) == FALLBACK_DISCOUNTS


@pytest.mark.parametrize("order", [1, 2, 3])
def test_equal_to_the_textbook(order):
    sentences = corpus(sentences=150, words=60)
    assert all(discounts(c) != FALLBACK_DISCOUNTS for c in adjusted_counts(sentences, order))
    p = textbook(sentences, order, vocabulary=["extra"])
    for table in estimate(sentences, order, vocabulary=["extra"]):
        for gram, (logp, _) in list(table.items())[::7]:
            if gram != ("<s>",):
                assert math.exp(logp) == pytest.approx(p(gram[-1], gram[:-1]), rel=1e-9)
    unknown = estimate(sentences, order)[0][("<unk>",)][0]
    assert math.exp(unknown) == pytest.approx(textbook(sentences, order)("<unk>", ()))


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("sentences", [corpus(), corpus(sentences=3), [[]], [["yes"]]])
def test_probabilities_after_every_state_sum_to_one(order, sentences):
    lm = NGram.train(sentences, order, vocabulary=["extra"])
    for state in range(len(lm.automaton.final)):
        words = [w for w in lm.words if w not in ("<s>", "</s>")]
        total = math.fsum(math.exp(lm.score(state, w)[0]) for w in words) + math.exp(lm.finish(state))
        assert total == pytest.approx(1.0, abs=1e-9), lm.history(state)


def test_more_context_tells_more():
    rng = np.random.default_rng(5)
    follow = {w: rng.choice(20, size=(20, 3)) for w in range(20)}

    def sentence():
        a, b = rng.integers(20, size=2)
        said = [a, b]
        for _ in range(10):
            a, b = b, rng.choice(follow[a][b])
            said.append(b)
        return " ".join(f"w{k}" for k in said)

    train, test = [sentence() for _ in range(1500)], [sentence() for _ in range(100)]
    perplexities = [NGram.train(train, order).perplexity(test) for order in (1, 2, 3)]
    assert perplexities[0] > 1.1 * perplexities[1] > 2 * perplexities[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sentences": []}, "none"),
        ({"sentences": "a b c"}, "pass a list"),
        ({"sentences": ["a"], "order": 0}, "order=0"),
        ({"sentences": ["a </s> b"]}, "'</s>'"),
        ({"sentences": [["two words"]]}, "'two words'"),
        ({"sentences": ["a"], "vocabulary": [""]}, "''"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(AsrlabError, match=message):
        NGram.train(**arguments)
