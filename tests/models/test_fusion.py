"""Streams with clocks of their own become one sequence of frames."""

import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape, Stream
from asrlab.models.fusion import Concat, FusionOptions, on_one_clock, ticks

SHAPES = {"sound": Shape(3, 0.04), "lips": Shape(2, 0.08)}


def streams():
    sound = torch.arange(1.0, 1 + 2 * 5 * 3).view(2, 5, 3)
    lips = torch.arange(101.0, 101 + 2 * 3 * 2).view(2, 3, 2)
    return {"sound": Stream(sound, torch.tensor([5, 0])), "lips": Stream(lips, torch.tensor([2, 3]))}


def test_each_moment_has_the_frame_that_is_nearest():
    aligned = on_one_clock(streams(), SHAPES, "sound")
    lips, lengths = aligned["lips"]
    assert lengths.tolist() == [4, 6]
    assert lips[0, :, 0].tolist() == [101, 101, 103, 103, 0, 0]
    assert lips[1, :, 0].tolist() == [107, 107, 109, 109, 111, 111]
    assert aligned["sound"].values.shape == (2, 6, 3) and not aligned["sound"].values[1].any()


def test_an_absent_clock_leaves_the_length_to_the_others():
    fused = Concat(SHAPES, FusionOptions())(streams())
    assert fused.lengths.tolist() == [5, 6] and fused.frames.shape == (2, 6, 3) and fused.gates is None
    onto_lips = Concat(SHAPES, FusionOptions(onto="lips", dim=7))(streams())
    assert onto_lips.lengths.tolist() == [2, 3] and onto_lips.frames.shape[-1] == 7


def test_concat_is_a_matrix_over_all_streams():
    module = Concat(SHAPES, FusionOptions(dim=4))
    fused = module(streams())
    row = torch.cat([streams()["sound"].values[0, 2], streams()["lips"].values[0, 1]])
    assert torch.allclose(fused.frames[0, 2], module.project.weight @ row + module.project.bias, atol=1e-4)


@pytest.mark.parametrize(
    ("lengths", "hop", "clock", "expected"), [(5, 0.04, 0.04, 5), (3, 0.08, 0.04, 6), (5, 0.04, 0.08, 3)]
)
def test_frames_of_one_clock_in_ticks_of_another(lengths, hop, clock, expected):
    assert ticks(lengths, hop, clock) == expected
    assert ticks(torch.tensor([lengths, 0]), hop, clock).tolist() == [expected, 0]


def test_a_kind_that_is_none():
    with pytest.raises(AsrlabError, match="fusion kind='magic': choose one of concat"):
        FusionOptions("magic")
