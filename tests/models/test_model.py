"""The whole model: its heads, its losses, and toy tasks that each kind of it learns."""

import math

import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape, Stream
from asrlab.models import DecoderOptions, EncoderOptions, FusionOptions, Model, ModelOptions
from asrlab.training import objectives
from asrlab.training.batching import Batch

FEATURES, VOCABULARY, HOLD = 8, 6, 8  # the toy: every token is a vector, held for so many frames


def options(kind: str = "lstm", **changes) -> ModelOptions:
    encoder = EncoderOptions(
        kind, dim=24, layers=2, heads=2, kernel=5, expansion=2, dropout=0.0, subsampling_channels=4
    )
    return ModelOptions({"sound": encoder}, **changes)


SHAPES = {"sound": Shape(FEATURES)}
SPELLER = DecoderOptions(32, 24, 4, 5, dropout=0.0, label_smoothing=0.0)
ATTENTION = {"ctc": False, "decoder": SPELLER}
WEIGHTS = {"ctc": 0.3, "attention": 0.7}


def sound(x: torch.Tensor, batch: Batch) -> dict[str, Stream]:
    """Features as the model takes them."""
    return {"sound": Stream(x, batch.inputs["sound"].lengths)}


def loss_of(model: Model, output, batch: Batch) -> torch.Tensor:
    """(B,) by all heads that the model has, with equal weights."""
    weights = {"ctc": float(model.ctc is not None), "attention": float(model.decoder is not None)}
    return objectives.losses(weights, model, output, batch)[0]


def toy(count: int, seed: int) -> tuple[torch.Tensor, Batch]:
    """Features `(B, T, F)` of random texts of two to four tokens, and the batch that says what they are."""
    draw = torch.Generator().manual_seed(seed)
    shapes = torch.randn(VOCABULARY, FEATURES, generator=torch.Generator().manual_seed(99))
    texts = [1 + torch.randperm(VOCABULARY - 1, generator=draw)[: 2 + i % 3] for i in range(count)]
    spoken = [shapes[text].repeat_interleave(HOLD, dim=0) for text in texts]
    x = torch.nn.utils.rnn.pad_sequence(spoken, batch_first=True)
    x = x + 0.1 * torch.randn(x.shape, generator=draw)
    lengths = torch.tensor([len(s) for s in spoken])
    x = x * (torch.arange(x.shape[1]) < lengths[:, None])[..., None]
    targets = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    ids = tuple(f"u{i}" for i in range(count))
    text = Stream(targets, torch.tensor([len(text) for text in texts]))
    return x, Batch(ids, {"sound": Stream(x[..., 0], lengths)}, {"text": text})


def learn(model: Model, steps: int, rate: float = 1e-2) -> float:
    """Train on fresh toys; the loss of the last step, nats an utterance."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    model.train()
    for step in range(steps):
        x, batch = toy(24, step)
        loss = loss_of(model, model(sound(x, batch), batch.targets["text"].values), batch).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
    model.eval()
    return loss.item()


@torch.no_grad()
def spell(model: Model, x: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    """Greedy texts of the attention head."""
    output = model({"sound": Stream(x, lengths)})
    state = model.decoder.start(output.frames, output.lengths)
    token, texts = torch.zeros(len(x), dtype=torch.long), [[] for _ in x]
    done = torch.zeros(len(x), dtype=torch.bool)
    for _ in range(6):
        log_probs, state = model.decoder.step(state, token)
        token = log_probs.argmax(dim=-1)
        done |= token == 0
        for row in (~done).nonzero().flatten().tolist():
            texts[row].append(token[row].item())
    return texts


@torch.no_grad()
def best_path(model: Model, x: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    """Greedy texts of the CTC head."""
    output = model({"sound": Stream(x, lengths)})
    texts = []
    for row, n in zip(output.log_probs, output.lengths, strict=True):
        path = row[:n].argmax(dim=-1).unique_consecutive()
        texts.append(path[path > 0].tolist())
    return texts


def exact(found: list[list[int]], batch: Batch) -> float:
    """The share of texts that are entirely right."""
    wanted = [row[:n].tolist() for row, n in zip(*batch.targets["text"], strict=True)]
    return sum(a == b for a, b in zip(found, wanted, strict=True)) / len(wanted)


# --- what they learn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cnn", "lstm", "transformer", "conformer"])
def test_every_encoder_learns_to_copy_with_ctc(kind):
    torch.manual_seed(0)
    model = Model(SHAPES, VOCABULARY, options(kind))
    learn(model, 60)
    x, batch = toy(48, 1000)
    assert exact(best_path(model, x, batch.inputs["sound"].lengths), batch) > 0.9


def test_listen_attend_and_spell_learns_to_copy():
    torch.manual_seed(0)
    model = Model(SHAPES, VOCABULARY, options(**ATTENTION))
    assert model.ctc is None
    learn(model, 110, rate=2e-2)
    x, batch = toy(48, 1000)
    assert exact(spell(model, x, batch.inputs["sound"].lengths), batch) > 0.9
    _, weights = model.decoder(*_frames(model, x, batch), batch.targets["text"].values)
    for row in range(12):  # and it looks from left to right, as one who listens does
        looks = weights[row, : batch.targets["text"].lengths[row]].argmax(dim=-1)
        assert (looks.diff() > 0).all()


def _frames(model, x, batch):
    output = model(sound(x, batch))
    return output.frames, output.lengths


def test_a_joint_model_learns_to_copy_with_both_heads():
    torch.manual_seed(0)
    model = Model(SHAPES, VOCABULARY, options(decoder=SPELLER))
    learn(model, 90, rate=2e-2)
    x, batch = toy(48, 1000)
    assert exact(best_path(model, x, batch.inputs["sound"].lengths), batch) > 0.9
    assert exact(spell(model, x, batch.inputs["sound"].lengths), batch) > 0.9


# --- heads and losses -------------------------------------------------------------------------------------------------


def test_the_loss_of_each_head_alone_is_torchs():
    torch.manual_seed(0)
    x, batch = toy(6, 0)
    model = Model(SHAPES, VOCABULARY, options("cnn", decoder=SPELLER, inner_ctc=True)).train()
    targets, sizes = batch.targets["text"]
    output = model(sound(x, batch), targets)

    def ctc(log_probs):
        return torch.nn.functional.ctc_loss(log_probs.transpose(0, 1), targets, output.lengths, sizes, reduction="none")

    spelled = []
    for row, n in enumerate(sizes.tolist()):
        answer = [*targets[row, :n].tolist(), 0]
        spelled.append(-output.logits[row, : n + 1].log_softmax(dim=-1)[range(n + 1), answer].sum())
    expected = 0.3 * (0.8 * ctc(output.log_probs) + 0.2 * ctc(output.inner_log_probs)) + 0.7 * torch.stack(spelled)
    weights = {"ctc": 0.3 * 0.8, "inner_ctc": 0.3 * 0.2, "attention": 0.7}
    total, named = objectives.losses(weights, model, output, batch)
    assert torch.allclose(total, expected, atol=1e-4) and set(named) == set(weights)
    assert torch.allclose(named["ctc"], ctc(output.log_probs), atol=1e-4)


def test_ctc_and_attention_alone():
    torch.manual_seed(0)
    x, batch = toy(4, 0)
    every = (({}, True, False), (ATTENTION, False, True), ({"decoder": SPELLER}, True, True))
    for heads, has_ctc, has_decoder in every:
        model = Model(SHAPES, VOCABULARY, options(**heads)).eval()
        output = model(sound(x, batch), batch.targets["text"].values)
        assert (output.log_probs is not None, output.logits is not None) == (has_ctc, has_decoder)
        losses = loss_of(model, output, batch)
        assert losses.shape == (4,)
        assert torch.isfinite(losses).all()
        without = model(sound(x, batch))
        assert without.logits is None
        if has_ctc:
            total = without.log_probs.exp().sum(dim=-1)
            assert torch.allclose(total, torch.ones_like(total), atol=1e-5)
            assert torch.equal(without.log_probs, output.log_probs)


def test_the_inner_head_hears_the_middle_and_only_in_training():
    torch.manual_seed(0)
    x, batch = toy(3, 0)
    model = Model(SHAPES, VOCABULARY, options(inner_ctc=True))
    assert model.eval()(sound(x, batch)).inner_log_probs is None
    output = model.train()(sound(x, batch))
    _, _, tapped = model.branches["sound"](*sound(x, batch)["sound"], tap=0)  # of two blocks, after the first
    assert torch.allclose(output.inner_log_probs, model.inner_ctc(tapped).log_softmax(dim=-1), atol=1e-6)


def test_log_probabilities_keep_single_precision_under_autocast():
    x, batch = toy(3, 0)
    model = Model(SHAPES, VOCABULARY, options("conformer")).eval()
    with torch.autocast("cpu", torch.bfloat16):
        log_probs = model(sound(x, batch)).log_probs
    assert log_probs.dtype == torch.float32
    assert torch.allclose(log_probs.exp().sum(dim=-1), torch.ones(3, log_probs.shape[1]), atol=1e-6)


def test_parameter_count_is_the_sum_of_the_parts():
    encoder = EncoderOptions("transformer", dim=8, layers=1, heads=1, expansion=2, subsampling_channels=2)
    model = Model({"sound": Shape(5)}, 4, ModelOptions({"sound": encoder}))
    convolutions = (2 * 9 + 2) + (2 * 2 * 9 + 2)
    project = (2 * math.ceil(math.ceil(5 / 2) / 2)) * 8 + 8
    attention, feed = (8 * 24 + 24) + (8 * 8 + 8), (8 * 16 + 16) + (16 * 8 + 8)
    assert model.parameter_count() == convolutions + project + attention + feed + 3 * 16 + (8 * 4 + 4)


def test_options_that_make_no_model_say_why():
    encoder = EncoderOptions("cnn", dim=8, layers=1)
    both = {"sound": encoder, "lips": encoder}
    for wrong, told in (
        ({"branches": {}}, r"branches=\{\}: a model needs a stream"),
        ({"ctc": False}, "the model has no head"),
        ({"branches": both, "fusion": FusionOptions(onto="smell")}, "fusion.onto='smell': choose one of sound, lips"),
        ({"trunk": EncoderOptions()}, "trunk.subsampling=4: a trunk keeps the frames it gets; give 1"),
        ({"branches": {"sound": encoder}, "inner_ctc": True}, "an encoder of one layer has no middle"),
        ({"branches": both, "inner_ctc": True}, "above several branches, a trunk"),
    ):
        with pytest.raises(AsrlabError, match=told):
            ModelOptions(**wrong)
    with pytest.raises(AsrlabError, match="branch 'lips': no such input; there are sound"):
        Model(SHAPES, VOCABULARY, ModelOptions(both))
    with pytest.raises(AsrlabError, match="the model reads sound; there is no sound: give it, with length 0 if absent"):
        Model(SHAPES, VOCABULARY, options("cnn"))({})


# --- several streams --------------------------------------------------------------------------------------------------


def two_streams(seed: int = 0) -> dict[str, Stream]:
    """Four utterances: sound and lips, sound alone, lips alone, neither."""
    draw = torch.Generator().manual_seed(seed)
    sound = Stream(torch.randn(4, 21, FEATURES, generator=draw), torch.tensor([21, 13, 0, 0]))
    lips = Stream(torch.randn(4, 6, 12, generator=draw), torch.tensor([6, 0, 4, 0]))
    return {"sound": sound, "lips": lips}


def audio_visual(kind: str, **changes) -> Model:
    sound = EncoderOptions(kind, dim=16, layers=1, heads=2, kernel=5, dropout=0.0, subsampling_channels=4, squeeze=2)
    lips = EncoderOptions(kind, dim=8, layers=1, heads=2, kernel=3, dropout=0.0, subsampling=1)
    shapes = {"sound": Shape(FEATURES, 0.01), "lips": Shape(12, 0.04)}
    return Model(shapes, VOCABULARY, ModelOptions({"sound": sound, "lips": lips}, decoder=SPELLER, **changes))


@pytest.mark.parametrize("kind", ["cnn", "lstm", "transformer", "conformer"])
@pytest.mark.parametrize("trunk", [False, True])
def test_an_absent_stream_passes_through_every_layer_and_loss(kind, trunk):
    torch.manual_seed(0)
    above = EncoderOptions(kind, dim=16, layers=2, heads=2, kernel=3, dropout=0.0, subsampling=1) if trunk else None
    model = audio_visual(kind, trunk=above, inner_ctc=trunk).train()
    texts = Stream(torch.tensor([[1, 2], [3, 0], [4, 1], [2, 3]]), torch.tensor([2, 1, 2, 2]))
    output = model(two_streams(), texts.values)
    assert output.lengths.tolist() == [6, 4, 4, 0]
    weights = {"ctc": 1.0, "attention": 1.0} | ({"inner_ctc": 0.5} if trunk else {})
    batch = Batch(tuple("abcd"), {}, {"text": texts})
    total, _ = objectives.losses(weights, model, output, batch)
    assert torch.isfinite(total).all() and total[3] == 0 and (total[:3] > 0).all()
    total.sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_garbage_in_an_absent_stream_changes_nothing():
    torch.manual_seed(0)
    model = audio_visual("conformer").eval()
    streams = two_streams()
    before = model(streams)
    lips = streams["lips"].values.clone()
    lips[1], lips[2, 4:] = 1e3, -1e3
    after = model({**streams, "lips": Stream(lips, streams["lips"].lengths)})
    for row, length in enumerate(before.lengths.tolist()):
        assert torch.allclose(after.log_probs[row, :length], before.log_probs[row, :length], atol=1e-5)


def test_frames_are_counted_before_they_are_made():
    model = audio_visual("cnn").eval()
    lengths = {name: stream.lengths for name, stream in two_streams().items()}
    assert torch.equal(model.frames(lengths), model(two_streams()).lengths)
    assert model.frame_seconds == pytest.approx(0.04)


def test_a_text_that_is_absent_costs_nothing():
    torch.manual_seed(0)
    x, batch = toy(3, 0)
    model = Model(SHAPES, VOCABULARY, options("cnn", decoder=SPELLER))
    text = Stream(batch.targets["text"].values, torch.tensor([2, 0, 4]))
    output = model(sound(x, batch), text.values)
    total = loss_of(model, output, Batch(batch.ids, {}, {"text": text}))
    assert total[1] == 0 and torch.isfinite(total).all() and total[0] > 0 and total[2] > 0
