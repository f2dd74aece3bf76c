"""Modalities are taken away as often as the recipe says, one at a time, and never the last one."""

import pytest
import torch
import toy

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Stream
from asrlab.training.hearing import drop_modalities
from asrlab.training.recipe import Recipe, load

COUNT = 4000


def streams():
    lengths = torch.full((COUNT,), 2)
    lips = torch.where(torch.arange(COUNT) < COUNT // 2, 3, 0)  # half of them have none
    return {"sound": Stream(torch.ones(COUNT, 2, 4), lengths), "lips": Stream(torch.ones(COUNT, 3, 5), lips)}


def test_as_often_as_asked_one_at_a_time_and_never_the_last():
    found = drop_modalities(streams(), {"sound": 0.3, "lips": 0.2}, torch.Generator().manual_seed(0))
    deaf, blind = found["sound"].lengths == 0, found["lips"].lengths == 0
    both = torch.arange(COUNT) < COUNT // 2
    spread = 4 * (0.25 / (COUNT / 2)) ** 0.5  # four standard deviations of a share
    assert abs(deaf[both].float().mean() - 0.3) < spread and abs(blind[both].float().mean() - 0.2) < spread
    assert not (deaf & blind).any() and not deaf[~both].any()
    for stream in found.values():
        gone = stream.lengths == 0
        assert not stream.values[gone & both].any() and stream.values[~gone].all()


def test_without_a_share_nothing_is_drawn():
    before = torch.random.get_rng_state()
    found = drop_modalities(streams(), {})
    assert torch.equal(torch.random.get_rng_state(), before) and set(found) == {"sound", "lips"}


def test_a_recipe_that_asks_for_what_cannot_be():
    with pytest.raises(AsrlabError, match=r"modality_dropout\.lips: not read; the inputs are sound"):
        toy.recipe(modality_dropout={"lips": 0.5})
    with pytest.raises(AsrlabError, match=r"modality_dropout=.*add up to 1"):
        config.override(load("grid"), ["modality_dropout={sound: 0.6, lips: 0.6}"])


@pytest.mark.parametrize("kind", ["concat", "gate", "cross", "late"])
def test_the_recipe_of_grid_with_every_fusion_and_with_one_stream_alone(kind):
    changes = [f"model.fusion.kind={kind}"] + (["model.trunk=null"] if kind == "late" else [])
    recipe = config.override(load("grid"), changes)
    assert isinstance(recipe, Recipe) and recipe.model.fusion.kind == kind
    for gone, left in (("sound", "lips"), ("lips", "sound")):
        changes = [f"inputs.{gone}=null", f"model.branches.{gone}=null", "modality_dropout={}"]
        alone = config.override(load("grid"), changes)
        assert alone.inputs.names == (left,) == tuple(alone.model.branches)
