"""The GMM-HMM recogniser: against scratch.hmm and hmmlearn, against what EM promises, and on words."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asrlab import corpora
from asrlab.classic.gmm_hmm import GmmHmm, GmmHmmOptions
from asrlab.classic.mixtures import Mixtures, Statistics
from asrlab.classic.network import JOINT, Builder
from asrlab.classic.pictures import state_path
from asrlab.core.errors import AsrlabError
from asrlab.corpora.scenetalk.espeak import Request, speak_all
from asrlab.scoring import score
from asrlab.scratch import gmm, hmm
from asrlab.signals.features import FrontEndOptions

FRONT_END = FrontEndOptions("mfcc", n_mels=26, deltas=True)
PLAIN = GmmHmmOptions(states=3, mixtures=2, iterations=4, silence_states=2)


def random_words(random, count, words="ab", sounds=3, noise=0.4):
    """Strings of invented words: each a row of sounds (a point in the plane each), a few frames long; silence at 0."""
    place = {w: np.random.default_rng(ord(w)).normal(0, 4, (sounds, 2)) for w in words}
    frames, texts = [], []
    for _ in range(count):
        text = [words[i] for i in random.integers(len(words), size=random.integers(1, 4))]
        parts = [np.zeros((random.integers(2, 5), 2))]
        for w in text:
            parts += [np.repeat(place[w], random.integers(2, 6, sounds), axis=0)]
            parts += [np.zeros((random.integers(3, 6), 2))] if random.random() < 0.3 else []
        x = np.concatenate(parts)
        frames.append(x + noise * random.standard_normal(x.shape))
        texts.append(" ".join(text))
    return frames, texts


@pytest.fixture(scope="module")
def learned():
    frames, texts = random_words(np.random.default_rng(0), 60)
    return GmmHmm.fit(frames, texts, PLAIN), frames, texts


def as_matrices(model, densities):
    """A chain of states as pi, A and end of scratch.hmm, and its densities."""
    S, leave = len(densities), model.leave[densities]
    A = np.diag(1 - leave) + np.diag(leave[:-1], 1)
    part = [getattr(model.mixtures, name)[densities] for name in ("weights", "means", "variances")]
    return np.eye(S)[0], A, np.eye(S)[-1] * leave[-1], gmm.Mixture(*part)


def test_a_words_likelihood_path_and_occupancy_are_scratchs():
    random = np.random.default_rng(1)
    frames, texts = random_words(random, 20)
    model = GmmHmm.fit(frames, texts, replace(PLAIN, silence_states=0))
    x = frames[0][:9]
    for text in ("a", "b a"):
        network = model.chain(text)
        densities = network.density[network.density != JOINT]
        pi, A, end, mixture = as_matrices(model, densities)
        log_b = mixture.log_b(x)
        here = model.mixtures.log_density(x)
        np.testing.assert_allclose(here[:, densities], log_b, atol=1e-9)
        total, gamma, stays = network.occupancy(here)
        assert total == pytest.approx(hmm.log_likelihood(pi, A, log_b, end), abs=1e-9)
        expected, xi = hmm.posteriors(pi, A, log_b, end)
        states = network.density != JOINT
        np.testing.assert_allclose(gamma[:, states], expected, atol=1e-9)
        np.testing.assert_allclose(stays[states], np.diag(xi.sum(axis=0)), atol=1e-9)
        best, path, begins = network.best_path(here)
        walk, score_ = hmm.viterbi(pi, A, log_b, end)
        assert best == pytest.approx(score_, abs=1e-9)
        np.testing.assert_array_equal(network.density[path], densities[walk])
        assert begins.sum() == len(text.split())


def test_a_network_with_joints_is_the_sum_over_all_its_paths():
    """Two words in a loop with optional silence, against every sequence of states that its arcs allow."""
    random = np.random.default_rng(2)
    leave = random.uniform(0.2, 0.8, 5)
    build = Builder()
    before, after = build.joint(), build.joint()
    build.connect(0, before)
    middle = build.joint()
    build.connect(before, middle, -0.5)
    build.connect(after, middle, -0.3)
    build.chain(middle, [0, 1], end=after, word=0, extra=-0.7)
    build.chain(middle, [2], end=after, word=1, extra=-0.2)
    silence = build.chain(after, [3], extra=-1.0)
    build.connect(silence, build.joint())
    build.connect(after, len(build.density) - 1, -0.1)
    network, T = build.build(leave), 4
    log_b = random.standard_normal((T, 5))
    E = len(network.source)
    out = {i: [e for e in range(E) if network.source[e] == i] for i in range(len(network.density))}
    totals, last = [], len(network.density) - 1
    waiting = [(0, 0, 0.0)]
    while waiting:
        i, t, log_p = waiting.pop()
        if i == last:
            totals += [log_p] if t == T else []
            continue
        for e in out[i]:
            j, takes = network.target[e], network.density[network.target[e]] != JOINT
            if t + takes <= T:
                heard = log_b[t, network.density[j]] if takes else 0.0
                waiting.append((j, t + takes, log_p + network.log_p[e] + heard))
    assert len(totals) > 10
    assert network.log_likelihood(log_b) == pytest.approx(np.logaddexp.reduce(totals), abs=1e-9)
    assert network.best_path(log_b)[0] == pytest.approx(max(totals), abs=1e-9)
    assert network.shortest() == 1
    assert network.occupancy(log_b)[1].sum() == pytest.approx(T, abs=1e-9)


def test_one_step_is_scratchs_baum_welch():
    random = np.random.default_rng(3)
    frames, _ = random_words(random, 12, words="a")
    model = GmmHmm.fit(frames, ["a"] * 12, replace(PLAIN, silence_states=0, mixtures=1, iterations=1))
    once = GmmHmm.fit(frames, ["a"] * 12, replace(PLAIN, silence_states=0, mixtures=1, iterations=2))
    pi, A, end, mixture = as_matrices(model, np.arange(3))
    floor = 0.05 * np.concatenate(frames).var(axis=0)
    expected = hmm.reestimate(hmm.Hmm(pi, A, mixture, end), frames, floor)
    np.testing.assert_allclose(once.mixtures.means[:, 0], expected.emission.mu[:, 0], atol=1e-9)
    np.testing.assert_allclose(once.mixtures.variances[:, 0], expected.emission.var[:, 0], atol=1e-8)
    np.testing.assert_allclose(1 - once.leave, np.diag(expected.A), atol=1e-9)


def test_hmmlearn_gives_the_same_likelihood():
    hmmlearn = pytest.importorskip("hmmlearn.hmm")
    random = np.random.default_rng(4)
    frames, _ = random_words(random, 12, words="a")
    model = GmmHmm.fit(frames, ["a"] * 12, replace(PLAIN, silence_states=0))
    peer = hmmlearn.GMMHMM(3, 2, "diag", init_params="")
    pi, A, end, mixture = as_matrices(model, np.arange(3))
    A = A.copy()
    A[2, 2] = 1.0  # hmmlearn knows no end: make the last state keep the walk, and correct for what that costs
    peer.startprob_, peer.transmat_ = pi, A
    peer.weights_, peer.means_, peer.covars_ = mixture.c, mixture.mu, mixture.var
    log_b = mixture.log_b(frames[0])
    assert hmm.log_likelihood(pi, A, log_b) == pytest.approx(peer.score(frames[0]), rel=1e-9)
    assert model.scores(frames[0])["a"] == pytest.approx(
        hmm.log_likelihood(*as_matrices(model, np.arange(3))[:2], log_b, end), rel=1e-9
    )


@pytest.mark.parametrize("options", [PLAIN, replace(PLAIN, silence_states=0), replace(PLAIN, mixtures=5, states=2)])
def test_training_never_lowers_the_likelihood(options):
    frames, texts = random_words(np.random.default_rng(5), 30)
    steps = np.diff(GmmHmm.fit(frames, texts, options).log_likelihoods)
    assert np.all(steps > -1e-9), steps
    assert steps.sum() > 0.1


def test_connected_words_are_recognised_and_placed_without_having_been_told_where_they_are(learned):
    model, *_ = learned
    frames, texts = random_words(np.random.default_rng(9), 40)
    heard = [model.recognise(x) for x in frames]
    assert score.wer(texts, heard) < 0.03
    for x, text in zip(frames, texts, strict=True):
        found = model.decode(x)
        times = [t for word in found.words for t in (word.start, word.end)]
        assert times == sorted(times) and times[-1] <= len(x) * 0.01 + 1e-9
        assert [w.text for w in found.words] == [u.text for u in found.units] == model.recognise(x).split()
        assert len(found.states) == len(x) and all(0 <= w.confidence <= 1 for w in found.words)
        if found.text == text and len(text) == 1:
            begin = np.flatnonzero(np.abs(x).sum(axis=1) > 3)[0] * 0.01
            assert abs(found.words[0].start - begin) <= 0.03


def test_a_word_never_heard_is_recognised_by_its_units(learned):
    """Units u, v, w; words uv and vw in training, wu only in the lexicon."""
    random, places = np.random.default_rng(6), {"u": (5, 0), "v": (-3, 4), "w": (-3, -4)}
    lexicon = {"uv": ("u", "v"), "vw": ("v", "w"), "wu": ("w", "u")}

    def say(word):
        x = np.concatenate([np.tile(places[unit], (random.integers(4, 8), 1)) for unit in word])
        return x + 0.5 * random.standard_normal(x.shape)

    texts = ["uv", "vw"] * 15
    model = GmmHmm.fit([say(t) for t in texts], texts, replace(PLAIN, silence_states=0, mixtures=1, states=2), lexicon)
    assert [model.classify(say("wu")) for _ in range(10)] == ["wu"] * 10


def test_statistics_are_scratchs_reestimate_and_a_gaussian_without_frames_stays():
    random = np.random.default_rng(7)
    x, gamma = random.standard_normal((30, 2)), random.random((30, 2))
    c, mu, var = random.dirichlet(np.ones(3), 2), random.standard_normal((2, 3, 2)), random.uniform(0.5, 2, (2, 3, 2))
    mixtures, used = Mixtures(c, mu, var), np.arange(2)
    parts = mixtures.log_components(x)
    np.testing.assert_allclose(parts, gmm.log_components(x, c, mu, var), atol=1e-10)
    shares = np.exp(parts - np.logaddexp.reduce(parts, axis=-1, keepdims=True)) * gamma[..., None]
    statistics = Statistics.zero(mixtures)
    statistics.add(x, used, shares)
    new = statistics.mixtures(mixtures, np.full(2, 0.3))
    for got, expected in zip(
        (new.weights, new.means, new.variances), gmm.reestimate(x, gamma, c, mu, var, 0.3), strict=True
    ):
        np.testing.assert_allclose(got, expected, atol=1e-9)
    untouched = Statistics.zero(mixtures).mixtures(mixtures, np.full(2, 0.3))
    np.testing.assert_array_equal(untouched.means, mu)


def test_files_keep_everything(learned, tmp_path):
    model, frames, _ = learned
    model.save(tmp_path / "model")
    again = GmmHmm.load(tmp_path / "model")
    assert again.options == model.options and again.lexicon == model.lexicon
    assert again.log_likelihoods == model.log_likelihoods
    assert again.scores(frames[0]) == model.scores(frames[0])
    with pytest.raises(AsrlabError, match="holds no GMM-HMM"):
        GmmHmm.load(tmp_path)


def test_errors_name_the_value(learned):
    model, frames, texts = learned
    with pytest.raises(AsrlabError, match=r"u7: 4 frames, but the states of 'a b' take 6"):
        GmmHmm.fit([frames[0][:4]], ["a b"], PLAIN, names=["u7"])
    with pytest.raises(AsrlabError, match="word 'c': not in the lexicon"):
        model.chain("a c")
    with pytest.raises(AsrlabError, match="expected \\(T, 2\\)"):
        model.classify(np.zeros((5, 3)))
    with pytest.raises(AsrlabError, match="fewer frames than any word"):
        model.classify(frames[0][:2])
    with pytest.raises(AsrlabError, match="mixtures=0"):
        GmmHmmOptions(mixtures=0)
    with pytest.raises(AsrlabError, match="2 recordings and 1 texts"):
        GmmHmm.fit(frames[:2], texts[:1])


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits by four synthetic voices, as utterances on disk: single ones and strings."""
    import soundfile

    folder, words = tmp_path_factory.mktemp("digits"), ("one", "two", "three", "four", "seven")
    random = np.random.default_rng(0)
    voices = ("en-us+m1", "en-us+f1", "en-gb+m2", "en-gb+f3")
    texts = [*words, *(" ".join(random.choice(words, 3)) for _ in range(10))]
    requests = [Request(text, voice, 150) for voice in voices for text in texts]
    found = []
    for i, (request, spoken) in enumerate(zip(requests, speak_all(requests), strict=True)):
        path = folder / f"{i}.wav"
        soundfile.write(path, spoken.samples, 16000)
        found.append(corpora.Utterance.recorded(str(i), path, request.text, request.voice, spoken.seconds))
    return found


def test_synthetic_digits_of_an_unseen_voice_single_and_connected(digits):
    last = digits[-1].speaker
    train, test = ([u for u in digits if (u.speaker == last) == held] for held in (False, True))
    model = GmmHmm.train(train, GmmHmmOptions(mixtures=2, iterations=3))
    single = [u for u in test if " " not in u.text]
    strings = [u for u in test if " " in u.text]
    assert sum(model.classify(u) == u.text for u in single) >= len(single) - 1
    assert score.wer([u.text for u in strings], [model.recognise(u) for u in strings]) < 0.25
    assert np.all(np.diff(model.log_likelihoods) > -1e-9)

    found = model.decode(strings[0])
    stair = state_path(model, strings[0].load(), found).figure.axes[-1].lines[-1].get_ydata()
    silence, S = model.options.silence_states, model.options.states
    for k, level in zip(found.states, stair, strict=False):  # silence lies at 0, a unit climbs from 1
        assert level == (0 if k < silence else (k - silence) % S + 1)


def test_fsdd_digits():
    folder = Path(os.environ.get("ASRLAB_DATA", "")) / "free-spoken-digit-dataset"
    if not os.environ.get("ASRLAB_DATA") or not folder.is_dir():
        pytest.skip("FSDD is not on this machine; `asrlab prepare fsdd` fetches it")
    corpus = corpora.load("fsdd")
    options = GmmHmmOptions(mixtures=2, iterations=3, front_end=replace(FRONT_END, sample_rate=8000))
    model = GmmHmm.train(corpus["train"][::9], options)
    test = corpus["test"][::5]
    right = sum(model.classify(u) == u.text for u in test)
    assert right / len(test) > 0.9


def test_words_of_scenetalk():
    """Whole sentences, phones from the lexicon, and no word of it marked."""
    corpus = corpora.load("scenetalk")
    spelling = {word: phones[0] for word, phones in corpus.lexicon.items()}
    options = GmmHmmOptions(states=3, mixtures=2, iterations=3, word_bonus=-20.0)
    model = GmmHmm.train(corpus["train"][::7], options, spelling)
    test = corpus["test"][:15]
    assert score.wer([u.text for u in test], [model.recognise(u) for u in test]) < 0.45


def test_all_lengths_are_possible():
    """However regular the training data, a state can be kept and left."""
    frames = [np.repeat([[0.0, 1.0], [3.0, 1.0]], 1, axis=0) + 0.01 * i for i in range(4)]
    model = GmmHmm.fit(frames, ["a"] * 4, GmmHmmOptions(states=2, mixtures=1, silence_states=0))
    assert all(np.isfinite(model.scores(np.ones((n, 2)))["a"]) for n in (2, 3, 50))
