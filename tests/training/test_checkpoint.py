"""Checkpoints: everything comes back, bit for bit; what is damaged or foreign is told; a failed write costs nothing."""

import errno
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy
from safetensors.torch import save_file

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape, Stream
from asrlab.models import Model
from asrlab.training.checkpoint import CHECKPOINT, State
from asrlab.training.loop import make_optimizer

RECIPE = toy.recipe()


def fresh(seed: int = 0, recipe=RECIPE, vocabulary: int = 5) -> State:
    torch.manual_seed(seed)
    model = Model({"sound": Shape(12)}, vocabulary, recipe.model)
    return State.fresh(model, make_optimizer(recipe, model))


def trained(steps: int = 3) -> State:
    """A state after a few steps on noise."""
    state = fresh()
    step(state, steps)
    state.epoch, state.best_error, state.best_epoch, state.spoken = 2, 0.25, 1, [[0, 1], [0]]
    return state


def step(state: State, steps: int) -> None:
    state.model.train()
    for i in range(steps):
        torch.manual_seed(100 + i)
        output = state.model({"sound": Stream(torch.randn(2, 24, 12), torch.tensor([24, 20]))})
        state.optimizer.zero_grad()
        output.log_probs[..., 1:].mean().neg().backward()
        state.optimizer.step()
        state.average_in(state.model, 0.9)


def everything(state: State) -> dict[str, torch.Tensor]:
    found = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    found |= {f"average.{k}": v for k, v in state.average.items()} | {f"best.{k}": v for k, v in state.best.items()}
    for i, memory in state.optimizer.state_dict()["state"].items():
        found |= {f"optimizer.{i}.{k}": v for k, v in memory.items()}
    return found


def same(a: State, b: State) -> bool:
    one, other = everything(a), everything(b)
    plain = ("best_error", "best_epoch", "epoch", "step", "stopped", "spoken")
    return (
        one.keys() == other.keys()
        and all(torch.equal(one[k], other[k]) for k in one)
        and all(getattr(a, name) == getattr(b, name) for name in plain)
    )


# --- there and back ---------------------------------------------------------------------------------------------------


def test_all_comes_back_and_goes_on_bit_for_bit(tmp_path):
    state = trained()
    state.save(tmp_path, RECIPE)
    assert os.listdir(tmp_path) == [CHECKPOINT]
    back = fresh(seed=7)
    assert not same(back, state)
    back.restore(tmp_path, RECIPE)
    assert same(back, state)
    for either in (state, back):
        step(either, 2)
    assert same(back, state)


def test_infinity_comes_back_too(tmp_path):
    state = fresh()
    state.save(tmp_path, RECIPE)
    back = fresh(1)
    back.restore(tmp_path, RECIPE)
    assert back.best_error == float("inf")
    assert back.spoken is None


# --- the running average and the best ---------------------------------------------------------------------------------


def test_the_average_follows_its_recursion():
    state = fresh()
    name = "ctc.weight"
    expected = state.average[name].double()
    for n in range(1, 40):
        with torch.no_grad():
            state.model.ctc.weight.add_(torch.randn_like(state.model.ctc.weight))
        decay = min(0.9, n / (n + 10))  # early on it forgets faster: the first weights are noise
        expected = decay * expected + (1 - decay) * state.model.ctc.weight.double()
        state.average_in(state.model, 0.9)
        assert state.step == n
    assert torch.allclose(state.average[name].double(), expected, atol=1e-5)
    assert not torch.allclose(state.average[name], state.model.ctc.weight)


def test_the_average_is_borrowed_and_given_back():
    state = trained()
    own = {k: v.clone() for k, v in state.model.state_dict().items()}
    state.model.train()
    with state.averaged(state.model):
        assert all(torch.equal(v, state.average[k]) for k, v in state.model.state_dict().items())
        assert not state.model.training
    assert all(torch.equal(v, own[k]) for k, v in state.model.state_dict().items())
    assert state.model.training
    with pytest.raises(RuntimeError), state.averaged(state.model):
        raise RuntimeError
    assert all(torch.equal(v, own[k]) for k, v in state.model.state_dict().items())


def test_the_best_weights_are_kept_and_patience_ends():
    state = fresh()
    for epoch, (wer, best, stopped) in enumerate(
        [(0.9, 1, False), (0.5, 2, False), (0.6, 2, False), (0.5, 4, False), (0.7, 4, False), (0.6, 4, True)], start=1
    ):
        state.epoch = epoch
        with torch.no_grad():
            state.model.ctc.bias.fill_(epoch)
        state.keep_best(state.model, wer, patience=2)
        assert (state.best_epoch, state.stopped) == (best, stopped)
        assert state.best["ctc.bias"][0] == best
    state.load_best(state.model)
    assert state.model.ctc.bias[0] == 4


def test_without_a_measure_the_last_weights_are_the_best():
    state = fresh()
    for state.epoch in (1, 2, 3):
        state.keep_best(state.model, None, patience=1)
        assert (state.best_epoch, state.stopped) == (state.epoch, False)


# --- a full disk, a kill, a place that is none ------------------------------------------------------------------------


def test_a_full_disk_keeps_the_last_checkpoint_and_says_so(tmp_path, monkeypatch):
    state = trained()
    state.save(tmp_path, RECIPE)
    before = (tmp_path / CHECKPOINT).read_bytes()

    write = Path.write_bytes

    def half(path, data):
        write(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    step(state, 1)
    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(AsrlabError, match=rf"{CHECKPOINT}: cannot be written \(.*No space left.*\); make room"):
        state.save(tmp_path, RECIPE)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert os.listdir(tmp_path) == [CHECKPOINT]


def test_a_directory_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AsrlabError, match="cannot be written"):
        trained().save(tmp_path / "file", RECIPE)


# --- damaged, foreign, of another recipe ------------------------------------------------------------------------------


def broken(tmp_path, data: bytes) -> None:
    (tmp_path / CHECKPOINT).write_bytes(data)
    state = fresh()
    before = {k: v.clone() for k, v in everything(state).items()}
    with pytest.raises(AsrlabError, match=rf"{CHECKPOINT}: (damaged|not a checkpoint).*delete it to start anew"):
        state.restore(tmp_path, RECIPE)
    assert all(torch.equal(v, before[k]) for k, v in everything(state).items())


def test_truncated_anywhere(tmp_path):
    trained().save(tmp_path, RECIPE)
    whole = (tmp_path / CHECKPOINT).read_bytes()
    for length in (0, 1, 7, 8, 9, 200, len(whole) // 2, len(whole) - 1):
        broken(tmp_path, whole[:length])


def test_random_bytes_and_other_files(tmp_path):
    draw = random.Random(0)
    for length in (1, 8, 64, 10_000):
        broken(tmp_path, draw.randbytes(length))
    broken(tmp_path, b"\x00" * 1000)
    broken(tmp_path, b"#!/bin/sh\necho hello\n" * 50)
    save_file({"weight": torch.zeros(3)}, tmp_path / CHECKPOINT)
    broken(tmp_path, (tmp_path / CHECKPOINT).read_bytes())
    save_file({"weight": torch.zeros(3)}, tmp_path / CHECKPOINT, {"recipe": "no JSON", "state": "{}"})
    broken(tmp_path, (tmp_path / CHECKPOINT).read_bytes())


def test_a_single_flipped_bit(tmp_path):
    trained().save(tmp_path, RECIPE)
    whole = bytearray((tmp_path / CHECKPOINT).read_bytes())
    draw = random.Random(1)
    begin = 8 + int.from_bytes(whole[:8], "little")
    for place in draw.sample(range(begin, len(whole)), 20):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << draw.randrange(8)
        broken(tmp_path, bytes(flipped))


@pytest.mark.parametrize(
    ("name", "value"), [("epoch", "2"), ("spoken", {}), ("best_error", None), ("corpus", 3), ("stopped", 0.5)]
)
def test_a_state_of_wrong_types(tmp_path, name, value):
    state = trained()
    setattr(state, name, value)
    state.save(tmp_path, RECIPE)
    with pytest.raises(AsrlabError, match=rf"{CHECKPOINT}: its {name} is of a wrong type; delete it"):
        fresh().restore(tmp_path, RECIPE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 9}, "epochs was 3 and is 9"),
        ({"model": {"branches": {"sound": {"dim": 16}}}}, "model.branches.sound.dim was 32 and is 16"),
        ({"speeds": [0.9, 1.0]}, r"speeds was \[1.0\] and is \[0.9, 1.0\]"),
        ({"corpus_options": {"minutes": 3}}, "corpus_options.minutes was None and is 3"),
    ],
)
def test_another_recipe_is_named_by_what_changed(tmp_path, change, message):
    trained().save(tmp_path, RECIPE)
    with pytest.raises(AsrlabError, match=rf"another recipe \({message}\); use another directory, or --restart"):
        fresh().restore(tmp_path, toy.recipe(change))


def test_an_option_that_went_away_is_a_change_too(tmp_path):
    trained().save(tmp_path, replace(RECIPE, corpus_options={"minutes": 3}))
    with pytest.raises(AsrlabError, match=r"corpus_options.minutes was 3 and is None"):
        fresh().restore(tmp_path, RECIPE)


def test_another_corpus_under_the_same_recipe(tmp_path):
    trained().save(tmp_path, RECIPE)
    with pytest.raises(AsrlabError, match=rf"{CHECKPOINT}: made with this recipe, .*did the corpus change"):
        fresh(vocabulary=6).restore(tmp_path, RECIPE)


def test_other_utterances_under_the_same_recipe(tmp_path):
    trained().save(tmp_path, RECIPE)
    state = fresh()
    state.corpus = "other"
    with pytest.raises(
        AsrlabError, match=rf"{CHECKPOINT}: made from other texts, recordings or tokens .*--restart to start anew"
    ):
        state.restore(tmp_path, RECIPE)


@pytest.mark.skipif(os.name == "nt", reason="rights of another kind")
def test_others_may_read_what_the_user_lets_them(tmp_path):
    before = os.umask(0o027)
    try:
        trained().save(tmp_path, RECIPE)
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / CHECKPOINT).stat().st_mode & 0o777 == 0o640
