"""Linear interpolation: probabilities sum to one, EM climbs to what a grid finds, and log-linear is another thing."""

import itertools
import math

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language import NGram, interpolate

TALK = ["turn left now", "turn left", "go left", "turn right", "go"]
MAIL = ["dear anna go home", "go home now", "dear left", "home"]
DEV = ["turn home", "go left now", "go home", "dear anna"]


@pytest.fixture(scope="module")
def models():
    return [NGram.train(TALK, order=3), NGram.train(MAIL, order=2)]


def words_of(model):
    return [*model.labels, "<unk>"]


def exact(models, weights, history, word):
    """The mixture's p(word | history) by its definition."""
    known = set().union(*(m.labels for m in models))
    total = 0.0
    for weight, m in zip(weights, models, strict=True):
        state = m.start()
        for w in history:
            _, state = m.score(state, w)
        if word == "</s>":
            total += weight * math.exp(m.finish(state))
        elif word in m or word not in known:
            total += weight * math.exp(m.score(state, word)[0])
    return total


def after(model, history):
    """p of every word and the end after a history, by a model."""
    state = model.start()
    for word in history:
        _, state = model.score(state, word)
    found = {word: math.exp(model.score(state, word)[0]) for word in words_of(model)}
    return found | {"</s>": math.exp(model.finish(state))}


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.9, 0.1), (0.0, 1.0), (1.0, 0.0)])
def test_after_every_history_a_mixture_sums_to_one(models, weights):
    mixed = interpolate.mix(models, weights)
    vocabulary = list(mixed.labels)
    for history in itertools.chain(
        [()], itertools.product(vocabulary, repeat=1), itertools.product(vocabulary, repeat=2)
    ):
        assert sum(after(mixed, history).values()) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.equation("linear-interpolation")
def test_what_any_model_has_seen_gets_the_mixed_probability():
    weights = (0.3, 0.7)
    models = [NGram.train(texts, order=2) for texts in (TALK, MAIL)]  # so every pair of words below was seen
    mixed = interpolate.mix(models, weights)
    seen = 0
    for sentence in TALK + MAIL:
        said = sentence.split()
        for i, word in enumerate([*said, "</s>"]):
            history = said[:i]
            state = mixed.start()
            for w in history:
                _, state = mixed.score(state, w)
            got = mixed.finish(state) if word == "</s>" else mixed.score(state, word)[0]
            assert math.exp(got) == pytest.approx(exact(models, weights, history, word), rel=1e-6)
            seen += 1
    assert seen > 20
    one_word = [NGram.train(texts, order=1) for texts in (TALK, MAIL)]  # no history, so nothing is backed off
    mixed = interpolate.mix(one_word, weights)
    events = interpolate.event_probabilities(one_word, DEV)
    assert mixed.perplexity(DEV) == pytest.approx(np.exp(-np.log(interpolate.interpolated(events, weights)).mean()))


def test_with_one_model_nothing_changes(models):
    mixed = interpolate.mix(models, (1.0, 0.0))
    for sentence in [*TALK, *DEV, "", "zebra left"]:
        assert mixed.logprob(sentence) == pytest.approx(models[0].logprob(sentence), abs=1e-6)


def test_a_mixture_survives_its_arpa_file(models, tmp_path):
    mixed = interpolate.mix(models, (0.4, 0.6))
    mixed.write_arpa(tmp_path / "mixed.arpa")
    again = NGram.read_arpa(tmp_path / "mixed.arpa")
    for sentence in DEV:
        assert again.logprob(sentence) == pytest.approx(mixed.logprob(sentence), abs=1e-5)


@pytest.mark.equation("interpolation-em")
def test_em_never_lowers_the_likelihood_and_ends_where_a_grid_does(models):
    found = interpolate.fit(models, DEV)
    assert all(b <= a + 1e-12 for a, b in itertools.pairwise(found.perplexity))
    assert sum(found.weights) == pytest.approx(1.0)
    events = interpolate.event_probabilities(models, DEV)
    grid = np.linspace(0, 1, 10_001)
    likelihood = [np.log(np.maximum(interpolate.interpolated(events, (x, 1 - x)), 1e-300)).sum() for x in grid]
    assert found.weights[0] == pytest.approx(grid[int(np.argmax(likelihood))], abs=5e-3)


def test_em_finds_the_source_of_a_text():
    """Events of known odds: with p_1 = (0.8, 0.2) and p_2 = (0.2, 0.8), half of each outcome asks for equal weights."""
    a, b = [0.8, 0.2], [0.2, 0.8]
    weights = np.array([0.9, 0.1])
    for _ in range(500):
        weights = interpolate.em_step(np.array([a, b]), weights)
    assert weights == pytest.approx([0.5, 0.5], abs=1e-6)
    assert interpolate.em_step(np.array([a]), (0.5, 0.5)) == pytest.approx([0.8, 0.2])  # Bayes' rule


def test_log_linear_is_not_linear(models):
    """Two models' logarithms, weighted and added, rank texts differently from the mixture with the same weights."""
    both = ["turn left now", "go home now"]
    linear = interpolate.mix(models, (0.5, 0.5))
    product = [0.5 * models[0].logprob(t) + 0.5 * models[1].logprob(t) for t in both]
    assert abs((linear.logprob(both[0]) - linear.logprob(both[1])) - (product[0] - product[1])) > 0.1


def test_bad_input_is_refused(models, tmp_path):
    russian = NGram.train(["налево", "направо сейчас"], order=2)
    for refused in (interpolate.mix, interpolate.fit):
        with pytest.raises(AsrlabError, match=r"models\[1\]: none of its 3 words .*another alphabet"):
            refused([models[0], russian], (0.5, 0.5) if refused is interpolate.mix else DEV)
    with pytest.raises(AsrlabError, match="other capitals"):
        interpolate.mix([models[0], NGram.train([t.upper() for t in TALK])], (0.5, 0.5))
    for weights in [(0.5,), (0.7, 0.7), (1.5, -0.5), (math.nan, 0.5)]:
        with pytest.raises(AsrlabError, match="weights="):
            interpolate.mix(models, weights)
    with pytest.raises(AsrlabError, match="none"):
        interpolate.mix([], [])
    with pytest.raises(AsrlabError, match="sentences: none"):
        interpolate.fit(models, [])
    with pytest.raises(AsrlabError, match="iterations"):
        interpolate.fit(models, DEV, 0)
