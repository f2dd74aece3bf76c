"""Fine-tuning: what is taken over, token by token, what stays frozen, what it is good for, and what is refused."""

import json

import pytest
import torch
import toy

from asrlab import packaged
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Corpus
from asrlab.models import Model
from asrlab.recognizer import Recognizer
from asrlab.scoring import score
from asrlab.scoring.evaluate import evaluate
from asrlab.training import finetune
from asrlab.training.loop import train
from asrlab.training.recipe import Recipe


@pytest.fixture(scope="module")
def first(toy_run, tmp_path_factory):
    """A recogniser of the toy language, in a folder."""
    folder = tmp_path_factory.mktemp("first")
    toy_run.recognizer.save(folder)
    return str(folder)


def few(tmp_path, letters=None):
    """A corpus of four sentences, with its letters renamed."""
    small = toy.corpus(tmp_path, train=4, dev=2, test=6, seed=5)
    if letters is None:
        return small
    table = str.maketrans(letters)
    renamed = {
        split: tuple(type(u)(**{**vars(u), "text": u.text.translate(table)}) for u in utterances)
        for split, utterances in small.splits.items()
    }
    return Corpus("renamed", renamed, small.sample_rate)


def recipe(init, **fields):
    """The toy recipe as a user writes it who begins from another recogniser: without front ends and model."""
    spare = {"spec_augment": {"time_masks": 0, "freq_masks": 0}, "batch_seconds": 6.0, "precision": "float32"}
    return config.from_dict(Recipe, {**spare, "init": init, "warmup_epochs": 0.0, **fields})


def test_weights_go_to_the_token_of_the_same_text(first):
    begun = Recognizer.load(first)
    known = begun.tokenizer.tokens
    tokens = [known[0], "new", *reversed(known[1:])]  # another order, and one more
    torch.manual_seed(1)
    model = Model(begun.front_ends, len(tokens), begun.model.options)
    by_chance = {name: value.clone() for name, value in model.state_dict().items()}
    told = finetune.take_over(model, tokens, recipe(first))
    assert told == f"begins from {first}: {len(known)} of {len(tokens)} tokens known"
    for name, value in model.state_dict().items():
        old = begun.model.state_dict()[name]
        if value.shape == old.shape:
            assert torch.equal(value, old), name
            continue
        for i, token in enumerate(tokens):
            expected = by_chance[name][i] if token == "new" else old[known.index(token)]
            assert torch.equal(value[i], expected), (name, token)
    assert any(value.shape != begun.model.state_dict()[name].shape for name, value in model.state_dict().items())


def test_four_sentences_are_enough_for_who_has_heard_others(first, tmp_path):
    corpus = few(tmp_path, {"a": "z", "b": "y"})  # other names for two of the letters
    said = {u.id: u.text for u in corpus["test"]}
    chosen = recipe(first, epochs=12, learning_rate=2e-3)
    tuned = train(chosen, tmp_path / "tuned", corpus, progress=False, device="cpu")
    error = score.wer(said, evaluate(tuned, corpus["test"]).answers)
    from_chance = train(toy.recipe(epochs=12), tmp_path / "chance", corpus, progress=False, device="cpu")
    assert error <= 0.3
    assert error < 0.5 * score.wer(said, evaluate(from_chance, corpus["test"]).answers)
    kept = json.loads((tmp_path / "tuned" / "recipe.json").read_text())
    assert kept["init"] == first
    assert kept["model"] == json.loads((tmp_path / "chance" / "recipe.json").read_text())["model"]


def test_small_steps_forget_nothing(first, tmp_path):
    corpus = few(tmp_path)
    said = {u.id: u.text for u in corpus["test"]}
    before = score.wer(said, evaluate(Recognizer.load(first).with_decoder(), corpus["test"]).hypotheses["greedy"])
    tuned = train(recipe(first, epochs=1, learning_rate=1e-5), tmp_path / "run", corpus, progress=False, device="cpu")
    assert score.wer(said, evaluate(tuned, corpus["test"]).hypotheses["greedy"]) <= before + 0.05


def test_what_is_frozen_stays(first, tmp_path):
    tuned = train(recipe(first, epochs=2, freeze=1), tmp_path / "run", few(tmp_path), progress=False, device="cpu")
    before = Recognizer.load(first).model.state_dict()
    after = Recognizer.load(tmp_path / "run").model.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    below = {name for name in before if ".subsample." in name or ".blocks.0." in name}
    assert below <= same
    assert not {name for name in same - below if name.endswith("weight") and ".blocks.1." in name}
    assert tuned.model.ctc.weight.requires_grad


def test_an_interrupted_fine_tuning_goes_on_from_its_own_weights(first, tmp_path):
    corpus, run = few(tmp_path), tmp_path / "run"
    chosen = recipe(first, epochs=2, freeze=1, learning_rate=1e-3)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, run, corpus, progress=False, device="cpu", after_epoch=stop_in_the_second)
    train(chosen, run, corpus, progress=False, device="cpu")
    assert [json.loads(line)["epoch"] for line in (run / "log.jsonl").read_text().splitlines()] == [1, 2]
    whole = train(chosen, tmp_path / "whole", corpus, progress=False, device="cpu").model.state_dict()
    for name, value in Recognizer.load(run).model.state_dict().items():
        torch.testing.assert_close(value, whole[name], rtol=1e-3, atol=1e-4, msg=name)


def stop_in_the_second(line):
    if line["epoch"] == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inputs": {"sound": {"n_mels": 40}}}, "inputs: not as in init=.*they come with the weights"),
        ({"model": {"branches": {"sound": {"kind": "lstm"}}}}, "model: not as in init=.*come with the weights"),
        ({"freeze": 3}, "freeze=3: an encoder of .* has 2 blocks; give fewer"),
        ({"init": "", "freeze": 1}, "freeze=1: nothing is learned yet"),
        ({"init": "no-such"}, "no-such: no recogniser here; give a directory .* an4"),
    ],
)
def test_what_does_not_fit_is_told(first, tmp_path, fields, message):
    with pytest.raises(AsrlabError, match=message):
        train(recipe(**{"init": first, **fields}), tmp_path / "run", few(tmp_path), progress=False, device="cpu")


def test_a_head_that_nothing_trains_is_left_behind():
    begun = Recognizer.load(packaged.packaged_folder("scenetalk-las")).model
    adopted = finetune.adopt(recipe("scenetalk-las")).model
    assert begun.options.decoder is not None and adopted.decoder is None
    assert adopted.branches == begun.options.branches
