"""The comparison under changing conditions: what is in which place, and answers that are scored as they should be."""

import pytest

from asrlab.classic import conditions, deep, systems, words
from asrlab.classic.conditions import Condition, ConditionsOptions, Job, Results
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.scoring.score import wer

OPTIONS = ConditionsOptions()


def utterances(count, speaker="s"):
    return tuple(Utterance.recorded(f"u{i}", None, words.WORDS[i % 20], f"{speaker}{i % 4}", 0.5) for i in range(count))


@pytest.fixture
def results():
    """Two systems, one of which is always right at home and wrong in noise on every fifth word."""
    home = utterances(40)
    places = {"home": Condition("home", "", home, False), "noise 0 dB": Condition("noise", "0 dB", home, False)}
    found = Results(ConditionsOptions(sizes=(2, 4)), places)
    right = {u.id: u.text for u in home}
    noisy = {u.id: "ten" if i % 5 == 0 else u.text for i, u in enumerate(home)}
    for system, at_noise in (("svm", noisy), ("ctc", right)):
        found.heard[Job(system, "clean", 4)] = {"home": right, "noise 0 dB": at_noise}
        found.heard[Job(system, "clean", 2)] = {"home": noisy}
    return found


def test_a_rate_is_the_word_error_rate_of_that_place(results):
    said = results.references("noise", "0 dB")
    heard = results.answers("svm", "noise", "0 dB")
    assert results.rate("svm", "noise", "0 dB").value == wer(said, heard) == pytest.approx(8 / 40)
    assert results.rate("ctc", "noise", "0 dB").value == 0
    assert results.rate("svm", "size", "80").value == 0
    assert results.rate("svm", "size", "40").value == pytest.approx(8 / 40)
    interval = results.rate("svm", "noise", "0 dB")
    assert interval.low < interval.value < interval.high


def test_levels_are_in_order_and_home_is_among_them(results):
    assert results.levels("noise") == ["clean", "0 dB"]
    assert results.levels("size") == ["40", "80"]
    assert results.rate("svm", "noise", "clean").value == 0


def test_the_comparison_is_paired_and_signed(results):
    found = results.compare(("svm", "clean"), ("ctc", "clean"), "noise", "0 dB")
    assert found.difference == pytest.approx(-8 / 40)
    assert found.high < 0
    same = results.compare(("ctc", "clean"), ("ctc", "clean"), "noise", "0 dB")
    assert (same.difference, same.probability_of_improvement) == (0, 0.5)


def test_what_was_not_measured_is_told(results):
    with pytest.raises(AsrlabError, match="mlp, trained clean"):
        results.answers("mlp", "noise", "0 dB")
    with pytest.raises(AsrlabError, match="trained noisy"):
        results.answers("svm", "noise", "0 dB", "noisy")
    with pytest.raises(AsrlabError, match="system 'hmm'"):
        systems.train("hmm", [])


def test_training_sets_are_balanced_spread_over_voices_and_nested(monkeypatch):
    def silent(speakers, takes=1, seed=0):
        return tuple(
            Utterance.recorded(f"{take}-{voice}-{word}", None, word, voice, 0.5)
            for take in range(takes)
            for voice in speakers
            for word in words.WORDS
        )

    monkeypatch.setattr(words, "spoken", silent)
    sets = {size: conditions.training_set(Job("svm", "clean", size), OPTIONS) for size in OPTIONS.sizes}
    for size, chosen in sets.items():
        assert len({u.id for u in chosen}) == len(chosen) == size * len(words.WORDS)
        assert {word: sum(u.text == word for u in chosen) for word in words.WORDS} == dict.fromkeys(words.WORDS, size)
    assert {u.id for u in sets[2]} < {u.id for u in sets[8]} < {u.id for u in sets[16]}
    assert len({u.speaker for u in sets[2]}) == 16
    strangers = set(words.voices("test"))
    assert not strangers & {u.speaker for u in sets[16]}


def test_jobs_end_with_the_slow_one_and_hold_every_size():
    found = conditions.jobs(OPTIONS)
    assert [job.system for job in found][-4:] == ["ctc"] * 4
    assert {(j.training, j.size) for j in found if j.system == "svm"} == {
        ("clean", 16), ("noisy", 16), ("clean", 2), ("clean", 8),
    }  # fmt: skip


class Fixed:
    """A recogniser of three words whose log-probabilities are given."""

    sample_rate = 16000

    def __init__(self, log_probs):
        from asrlab.text import WordTokenizer

        self.tokenizer, self._log_probs = WordTokenizer.fit(["a b c"]), log_probs

    def log_probs(self, waveforms):
        return [self._log_probs for _ in waveforms]


def test_closed_set_is_the_sum_over_all_paths():
    import numpy as np

    from asrlab.scratch.ctc import brute_force_loss

    class Silent(Utterance):
        def load(self, sample_rate=16000):
            return np.zeros(400, np.float32)

    generator = np.random.default_rng(3)
    for _ in range(20):
        scores = generator.normal(scale=2, size=(4, 4))
        log_probs = (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)
        fixed = Fixed(log_probs)
        answer = deep.closed_set(fixed, [Silent("x", None, "a", "s", 1.0)], ["a", "b", "c"])
        losses = {w: brute_force_loss(log_probs.astype(float), fixed.tokenizer.encode(w)) for w in "abc"}
        assert answer == [min(losses, key=losses.get)]
