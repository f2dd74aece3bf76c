"""The attention map: what it holds is what the decoder computes, and its JavaScript gives what Python gives."""

import numpy as np
import pytest
import torch
from node import run_many

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape
from asrlab.models import EncoderOptions, Model, ModelOptions
from asrlab.models.decoder import DecoderOptions
from asrlab.recognizer import Recognizer
from asrlab.scratch.attention import softmax
from asrlab.signals.inputs import InputOptions
from asrlab.text import CharTokenizer

widget = pytest.importorskip("asrlab.widgets.attention_map", reason="anywidget is not installed")
RANDOM = np.random.default_rng(11)
SAMPLES = (0.1 * RANDOM.standard_normal(12000)).astype(np.float32)


@pytest.fixture(scope="module")
def recognizer():
    """Untrained: what it writes is noise, and it has a reason for every letter all the same."""
    torch.manual_seed(2)
    tokenizer = CharTokenizer.fit(["stop a car"], mark_initial=True)
    options = ModelOptions(
        {"sound": EncoderOptions("lstm", dim=16, layers=1, subsampling_channels=4)}, decoder=DecoderOptions(12, 8)
    )
    model = Model({"sound": Shape(80)}, len(tokenizer), options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)  # so that the attention is not the same everywhere
    return Recognizer(InputOptions(), model.eval(), tokenizer)


def test_scores_and_what_frames_add_give_the_decoders_own_weights_and_probabilities(recognizer, one_thread):
    looks = widget.follow(recognizer, SAMPLES)
    (heard,) = recognizer.hear([SAMPLES])
    targets, lengths = torch.tensor([looks.tokens[:-1]]), torch.tensor([len(heard.frames)])
    with torch.no_grad():
        logits, weights = recognizer.model.decoder(heard.frames[None], lengths, targets)
    assert len(looks.tokens) == len(looks.scores) > 1
    for u in range(len(looks.tokens)):
        alpha = widget.weights(looks.scores[u])
        np.testing.assert_allclose(alpha, weights[0, u], atol=1e-5)
        odds = widget.choices(looks.said[u], looks.adds, alpha)
        np.testing.assert_allclose(odds, logits[0, u].softmax(dim=-1), atol=1e-5)
    assert len(looks.placed) == len(looks.tokens) - 1 and list(looks.placed) == sorted(set(looks.placed))


CASES = [
    (np.round(np.log(RANDOM.dirichlet(np.full(T, 0.3)) + 1e-13), 2).tolist(), sharpness, shift)
    for T in (1, 2, 9, 40)
    for sharpness in (0, 0.5, 1, 4)
    for shift in (0, 3, -2, -12)
]


def test_weights_are_pythons():
    for case, found in zip(CASES, run_many("attention_map", "weights", CASES), strict=True):
        np.testing.assert_allclose(found, widget.weights(*case), atol=1e-12)


def test_stretches_are_pythons_and_hold_their_share():
    calls = [(widget.weights(*case).tolist(), share) for case in CASES for share in (0.5, 0.8)]
    for (alpha, share), (first, last) in zip(calls, run_many("attention_map", "stretch", calls), strict=True):
        assert (first, last) == widget.stretch(alpha, share)
        assert sum(alpha[first : last + 1]) >= share - 1e-9 or last - first + 1 == len(alpha)
        if last > first:  # without the end that it took last it would hold less
            assert min(sum(alpha[first + 1 : last + 1]), sum(alpha[first:last])) < share


def test_choices_are_pythons():
    calls = []
    for T in (1, 8):
        said, adds = RANDOM.standard_normal(6).round(2).tolist(), RANDOM.standard_normal((T, 6)).round(2).tolist()
        calls.append((said, adds, RANDOM.dirichlet(np.ones(T)).tolist()))
    for call, found in zip(calls, run_many("attention_map", "choices", calls), strict=True):
        np.testing.assert_allclose(found, widget.choices(*call), atol=1e-12)


def test_sharpness_and_shift_do_what_they_say():
    scores = np.log([0.1, 0.6, 0.3])
    np.testing.assert_allclose(widget.weights(scores), [0.1, 0.6, 0.3])
    np.testing.assert_allclose(widget.weights(scores, 0), np.full(3, 1 / 3))
    np.testing.assert_allclose(widget.weights(scores, 2), np.array([1, 36, 9]) / 46)
    np.testing.assert_allclose(widget.weights(scores, shift=1), [0, 1 / 7, 6 / 7], atol=1e-9)


def test_hiding_the_frames_of_a_letter_is_an_attention_with_a_mask(recognizer):
    looks = widget.follow(recognizer, SAMPLES)
    found = widget.without(looks)
    for u, token in enumerate(looks.tokens):
        alpha = widget.weights(looks.scores[u])
        first, last = widget.stretch(alpha, 0.8)
        mask = np.ones(len(alpha), dtype=bool)
        mask[first : last + 1] = False
        masked = softmax(looks.scores[u], mask) if mask.any() else alpha
        expected = [
            widget.choices(looks.said[u], looks.adds, a)[token]
            for a in (alpha, masked, np.ones_like(alpha) / len(alpha))
        ]
        np.testing.assert_allclose(found[u], expected, atol=1e-9)


def test_the_data_is_rounded_and_complete_and_bad_recordings_are_refused(recognizer):
    data = widget.AttentionMap(recognizer, [("noise", SAMPLES)]).data
    one = data["recordings"][0]
    looks = widget.follow(recognizer, SAMPLES)
    np.testing.assert_allclose(one["scores"], looks.scores, atol=0.006)
    assert one["seconds"] == 0.75 and one["tokens"] == list(looks.tokens) and data["tokens"][0] == "end"
    with pytest.raises(AsrlabError, match="recordings: none"):
        widget.AttentionMap(recognizer, [])
    with pytest.raises(AsrlabError, match=r"long: 7\.0 s; the map shows at most 6 s"):
        widget.AttentionMap(recognizer, [("long", np.zeros(7 * 16000, dtype=np.float32))])
