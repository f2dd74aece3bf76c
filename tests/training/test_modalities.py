"""A second modality is a front end and a line in a recipe: the toy language, sung and shown, from corpus to text."""

import json

import numpy as np
import pytest
import toy

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Corpus
from asrlab.recognizer import Recognizer
from asrlab.scoring.evaluate import choose_search, evaluate
from asrlab.training.loop import train


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seen")
    return toy.shown(toy.corpus(folder, train=12, dev=3, test=3), folder, every=2)


@pytest.mark.parametrize("change", [{}, toy.BOTH, {**toy.CHANCE, "objectives": {"ctc": 0.8, "consistency": 0.2}}])
def test_sound_and_lips_train_decode_and_come_back(corpus, tmp_path, change):
    recipe = toy.recipe(toy.LIPS, change, epochs=2)
    recognizer = train(recipe, tmp_path, corpus, progress=False, device="cpu")
    assert set(recognizer.model.branches) == {"sound", "lips"}
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    for name in recipe.objectives if len(recipe.objectives) > 1 else ():
        assert all(np.isfinite(line[f"loss.{name}"]) for line in lines)
    back = Recognizer.load(tmp_path)
    result = evaluate(back, corpus["test"])
    assert result.search == back.search == recognizer.search
    first = corpus["test"][0]
    both, deaf, blind = (
        {m: back.read(first)[m] for m in names} for names in (("sound", "lips"), ("lips",), ("sound",))
    )
    heard = back.hear([both, deaf, blind])
    alone = [back.hear([one])[0] for one in (both, deaf, blind)]
    for a, b in zip(heard, alone, strict=True):  # an absent stream is no different in company
        np.testing.assert_allclose(a.log_probs, b.log_probs, atol=1e-4)
    with pytest.raises(AsrlabError, match="recording 0 with scene: this recogniser reads sound, lips"):
        back.hear([{"scene": np.zeros((1, 2))}])
    with pytest.raises(AsrlabError, match="recording 0 with nothing"):
        back.hear([{"sound": np.zeros(0, np.float32)}])


def test_lips_alone_are_a_recogniser_too(corpus, tmp_path):
    seen = Corpus("lips", {"train": corpus["train"][::2], "dev": (), "test": corpus["test"][::2]}, toy.RATE)
    recipe = toy.recipe(epochs=1, dev_split="")
    branch = toy.LIPS["model"]["branches"]["lips"]
    values = {"inputs": {"sound": None, "lips": toy.LIPS["inputs"]["lips"]}, "model": {"branches": {"lips": branch}}}
    from dataclasses import replace

    from asrlab.core import config
    from asrlab.models import ModelOptions
    from asrlab.signals.inputs import InputOptions

    recipe = replace(
        recipe,
        inputs=config.from_dict(InputOptions, values["inputs"]),
        model=config.from_dict(ModelOptions, values["model"]),
    )
    recognizer = train(recipe, tmp_path, seen, progress=False, device="cpu")
    assert set(evaluate(recognizer, seen["test"]).hypotheses) == {"greedy", "beam"}
    with pytest.raises(AsrlabError, match="reads lips and no sound"):
        _ = recognizer.sample_rate


def test_a_modality_that_the_corpus_lacks_is_told_before_training(tmp_path):
    with pytest.raises(AsrlabError, match=r"inputs\.lips: no utterance of the corpus has lips, only sound"):
        train(toy.recipe(toy.LIPS), tmp_path / "run", toy.corpus(tmp_path), progress=False, device="cpu")


def test_a_branch_without_an_input_and_an_input_without_a_branch():
    with pytest.raises(AsrlabError, match=r"model\.branches\.lips: inputs\.lips is not there to read"):
        toy.recipe({"model": toy.LIPS["model"]})
    with pytest.raises(AsrlabError, match=r"inputs\.lips: the model has no branch for it; give model\.branches\.lips"):
        toy.recipe({"inputs": toy.LIPS["inputs"]})


def test_dev_data_choose_the_search_and_the_recogniser_keeps_it(toy_run, tmp_path):
    recognizer = toy_run.recognizer
    rates = {way: evaluate(recognizer, toy_run.corpus["dev"]).wer(way).value for way in recognizer.searches()}
    chosen = choose_search(recognizer, toy_run.corpus["dev"])
    assert rates[chosen] == min(rates.values()) and recognizer.search == chosen
    assert next(way for way, rate in rates.items() if rate == rates[chosen]) == chosen  # of equals the simplest
    recognizer.save(tmp_path)
    back = Recognizer.load(tmp_path)
    assert back.search == chosen
    (heard,) = back.hear([back.read(toy_run.corpus["test"][0])])
    assert back.best(heard) == back.searches()[chosen](heard)
    with pytest.raises(AsrlabError, match="search='joint': this recogniser has greedy"):
        Recognizer(recognizer.inputs, recognizer.model, recognizer.tokenizer, search="joint")
