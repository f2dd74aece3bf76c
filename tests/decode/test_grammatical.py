"""A decoder with a grammar: sentences, meanings, filler, and the score by which nonsense is refused."""

import math

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.decode import BeamOptions, Hypothesis, Word
from asrlab.decode.grammatical import GrammarDecoder, log_ratio, without_units
from asrlab.language import Grammar
from asrlab.text import CharTokenizer, PhoneTokenizer

PHONES = PhoneTokenizer({"tea": [["T", "IY"]], "no": [["N", "OW"]], "mark": [["M", "AA", "R", "K"]]})
DRINKS = "public <order> = {} (tea | cocoa) {{drink}} {};"
DICTIONARY = {"cocoa": [["K", "OW", "K", "OW"], ["K", "AA", "K", "OW"]]}
EXACT = BeamOptions(beam=200, token_threshold=math.inf, beam_threshold=math.inf, blank_threshold=2.0)


def spoken(phones: str, sure: float = 0.9):
    """(T, V) log-probabilities of these phones, one a frame with a blank between."""
    ids = [v for phone in phones.split() for v in (PHONES.tokens.index(phone), 0)]
    probabilities = np.full((len(ids), len(PHONES)), (1 - sure) / (len(PHONES) - 1), np.float32)
    probabilities[np.arange(len(ids)), ids] = sure
    return np.log(probabilities)


def decoder(before="", after="", filler_nats=-2.0):
    grammar = Grammar.parse(DRINKS.format(before, after), filler_nats)
    return GrammarDecoder(PHONES, grammar, EXACT, dictionary=DICTIONARY)


def test_a_sentence_of_the_grammar_is_understood():
    found = decoder().decode(spoken("K AA K OW"))
    assert found.hypothesis.text == "cocoa" and found.meaning == {"drink": "cocoa"}
    best = found.tokens  # CTC alone
    assert [PHONES.tokens[v] for v in best.tokens] == ["K", "AA", "K", "OW"]
    assert found.log_ratio == pytest.approx(0.0, abs=1e-4)  # the same tokens, however improbable the sentence


def test_without_filler_everything_is_an_order_and_with_it_the_ratio_tells():
    outside = spoken("M AA R K N OW T IY")
    forced = decoder().decode(outside)
    assert forced.meaning is not None  # "mark no tea" as a drink
    assert forced.log_ratio < -1.0 < decoder().decode(spoken("T IY")).log_ratio
    free = decoder("[<FILLER>]").decode(outside)
    assert free.hypothesis.text == "... tea" and free.meaning == {"drink": "tea"}
    assert [word.text for word in free.hypothesis.words] == ["...", "tea"]
    assert free.log_ratio == pytest.approx(-2.0 * 6 / 8, abs=0.05)  # six of eight phones are filler, and pay for it
    before, tea = free.hypothesis.words
    assert before.start == 0.0 and before.end <= tea.start
    assert decoder("[<FILLER>]").decode(spoken("T IY")).hypothesis.text == "tea"  # dear: not where words do


def test_a_decoder_of_letters_has_letters_as_filler():
    letters = CharTokenizer.fit(["tea mark"])
    ids = [v for v in letters.encode("mark tea") for v in (v, 0)]
    log_probs = np.full((len(ids), len(letters)), math.log(0.1 / (len(letters) - 1)), np.float32)
    log_probs[np.arange(len(ids)), ids] = math.log(0.9)
    found = GrammarDecoder(letters, Grammar.parse("public <a> = <FILLER> tea;"), EXACT).decode(log_probs)
    assert found.hypothesis.text == "... tea" and found.meaning == {}


def test_the_ratio_is_for_each_token():
    sentence, tokens = Hypothesis("a", (1,), -15.0, {"ctc": -12.0}), Hypothesis("", (1, 2, 3, 4), -2.0)
    assert log_ratio(sentence, tokens) == pytest.approx(-2.5)
    assert log_ratio(sentence, tokens, filler_nats=-4.0) == pytest.approx(-3.5)
    assert log_ratio(sentence, Hypothesis("", (), -2.0)) == pytest.approx(-10.0)
    assert log_ratio(Hypothesis("", (), -math.inf, {"ctc": -1.0}), tokens) == -math.inf


def test_stretches_of_filler_are_one_word():
    words = tuple(Word(text, k, k + 0.5, 0.9 - 0.1 * k) for k, text in enumerate(("~T", "~N", "tea", "~N")))
    found = without_units(Hypothesis("~T ~N tea ~N", (), 0.0, {}, words))
    assert found.text == "... tea ..."
    assert [(w.text, w.start, w.end) for w in found.words] == [("...", 0, 1.5), ("tea", 2, 2.5), ("...", 3, 3.5)]
    assert found.words[0].confidence == pytest.approx(0.8)


def test_words_that_cannot_be_spelled_are_told_with_their_place():
    grammar = Grammar.parse("public <a> = tea\n | coffee;", source="drinks.jsgf")
    with pytest.raises(AsrlabError, match=r"drinks.jsgf:2:4: word 'coffee' is not in the lexicon"):
        GrammarDecoder(PHONES, grammar)
    with pytest.raises(AsrlabError, match=r"drinks.jsgf:2:4: word 'coffee': the recogniser has no phone 'F'"):
        GrammarDecoder(PHONES, grammar, dictionary={"coffee": [["K", "AA", "F", "IY"]]})
