"""The attention decoder: a step at a time is the same as all at once, and it looks at real frames alone."""

import pytest
import torch

from asrlab.models import AttentionDecoder, DecoderOptions

MEMORY, VOCABULARY = 6, 5
LENGTHS, TARGETS = torch.tensor([9, 4, 1]), torch.tensor([[1, 2, 3, 4], [4, 4, 0, 0], [2, 0, 0, 0]])


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    options = DecoderOptions(dim=8, attention_dim=7, location_channels=3, location_kernel=5, dropout=0.3)
    return AttentionDecoder(MEMORY, VOCABULARY, options).double().eval()


@pytest.fixture
def memory():
    torch.manual_seed(1)
    return torch.randn(3, 9, MEMORY, dtype=torch.float64)


def test_step_by_step_is_teacher_forcing(decoder, memory):
    logits, weights = decoder(memory, LENGTHS, TARGETS)
    assert logits.shape == (3, 5, VOCABULARY)
    state = decoder.start(memory, LENGTHS)
    token = torch.zeros(3, dtype=torch.long)  # the boundary begins every text
    looked = torch.zeros(3, 9, dtype=torch.float64)
    for i in range(5):
        log_probs, state = decoder.step(state, token)
        assert torch.allclose(log_probs, logits[:, i].float().log_softmax(dim=-1), atol=1e-5)
        looked += weights[:, i]
        assert torch.allclose(state.looked, looked)
        token = TARGETS[:, i] if i < 4 else token


def test_the_attention_is_written_out_in_its_equations(decoder, memory):
    """Chorowski et al. 2015, equations 5 to 9, with the sum of all that was looked at so far as location feature."""
    _, weights = decoder(memory, LENGTHS, TARGETS)
    hidden, cell = torch.zeros(2, 8, dtype=torch.float64)
    context, looked = torch.zeros(MEMORY, dtype=torch.float64), torch.zeros(9, dtype=torch.float64)
    kernel = decoder.location.weight
    for i, token in enumerate([0, 1, 2, 3, 4]):
        read = torch.cat([decoder.embed.weight[token], context])
        lstm = decoder.lstm
        gates = lstm.weight_ih @ read + lstm.bias_ih + lstm.weight_hh @ hidden + lstm.bias_hh
        into, forget, new, out = gates.chunk(4)
        cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
        hidden = out.sigmoid() * cell.tanh()
        energies = []
        for t in range(9):
            around = torch.stack([looked[t + k] if 0 <= t + k < 9 else looked.new_zeros(()) for k in range(-2, 3)])
            place = decoder.locate.weight @ (kernel[:, 0] @ around)
            asked = decoder.query.weight @ hidden + decoder.key.weight @ memory[0, t] + decoder.key.bias + place
            energies.append((decoder.energy.weight @ asked.tanh())[0])
        weight = torch.stack(energies).softmax(dim=0)
        assert torch.allclose(weights[0, i], weight, atol=1e-5)  # ours takes the softmax in single precision
        context, looked = weight @ memory[0], looked + weight


def test_attention_sums_to_one_over_real_frames_and_is_zero_beyond(decoder, memory):
    _, weights = decoder(memory, LENGTHS, TARGETS)
    for row, length in enumerate(LENGTHS):
        assert torch.allclose(weights[row, :, :length].sum(dim=-1), torch.ones(5, dtype=torch.float64), atol=1e-6)
        assert not weights[row, :, length:].any()
    assert (weights[0] > 0).all()


def test_a_padded_batch_is_every_utterance_alone(decoder, memory):
    together, _ = decoder(memory, LENGTHS, TARGETS)
    for row, length in enumerate(LENGTHS):
        count = int((TARGETS[row] > 0).sum())
        alone, _ = decoder(memory[row : row + 1, :length], LENGTHS[row : row + 1], TARGETS[row : row + 1, :count])
        assert torch.allclose(together[row, : count + 1], alone[0], atol=1e-6)


def test_selected_rows_go_on_by_themselves(decoder, memory):
    state = decoder.start(memory, LENGTHS)
    _, state = decoder.step(state, torch.tensor([0, 0, 0]))
    picked = state.select(torch.tensor([2, 0, 0]))
    all_next, _ = decoder.step(state, torch.tensor([1, 2, 3]))
    some_next, _ = decoder.step(picked, torch.tensor([3, 1, 4]))
    assert torch.allclose(some_next[0], all_next[2])
    assert torch.allclose(some_next[1], all_next[0])
    assert not torch.allclose(some_next[2], all_next[0])  # another token from the same state


def test_the_true_tokens_before_decide_and_those_after_do_not(decoder, memory):
    logits, _ = decoder(memory, LENGTHS, TARGETS)
    changed = TARGETS.clone()
    changed[0, 2] = 1
    other, _ = decoder(memory, LENGTHS, changed)
    assert torch.equal(logits[0, :3], other[0, :3])
    assert not torch.allclose(logits[0, 3], other[0, 3])


def test_gradients_are_those_of_finite_differences(decoder, memory, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "float", lambda x: x)  # keep the softmax in double precision
    names, values = zip(*decoder.named_parameters(), strict=True)

    def run(memory, *weights):
        named = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(decoder, named, (memory, LENGTHS, TARGETS))[0]

    assert torch.autograd.gradcheck(run, (memory.requires_grad_(), *values), fast_mode=True, atol=1e-6)


def test_dropout_works_in_training_alone(decoder, memory):
    assert torch.equal(decoder(memory, LENGTHS, TARGETS)[0], decoder(memory, LENGTHS, TARGETS)[0])
    decoder.train()
    assert not torch.equal(decoder(memory, LENGTHS, TARGETS)[0], decoder(memory, LENGTHS, TARGETS)[0])
