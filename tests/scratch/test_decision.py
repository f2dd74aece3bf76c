"""The decision rule against Bayes' theorem on a table; the corrected score against a known change of prior."""

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.scratch import decision, hmm

WORDS = ("two", "to", "too")


def distribution(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Positive numbers that add up to one along the last axis."""
    p = generator.random(shape) + 0.05
    return p / p.sum(axis=-1, keepdims=True)


@pytest.mark.equation("decision-rule")
@pytest.mark.parametrize("seed", range(5))
def test_it_decides_as_the_posterior_would(seed):
    generator = np.random.default_rng(seed)
    prior, likelihood = distribution(generator, 3), distribution(generator, 3, 7)  # p(W); p(X | W) of seven sounds
    joint = prior[:, None] * likelihood
    posterior = joint / joint.sum(axis=0)
    for sound in range(7):
        heard = dict(zip(WORDS, np.log(likelihood[:, sound]), strict=True))
        found = decision.decide(heard, dict(zip(WORDS, np.log(prior), strict=True)))
        assert found == WORDS[posterior[:, sound].argmax()]


def test_nothing_to_decide_and_a_text_without_a_prior_are_refused():
    with pytest.raises(AsrlabError, match="no candidates"):
        decision.decide({}, {})
    with pytest.raises(AsrlabError, match="'to'"):
        decision.decide({"to": -1.0}, {"two": -1.0})


@pytest.mark.equation("hmm-decision")
@pytest.mark.parametrize("seed", range(5))
def test_among_models_the_best_walk_of_all_decides(seed):
    generator = np.random.default_rng(seed)

    def model() -> hmm.Hmm:
        pi, A, end = hmm.left_to_right(2, stay=0.5)
        return hmm.Hmm(pi, A, hmm.Symbols(distribution(generator, 2, 4)), end)

    models, x = {"yes": model(), "no": model()}, generator.integers(4, size=5)
    log_p = {"yes": np.log(0.3), "no": np.log(0.7)}
    expected = {
        text: log_p[text]
        + max(hmm.joint(m.pi, m.A, m.emission.log_b(x), path, m.end) for path in hmm.every_path(len(x), 2))
        for text, m in models.items()
    }
    assert decision.decide_among(models, x, log_p) == max(expected, key=expected.get)


@pytest.mark.equation("fusion-corrected")
@pytest.mark.parametrize("seed", range(5))
def test_exchanging_the_prior_gives_the_posterior_under_the_other_prior(seed):
    """A network that is exactly Bayesian about its transcripts, used where other texts are likely."""
    generator = np.random.default_rng(seed)
    likelihood, transcripts, elsewhere = (distribution(generator, 6) for _ in range(3))
    network, truth = transcripts * likelihood, elsewhere * likelihood
    network, truth = network / network.sum(), truth / truth.sum()
    scores = np.array([
        decision.corrected_score(*map(np.log, three), lm_weight=1.0, prior_weight=1.0)
        for three in zip(network, elsewhere, transcripts, strict=True)
    ])  # fmt: skip
    off = scores - np.log(truth)
    np.testing.assert_allclose(off, off[0], atol=1e-12)  # a constant: the same order, the same odds


@pytest.mark.equation("fusion-corrected")
def test_shallow_fusion_counts_the_prior_twice():
    """Both models are right, and expect the same: at weight one the favourite of the transcripts wins unduly."""
    prior, likelihood = np.array([0.9, 0.1]), np.array([0.2, 0.8])
    network = prior * likelihood / (prior * likelihood).sum()
    shallow = [decision.corrected_score(np.log(n), np.log(p)) for n, p in zip(network, prior, strict=True)]
    corrected = [
        decision.corrected_score(np.log(n), np.log(p), np.log(p), prior_weight=1.0)
        for n, p in zip(network, prior, strict=True)
    ]
    assert corrected[0] - corrected[1] == pytest.approx(np.log(network[0] / network[1]))
    assert shallow[0] - shallow[1] == pytest.approx(np.log(network[0] / network[1]) + np.log(9))


def test_the_bonus_pays_each_word():
    with_bonus = decision.corrected_score(-4.0, -6.0, words=3, lm_weight=0.5, word_bonus=2.0)
    assert with_bonus == pytest.approx(-4 - 3 + 6)
