"""Hidden Markov models: against listing every path, against hmmlearn, and against what EM promises."""

import warnings
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrlab.core.errors import AsrlabError
from asrlab.scratch import gmm, hmm
from asrlab.scratch.hmm import Hmm, Symbols

SIZES = [(1, 1), (1, 3), (4, 1), (2, 2), (5, 2), (6, 3), (4, 4)]  # T, S


def rows(random, *shape, zeros=0.0):
    """Probabilities whose last axis adds up to 1, some of them 0."""
    p = random.dirichlet(np.ones(shape[-1]), shape[:-1])
    p = p * (random.random(shape) >= zeros) + 1e-300
    p[p < 1e-200] = 0
    return p / np.where(p.sum(axis=-1, keepdims=True) > 0, p.sum(axis=-1, keepdims=True), 1)


def parameters(T, S, seed=0, ends=False, zeros=0.0):
    """pi, A, log_b and end, at random; some transitions are impossible where zeros > 0."""
    random = np.random.default_rng(seed)
    A = rows(random, S, S + 1 if ends else S, zeros=zeros)
    return rows(random, S), A[:, :S], 2 * random.standard_normal((T, S)), A[:, S] if ends else None


def mixture(random, S, M, F=2):
    return gmm.Mixture(rows(random, S, M), 2 * random.standard_normal((S, M, F)), random.uniform(0.3, 2, (S, M, F)))


def model_and_data(kind, seed, S=3, lengths=(5, 4), ends=False):
    random = np.random.default_rng(seed)
    pi, A, _, end = parameters(1, S, seed, ends)
    if kind == "symbols":
        return Hmm(pi, A, Symbols(rows(random, S, 4)), end), [random.integers(4, size=n) for n in lengths]
    M = 1 if kind == "gaussian" else 2
    return Hmm(pi, A, mixture(random, S, M), end), [random.standard_normal((n, 2)) for n in lengths]


@pytest.mark.equation("hmm-joint", "hmm-total", "hmm-forward")
@pytest.mark.parametrize(("T", "S"), SIZES)
@pytest.mark.parametrize("ends", [False, True])
def test_forward_is_the_sum_over_all_paths(T, S, ends):
    pi, A, log_b, end = parameters(T, S, seed=T + S, ends=ends, zeros=0.2)
    by_hand = sum(  # no logarithm, no table
        pi[path[0]]
        * np.prod([A[i, j] for i, j in pairwise(path)])
        * np.prod([np.exp(log_b[t, j]) for t, j in enumerate(path)])
        * (1 if end is None else end[path[-1]])
        for path in product(range(S), repeat=T)
    )
    with np.errstate(divide="ignore"):
        expected = np.log(by_hand)
    assert hmm.brute_force(pi, A, log_b, end) == pytest.approx(expected, abs=1e-10)
    assert hmm.log_likelihood(pi, A, log_b, end) == pytest.approx(expected, abs=1e-10)


@pytest.mark.equation("hmm-forward")
def test_every_entry_of_alpha_is_a_sum_over_beginnings():
    pi, A, log_b, _ = parameters(4, 3)
    alpha = hmm.forward(pi, A, log_b)
    for t, j in product(range(4), range(3)):
        paths = [path for path in product(range(3), repeat=t + 1) if path[-1] == j]
        sums = np.logaddexp.reduce([hmm.joint(pi, A, log_b[: t + 1], path) for path in paths])
        assert alpha[t, j] == pytest.approx(sums, abs=1e-12)


@pytest.mark.equation("hmm-backward")
@pytest.mark.parametrize(("T", "S"), SIZES)
@pytest.mark.parametrize("ends", [False, True])
def test_alpha_times_beta_is_the_likelihood_at_every_frame(T, S, ends):
    pi, A, log_b, end = parameters(T, S, seed=7, ends=ends)
    both = hmm.forward(pi, A, log_b) + hmm.backward(A, log_b, end)
    np.testing.assert_allclose(np.logaddexp.reduce(both, axis=1), hmm.log_likelihood(pi, A, log_b, end), atol=1e-10)


@pytest.mark.equation("hmm-posteriors")
@pytest.mark.parametrize(("T", "S"), [(2, 2), (5, 3)])
@pytest.mark.parametrize("ends", [False, True])
def test_posteriors_are_shares_of_paths(T, S, ends):
    pi, A, log_b, end = parameters(T, S, seed=3, ends=ends)
    gamma, xi = hmm.posteriors(pi, A, log_b, end)
    expected, moves = np.zeros((T, S)), np.zeros((T - 1, S, S))
    total = hmm.brute_force(pi, A, log_b, end)
    for path in product(range(S), repeat=T):
        share = np.exp(hmm.joint(pi, A, log_b, path, end) - total)
        expected[range(T), path] += share
        moves[range(T - 1), path[:-1], path[1:]] += share
    np.testing.assert_allclose(gamma, expected, atol=1e-12)
    np.testing.assert_allclose(xi, moves, atol=1e-12)


@pytest.mark.equation("hmm-viterbi")
@pytest.mark.parametrize(("T", "S"), SIZES)
@pytest.mark.parametrize("ends", [False, True])
def test_viterbi_is_the_best_of_all_paths(T, S, ends):
    pi, A, log_b, end = parameters(T, S, seed=5, ends=ends, zeros=0.2)
    path, score = hmm.viterbi(pi, A, log_b, end)
    best = max(hmm.joint(pi, A, log_b, other, end) for other in product(range(S), repeat=T))
    assert score == pytest.approx(best, abs=1e-12)
    assert hmm.joint(pi, A, log_b, path, end) == pytest.approx(best, abs=1e-12)


@given(kind=st.sampled_from(["symbols", "gaussian", "mixture"]), seed=st.integers(0, 10**6), ends=st.booleans())
@settings(max_examples=40, deadline=None)
@pytest.mark.equation("hmm-reestimate", "gmm-reestimate")
def test_baum_welch_never_lowers_the_likelihood(kind, seed, ends):
    model, data = model_and_data(kind, seed, lengths=(9, 6, 2), ends=ends)
    floor = 0.2  # else a Gaussian may close in on one frame
    if kind != "symbols":
        e = model.emission
        model = Hmm(model.pi, model.A, gmm.Mixture(e.c, e.mu, np.maximum(e.var, floor)), model.end)
    learned, history = hmm.baum_welch(model, data, 6, floor)
    assert np.all(np.diff(history) >= -1e-9), history
    sums = learned.A.sum(axis=1) + (0 if learned.end is None else learned.end)
    np.testing.assert_allclose(sums, 1, atol=1e-9)
    assert learned.pi.sum() == pytest.approx(1)


@pytest.mark.equation("em-bound")
@pytest.mark.parametrize("kind", ["symbols", "gaussian"])
@pytest.mark.parametrize("ends", [False, True])
def test_the_bound_touches_and_never_passes_and_its_top_is_the_reestimate(kind, ends):
    old, (x, _) = model_and_data(kind, 1, ends=ends)
    assert hmm.bound(old, old, x) == pytest.approx(old.log_likelihood(x), abs=1e-10)
    best = hmm.reestimate(old, [x])
    top = hmm.bound(best, old, x)
    assert old.log_likelihood(x) <= top <= best.log_likelihood(x) + 1e-10
    for seed in range(2, 12):
        other, _ = model_and_data(kind, seed, ends=ends)
        assert hmm.bound(other, old, x) <= other.log_likelihood(x) + 1e-10
        assert hmm.bound(other, old, x) <= top + 1e-10


@pytest.mark.equation("gmm-density")
def test_mixture_density_is_the_textbooks_and_its_integral_is_one():
    random = np.random.default_rng(0)
    m, x = mixture(random, 2, 3), random.standard_normal((5, 2))
    for t, j in product(range(5), range(2)):
        expected = 0.0
        for k in range(3):
            off, covariance = x[t] - m.mu[j, k], np.diag(m.var[j, k])
            height = 1 / np.sqrt(np.linalg.det(2 * np.pi * covariance))
            expected += m.c[j, k] * height * np.exp(-0.5 * off @ np.linalg.inv(covariance) @ off)
        assert m.log_b(x)[t, j] == pytest.approx(np.log(expected), abs=1e-12)
    grid = np.stack(np.meshgrid(np.linspace(-15, 15, 151), np.linspace(-15, 15, 151)), -1).reshape(-1, 2)
    np.testing.assert_allclose(np.exp(m.log_b(grid)).sum(axis=0) * 0.04, 1, atol=1e-6)


@pytest.mark.equation("gmm-reestimate")
def test_mixture_step_is_scikit_learns():
    sklearn = pytest.importorskip("sklearn.mixture")
    random = np.random.default_rng(1)
    x, m = random.standard_normal((60, 2)) * [1, 3] + [0, 1], mixture(random, 1, 3)
    peer = sklearn.GaussianMixture(
        3, covariance_type="diag", reg_covar=0, max_iter=1, weights_init=m.c[0], means_init=m.mu[0],
        precisions_init=1 / m.var[0],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one step does not converge
        peer.fit(x)
    c, mu, var = gmm.reestimate(x, np.ones((60, 1)), m.c, m.mu, m.var)
    np.testing.assert_allclose(c[0], peer.weights_, atol=1e-9)
    np.testing.assert_allclose(mu[0], peer.means_, atol=1e-9)
    np.testing.assert_allclose(var[0], peer.covariances_, atol=1e-9)


@pytest.mark.parametrize("kind", ["symbols", "gaussian"])
def test_hmmlearn_agrees_on_scores_paths_posteriors_and_one_step(kind):
    hmmlearn = pytest.importorskip("hmmlearn.hmm")
    model, data = model_and_data(kind, 11, lengths=(20, 12))
    if kind == "symbols":
        peer = hmmlearn.CategoricalHMM(3, n_iter=1, tol=0, init_params="")
        peer.emissionprob_, peer.n_features = model.emission.B, 4
        joined = np.concatenate(data)[:, None]
    else:
        prior = {"min_covar": 0, "covars_prior": 0, "covars_weight": 1}
        peer = hmmlearn.GaussianHMM(3, "diag", n_iter=1, tol=0, init_params="", **prior)
        peer.means_, peer.covars_ = model.emission.mu[:, 0], model.emission.var[:, 0]
        joined = np.concatenate(data)
    peer.startprob_, peer.transmat_ = model.pi, model.A
    x, first = data[0], joined[:20]
    assert model.log_likelihood(x) == pytest.approx(peer.score(first), rel=1e-9)
    path, score = hmm.viterbi(model.pi, model.A, model.emission.log_b(x))
    expected, states = peer.decode(first)
    assert score == pytest.approx(expected, rel=1e-9)
    np.testing.assert_array_equal(path, states)
    gamma, _ = hmm.posteriors(model.pi, model.A, model.emission.log_b(x))
    np.testing.assert_allclose(gamma, peer.predict_proba(first), atol=1e-9)

    peer.fit(joined, [20, 12])
    learned = hmm.reestimate(model, data)
    np.testing.assert_allclose(learned.pi, peer.startprob_, atol=1e-7)
    np.testing.assert_allclose(learned.A, peer.transmat_, atol=1e-7)
    if kind == "symbols":
        np.testing.assert_allclose(learned.emission.B, peer.emissionprob_, atol=1e-7)
    else:
        np.testing.assert_allclose(learned.emission.mu[:, 0], peer.means_, atol=1e-7)
        variances = np.stack([np.diag(c) for c in peer.covars_])
        np.testing.assert_allclose(learned.emission.var[:, 0], variances, atol=1e-6)


def test_left_to_right_word():
    pi, A, end = hmm.left_to_right(3, 0.6)
    np.testing.assert_allclose(A.sum(axis=1) + end, 1)
    path, _ = hmm.viterbi(pi, A, np.zeros((5, 3)), end)
    assert path[0] == 0 and path[-1] == 2 and set(np.diff(path)) <= {0, 1}
    assert hmm.log_likelihood(pi, A, np.zeros((2, 3)), end) == -np.inf  # two frames cannot pass three states


def test_a_flat_start_cuts_evenly():
    x = np.arange(12.0).reshape(6, 2)
    model = hmm.flat_start([x, x[:3] + 1], 3)
    np.testing.assert_allclose(model.emission.mu[0, 0], np.mean([x[0], x[1], x[0] + 1], axis=0))
    np.testing.assert_allclose(model.A[0], [0.6, 0.4, 0])
    _, history = hmm.baum_welch(model, [x, x[:3] + 1], 3, floor=0.1)
    assert history[0] < history[1] <= history[3]


def test_errors_name_the_value():
    with pytest.raises(AsrlabError, match="too many to list"):
        hmm.brute_force(*parameters(40, 3)[:3])
    with pytest.raises(AsrlabError, match="no path of 2 frames"):
        pi, A, end = hmm.left_to_right(3, 0.6)
        hmm.posteriors(pi, A, np.zeros((2, 3)), end)
    with pytest.raises(AsrlabError, match="stay=1"):
        hmm.left_to_right(3, 1)
    with pytest.raises(AsrlabError, match="above 0"):
        gmm.Mixture(np.ones((1, 1)), np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))
    with pytest.raises(AsrlabError, match=r"expected \(S, M\)"):
        gmm.Mixture(np.ones((1, 2)), np.zeros((1, 1, 2)), np.ones((1, 1, 2)))
