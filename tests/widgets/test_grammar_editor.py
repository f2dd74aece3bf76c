"""The grammar editor: its JavaScript parses, complains, scores and understands as asrlab.language does."""

import math
import random
import sys
from pathlib import Path

import pytest
from node import run_many

from asrlab.core.errors import AsrlabError
from asrlab.language import Grammar

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "language"))

from test_grammar import BAD, COFFEE, random_grammar


def test_mistakes_are_pythons_word_for_word():
    texts = [
        *(text for text in BAD if "different weights" not in BAD[text]),
        'public <a> = "i\'d" | 😀 <b>;',
        "public <a> = /1_0/ b | c;",
    ]
    for text, found in zip(texts, run_many("grammar_editor", "mistake", [[text] for text in texts]), strict=True):
        with pytest.raises(AsrlabError) as told:
            Grammar.parse(text, source="g")
        assert found is not None and str(told.value) == f"g:{found['line']}:{found['column']}: {found['message']}"


GRAMMARS = [
    COFFEE,
    "public <a> = [<FILLER>] (tea | coffee) {drink} [<FILLER>];",
    "public <a> = (/1/ x {kind=rare} | /3/ x {kind=usual}) [(y | z y) {last} {all=yes}]; public <b> = y+ {ys};",
    "public <digits> = <digit> [<digits>]; <digit> = (one | two) {last};",
    *(random_grammar(seed)[0] for seed in range(12)),
]


@pytest.mark.parametrize("text", GRAMMARS)
def test_sentences_are_judged_as_by_python(text):
    try:
        grammar = Grammar.parse(text)
    except AsrlabError:
        return  # the browser needs no deterministic automaton
    chance = random.Random(text)
    words = [*grammar.labels, "other"]
    sentences = [" ".join(chance.choices(words, k=chance.randint(0, 6))) for _ in range(60)]
    sentences += [grammar.draw(chance) for _ in range(30)]
    for sentence, found in zip(sentences, run_many("grammar_editor", "judgeAll", [(text, sentences)])[0], strict=True):
        left = grammar.explain(sentence)
        if left is None:
            assert found["logProb"] == pytest.approx(grammar.log_prob(sentence), abs=1e-9)
            assert found["meaning"] == grammar.interpret(sentence)
        else:
            assert (tuple(found["said"]), found["word"], tuple(found["expected"]), found["mayEnd"]) == left


def test_draws_belong_to_the_grammar():
    (drawn,) = run_many(
        "grammar_editor", "(m) => (t) => Array.from({length: 50}, () => m.draw(m.compile(t).network))", [[COFFEE]]
    )
    grammar = Grammar.parse(COFFEE)
    assert all(grammar.log_prob(sentence) > -math.inf for sentence in drawn) and len(set(drawn)) > 5


def test_what_does_not_fit_is_refused():
    widget = pytest.importorskip("asrlab.widgets.grammar_editor", reason="anywidget is not installed")
    with pytest.raises(AsrlabError, match="1:14"):
        widget.GrammarEditor("public <a> = ;", ["a"])
    with pytest.raises(AsrlabError, match="no sentences"):
        widget.GrammarEditor("public <a> = a;", [])
    with pytest.raises(AsrlabError, match="the editor holds"):
        widget.GrammarEditor("public <a> = a;" + " " * 4000, ["a"])
    assert widget.GrammarEditor("public <a> = a;", ["a"]).data["sentences"] == ["a"]
