"""Pictures to frames: a 3-D convolution written as a 2-D one, and padding that nobody sees."""

import pytest
import torch
import torch.nn.functional as F

from asrlab.core.errors import AsrlabError
from asrlab.models.encoders import Encoder, EncoderOptions
from asrlab.models.pictures import SPAN, Pictures

ROWS, COLUMNS = 8, 12


def made(causal: bool = False, dim: int = 6) -> Pictures:
    torch.manual_seed(0)
    return Pictures(ROWS * COLUMNS, ROWS, dim, 16, causal)


@pytest.mark.parametrize("causal", [False, True])
def test_the_first_convolution_is_one_over_time_height_and_width(causal):
    module = made(causal)
    x = torch.randn(2, 7, ROWS * COLUMNS)
    seen = []
    module.convs[0].register_forward_hook(lambda _module, _given, found: seen.append(found))
    module(x, torch.tensor([7, 7]))
    before = SPAN - 1 if causal else SPAN // 2
    film = F.pad(x.view(2, 1, 7, ROWS, COLUMNS), (0, 0, 0, 0, before, SPAN - 1 - before))
    weight, bias = module.convs[0].weight, module.convs[0].bias
    expected = F.conv3d(film, weight[:, None], bias, stride=(1, 2, 2), padding=(0, 2, 2))  # (B, C, T, H, W)
    found = seen[0].view(2, 7, *seen[0].shape[1:]).permute(0, 2, 1, 3, 4)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_what_lies_beyond_an_end_changes_nothing(causal):
    module = made(causal)
    x, lengths = torch.randn(3, 9, ROWS * COLUMNS), torch.tensor([9, 4, 0])
    y, same = module(x, lengths)
    assert same.tolist() == [9, 4, 0] and y.shape == (3, 9, 6)
    rubbish = x.clone()
    rubbish[1, 4:], rubbish[2] = 1e6, -1e6
    again, _ = module(rubbish, lengths)
    assert torch.allclose(y[0], again[0]) and torch.allclose(y[1, :4], again[1, :4])
    alone, _ = module(x[1:2, :4], lengths[1:2])
    assert torch.allclose(alone[0], y[1, :4], atol=1e-5)


def test_a_causal_one_sees_no_future():
    module = made(causal=True)
    x = torch.randn(1, 9, ROWS * COLUMNS)
    later = x.clone()
    later[:, 5:] += 1
    lengths = torch.tensor([9])
    assert torch.allclose(module(x, lengths)[0][:, :5], module(later, lengths)[0][:, :5], atol=1e-6)


def test_an_encoder_of_pictures_learns():
    torch.manual_seed(0)
    options = EncoderOptions("cnn", 8, 1, kernel=3, subsampling=1, subsampling_channels=16, picture_rows=ROWS)
    encoder, head = Encoder(ROWS * COLUMNS, options), torch.nn.Linear(8, 2)
    bright = torch.arange(40) % 2
    pictures = torch.randn(40, 3, ROWS * COLUMNS) + 2 * bright[:, None, None] * torch.eye(ROWS * COLUMNS)[5]
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.01)
    for _ in range(60):
        loss = F.cross_entropy(head(encoder(pictures, torch.full((40,), 3))[0].mean(1)), bright)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_options_that_do_not_fit():
    with pytest.raises(AsrlabError, match="picture_rows=7: 96 features are no pictures of so many rows"):
        Pictures(96, 7, 6, 16, False)
    with pytest.raises(AsrlabError, match="subsampling_channels=20: pictures ask for a multiple of 16"):
        Pictures(96, 8, 6, 20, False)
    with pytest.raises(AsrlabError, match="subsampling=4: pictures come slowly enough"):
        EncoderOptions(picture_rows=8)
