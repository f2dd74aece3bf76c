"""States: they score as whole histories do, in Python and compiled, and a model can be taken apart and built again."""

import math

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language import NGram
from asrlab.language.automaton import score, step

SENTENCES = ["turn left", "turn right now", "turn left at the light", "go left", "", "go", "go go go now"] * 2


def backed_off(entries, history, word):
    """log p(word | history) by the definition of a back-off model, on the tables."""
    gram = (*history, word)
    if len(gram) <= len(entries) and gram in entries[len(gram) - 1]:
        return entries[len(gram) - 1][gram][0]
    if not history:
        return entries[0][("<unk>",)][0]
    weight = entries[len(history) - 1].get(history, (0.0, 0.0))[1] if len(history) <= len(entries) else 0.0
    return weight + backed_off(entries, history[1:], word)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_states_score_as_the_whole_history_does(order):
    lm = NGram.train(SENTENCES, order)
    entries = lm.entries()
    rng = np.random.default_rng(0)
    words = [*(w for w in lm.words if w not in ("<s>", "</s>", "<unk>")), "<unk>"]
    for _ in range(50):
        state, history = lm.start(), ("<s>",)
        for word in rng.choice(words, size=6):
            assert lm.finish(state) == pytest.approx(backed_off(entries, history, "</s>"))
            assert step.py_func(lm.automaton, state, lm.word_id(word)) == lm.score(state, word)
            logp, state = lm.score(state, str(word))
            assert logp == pytest.approx(backed_off(entries, history, str(word)))
            assert len(lm.history(state)) < max(order, 1) or order == 1
            history = (*history, str(word))


def test_compiled_scores_are_the_same():
    lm = NGram.train(SENTENCES, 3)
    rng = np.random.default_rng(0)
    for _ in range(20):
        ids = rng.integers(3, len(lm.words), size=rng.integers(0, 8))
        expected = lm.logprob([lm.words[i] for i in ids])
        assert score(lm.automaton, lm.start(), ids) == pytest.approx(expected)


def test_taken_apart_and_built_again():
    lm = NGram.train(SENTENCES, 3)
    again = NGram(lm.entries())
    assert again.words == lm.words
    for a, b in zip(lm.automaton, again.automaton, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sentences_and_unknown_words():
    lm = NGram.train(SENTENCES, 3)
    state = lm.start()
    total = 0.0
    for word in ("turn", "left"):
        logp, state = lm.score(state, word)
        total += logp
    assert lm.logprob("turn left") == lm.logprob(["turn", "left"]) == total + lm.finish(state)
    assert lm.perplexity(["turn left", ""]) == pytest.approx(math.exp(-(total + lm.finish(state) + lm.logprob("")) / 4))
    assert "turn" in lm and "never" not in lm and "<s>" not in lm
    assert lm.score(0, "never") == lm.score(0, "<unk>") == lm.score(0, "<s>")
    with pytest.raises(AsrlabError, match="none"):
        lm.perplexity([])
