"""What may be wrong with recordings of one's own: each is one message with a remedy, before anything is trained."""

import re

import numpy as np
import pytest
import toy

from asrlab import cli


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Ten recordings with a text beside each."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "mine").mkdir()
    for i in range(10):
        text = toy.sentence(rng)
        toy.utterance(tmp_path / "mine", f"u{i}", text, toy.sing(text, rng))
        (tmp_path / "mine" / f"u{i}.txt").write_text(text)
    return tmp_path / "mine"


def told(capsys, *words) -> str:
    """The complaint of a command that refuses."""
    status = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert status == 1 and "Traceback" not in out + err
    return err


def train(capsys, *changes) -> str:
    return told(capsys, "train", "small", "corpus=mine", "--cpu", "--quiet", "--dir", "run", *changes)


def test_an_empty_folder(folder, capsys):
    for path in folder.iterdir():
        path.unlink()
    assert re.search(r"mine: no utterances; a manifest has .*, a folder x.wav with x.txt", train(capsys))


def test_one_recording(folder, capsys):
    for path in folder.iterdir():
        if path.stem != "u0":
            path.unlink()
    assert re.search(r"mine: 1 utterances; too few for hold_out=.*nothing is left to learn", train(capsys))


def test_texts_without_recordings(folder, capsys):
    for path in folder.glob("*.wav"):
        path.unlink()
    assert "10 texts, and no recording beside any; u0.txt is what u0.wav says" in train(capsys)


def test_a_recording_without_text(folder, capsys):
    (folder / "u3.txt").unlink()
    assert re.search(r"u3.wav: no text for this recording; write it to u3.txt beside it", train(capsys))


def test_two_scripts_in_one_word(folder, capsys):
    (folder / "u3.txt").write_text("ab сdab", encoding="utf-8")
    assert re.search(
        r"u3.txt: 'сdab' has letters of two scripts, .*CYRILLIC SMALL LETTER ES\); write it", train(capsys)
    )


def test_an_init_of_another_front_end(folder, capsys):
    said = train(capsys, "init=an4")  # small normalises its features otherwise
    assert re.search(r"inputs: not as in init=an4, which has .*; leave inputs out of the recipe", said)


def test_hotwords_that_the_tokens_cannot_spell(folder, capsys):
    (folder / "hot.txt").write_text("打开\n", encoding="utf-8")
    words = ("transcribe", "--model", "scenetalk-las", "--hotwords", folder / "hot.txt", folder / "u0.wav")
    assert re.search(
        r"hot.txt: hotword '打开': the recogniser has no letter '.'; write it with abc", told(capsys, *words)
    )


def test_none_of_it_left_a_run_behind(folder, capsys, tmp_path):
    (folder / "u3.txt").write_text("")
    assert re.search(r"u3.txt: text '' holds no words", train(capsys))
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()
