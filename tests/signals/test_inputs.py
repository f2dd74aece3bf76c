"""Front ends by modality: what they share, what an absent stream becomes, and pictures of lips."""

import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Stream, stack
from asrlab.signals import inputs
from asrlab.signals.features import FrontEnd, FrontEndOptions
from asrlab.signals.inputs import InputOptions
from asrlab.signals.lips import LipsFrontEnd, LipsOptions

BOTH = InputOptions(FrontEndOptions(n_mels=8), LipsOptions(4, 6))


def test_what_is_read_and_how_fast_it_ticks():
    assert InputOptions().names == ("sound",) and inputs.make(InputOptions()).rates == {"sound": 16000}
    assert BOTH.names == ("sound", "lips") and inputs.make(BOTH).rates == {"sound": 16000, "lips": 25.0}
    front_ends = inputs.make(BOTH)
    assert {name: (f.dim, f.hop_seconds) for name, f in front_ends.items()} == {"sound": (8, 0.01), "lips": (24, 0.04)}
    assert not list(front_ends.parameters())
    with pytest.raises(AsrlabError, match="inputs: every one of them is null"):
        InputOptions(sound=None)


def test_an_absent_stream_has_no_frames_and_the_others_are_as_they_are_alone():
    draw = torch.Generator().manual_seed(0)
    waves = [torch.randn(4000, generator=draw), torch.zeros(0), torch.randn(900, generator=draw)]
    films = [torch.zeros(0), torch.randint(0, 255, (7, 4, 6), generator=draw, dtype=torch.uint8), torch.zeros(0)]
    found = inputs.make(BOTH)({"sound": stack(waves), "lips": stack(films)})
    assert found["sound"].lengths.tolist() == [23, 0, 4] and found["lips"].lengths.tolist() == [0, 7, 0]
    assert not found["sound"].values[1].any() and not found["lips"].values[[0, 2]].any()
    alone, _ = FrontEnd(BOTH.sound)(waves[2][None], torch.tensor([900]))
    assert torch.allclose(found["sound"].values[2, :4], alone[0], atol=1e-4)
    assert torch.isfinite(found["sound"].values).all() and torch.isfinite(found["lips"].values).all()


@pytest.mark.parametrize("normalise", ["utterance", "level", "running", "none"])
@pytest.mark.parametrize("kind", ["log_mel", "mfcc"])
def test_a_batch_without_any_sound(kind, normalise):
    front_end = FrontEnd(FrontEndOptions(kind, n_mels=16, deltas=True, normalise=normalise))
    values, lengths = front_end(*stack([torch.zeros(0), torch.zeros(0)]))
    assert lengths.tolist() == [0, 0] and values.shape[1] >= 1 and not values.any()


def test_lips_lose_light_and_contrast_and_keep_the_rest():
    draw = torch.Generator().manual_seed(0)
    film = torch.randint(0, 120, (1, 9, 4, 6), generator=draw, dtype=torch.uint8)
    front_end = LipsFrontEnd(LipsOptions(4, 6))
    plain, lengths = front_end(film, torch.tensor([9]))
    bright, _ = front_end(2 * film.float() + 10, torch.tensor([9]))
    assert plain.shape == (1, 9, 24) and lengths.tolist() == [9]
    assert torch.allclose(plain, bright, atol=1e-4)
    assert plain.mean().item() == pytest.approx(0, abs=1e-5) and plain.var(correction=0).item() == pytest.approx(
        1, abs=1e-3
    )


def test_what_does_not_fit_is_told():
    with pytest.raises(AsrlabError, match=r"pictures of lips \(1, 3, 5, 6\): expected \(B, N, 4, 6\)"):
        LipsFrontEnd(LipsOptions(4, 6))(torch.zeros(1, 3, 5, 6), torch.tensor([3]))
    with pytest.raises(AsrlabError, match="rate=0: give above 0"):
        LipsOptions(rate=0)
    sound = Stream(torch.zeros(1, 4000), torch.tensor([4000]))
    with pytest.raises(AsrlabError, match="inputs sound: there is no lips; give it, with length 0 if absent"):
        inputs.make(BOTH)({"sound": sound})
