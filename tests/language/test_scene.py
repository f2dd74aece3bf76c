"""The scene prior: each word of what is there, each whole description, and nothing else."""

import itertools

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language import automaton
from asrlab.language.automaton import OTHER
from asrlab.language.scene import scene_prior

WORDS = ("red", "blue", "circle", "star")


def earned(prior, words):
    ids = np.array([prior.labels.get(word, OTHER) for word in words], np.int64)
    return automaton.score(prior.automaton, int(prior.automaton.start[0]), ids)


def test_a_sentence_earns_the_words_and_descriptions_in_it():
    things = ["red circle", "blue star", "red circle"]
    prior = scene_prior(things, WORDS, word_nats=1.5, thing_nats=0.7)
    for words in itertools.product([*WORDS, "other"], repeat=3):
        known = sum(1.5 for word in words if word != "other")
        whole = sum(0.7 for pair in itertools.pairwise(words) if " ".join(pair) in things)
        assert earned(prior, words) == pytest.approx(known + whole)


def test_an_empty_scene_says_nothing_and_another_one_something_else():
    assert earned(scene_prior([], WORDS), ["red", "circle"]) == 0.0
    right, other = scene_prior(["red circle"], WORDS), scene_prior(["blue star"], WORDS)
    assert earned(right, ["red", "circle"]) == pytest.approx(3.0)
    assert earned(other, ["red", "circle"]) == 0.0
    assert earned(scene_prior(["star"], WORDS), ["star"]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("things", "options", "message"),
    [
        ("red circle", {}, "scene: str; pass a list"),
        (None, {}, "scene: NoneType"), ([""], {}, "thing '' without words"),
        ([None], {}, "thing None without words"), (["green circle"], {}, "'green' of thing 'green circle'"),
        (["star"], {"word_nats": float("nan")}, "word_nats=nan"), (["star"], {"thing_nats": -1.0}, "thing_nats=-1.0"),
    ],
)  # fmt: skip
def test_bad_scenes_are_told(things, options, message):
    with pytest.raises(AsrlabError, match=message):
        scene_prior(things, WORDS, **options)
