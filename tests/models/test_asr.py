"""The whole model: its heads, its losses, and toy tasks that each kind of it learns."""

import math

import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.models import AsrModel, DecoderOptions, EncoderOptions, ModelOptions
from asrlab.training.batching import Batch
from asrlab.training.loop import objective
from asrlab.training.recipe import Recipe

FEATURES, VOCABULARY, HOLD = 8, 6, 8  # the toy: every token is a vector, held for so many frames


def options(kind: str = "lstm", **changes) -> ModelOptions:
    encoder = EncoderOptions(
        kind, dim=24, layers=2, heads=2, kernel=5, expansion=2, dropout=0.0, subsampling_channels=4
    )
    decoder = DecoderOptions(32, 24, 4, 5, dropout=0.0, label_smoothing=0.0)
    return ModelOptions(encoder, decoder, **changes)


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
    return x, Batch(ids, x[..., 0], lengths, targets, torch.tensor([len(text) for text in texts]))


def learn(model: AsrModel, steps: int, rate: float = 1e-2) -> float:
    """Train on fresh toys; the loss of the last step, nats an utterance."""
    recipe = Recipe(model=model.options)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    model.train()
    for step in range(steps):
        x, batch = toy(24, step)
        loss = objective(model(x, batch.lengths, batch.targets), batch, recipe).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
    model.eval()
    return loss.item()


@torch.no_grad()
def spell(model: AsrModel, x: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    """Greedy texts of the attention head."""
    output = model(x, lengths)
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
def best_path(model: AsrModel, x: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    """Greedy texts of the CTC head."""
    output = model(x, lengths)
    texts = []
    for row, n in zip(output.log_probs, output.lengths, strict=True):
        path = row[:n].argmax(dim=-1).unique_consecutive()
        texts.append(path[path > 0].tolist())
    return texts


def exact(found: list[list[int]], batch: Batch) -> float:
    """The share of texts that are entirely right."""
    wanted = [row[:n].tolist() for row, n in zip(batch.targets, batch.target_lengths, strict=True)]
    return sum(a == b for a, b in zip(found, wanted, strict=True)) / len(wanted)


# --- what they learn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cnn", "lstm", "transformer", "conformer"])
def test_every_encoder_learns_to_copy_with_ctc(kind):
    torch.manual_seed(0)
    model = AsrModel(FEATURES, VOCABULARY, options(kind))
    learn(model, 60)
    x, batch = toy(48, 1000)
    assert exact(best_path(model, x, batch.lengths), batch) > 0.9


def test_listen_attend_and_spell_learns_to_copy():
    torch.manual_seed(0)
    model = AsrModel(FEATURES, VOCABULARY, options(ctc_weight=0.0))
    assert model.ctc is None
    learn(model, 110, rate=2e-2)
    x, batch = toy(48, 1000)
    assert exact(spell(model, x, batch.lengths), batch) > 0.9
    _, weights = model.decoder(*_frames(model, x, batch), batch.targets)
    for row in range(12):  # and it looks from left to right, as one who listens does
        looks = weights[row, : batch.target_lengths[row]].argmax(dim=-1)
        assert (looks.diff() > 0).all()


def _frames(model, x, batch):
    output = model(x, batch.lengths)
    return output.frames, output.lengths


def test_a_joint_model_learns_to_copy_with_both_heads():
    torch.manual_seed(0)
    model = AsrModel(FEATURES, VOCABULARY, options(ctc_weight=0.5))
    learn(model, 90, rate=2e-2)
    x, batch = toy(48, 1000)
    assert exact(best_path(model, x, batch.lengths), batch) > 0.9
    assert exact(spell(model, x, batch.lengths), batch) > 0.9


# --- heads and losses -------------------------------------------------------------------------------------------------


def test_the_loss_of_each_head_alone_is_torchs():
    torch.manual_seed(0)
    x, batch = toy(6, 0)
    model = AsrModel(FEATURES, VOCABULARY, options("cnn", ctc_weight=0.3, inner_weight=0.2)).train()
    output = model(x, batch.lengths, batch.targets)

    def ctc(log_probs):
        return torch.nn.functional.ctc_loss(
            log_probs.transpose(0, 1), batch.targets, output.lengths, batch.target_lengths, reduction="none"
        )

    spelled = []
    for row, n in enumerate(batch.target_lengths.tolist()):
        answer = [*batch.targets[row, :n].tolist(), 0]
        spelled.append(-output.logits[row, : n + 1].log_softmax(dim=-1)[range(n + 1), answer].sum())
    expected = 0.3 * (0.8 * ctc(output.log_probs) + 0.2 * ctc(output.inner_log_probs)) + 0.7 * torch.stack(spelled)
    assert torch.allclose(objective(output, batch, Recipe(model=model.options)), expected, atol=1e-4)


def test_ctc_and_attention_alone():
    torch.manual_seed(0)
    x, batch = toy(4, 0)
    for weight, has_ctc, has_decoder in ((1.0, True, False), (0.0, False, True), (0.4, True, True)):
        model = AsrModel(FEATURES, VOCABULARY, options(ctc_weight=weight)).eval()
        output = model(x, batch.lengths, batch.targets)
        assert (output.log_probs is not None, output.logits is not None) == (has_ctc, has_decoder)
        losses = objective(output, batch, Recipe(model=model.options))
        assert losses.shape == (4,)
        assert torch.isfinite(losses).all()
        without = model(x, batch.lengths)
        assert without.logits is None
        if has_ctc:
            total = without.log_probs.exp().sum(dim=-1)
            assert torch.allclose(total, torch.ones_like(total), atol=1e-5)
            assert torch.equal(without.log_probs, output.log_probs)


def test_the_inner_head_hears_the_middle_and_only_in_training():
    torch.manual_seed(0)
    x, batch = toy(3, 0)
    model = AsrModel(FEATURES, VOCABULARY, options(inner_weight=0.3))
    assert model.eval()(x, batch.lengths).inner_log_probs is None
    output = model.train()(x, batch.lengths)
    _, _, tapped = model.encoder(x, batch.lengths, tap=0)  # of two blocks, after the first
    assert torch.allclose(output.inner_log_probs, model.inner_ctc(tapped).log_softmax(dim=-1), atol=1e-6)


def test_log_probabilities_keep_single_precision_under_autocast():
    x, batch = toy(3, 0)
    model = AsrModel(FEATURES, VOCABULARY, options("conformer")).eval()
    with torch.autocast("cpu", torch.bfloat16):
        log_probs = model(x, batch.lengths).log_probs
    assert log_probs.dtype == torch.float32
    assert torch.allclose(log_probs.exp().sum(dim=-1), torch.ones(3, log_probs.shape[1]), atol=1e-6)


def test_parameter_count_is_the_sum_of_the_parts():
    encoder = EncoderOptions("transformer", dim=8, layers=1, heads=1, expansion=2, subsampling_channels=2)
    model = AsrModel(5, 4, ModelOptions(encoder))
    convolutions = (2 * 9 + 2) + (2 * 2 * 9 + 2)
    project = (2 * math.ceil(math.ceil(5 / 2) / 2)) * 8 + 8
    attention, feed = (8 * 24 + 24) + (8 * 8 + 8), (8 * 16 + 16) + (16 * 8 + 8)
    assert model.parameter_count() == convolutions + project + attention + feed + 3 * 16 + (8 * 4 + 4)


def test_shares_lie_between_zero_and_one():
    with pytest.raises(AsrlabError, match=r"ctc_weight=-0.1, inner_weight=0.0: shares lie between 0 and 1"):
        options(ctc_weight=-0.1)
    with pytest.raises(AsrlabError, match=r"inner_weight=1.0"):
        options(inner_weight=1.0)
