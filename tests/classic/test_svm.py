"""The SVM and the MLP: what is easy is learned, what is chosen is chosen without the test speakers, chance is seeded.

Their words are tunes of three tones; the tune is the word, its key, level and length are not.
"""

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.svm import SVC

from asrlab.classic.mlp import Mlp, MlpOptions
from asrlab.classic.pooled import PooledOptions, choose, vectors
from asrlab.classic.svm import Svm, SvmOptions
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance

TUNES = {"rise": (300, 900, 2500), "fall": (2500, 900, 300), "hill": (300, 2500, 300)}
POOLED = PooledOptions(sample_rate=8000)
METHODS = [
    pytest.param(lambda u: Svm.train(u, SvmOptions(POOLED)), id="svm"),
    pytest.param(lambda u: Mlp.train(u, MlpOptions(POOLED, hidden=16, epochs=40)), id="mlp"),
]


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Three words by four speakers, two takes; a speaker sings a little higher than another."""
    folder, generator, found = tmp_path_factory.mktemp("tones"), np.random.default_rng(0), []
    for speaker in range(4):
        for take in range(2):
            for word, tune in TUNES.items():
                time = np.arange(int(8000 * generator.uniform(0.07, 0.13))) / 8000
                tones = [np.sin(2 * np.pi * pitch * (1 + 0.05 * speaker) * time) for pitch in tune]
                samples = np.concatenate(tones) * generator.uniform(0.05, 0.5)
                path = folder / f"{word}-{speaker}-{take}.wav"
                soundfile.write(path, samples + 0.003 * generator.normal(size=len(samples)), 8000)
                found.append(Utterance.recorded(path.stem, path, word, f"s{speaker}", len(samples) / 8000))
    return found


@pytest.mark.parametrize("train", METHODS)
def test_a_new_speaker_is_understood(train, tones):
    known, new = [[u for u in tones if (u.speaker == "s3") == unseen] for unseen in (False, True)]
    trained = train(known)
    answers = trained.classify_all(new)
    assert answers == [u.text for u in new]
    assert [trained.classify(u) for u in new] == answers


@pytest.mark.parametrize("train", METHODS)
def test_the_same_training_gives_the_same_answers(train, tones):
    assert train(tones[::2]).classify_all(tones) == train(tones[::2]).classify_all(tones)


def test_scores_agree_with_the_answer(tones):
    svm, mlp = Svm.train(tones, SvmOptions(POOLED)), Mlp.train(tones, MlpOptions(POOLED, hidden=16))
    for utterance in tones[:6]:
        margins, probabilities = svm.margins(utterance), mlp.probabilities(utterance)
        assert max(margins, key=margins.get) == svm.classify(utterance)
        assert max(probabilities, key=probabilities.get) == mlp.classify(utterance)
        assert sum(probabilities.values()) == pytest.approx(1)
    pair = [u for u in tones if u.text != "hill"]
    two = Svm.train(pair, SvmOptions(POOLED))
    for utterance in pair:
        margins = two.margins(utterance)
        assert max(margins, key=margins.get) == two.classify(utterance)


def test_the_choice_is_that_of_a_search_by_speaker_written_out(tones):
    grid = {"C": [1e-4, 1.0]}
    found = choose(LogisticRegression(), grid, tones, POOLED, folds=2).C
    x, words = vectors(tones, POOLED), np.array([u.text for u in tones])
    speakers = np.array([u.speaker for u in tones])

    def right(c):
        parts = GroupKFold(2).split(x, words, speakers)
        return np.mean([LogisticRegression(C=c).fit(x[a], words[a]).score(x[b], words[b]) for a, b in parts])

    assert right(found) == max(map(right, grid["C"]))


def test_one_speaker_leaves_nothing_to_choose_by(tones):
    alone = [u for u in tones if u.speaker == "s0"]
    assert choose(SVC(), {"C": [1.0, 2.0, 3.0]}, alone, POOLED, folds=3).C == 2.0


@pytest.mark.parametrize("train", METHODS)
def test_one_word_is_nothing_to_learn(train, tones):
    with pytest.raises(AsrlabError, match="1 different words"):
        train([u for u in tones if u.text == "rise"])
    with pytest.raises(AsrlabError, match="0 utterances"):
        train([])
