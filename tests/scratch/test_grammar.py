"""The definitions against the automaton of the package, and by hand."""

import math

import pytest

from asrlab.language import Grammar, automaton
from asrlab.scratch.grammar import accept_errors, best_sentence, log_ratio, next_word, sentence_probability

GRAMMAR = Grammar.parse("public <order> = a [small | large] (tea | coffee) | a small tea;")
# "a small tea" has two derivations: 1/2 of the first alternative, something left out or not, small or large, tea or
# coffee; and the second alternative
DERIVATIONS = {
    "a tea": [(0.5, 0.5, 0.5)],
    "a coffee": [(0.5, 0.5, 0.5)],
    "a small tea": [(0.5, 0.5, 0.5, 0.5), (0.5,)],
    "a small coffee": [(0.5, 0.5, 0.5, 0.5)],
    "a large tea": [(0.5, 0.5, 0.5, 0.5)],
    "a large coffee": [(0.5, 0.5, 0.5, 0.5)],
}
SENTENCES = {tuple(sentence.split()): sentence_probability(ways) for sentence, ways in DERIVATIONS.items()}


@pytest.mark.equation("grammar-sentence")
def test_derivations_add_up_to_what_the_automaton_says():
    assert math.fsum(SENTENCES.values()) == pytest.approx(1.0)
    for words, p in SENTENCES.items():
        assert math.exp(GRAMMAR.log_prob(" ".join(words))) == pytest.approx(p)


@pytest.mark.equation("grammar-next")
def test_arcs_are_conditional_probabilities():
    a, state, before = GRAMMAR.automaton, 0, ()
    for word in ("a", "small", "tea"):
        nats, state = automaton.plain_step(a, state, GRAMMAR.labels[word])
        assert math.exp(nats) == pytest.approx(next_word(SENTENCES, before, word))
        before = (*before, word)
    assert next_word(SENTENCES, ("tea",), "a") == 0.0


@pytest.mark.equation("grammar-best")
def test_what_is_forbidden_never_wins():
    assert best_sentence([-1.0, -5.0], [-math.inf, -2.0]) == 1
    assert best_sentence([-1.0, -5.0], [-math.inf, -2.0], weight=0.0) == 1
    assert best_sentence([-1.0, -2.0], [-3.0, -1.0], weight=0.1) == 0


@pytest.mark.equation("grammar-ratio")
def test_the_ratio_is_the_decoders():
    from asrlab.decode import Hypothesis, grammatical

    for tokens in ((), (1,), (1, 2, 3)):
        found = grammatical.log_ratio(Hypothesis("a", (), -9.0, {"ctc": -7.0}), Hypothesis("", tokens, -1.0))
        assert log_ratio(-7.0, -1.0, len(tokens)) == pytest.approx(found)


@pytest.mark.equation("grammar-errors")
def test_a_higher_threshold_trades_one_error_for_the_other():
    inside, outside = [-0.1, -0.2, -0.9], [-0.5, -2.0, -3.0, -4.0]
    assert accept_errors(inside, outside, -10.0) == (0.0, 1.0)
    assert accept_errors(inside, outside, -0.5) == pytest.approx((1 / 3, 0.25))
    assert accept_errors(inside, outside, 0.0) == (1.0, 0.0)
