"""Encoders: padding never matters, streaming sees exactly so far ahead, gradients are those of finite differences."""

import math

import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.models import Encoder, EncoderOptions

KINDS = ("cnn", "lstm", "transformer", "conformer")
FEATURES = 6


def make(kind: str, **changes) -> Encoder:
    """A small encoder in double precision, without dropout."""
    torch.manual_seed(3)
    small = {"dim": 8, "layers": 2, "heads": 2, "kernel": 5, "expansion": 2, "dropout": 0.0, "subsampling_channels": 3}
    return Encoder(FEATURES, EncoderOptions(kind, **{**small, **changes})).double().eval()


def speech(*lengths: int) -> list[torch.Tensor]:
    torch.manual_seed(4)
    return [torch.randn(n, FEATURES, dtype=torch.float64) for n in lengths]


WAYS = {
    "offline": {},
    "even kernel": {"kernel": 4},
    "subsampling 2": {"subsampling": 2},
    "subsampling 8": {"subsampling": 8},
    "streaming": {"causal": True, "chunk": 2, "left_chunks": 2},
    "chunked": {"chunk": 3},
    "gains": {"squeeze": 2},
    "streaming gains": {"squeeze": 2, "causal": True, "chunk": 2},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_batch_is_every_utterance_alone(kind, way):
    encoder = make(kind, **WAYS[way])
    alone = speech(37, 5, 1, 24)
    lengths = torch.tensor([len(x) for x in alone])
    padded = torch.nn.utils.rnn.pad_sequence([*alone, torch.zeros(45, FEATURES).double()], batch_first=True)[:4]
    for row, n in enumerate(lengths):
        padded[row, n:] = 1e3 * torch.randn(45 - n, FEATURES)  # what lies there is nobody's business
    together, found = encoder(padded, lengths)
    assert found.tolist() == [math.ceil(n / encoder.options.subsampling) for n in lengths]
    for row, x in enumerate(alone):
        single, one = encoder(x[None], torch.tensor([len(x)]))
        assert one.item() == single.shape[1] == found[row]
        assert torch.allclose(together[row, : found[row]], single[0], atol=1e-9)


def last_input(t: int, options: EncoderOptions) -> int:
    """The last input frame that output frame `t` may see: that of the last frame of its chunk."""
    attends = options.kind in ("transformer", "conformer")
    last = (t // options.chunk + 1) * options.chunk - 1 if attends and options.chunk else t
    return last * options.subsampling


@pytest.mark.parametrize(("chunk", "subsampling", "squeeze"), [(1, 4, 0), (3, 4, 2), (2, 2, 0)])
@pytest.mark.parametrize("kind", KINDS)
def test_streaming_looks_ahead_to_the_end_of_its_chunk_and_no_further(kind, chunk, subsampling, squeeze):
    encoder = make(kind, causal=True, chunk=chunk, subsampling=subsampling, subsampling_channels=24, squeeze=squeeze)
    frames = 30
    (x,) = speech(frames)
    changed = x.repeat(frames, 1, 1)
    changed[torch.arange(frames), torch.arange(frames)] += 5.0 * torch.randn(frames, FEATURES)  # row n in input frame n
    lengths = torch.full((frames,), frames)
    before, _ = encoder(x.repeat(frames, 1, 1), lengths)
    after, _ = encoder(changed, lengths)
    same = (before == after).all(dim=2)
    outputs = range(same.shape[1])
    for n in range(frames):
        first = min((t for t in outputs if last_input(t, encoder.options) >= n), default=same.shape[1])
        assert same[n, :first].all(), f"input frame {n} reaches an output before {first}"
        if first < same.shape[1] and n % subsampling == 0:
            assert not same[n, first], f"output {first} could have seen input frame {n}"
    seconds = max(last_input(t, encoder.options) - t * subsampling for t in outputs) * 0.01
    assert seconds <= (chunk - 1) * subsampling * 0.01 + 1e-9  # the latency that a chunk costs


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_a_stream_are_the_whole_of_it(kind):
    """What a stream has heard by the end of a chunk decides the frames of that chunk for ever."""
    encoder = make(kind, causal=True, chunk=2, squeeze=2)
    (x,) = speech(41)
    whole, _ = encoder(x[None], torch.tensor([41]))
    for heard in (5, 13, 21, 37):  # ends of chunks: 4 (2 k - 1) + 1 frames
        part, _ = encoder(x[None, :heard], torch.tensor([heard]))
        assert torch.allclose(part[0], whole[0, : part.shape[1]], atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_offline_encoders_use_the_future(kind):
    encoder = make(kind)
    (x,) = speech(30)
    y = x.clone()
    y[20] += 5.0
    both, _ = encoder(torch.stack([x, y]), torch.tensor([30, 30]))
    assert (both[0, :5] != both[1, :5]).any() if kind != "cnn" else (both[0, 3] != both[1, 3]).any()


@pytest.mark.parametrize("way", ["offline", "streaming", "gains", "streaming gains"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind, way):
    encoder = make(kind, **{"dim": 4, "heads": 1, "layers": 1, "subsampling_channels": 2, "kernel": 3, **WAYS[way]})
    torch.manual_seed(5)
    x = torch.randn(2, 11, FEATURES, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([11, 6])
    names, values = zip(*encoder.named_parameters(), strict=True)

    def run(x, *weights):
        y, after = torch.func.functional_call(encoder, dict(zip(names, weights, strict=True)), (x, lengths))
        return torch.cat([row[:n] for row, n in zip(y, after.tolist(), strict=True)])

    assert torch.autograd.gradcheck(run, (x, *values), fast_mode=True, atol=1e-6)


def test_what_lies_beyond_a_length_gets_no_gradient():
    for kind in KINDS:
        encoder = make(kind, subsampling_channels=24)
        x = torch.randn(2, 20, FEATURES, dtype=torch.float64, requires_grad=True)
        y, lengths = encoder(x, torch.tensor([20, 9]))
        weight = torch.randn_like(y)
        ((weight * y)[0].sum() + (weight * y)[1, : lengths[1]].sum()).backward()
        assert x.grad[1, :9].abs().sum(dim=-1).min() > 0
        assert not x.grad[1, 9:].any()


def test_a_tap_is_the_frames_after_its_block():
    encoder = make("conformer", layers=4)
    (x,) = speech(17)
    y, lengths, tapped = encoder(x[None], torch.tensor([17]), tap=1)
    encoder.blocks = encoder.blocks[:2]
    shorter, _ = encoder(x[None], torch.tensor([17]))
    assert torch.allclose(encoder.norm(tapped), shorter, atol=1e-12)
    assert lengths.tolist() == [5]
    assert not torch.allclose(y, shorter)


def test_layer_drop_skips_blocks_at_its_rate_in_training_alone():
    encoder = make("cnn", layers=5, layer_drop=0.4)
    (x,) = speech(9)
    arguments = x[None], torch.tensor([9])
    ran = []
    for i, block in enumerate(encoder.blocks):
        block.register_forward_hook(lambda *_, i=i: ran.append(i))
    encoder(*arguments)
    assert ran == [0, 1, 2, 3, 4]
    ran.clear()
    encoder.train()
    for _ in range(100):
        _, _, tapped = encoder(*arguments, tap=3)  # also where the tapped block is left out
        assert tapped is not None
    counts = [ran.count(i) / 100 for i in range(5)]
    assert counts[0] == 1.0  # something always runs
    assert sum(counts[1:]) / 4 == pytest.approx(0.6, abs=0.1)


def test_bfloat16_is_close():
    for kind in KINDS:
        encoder = make(kind).float()
        x = torch.stack(speech(40)).float()
        exact, _ = encoder(x, torch.tensor([40]))
        with torch.autocast("cpu", torch.bfloat16):
            rounded, _ = encoder(x, torch.tensor([40]))
        assert torch.nn.functional.cosine_similarity(exact, rounded.float(), dim=-1).min() > 0.999


def test_options_that_fit_no_encoder():
    with pytest.raises(AsrlabError, match="kind='rnn': give one of cnn, lstm, transformer, conformer"):
        EncoderOptions("rnn")
    with pytest.raises(AsrlabError, match="dim=30: not a multiple of 2 x heads=4"):
        EncoderOptions("transformer", dim=30)
    EncoderOptions("cnn", dim=30)
