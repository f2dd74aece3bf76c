"""Grammars: each sentence as probable as all its derivations, found by writing them out; the notation's errors."""

import itertools
import math
import random
import time

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.decode import BeamDecoder, BeamOptions
from asrlab.language import Grammar, automaton
from asrlab.language.automaton import OTHER

LONGEST = 5  # words of the sentences that are written out
COFFEE = """#JSGF V1.0;  // an order
grammar coffee;
public <order> = [please] (a | an) [<size>] <drink> {intent=order};
/* sizes
   and drinks */
<size>  = (/2/ small | large) {size};
<drink> = (tea | iced* coffee) {drink};
"""


# --- an oracle: expansions that write out their sentences -------------------------------------------------------------


def written_out(tree):
    """{sentence: probability} of a random expansion, every derivation for itself, up to `LONGEST` words."""
    kind, *parts = tree
    if kind == "word":
        return {(parts[0],): 1.0}
    if kind == "or":
        total = sum(weight for weight, _ in parts)
        return added((weight / total, written_out(part)) for weight, part in parts)
    if kind == "optional":
        return added([(0.5, written_out(parts[0])), (0.5, {(): 1.0})])
    if kind == "then":
        found = {(): 1.0}
        for part in parts:
            found = joined(found, written_out(part))
        return found
    once = written_out(parts[0])
    times, repeated, found = 0.5, {(): 1.0}, {}
    for k in range(LONGEST + 1):
        if k or kind == "*":
            found = added([(1.0, found), (times, repeated)])
            times /= 2
        repeated = joined(repeated, once)
    return found


def joined(first, second):
    pairs = itertools.product(first.items(), second.items())
    return added((1.0, {a + b: p * q}) for (a, p), (b, q) in pairs if len(a + b) <= LONGEST)


def added(shares):
    total = {}
    for share, sentences in shares:
        for words, p in sentences.items():
            total[words] = total.get(words, 0.0) + share * p
    return total


def random_tree(chance, depth=3):
    """An expansion of which no repeated part may be nothing."""
    kind = chance.choice(["word", "or", "then", "optional", "*", "+"]) if depth else "word"
    if kind == "word":
        return kind, chance.choice("abc")
    if kind in "*+":
        tree = random_tree(chance, depth - 1)
        return (kind, tree) if () not in written_out(tree) else tree
    if kind == "or":
        return kind, *((chance.choice([1.0, 2.0, 0.5]), random_tree(chance, depth - 1)) for _ in range(2))
    if kind == "then":
        return kind, *(random_tree(chance, depth - 1) for _ in range(chance.randint(2, 3)))
    return kind, random_tree(chance, depth - 1)


def in_notation(tree):
    kind, *parts = tree
    if kind == "word":
        return parts[0]
    if kind == "or":
        return "(" + " | ".join(f"/{weight}/ {in_notation(part)}" for weight, part in parts) + ")"
    if kind == "then":
        return "(" + " ".join(map(in_notation, parts)) + ")"
    return f"[{in_notation(parts[0])}]" if kind == "optional" else f"({in_notation(parts[0])}){kind}"


def random_grammar(seed):
    """(text, {sentence: probability}): a random tree as one rule, or cut in two."""
    chance = random.Random(seed)
    tree = ("then", random_tree(chance), ("word", "a"), random_tree(chance))
    inner = in_notation(tree[1])
    text = in_notation(tree)
    if chance.random() < 0.5:
        text = text.replace(inner, "<inner>", 1) + f"; <inner> = {inner}"
    return f"public <all> = {text};", written_out(tree)


@pytest.mark.parametrize("seed", range(60))
def test_a_sentence_is_as_probable_as_all_its_derivations(seed):
    text, expected = random_grammar(seed)
    try:
        grammar = Grammar.parse(text)
    except AsrlabError as error:
        assert "with different weights" in str(error)  # rare: no finite automaton has just these probabilities
        return
    automaton.check(grammar.automaton)
    for n in range(LONGEST + 1):
        for words in itertools.product("abc", repeat=n):
            p = math.exp(grammar.log_prob(" ".join(words)))
            assert p == pytest.approx(expected.get(words, 0.0), rel=1e-7, abs=1e-15)
            assert grammar.accepts(" ".join(words)) == (words in expected)
            assert (grammar.interpret(" ".join(words)) is not None) == (words in expected)
            left = grammar.explain(" ".join(words))
            assert (left is None) == (words in expected)
            if left is not None:  # all that it names does go on to some sentence, and nothing else does
                begun = {s[len(left.said)] for s in expected if s[: len(left.said)] == left.said and s != left.said}
                assert left.word not in begun and left.said == words[: len(left.said)]
                if len(left.said) < LONGEST - 2:
                    assert begun <= set(left.expected)


@pytest.mark.parametrize("seed", range(20))
def test_arcs_are_probabilities_of_the_next_word(seed):
    text, _ = random_grammar(seed)
    try:
        a = Grammar.parse(text).automaton
    except AsrlabError:
        return
    for state in range(len(a.final)):
        total = np.exp(a.weight[a.first[state] : a.first[state + 1]]).sum() + np.exp(a.final[state])
        assert total == pytest.approx(1.0, abs=1e-9)
    assert (a.fail == -1).all()


@pytest.mark.parametrize("seed", range(20))
def test_as_openfst_determinises_it(seed):
    """The same network through OpenFst in the log semiring, where pynini is installed."""
    pynini = pytest.importorskip("pynini")
    text, expected = random_grammar(seed)
    try:
        grammar = Grammar.parse(text)
    except AsrlabError:
        return
    fst = pynini.Fst(arc_type="log")
    for _ in grammar.network.words:
        fst.add_state()
    fst.set_start(0)
    fst.set_final(1)
    for state, arcs in enumerate(grammar.network.words):
        for arc in arcs:
            label = grammar.labels[arc.word]
            fst.add_arc(state, pynini.Arc(label, label, pynini.Weight("log", -arc.nats), arc.next))
    for state, arcs in enumerate(grammar.network.empty):
        for arc in arcs:
            fst.add_arc(state, pynini.Arc(0, 0, pynini.Weight("log", -arc.nats), arc.next))
    deterministic = pynini.determinize(fst.rmepsilon())
    for words in expected:
        state, cost = deterministic.start(), 0.0
        for label in (grammar.labels[word] for word in words):
            (arc,) = [arc for arc in deterministic.arcs(state) if arc.ilabel == label]
            state, cost = arc.nextstate, cost + float(arc.weight)
        cost += float(deterministic.final(state))
        assert cost == pytest.approx(-grammar.log_prob(" ".join(words)), abs=5e-3)  # OpenFst rounds to 1/1024 nats


# --- meanings, random sentences, explanations -------------------------------------------------------------------------


def test_the_worked_example():
    grammar = Grammar.parse(COFFEE)
    assert grammar.name == "coffee" and not grammar.filler
    # please 1/2, a 1/2, a size 1/2, small 2/3, coffee 1/2, iced once 1/2 and then not 1/2
    expected = 0.5 * 0.5 * 0.5 * (2 / 3) * 0.5 * 0.5 * 0.5
    assert math.exp(grammar.log_prob("please a small iced coffee")) == pytest.approx(expected, rel=1e-9)
    assert grammar.interpret("a small iced coffee") == {"size": "small", "drink": "iced coffee", "intent": "order"}
    assert grammar.interpret("a tea") == {"drink": "tea", "intent": "order"}
    assert grammar.interpret("tea a") is None
    left = grammar.explain("please a coffee large")
    assert left == (("please", "a", "coffee"), "large", (), True)
    assert str(left) == "after 'please a coffee' comes 'large'; the grammar expects the end"
    assert str(grammar.explain("")) == "at the beginning comes the end; the grammar expects 'please', 'a' or 'an'"
    assert grammar.explain("an iced coffee") is None


def test_the_most_probable_derivation_is_what_is_meant():
    ambiguous = "public <a> = (/1/ x {kind=rare} | /3/ x {kind=usual}) [(y | z y) {last} {all=yes}];"
    assert Grammar.parse(ambiguous).interpret("x z y") == {"kind": "usual", "last": "z y", "all": "yes"}
    nested = "public <a> = (big (red ball {thing}) {what}) {all} | x {all=1} y {all=2};"
    assert Grammar.parse(nested).interpret("big red ball") == {
        "thing": "ball", "what": "red ball", "all": "big red ball"
    }  # fmt: skip
    assert Grammar.parse(nested).interpret("x y") == {"all": "2"}  # who says two things corrects himself


def test_a_rule_may_end_with_itself():
    grammar = Grammar.parse("public <digits> = <digit> [<digits>]; <digit> = one | two;")
    for n in range(1, 5):
        assert grammar.log_prob(" ".join(["one"] * n)) == pytest.approx(2 * n * math.log(0.5))
    assert not grammar.accepts("")
    mutual = Grammar.parse("public <a> = x <b>; <b> = y <a> | z;")
    assert mutual.accepts("x y x z") and not mutual.accepts("x y z")


def test_sentences_come_by_probability_and_draws_have_it():
    grammar = Grammar.parse(COFFEE)
    first = list(itertools.islice(grammar.sentences(), 40))
    assert [nats for _, nats in first] == sorted((nats for _, nats in first), reverse=True)
    assert len({sentence for sentence, _ in first}) == 40
    for sentence, nats in first:
        assert nats == pytest.approx(grammar.log_prob(sentence))
    chance = random.Random(0)
    drawn = [grammar.draw(chance) for _ in range(4000)]
    assert all(map(grammar.accepts, drawn))
    sentence, nats = first[0]
    p = math.exp(nats)
    assert drawn.count(sentence) / 4000 == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / 4000))
    finite = Grammar.parse("public <a> = a [b] (c | d);")
    assert sum(math.exp(nats) for _, nats in finite.sentences()) == pytest.approx(1.0)
    assert len(list(finite.sentences())) == 4


def test_filler_takes_what_the_grammar_does_not_have():
    grammar = Grammar.parse("public <a> = [<FILLER>] (tea | coffee) {drink} [<FILLER>];", filler_nats=-2.0)
    assert grammar.filler
    assert grammar.interpret("well er tea please") == {"drink": "tea"}
    assert grammar.interpret("tea") == {"drink": "tea"}
    assert not grammar.accepts("er please") and not grammar.accepts("tea tea")
    # left out before 1/2; filler at the end 1/2, "er" ends the stretch 1/2: one word of it earns -2
    assert grammar.log_prob("tea er") == pytest.approx(math.log(0.5**4) - 2.0)
    assert grammar.log_prob("tea er er") == pytest.approx(math.log(0.5**5) - 4.0)
    said = Grammar.parse("public <a> = say <FILLER> {what};")
    assert said.interpret("say hello there") == {"what": "... ..."}
    assert automaton.plain_step(grammar.automaton, 0, OTHER)[1] >= 0


# --- errors -----------------------------------------------------------------------------------------------------------


BAD = {
    "public <a> = b <a>;": "1:8: <a> never ends",
    "public <a> = [x] <a> | y;": "1:18: <a> begins with itself",
    "public <a> = <b> x | y; <b> = <a> z | w;": "begins with itself",
    "public <a> = x\n  ([y])* z;": "2:8: \\* repeats what may be nothing",
    "public <a> = (x*)+;": "\\+ repeats what may be nothing",
    "public <a> = x <a> y | z;": "1:16: <a> uses itself before its end",
    "<a> = b;": "1:1: no public rule",
    "": "1:1: no public rule",
    "public <a> = b <c>;": "1:16: <c> is not defined",
    "public <a> = b;\n<c> = d;": "2:1: <c> is used by no public rule",
    "public <a> = b; <a> = c;": "1:17: <a> is there already in line 1",
    "public <a> = b": "1:15: expected ';', found 'the end'",
    "public <a = b;": "1:8: '<' begins no rule's name",
    "public <a> b;": "1:12: expected '=', found 'b'",
    "public <NULL> = b;": "<NULL> cannot be defined",
    "public <a> = b |;": "1:17: nothing before ';'",
    "public <a> = ();": "1:15: nothing before '\\)'",
    "public <a> = (b;": "1:16: expected '\\)', found ';'; close the '\\(' of line 1, column 14",
    "public <a> = b];": "1:15: expected ';', found ']'",
    "public <a> = /x/ b | c;": "1:14: weight 'x'",
    "public <a> = /0/ b | c;": "weight '0'",
    "public <a> = /nan/ b | c;": "weight 'nan'",
    "public <a> = /inf/ b | c;": "weight 'inf'",
    "public <a> = b /2/;": "1:16: the weight /2/ must begin",
    "public <a> = b {c d};": "1:16: tag {c d}",
    "public <a> = b {c;": "1:16: '{' begins no tag",
    'public <a> = "b c";': "1:14: 'b c' is not one word",
    'public <a> = "b;': "begins a quotation that does not end",
    "public <a> = b / c;": "'/' begins neither a weight nor a comment",
    "public <a> = <NULL>;": "1:1: no word in the whole grammar",
    "public <a> = <FILLER>;": "no word in the whole grammar",
    f"public <a> = {'(' * 60}b{')' * 60};": "more than 50 brackets",
    f"public <a> = b{'+' * 60};": "more than 50 signs",
    "public <r0> = " + " ".join(f"<r{n}>; <r{n}> =" for n in range(1, 300)) + " x;": "more than 200 deep",
    "public <r0> = " + " ".join(f"<r{n}> <r{n}>; <r{n}> =" for n in range(1, 40)) + " x;": "more than 100000 states",
    "public <a> = (/1/ a | /2/ b)* c | (/2/ a | /1/ b)* d;": "repeat the same words with different weights",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_told_with_its_place(text):
    began = time.perf_counter()
    with pytest.raises(AsrlabError, match=f"coffee.jsgf:{BAD[text]}" if BAD[text][0].isdigit() else BAD[text]):
        Grammar.parse(text, source="coffee.jsgf")
    assert time.perf_counter() - began < 10


def test_files_and_spellings_are_told(tmp_path):
    from asrlab.text import CharTokenizer

    path = tmp_path / "tea.jsgf"
    path.write_text("public <a> = ab\n | xa;", encoding="utf-8")
    grammar = Grammar.read(path)
    with pytest.raises(AsrlabError, match=r"tea.jsgf:2:4: character 'x'"):
        grammar.spellings(CharTokenizer.fit(["ab"]))
    path.write_bytes(b"public <a> = \xff;")
    with pytest.raises(AsrlabError, match="not UTF-8 at byte 13"):
        Grammar.read(path)
    with pytest.raises(AsrlabError, match=r"missing\.jsgf"):
        Grammar.read(tmp_path / "missing.jsgf")
    with pytest.raises(AsrlabError, match="filler_nats=nan"):
        Grammar.parse("public <a> = b;", filler_nats=math.nan)


# --- in the decoder ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_a_decoder_finds_the_best_sentence_of_the_grammar(seed):
    """Against every sentence of the grammar, scored by CTC's definition."""
    import torch

    from asrlab.text import CharTokenizer
    from asrlab.training.pronunciation import ctc_losses

    tokenizer = CharTokenizer.fit(["abc"])
    text, expected = random_grammar(seed)
    try:
        grammar = Grammar.parse(text)
    except AsrlabError:
        return
    logits = np.random.default_rng(seed).normal(size=(6, len(tokenizer)), scale=2.0)
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    wide = BeamOptions(beam=300, token_threshold=math.inf, beam_threshold=math.inf, blank_threshold=2.0)
    found = BeamDecoder(tokenizer, wide, {"grammar": (1.0, grammar)}, grammar.spellings(tokenizer)).decode(log_probs)
    texts = [" ".join(words) for words in expected if 0 < len(words) <= 3]
    nats = -ctc_losses(torch.from_numpy(log_probs), [tokenizer.encode(text) for text in texts]).numpy()
    scores = dict(zip(texts, nats + [grammar.log_prob(text) for text in texts], strict=True))
    best = max(scores, key=scores.__getitem__, default="")
    if not best or scores[best] == -math.inf:
        assert found[0].text == ""
        return
    assert found[0].score == pytest.approx(scores[best], abs=1e-5)
    assert found[0].text == best
