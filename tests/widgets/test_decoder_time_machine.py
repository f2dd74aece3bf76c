"""The decoder time machine: its JavaScript searches as asrlab.scratch.prefix_beam does, frame by frame."""

import numpy as np
import pytest
from node import run_many

from asrlab.core.errors import AsrlabError
from asrlab.language import NGram
from asrlab.scratch import prefix_beam as pb

TOKENS = ["<blank>", "▁a", "b", "▁c"]
SENTENCES = ["ab c", "a ab", "c c ab", "cb a", "ab ab c"]


def random_log_y(seed, T=12):
    logits = 1.5 * np.random.default_rng(seed).standard_normal((T, 4))
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).round(2)


def models(order=2):
    widget = pytest.importorskip("asrlab.widgets.decoder_time_machine", reason="anywidget is not installed")
    page = widget.table_for_page(NGram.train(SENTENCES, order=order))
    table = {
        tuple(gram.split()): (-np.inf if logp is None else logp, *(weight or [0.0]))
        for gram, (logp, *weight) in page["grams"].items()
    }
    return page, lambda history, word: pb.backoff(table, history, word)


@pytest.mark.parametrize("order", [1, 3])
def test_the_language_model_is_pythons(order):
    page, logp = models(order)
    texts = ("", "ab c", "zebra ab ab", "c c c a")
    cases = [(words.split(), finished) for words in texts for finished in (True, False)]
    found = run_many("decoder_time_machine", "languageScore", [(words, page, finished) for words, finished in cases])
    assert found == pytest.approx([pb.language_score(words, logp, finished) for words, finished in cases])


@pytest.mark.parametrize("weight, bonus", [(0.0, 0.0), (0.8, 1.5)])
def test_every_frame_of_the_search_is_pythons(weight, bonus):
    page, logp = models()
    logs = [random_log_y(seed) for seed in range(6)]
    options = {"beam": 4, "lm_weight": weight, "word_bonus": bonus}
    found = run_many(
        "decoder_time_machine", "searchSummary", [(log_y.tolist(), TOKENS, options, page, 1000) for log_y in logs]
    )
    for log_y, frames in zip(logs, found, strict=True):
        expected = pb.prefix_beam_search(log_y, TOKENS, pb.Search(threshold=10.0, **options), logp)
        assert len(frames) == len(expected) == len(log_y) + 1
        for candidates, python in zip(frames, expected, strict=True):
            assert [tuple(c[0]) for c in candidates] == [c.prefix for c in python]
            assert [c[1] for c in candidates] == pytest.approx([c.mass.total for c in python], abs=1e-9)
            assert [c[2] for c in candidates] == pytest.approx([c.log_p_lm for c in python], abs=1e-9)
            assert [c[3] for c in candidates] == pytest.approx([c.score for c in python], abs=1e-9)
            assert [(c[4], c[5]) for c in candidates] == [(c.kept, c.kept_by_sound) for c in python]


def test_the_best_path_is_pythons():
    logs = [random_log_y(seed) for seed in range(10)]
    found = run_many("decoder_time_machine", "bestPath", [(log_y.tolist(),) for log_y in logs])
    assert found == [pb.best_path(log_y) for log_y in logs]


def test_the_truth_is_followed_through_the_beam_and_can_be_lost():
    page, _ = models()
    log_y = np.log(np.array([[0.04, 0.9, 0.05, 0.01], [0.04, 0.05, 0.01, 0.9], [0.9, 0.04, 0.03, 0.03]])).tolist()
    options = {"beam": 1, "lm_weight": 0, "word_bonus": 0}
    (history,) = run_many("decoder_time_machine", "prefixBeamSearch", [(log_y, TOKENS, options, page)])
    ranks = run_many("decoder_time_machine", "truthRanks", [(history, [1, 3]), (history, [2, 2, 2])])
    assert ranks == [[0, 0, 0], [None, None, None]]


def test_what_cannot_be_walked_through_is_refused():
    widget = pytest.importorskip("asrlab.widgets.decoder_time_machine", reason="anywidget is not installed")
    from asrlab.recognizer import Recognizer

    with pytest.raises(AsrlabError, match="do not say where words begin"):
        widget.DecoderTimeMachine(Recognizer.load(), [])  # it writes phones
