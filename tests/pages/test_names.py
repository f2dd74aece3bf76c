"""The one table of people's names."""

import re

import pytest

from asrlab.classic.systems import NAMES
from asrlab.corpora.scenetalk import espeak
from asrlab.pages import course, names


@pytest.mark.parametrize(
    ("code", "person"),
    [
        ("en-gb-scotland+f2", "a Scottish woman"),
        ("en-us+m3", "an American man"),
        ("en-gb-x-rp+f1", "an RP woman"),
        ("en-029", "a Caribbean voice"),
        ("george", "george"),
    ],
)
def test_a_voice_is_a_person(code, person):
    assert names.voice(code) == person


def test_every_voice_of_the_corpus_has_a_name_and_none_is_left_in_a_text():
    codes = [f"{accent}+{variant}" for accent in espeak.ACCENTS for variant in espeak.VARIANTS]
    for code in (*codes, *espeak.ACCENTS):
        assert names.voice(code) != code
        shown = names.readable(f"Said by {code}, slowly; not in {code}.")
        assert "en-" not in shown and shown.count(names.voice(code)) == 2
    assert names.readable("seen-us then-gb+f2x") == "seen-us then-gb+f2x"


def test_every_receipt_has_a_system_and_ways_that_people_can_read():
    systems = {path.name.split(".")[0] for path in course.RESULTS.glob("*.json")}
    assert systems
    for name in systems:
        assert not re.search(r"_|-(gmm|svm|mlp|ctc)\b", names.system(name)), name
    assert names.system("fsdd-gmm-hmm") == "GMM-HMM" == names.system("gmm-hmm")
    assert names.system("encoders-lstm") == "LSTM"
    assert names.decoding("lexicon_lm") == "beam search, lexicon, language model"
    assert names.decoding("some_way") == "some way"
    assert names.curve("dev_wer") == "words wrong on dev"


def test_the_classic_systems_are_called_alike():
    assert {method: names.METHODS[method] for method in NAMES} == NAMES
