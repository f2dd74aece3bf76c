"""The recogniser that comes with the package: small, offline, and good on voices that it never heard."""

import os
from pathlib import Path

import pytest

from asrlab import cli, corpora
from asrlab.core import config
from asrlab.corpora import scenetalk
from asrlab.packaged import BUILT_IN
from asrlab.pages import course
from asrlab.recognizer import Recognizer
from asrlab.scoring import receipt, score
from asrlab.training import recipe

DATA = Path(os.environ.get("ASRLAB_DATA", "")) / "an4"
needs_an4 = pytest.mark.skipif(
    not os.environ.get("ASRLAB_DATA") or not DATA.is_dir(), reason="needs AN4 recordings in $ASRLAB_DATA"
)


def test_it_weighs_little():
    assert sum(path.stat().st_size for path in BUILT_IN.iterdir()) <= 15e6


def test_it_answers_with_words_of_its_lexicon():
    recognizer = Recognizer.load()
    samples, rate = scenetalk.speak("seven three nine")
    heard = recognizer.transcribe(samples, rate).text.split()
    assert heard and set(heard) <= set(recognizer.lexicon)
    assert {"seven", "three", "nine"} & set(heard)  # a synthetic voice is not what it learned from


RECEIPT = course.RESULTS / "an4-utterance.seed1.json"


@needs_an4
def test_it_writes_what_its_receipt_says(one_thread):
    """In 16 bits and on another machine a close decision may fall otherwise: one of thirteen."""
    if not RECEIPT.exists():
        pytest.skip(f"{RECEIPT}: receipts travel with the repository, not with the package")
    run, recognizer = receipt.read(RECEIPT), Recognizer.load()
    described = config.from_dict(recipe.Recipe, run["recipe"])
    assert (described.inputs, described.model, described.beam) == (
        recognizer.inputs, recognizer.model.options, recognizer.beam
    )  # fmt: skip
    some = corpora.load("an4")["test"][::10]
    written = [recognizer.best(heard).text for heard in recognizer.hear([recognizer.read(u) for u in some])]
    noted = [run["hypotheses"][recognizer.search][u.id] for u in some]
    assert sum(a != b for a, b in zip(written, noted, strict=True)) <= 1


@needs_an4
def test_it_recognises_unseen_speakers():
    recognizer = Recognizer.load()
    utterances = corpora.load("an4")["test"][::3]
    answers = [recognizer.best(heard).text for heard in recognizer.hear([u.load() for u in utterances])]
    assert score.wer([u.text for u in utterances], answers) < 0.1


@needs_an4
def test_the_command_line_uses_it(capsys):
    utterance = corpora.load("an4")["test"][0]
    assert cli.main(["transcribe", str(utterance.source().path)]) == 0
    said = capsys.readouterr().out.split()
    assert len(set(said) & set(utterance.text.split())) >= 4
