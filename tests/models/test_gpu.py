"""What runs on a GPU, checked without one: tensors on a "cuda" that is not there have shapes and a device, no values.

torch refuses to mix them with tensors on the processor, as a GPU would: so a mask, a length or a window that was made
in the wrong place shows here. Values are checked on the processor, by the other tests. Gradients are not taken here:
torch's engine for them asks for the driver of a device before it looks at any tensor.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from asrlab.core.streams import Stream
from asrlab.models import DecoderOptions, EncoderOptions, Model, ModelOptions
from asrlab.signals import features, inputs
from asrlab.signals.augment import SpecAugmentOptions, spec_augment
from asrlab.signals.features import FrontEndOptions
from asrlab.signals.inputs import InputOptions
from asrlab.signals.lips import LipsOptions
from asrlab.training import objectives
from asrlab.training.batching import Batch
from asrlab.training.checkpoint import State

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
B, SAMPLES, PICTURES, TOKENS, VOCABULARY = 2, 16_000, 25, 3, 6
SMALL = {"dim": 16, "layers": 2, "heads": 2, "kernel": 5, "expansion": 2, "subsampling_channels": 4}
SPELLER = DecoderOptions(16, 12, 4, 5)
SOUND, LIPS = FrontEndOptions(n_mels=16, dither=1e-5), LipsOptions(8, 12)


def encoder(kind: str, **changes) -> EncoderOptions:
    return EncoderOptions(kind, **{**SMALL, **changes})


@pytest.fixture(autouse=True)
def nothing_is_computed(monkeypatch):
    """No tensor has values, so nothing may look at them: neither checks nor those functions of torch whose work depends
    on lengths. In their place stands what they demand of devices. No constant is kept for other tests."""

    def filters(n_mels, n_fft, *_):
        return torch.ones(1 + n_fft // 2, n_mels, dtype=torch.float64)

    monkeypatch.setattr(features, "mel_filterbank", filters)

    def ctc_loss(log_probs, targets, lengths, target_lengths, blank, reduction):
        assert log_probs.device.type == targets.device.type == "cuda"
        return log_probs.sum(dim=(0, 2))

    def packed(x, lengths, batch_first, enforce_sorted):
        assert lengths.device.type == "cpu" and batch_first and not enforce_sorted
        return x

    def padded(y, batch_first, total_length):
        return y, None

    def lstm(self, x):
        assert x.device.type == "cuda" and {p.device.type for p in self.parameters()} == {"cuda"}
        return x.new_zeros(*x.shape[:-1], self.hidden_size * (1 + self.bidirectional)), None

    monkeypatch.setattr(F, "ctc_loss", ctc_loss)
    monkeypatch.setattr(nn.LSTM, "forward", lstm)
    monkeypatch.setattr(nn.utils.rnn, "pack_padded_sequence", packed)
    monkeypatch.setattr(nn.utils.rnn, "pad_packed_sequence", padded)
    monkeypatch.setattr(features.FrontEnd, "_check", lambda *_: None)
    monkeypatch.setattr(features, "_constants", features._constants.__wrapped__)
    with FakeTensorMode():
        yield


def on_gpu(front_end_options: InputOptions, options: ModelOptions) -> tuple[inputs.FrontEnds, Model]:
    with torch.device("cuda"):
        front_ends = inputs.make(front_end_options)
        return front_ends, Model(front_ends, VOCABULARY, options)


def batch() -> Batch:
    """Sound, lips and texts, one utterance without lips."""
    with torch.device("cuda"):
        sound = Stream(torch.randn(B, SAMPLES), torch.tensor([SAMPLES, 9_000]))
        lips = Stream(torch.randn(B, PICTURES, LIPS.height, LIPS.width), torch.tensor([PICTURES, 0]))
        text = Stream(torch.ones(B, TOKENS, dtype=torch.long), torch.tensor([TOKENS, 2]))
    return Batch(("a", "b"), {"sound": sound, "lips": lips}, {"text": text})


@pytest.mark.parametrize("kind", ["cnn", "lstm", "transformer", "conformer"])
@pytest.mark.parametrize("causal", [False, True], ids=["whole", "streaming"])
@pytest.mark.parametrize("normalise", ["utterance", "level"])
def test_sound_to_losses(kind, causal, normalise):
    """Front end, masks, every kind of encoder and every head, losses, the average of the weights."""
    front_end = FrontEndOptions(n_mels=16, dither=1e-5, normalise=normalise)
    options = ModelOptions(
        {"sound": encoder(kind, causal=causal, chunk=8 if causal else 0, squeeze=2)},
        ctc=True, inner_ctc=True, decoder=SPELLER,
    )  # fmt: skip
    weights = {"ctc": 0.5, "inner_ctc": 0.2, "attention": 0.3, "consistency": 0.1}
    learn(*on_gpu(InputOptions(front_end), options), weights)


def test_two_streams_to_losses():
    branches = {"sound": encoder("cnn"), "lips": encoder("lstm", subsampling=1)}
    options = ModelOptions(branches, trunk=encoder("conformer", subsampling=1), inner_ctc=True)
    learn(*on_gpu(InputOptions(SOUND, LIPS), options), {"ctc": 0.7, "inner_ctc": 0.3})


def learn(front_ends, model, weights) -> None:
    whole = batch()
    front_ends.train(), model.train()
    seen = front_ends({name: whole.inputs[name] for name in front_ends})
    times = objectives.copies(weights)
    heard, seen = whole.repeat(times), {name: stream.repeat(times) for name, stream in seen.items()}
    seen["sound"] = Stream(spec_augment(*seen["sound"], SpecAugmentOptions(freq_width=5)), seen["sound"].lengths)
    output = model(seen, heard.targets["text"].values)
    assert output.log_probs.device.type == "cuda"
    losses, named = objectives.losses(weights, model, output, heard)
    assert losses.shape == (B,) and losses.device.type == "cuda" and set(named) == set(weights)
    assert losses.requires_grad
    state = State.fresh(model, torch.optim.AdamW(model.parameters()))
    state.average_in(model, 0.9)
    assert {value.device.type for value in state.average.values()} == {"cuda"}


def test_the_search_of_an_attention_head_and_the_best_path():
    options = ModelOptions({"sound": encoder("lstm")}, decoder=SPELLER)
    front_ends, model = on_gpu(InputOptions(SOUND), options)
    output = model.eval()(front_ends.eval()({"sound": batch().inputs["sound"]}))
    assert output.log_probs.argmax(dim=-1).device.type == "cuda"
    decoder = model.decoder
    state = decoder.start(output.frames, output.lengths)
    log_probs, state = decoder.step(state, torch.zeros(B, dtype=torch.long, device="cuda"))
    log_probs, _ = decoder.step(
        state.select(torch.tensor([1, 1, 0], device="cuda")), torch.ones(3, dtype=torch.long, device="cuda")
    )
    assert log_probs.shape == (3, VOCABULARY) and log_probs.device.type == "cuda"


def test_mixing_devices_would_be_noticed():
    with pytest.raises(RuntimeError, match="device"):
        torch.ones(2) + torch.ones(2, device="cuda")
