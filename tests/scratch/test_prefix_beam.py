"""Prefix beam search against the enumeration of all paths, torch's CTC, and the decoder that recognises with."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.decode import BeamDecoder, BeamOptions
from asrlab.language import NGram
from asrlab.scratch import prefix_beam as pb

TOKENS = ("<blank>", "▁a", "b", "▁c")
SENTENCES = ["ab c", "a ab", "c c ab", "cb a", "ab ab c"]
WIDE = pb.Search(beam=100_000, threshold=math.inf)


def random_log_y(seed, T=6, V=4, sharpness=2.0):
    logits = sharpness * np.random.default_rng(seed).standard_normal((T, V))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def model(order=2):
    lm = NGram.train(SENTENCES, order=order)
    table = {gram: values for part in lm.entries() for gram, values in part.items()}
    return lm, lambda history, word: pb.backoff(table, history, word)


@pytest.mark.equation("best-path")
def test_best_path_is_what_the_most_probable_of_all_paths_reads():
    for seed in range(5):
        log_y = random_log_y(seed, T=4)
        best = max(np.ndindex(*[4] * 4), key=lambda path: sum(log_y[t, k] for t, k in enumerate(path)))
        assert pb.best_path(log_y) == pb.collapse(best)


@pytest.mark.equation("exact-answer")
def test_the_texts_share_all_the_probability_and_each_is_torchs_ctc():
    log_y = random_log_y(3)
    texts = pb.text_probabilities(log_y)
    assert np.logaddexp.reduce(list(texts.values())) == pytest.approx(0.0, abs=1e-9)
    for text in sorted(texts, key=texts.get)[-20:]:
        loss = torch.nn.functional.ctc_loss(
            torch.from_numpy(log_y)[:, None], torch.tensor([text]).long().reshape(1, -1),
            torch.tensor([6]), torch.tensor([len(text)]), reduction="sum",
        )  # fmt: skip
        assert -loss.item() == pytest.approx(texts[text], abs=1e-6)
    with pytest.raises(AsrlabError, match=r"4\^60 paths"):
        pb.text_probabilities(np.zeros((60, 4)))


@pytest.mark.equation("prefix-blank", "prefix-spoken")
@pytest.mark.parametrize("seed", range(5))
def test_with_no_limit_every_prefix_has_the_mass_of_all_its_paths(seed):
    log_y = random_log_y(seed)
    beam = {(): pb.EMPTY}
    for t, frame in enumerate(log_y):
        beam = pb.advance(beam, frame)
        expected = pb.text_probabilities(log_y[: t + 1])
        possible = {p: m.total for p, m in beam.items() if m.total > -math.inf}
        assert possible == {p: pytest.approx(v, abs=1e-9) for p, v in expected.items()}
    ends_in_blank = {}
    for path in np.ndindex(*[4] * 6):
        if path[-1] == 0:
            text = tuple(pb.collapse(path))
            p = sum(log_y[t, k] for t, k in enumerate(path))
            ends_in_blank[text] = np.logaddexp(ends_in_blank.get(text, -math.inf), p)
    assert {p: m.blank for p, m in beam.items() if m.blank > -math.inf} == pytest.approx(ends_in_blank, abs=1e-9)


@pytest.mark.equation("ngram-backoff")
@pytest.mark.parametrize("order", [1, 2, 3])
def test_backoff_is_the_state_based_model(order):
    lm, logp = model(order)
    for sentence in ["ab c a", "c ab ab", "zebra c zebra ab", ""]:
        words, state = sentence.split(), lm.start()
        for i, word in enumerate(words):
            expected, state = lm.score(state, word)
            assert logp([pb.BEGIN, *words[:i]], word) == pytest.approx(expected, abs=1e-9)
        assert logp([pb.BEGIN, *words], pb.END) == pytest.approx(lm.finish(state), abs=1e-9)
        assert pb.language_score(words, logp, finished=True) == pytest.approx(lm.logprob(sentence), abs=1e-9)


def test_split_knows_closed_words_from_the_one_being_spelled():
    assert pb.split((), TOKENS) == ([], "")
    assert pb.split((1, 2), TOKENS) == ([], "ab")
    assert pb.split((1, 2, 3), TOKENS) == (["ab"], "c")
    assert pb.split((2, 1), TOKENS) == (["b"], "a")


@pytest.mark.equation("fusion-score", "prefix-rank")
@pytest.mark.parametrize("seed", range(8))
def test_equal_to_the_decoder_that_recognises(seed):
    log_y, (lm, logp) = random_log_y(seed, T=9), model()
    search = pb.Search(beam=3 if seed % 2 else 10_000, lm_weight=0.7, word_bonus=1.5, threshold=math.inf)
    history = pb.prefix_beam_search(log_y, TOKENS, search, logp)
    options = BeamOptions(
        beam=search.beam, word_bonus=1.5, unknown_penalty=0.0, token_threshold=math.inf,
        beam_threshold=math.inf, blank_threshold=2.0, nbest=1,
    )  # fmt: skip
    expected = BeamDecoder(SimpleNamespace(tokens=TOKENS), options, {"lm": (0.7, lm)}).decode(log_y)[0]
    best = history[-1][0]
    if search.beam > 1000:  # a narrow beam may prune otherwise: the decoder looks a word ahead
        assert best.prefix == expected.tokens
    words, spelling = pb.split(best.prefix, TOKENS)
    assert best.score == pytest.approx(
        pb.fusion_score(best.mass.total, best.log_p_lm, len(words) + bool(spelling), 0.7, 1.5)
    )
    if best.prefix == expected.tokens and search.beam > 1000:
        assert best.score == pytest.approx(expected.score, abs=1e-6)


def test_a_beam_keeps_so_many_and_says_who_owes_it_to_the_language_model():
    log_y, (_, logp) = random_log_y(1, T=9, sharpness=0.7), model()
    history = pb.prefix_beam_search(log_y, TOKENS, pb.Search(beam=4, lm_weight=1.0), logp)
    for candidates in history[:-1]:
        assert sum(c.kept for c in candidates) == min(4, len(candidates))
        assert sum(c.kept_by_sound for c in candidates) == min(4, len(candidates))
        assert [c.score for c in candidates] == sorted((c.score for c in candidates), reverse=True)
    assert any(c.kept and not c.kept_by_sound for candidates in history for c in candidates)
    alone = pb.prefix_beam_search(log_y, TOKENS, pb.Search(beam=4))
    assert all(c.kept == c.kept_by_sound for candidates in alone[:-1] for c in candidates)


@pytest.mark.equation("search-error")
def test_a_wide_beam_makes_no_search_errors_and_a_narrow_one_does():
    missed = 0
    for seed in range(40):
        log_y = random_log_y(seed, sharpness=1.0)
        texts = pb.text_probabilities(log_y)
        exact = max(texts.values())
        wide = pb.prefix_beam_search(log_y, TOKENS, WIDE)[-1][0]
        assert wide.score == pytest.approx(exact, abs=1e-9)
        assert not pb.is_search_error(wide.score + 1e-9, exact)
        narrow = pb.prefix_beam_search(log_y, TOKENS, pb.Search(beam=1, threshold=math.inf))[-1][0]
        assert texts[narrow.prefix] >= narrow.score - 1e-9  # a lost prefix takes its paths along
        missed += pb.is_search_error(texts[narrow.prefix], exact - 1e-9)
    assert missed > 0
