"""`--grammar` on the command line: sentences, meanings, and what is wrong with files."""

import json

import numpy as np
import pytest

from asrlab import cli
from asrlab.recognizer import Recognizer
from asrlab.signals import audio

GRAMMAR = "public <entry> = (yes | no) {answer} | (one | two)+ {number};"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A recording of noise that comes and goes, a grammar, and one with a word that the recogniser lacks."""
    folder = tmp_path_factory.mktemp("grammar")
    t = np.arange(16000) / 16000
    noise = np.random.default_rng(0).normal(size=len(t)) * 0.1 * (np.sin(12 * t) > 0)
    audio.save(folder / "noise.wav", noise.astype(np.float32), 16000)
    (folder / "entry.jsgf").write_text(GRAMMAR)
    (folder / "coffee.jsgf").write_text("public <entry> = yes\n | coffee;")
    (folder / "coffee.dic").write_text("coffee K AO F IY\n")
    return folder


def run(capsys, *words):
    status = cli.main([str(word) for word in words])
    return status, *capsys.readouterr()


def test_the_answer_is_a_sentence_of_the_grammar(capsys, place):
    status, out, err = run(capsys, "transcribe", place / "noise.wav", "--grammar", place / "entry.jsgf", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    for text, meaning in zip([found["text"]], found["meanings"], strict=True):
        assert set(text.split()) <= {"yes", "no", "one", "two"}
        assert meaning is None or set(meaning.values()) == {text}


def test_words_that_the_recogniser_lacks(capsys, place):
    words = ("transcribe", place / "noise.wav", "--grammar", place / "coffee.jsgf")
    status, _, err = run(capsys, *words)
    assert status == 1 and "coffee.jsgf:2:4: word 'coffee' is not in the lexicon" in err
    assert run(capsys, *words, "--dictionary", place / "coffee.dic")[0] == 0
    status, _, err = run(capsys, *words, "--dictionary", place / "gone.dic")
    assert status == 1 and "gone.dic: no such file" in err
    status, _, err = run(capsys, "transcribe", place / "noise.wav", "--dictionary", place / "coffee.dic")
    assert status == 1 and "without --grammar" in err
    status, _, err = run(capsys, "transcribe", place / "noise.wav", "--grammar", place / "gone.jsgf")
    assert status == 1 and "gone.jsgf" in err


def test_a_grammar_is_not_saved_with_the_recogniser(tmp_path):
    from asrlab.core.errors import AsrlabError
    from asrlab.language import Grammar

    recognizer = Recognizer.load().with_grammar(Grammar.parse(GRAMMAR))
    assert recognizer.search == "grammar" and list(recognizer.searches())[-1] == "grammar"
    with pytest.raises(AsrlabError, match="grammar is not saved"):
        recognizer.save(tmp_path / "saved")
