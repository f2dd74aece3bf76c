"""Streams with clocks of their own become one sequence of frames."""

import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape, Stream
from asrlab.models import EncoderOptions, Model, ModelOptions
from asrlab.models.fusion import KINDS, Concat, Cross, FusionOptions, Gate, Late, on_one_clock, ticks

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
    with pytest.raises(AsrlabError, match="kind='magic': give one of concat"):
        FusionOptions("magic")


WIDE = {"sound": Shape(16, 0.04), "lips": Shape(16, 0.04)}


def noise(lengths=(7, 5), others=(6, 5), dim: int = 16):
    torch.manual_seed(1)
    return {
        "sound": Stream(torch.randn(len(lengths), 7, dim), torch.tensor(lengths)),
        "lips": Stream(torch.randn(len(others), 7, dim), torch.tensor(others)),
    }


def model(kind: str, lips: bool = True) -> Model:
    """A small recogniser of sound, with lips or without."""
    torch.manual_seed(0)
    one = EncoderOptions("cnn", 16, 1, kernel=3, subsampling=1, dropout=0.0)
    branches = {"sound": one, "lips": one} if lips else {"sound": one}
    trunk = None if kind == "late" else one
    return Model(WIDE, 9, ModelOptions(branches, FusionOptions(kind, heads=2), trunk)).eval()


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_absent_stream_and_padding_change_nothing(kind):
    torch.manual_seed(0)
    module = KINDS[kind](WIDE, FusionOptions(kind, heads=2)).eval()
    for parameter in module.parameters():  # nothing is at rest
        torch.nn.init.normal_(parameter, std=0.3)
    given = noise((7, 4, 0), (6, 0, 5))
    fused = module(given)
    assert fused.lengths.tolist() == [7, 4, 5] and fused.frames.shape == (3, 7, module.dim)
    rubbish = {name: Stream(x.clone(), lengths) for name, (x, lengths) in given.items()}
    for x, lengths in rubbish.values():
        for row, length in enumerate(lengths.tolist()):
            x[row, length:] = 1e4
    again = module(rubbish)
    for row, length in enumerate(fused.lengths.tolist()):
        assert torch.allclose(fused.frames[row, :length], again.frames[row, :length], atol=1e-4)
        one = module({name: Stream(x[row : row + 1], lengths[row : row + 1]) for name, (x, lengths) in given.items()})
        assert torch.allclose(one.frames[0, :length], fused.frames[row, :length], atol=1e-4)
    if kind != "concat":
        assert fused.gates.shape == (3, 7) and not fused.gates[1].any()  # without lips it is open to nothing


def test_untrained_cross_attention_is_sound_alone_to_the_last_bit():
    both, alone = model("cross"), model("cross", lips=False)
    alone.load_state_dict({name: value for name, value in both.state_dict().items() if name in alone.state_dict()})
    given = noise()
    heard = both(given)
    assert torch.equal(heard.log_probs, alone({"sound": given["sound"]}).log_probs)
    assert not heard.gates.any()
    torch.nn.init.constant_(both.fusion.opening["lips"], 0.5)
    assert not torch.allclose(both(given).log_probs, heard.log_probs)
    gone = {**given, "lips": Stream(given["lips"].values, torch.tensor([0, 0]))}
    assert torch.equal(both(gone).log_probs, heard.log_probs)  # trained or not: without lips it is sound alone


def test_cross_attention_meets_in_time():
    """With queries and keys that tell nothing, positions alone pick the frames that are near."""
    shapes = {"sound": Shape(16, 0.04), "lips": Shape(16, 0.08)}
    module = Cross(shapes, FusionOptions("cross", heads=1))
    with torch.no_grad():
        module.opening["lips"].fill_(9.0)  # tanh: 1
        for linear in (module.query, module.key_value["lips"], module.out["lips"]):
            linear.weight.zero_()
            linear.bias.zero_()
        module.query.bias.fill_(4.0)
        module.key_value["lips"].bias[:8] = 4.0
        module.key_value["lips"].weight[8, 0] = 1.0
        module.out["lips"].weight[0, 0] = 1.0
    film = torch.zeros(1, 20, 16)
    film[0, 12, 0] = 1.0  # seen from 0.96 s on: frames 24 and 25 of sound
    given = {"sound": Stream(torch.zeros(1, 40, 16), torch.tensor([40])), "lips": Stream(film, torch.tensor([20]))}
    told = module(given).frames[0, :, 0]
    assert told.argmax().item() in (24, 25) and told[24] > 4 * told[:12].max()


def test_gates_are_means_weighted_by_trust():
    module = Gate(WIDE, FusionOptions("gate"))
    given = noise((7, 7), (7, 0))
    fused = module(given)
    sound, lips = (module.maps[name](given[name].values) for name in ("sound", "lips"))
    assert torch.allclose(fused.gates[0], torch.full((7,), 0.5)) and not fused.gates[1].any()
    assert torch.allclose(fused.frames[0], (sound[0] + lips[0]) / 2, atol=1e-5)
    assert torch.allclose(fused.frames[1], sound[1], atol=1e-5)


def test_late_fusion_is_log_linear_in_the_heads():
    """One head over weighted frames side by side says what the weighted heads of the streams say together."""
    module, head = Late(WIDE, FusionOptions("late")), torch.nn.Linear(32, 9)
    torch.nn.init.normal_(module.trust.score.weight)
    given = noise((7, 7), (7, 7))
    fused = module(given)
    gone = torch.tensor([0, 0])
    deaf = {**given, "sound": Stream(given["sound"].values, gone)}
    blind = {**given, "lips": Stream(given["lips"].values, gone)}
    heard, seen = (head(module(one).frames).log_softmax(-1) for one in (blind, deaf))
    weight = fused.gates[..., None]
    together = ((1 - weight) * heard + weight * seen).log_softmax(-1)
    assert torch.allclose(head(fused.frames).log_softmax(-1), together, atol=1e-5)


def test_all_kinds_have_as_many_parameters():
    shapes = {"sound": Shape(128, 0.04), "lips": Shape(128, 0.04)}
    made = [
        KINDS[kind](shapes, FusionOptions(kind)) for kind in ("concat", "gate", "cross")
    ]  # late has them in its head
    count = [sum(p.numel() for p in module.parameters()) for module in made]
    assert max(count) / min(count) < 1.03


def test_options_that_do_not_go_together():
    with pytest.raises(AsrlabError, match=r"fusion\.dim=7: cross adds to the 16 values"):
        Cross(WIDE, FusionOptions("cross", dim=7))
    with pytest.raises(AsrlabError, match=r"fusion\.dim=7: late puts 32 values side by side"):
        Late(WIDE, FusionOptions("late", dim=7))
    with pytest.raises(AsrlabError, match=r"fusion\.heads=4: half of the 12 values"):
        Cross({name: Shape(12) for name in WIDE}, FusionOptions("cross"))
    one = EncoderOptions("cnn", 16, 1, subsampling=1)
    with pytest.raises(AsrlabError, match="late fusion is of heads, nothing stands above it"):
        ModelOptions({"sound": one, "lips": one}, FusionOptions("late"), one)
