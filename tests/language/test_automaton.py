"""Automata: compiled = plain = a walk over dictionaries; unions keep them apart; what cannot be walked is refused."""

import math

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language import automaton
from asrlab.language.automaton import FORBIDDEN

LABELS = 5


def random_parts(rng, states=6):
    """What `automaton.build` takes: states that fail to lower ones or forbid, and some weights of -inf."""
    arcs = [
        {
            int(label): (float(rng.normal()) if rng.random() > 0.1 else -math.inf, int(rng.integers(states)))
            for label in rng.choice(LABELS, size=rng.integers(1, LABELS), replace=False)
        }
        for _ in range(states)
    ]
    fail = [int(rng.integers(-1, s)) if s else -1 for s in range(states)]
    final = [float(rng.normal()) if rng.random() > 0.3 else -math.inf for _ in range(states)]
    final[0] = 0.5
    return {"arcs": arcs, "fail": fail, "fail_weight": rng.normal(size=states).tolist(), "final": final, "start": 0}


def walked(parts, words):
    """The nats of a sentence by the definition."""
    state, total = parts["start"], 0.0
    for word in words:
        while word not in parts["arcs"][state]:
            total += parts["fail_weight"][state]
            state = parts["fail"][state]
            if state < 0:
                return -math.inf
        nats, state = parts["arcs"][state][word]
        total += nats
    return total + parts["final"][state]


@pytest.mark.parametrize("seed", range(10))
def test_compiled_and_plain_walks_are_the_definition(seed):
    rng = np.random.default_rng(seed)
    parts = [random_parts(rng, states) for states in (3, 6, 9)]
    alone = [automaton.build(**p) for p in parts]
    together = automaton.union(alone)
    finite = 0
    for _ in range(60):
        words = rng.integers(LABELS, size=rng.integers(0, 5))
        for k, (a, p) in enumerate(zip(alone, parts, strict=True)):
            expected = walked(p, words.tolist())
            finite += expected > -math.inf
            assert automaton.score(a, 0, words) == pytest.approx(expected)
            assert automaton.score(together, int(together.start[k]), words) == pytest.approx(expected)
            state, total = 0, 0.0
            for word in words.tolist():
                assert automaton.step.py_func(a, state, word) == automaton.plain_step(a, state, word)
                nats, state = automaton.plain_step(a, state, word)
                total += nats
            assert total + automaton.plain_finish(a, state) == pytest.approx(expected)
    assert finite > 20


def test_words_are_worth_what_state_0_says_or_else_their_best_arc():
    a = automaton.build([{1: (-1.0, 1)}, {1: (3.0, 0), 2: (-4.0, 0)}, {2: (-2.0, 0)}], [0.0, 0.0, 0.0])
    assert automaton.worth(a, 4).tolist() == [-math.inf, -1.0, -2.0, -math.inf]


def test_no_automata_make_an_empty_table():
    nothing = automaton.union([])
    assert len(nothing.start) == len(nothing.final) == len(nothing.label) == 0 and nothing.first.tolist() == [0]


GOOD = {"arcs": [{0: (0.0, 0), 1: (1.0, 1)}, {2: (0.0, 0)}], "final": [0.0, -math.inf], "fail": [-1, 0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arcs": [{0: (math.nan, 0)}, {}]}, r"weight\[0\] is nan"),
        ({"arcs": [{0: (math.inf, 0)}, {}]}, r"weight\[0\] is inf"),
        ({"final": [0.0, math.nan]}, r"final\[1\] is nan"),
        ({"fail_weight": [0.0, math.inf]}, r"fail_weight\[1\] is inf"),
        ({"arcs": [{-1: (0.0, 0)}, {}]}, r"label\[0\] is -1"),
        ({"arcs": [{1 << 30: (0.0, 0)}, {}]}, r"label\[0\] is 1073741824"),
        ({"arcs": [{0: (0.0, 2)}, {}]}, r"next\[0\] is 2"),
        ({"start": 5}, r"start\[0\] is 5"),
        ({"fail": [-1, 7]}, r"fail\[1\] is 7"),
        ({"fail": [1, 0]}, "circle"),
        ({"fail": [-1, 1]}, "from state 1 go round"),
        ({"final": [-math.inf, -math.inf]}, "accepts no sentence"),
        ({"arcs": [{0: (-math.inf, 1)}, {}], "final": [-math.inf, 0.0]}, "accepts no sentence"),
        ({"arcs": [{}, {0: (0.0, 1)}], "final": [-math.inf, 0.0], "fail": [-1, -1]}, "accepts no sentence"),
        ({"arcs": [], "final": [], "fail": []}, "0 states"),
        ({"final": [0.0]}, "1 states"),
    ],
)
def test_what_cannot_be_walked_is_refused(change, message):
    automaton.build(**GOOD)
    with pytest.raises(AsrlabError, match=message):
        automaton.build(**{**GOOD, **change})


def test_a_long_chain_of_failure_arcs_ends():
    states = 1000
    a = automaton.build([{1: (0.0, 0)}] + [{}] * (states - 1), [0.0] * states, [FORBIDDEN, *range(states - 1)])
    assert automaton.plain_step(a, states - 1, 1) == (0.0, 0)


@pytest.mark.parametrize("wrong", ["first", "label", "next"])
def test_arrays_of_other_types_or_out_of_order_are_refused(wrong):
    a = automaton.build(**GOOD)
    with pytest.raises(AsrlabError, match=wrong):
        automaton.check(a._replace(**{wrong: getattr(a, wrong).astype(np.int64)}))
    with pytest.raises(AsrlabError, match="ascend"):
        automaton.check(a._replace(label=np.array([1, 0, 2], np.int32)))
