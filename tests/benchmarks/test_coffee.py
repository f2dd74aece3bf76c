"""The coffee benchmark: its grammars are what they say, and its rates by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from asrlab.corpora.beside import read_dictionary
from asrlab.language import Grammar
from asrlab.packaged import BUILT_IN
from benchmarks import coffee

HERE = Path(coffee.__file__).parent


def scores(inside, outside):
    """Both halves the same."""
    heard = {half: coffee.Heard("", half, np.zeros((1, 1))) for half in (0, 1)}
    return {k: [(heard[h], s) for h in (0, 1) for s in v] for k, v in {"inside": inside, "noise": outside}.items()}


def test_orders_become_the_labels_of_the_corpus():
    grammar = Grammar.read(HERE / "coffee.jsgf")
    said = "can i have a large iced coffee with a bit of brown sugar and some skim milk please"
    assert grammar.interpret(said) == {
        "intent": "orderDrink", "size": "large", "coffeeDrink": "iced coffee", "sugarAmount": "a bit of brown sugar",
        "milkAmount": "some skim milk",
    }  # fmt: skip
    assert grammar.interpret("a small dark roast triple shot americano")["numberOfShots"] == "triple shot"
    assert not grammar.accepts("can i have a")


def test_every_word_can_be_said_by_the_packaged_recogniser():
    tokenizer = json.loads((BUILT_IN / "recognizer.json").read_text())["tokenizer"]
    phones = {phone for spoken in tokenizer["lexicon"].values() for p in spoken for phone in p}
    dictionary = read_dictionary(HERE / "coffee.dic")
    assert {phone for spoken in dictionary.values() for p in spoken for phone in p} <= phones
    for name, more in (("coffee", dictionary), ("entry", {})):
        grammar = Grammar.read(HERE / f"{name}.jsgf")
        assert set(grammar.labels) <= {*tokenizer["lexicon"], *more}


def test_entries_have_command_number_and_date():
    grammar = Grammar.read(HERE / "entry.jsgf")
    assert grammar.interpret("enter nine one six") == {"command": "enter", "number": "nine one six"}
    assert grammar.interpret("june twenty third nineteen oh five")["date"] == "june twenty third nineteen oh five"
    assert not grammar.accepts("w o o d")


def test_rates_and_curves_by_hand():
    given = scores([-0.1, -0.2, -0.9, -0.3], [-0.5, -2.0, -3.0, -np.inf])
    found = coffee._rates(given, "x")
    # between -2 and -0.9 one of four is accepted wrongly and none rejected, and no threshold does better
    assert found["x.threshold"] == pytest.approx(-1.45)
    assert (found["x.false_accepts"], found["x.false_rejections"]) == (0.25, 0.0)
    curve = coffee._curve(given)
    assert (curve["false_accepts"][0], curve["false_rejections"][0]) == (1.0 - 0.25, 0.0)  # -inf never
    assert (curve["false_accepts"][-1], curve["false_rejections"][-1]) == (0.0, 1.0)
    assert all(np.diff(curve["false_accepts"]) <= 0) and all(np.diff(curve["false_rejections"]) >= 0)


def test_slots_are_spotted_in_any_order():
    labels = {
        "a": {"intent": "orderDrink", "coffeeDrink": "iced mocha"},
        "b": {"intent": "orderDrink", "coffeeDrink": "mocha"},
    }
    values = coffee._values(labels, labels)
    assert coffee._spotted("please iced mocha a", values) == {"intent": "orderDrink", "coffeeDrink": "iced mocha"}
    assert coffee._spotted("please", values) == {}
    right = coffee._orders_right(labels, {"a": {"intent": "orderDrink", "coffeeDrink": "mocha"}, "b": labels["b"]}, "x")
    assert (right["orders.whole.x"], right["orders.slots.x"], right["orders.intents.x"]) == pytest.approx(
        (0.5, 0.5, 1.0)
    )
