"""The picture of an automaton shows each of its states, words and probabilities."""

import re

import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language import Grammar
from asrlab.pages.automaton import drawn


def test_states_words_and_ends_are_there():
    grammar = Grammar.parse("public <a> = very* nice (tea | coffee) [<FILLER>];")
    shown = drawn(grammar, "tea & coffee", "see")._repr_html_()
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", shown)
    for state in range(len(grammar.automaton.final)):
        assert str(state) in texts
    assert {"tea 0.5", "coffee 0.5", "very 0.5", "nice 0.5"} <= set(texts)
    assert any(text.startswith("...") for text in texts) and "end 0.5" in texts
    assert 'aria-label="tea &amp; coffee"' in shown and "<figcaption>see</figcaption>" in shown


def test_what_is_too_large_is_refused():
    long = Grammar.parse("public <a> = " + " ".join(f"w{k}" for k in range(20)) + ";")
    with pytest.raises(AsrlabError, match="21 states"):
        drawn(long, "long")
