"""The listing's layers against torch's own LSTM, and against the equations with their masks written out."""

import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.scratch.listing import LSTM, Dense, Embedding, Sequential


def listing(dropout=0.0, recurrent_dropout=0.0) -> Sequential:
    torch.manual_seed(0)
    model = Sequential()
    model.add(Embedding(input_dim=11, output_dim=5, input_length=6))
    model.add(LSTM(units=7, dropout=dropout, recurrent_dropout=recurrent_dropout))
    model.add(Dense(units=3, activation="softmax"))
    return model


def ids() -> torch.Tensor:
    return torch.randint(0, 11, (4, 6), generator=torch.Generator().manual_seed(1))


def test_it_is_torchs_lstm_and_answers_once_for_each_text():
    model = listing()
    embedding, lstm, dense = model
    reference = torch.nn.LSTM(5, 7, batch_first=True)
    reference.load_state_dict({f"{name}_l0": value for name, value in lstm.cell.state_dict().items()})
    states, _ = reference(embedding.table(ids()))
    expected = torch.softmax(dense.linear(states[:, -1]), dim=-1)
    torch.testing.assert_close(model(ids()), expected)
    assert model(ids()).shape == (4, 3)


def test_dropout_is_off_when_it_is_not_training():
    with_dropout, without = listing(0.5, 0.5).eval(), listing()
    torch.testing.assert_close(with_dropout(ids()), without(ids()))


def test_one_mask_serves_a_whole_sequence():
    """The gates by hand; the masks are drawn in the same order, so the same seed gives the same ones."""
    lstm = LSTM(units=7, dropout=0.4, recurrent_dropout=0.3)
    lstm.build(5)
    x = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(3)
    found = lstm(x)
    torch.manual_seed(3)
    input_mask = torch.nn.functional.dropout(torch.ones(4, 5), 0.4)
    state_mask = torch.nn.functional.dropout(torch.ones(4, 7), 0.3)
    assert (input_mask == 0).any() and (state_mask == 0).any()
    h = c = torch.zeros(4, 7)
    for t in range(6):
        gates = (x[:, t] * input_mask) @ lstm.cell.weight_ih.T + (h * state_mask) @ lstm.cell.weight_hh.T
        i, f, g, o = (gates + lstm.cell.bias_ih + lstm.cell.bias_hh).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
    torch.testing.assert_close(found, h)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(2, 6), "looks up integers"),
        (torch.zeros(2, 5, dtype=torch.long), r"expected \(B, 6\)"),
        (torch.full((2, 6), 11), "0 to 10"),
    ],
)
def test_what_it_cannot_read_is_refused(wrong, message):
    with pytest.raises(AsrlabError, match=message):
        listing()(wrong)


def test_another_activation_is_refused():
    with pytest.raises(AsrlabError, match="relu"):
        Dense(3, activation="relu")
