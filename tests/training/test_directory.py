"""The directory of a run: one training at a time, nothing of an earlier one, and a name for what it is made from."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import toy

from asrlab.core.errors import AsrlabError
from asrlab.core.sources import PACKAGE
from asrlab.signals import audio
from asrlab.text import CharTokenizer
from asrlab.training.directory import LOG, RECIPE, fingerprint, held, start


def test_a_second_training_is_told_who_holds_it(tmp_path):
    with held(tmp_path / "run"):
        message = rf"run: process {os.getpid()} on .* is training there; wait for it"
        with pytest.raises(AsrlabError, match=message), held(tmp_path / "run"):
            pass
        with held(tmp_path / "run", wanted=False):
            pass
    with held(tmp_path / "run"):
        pass


def test_another_process_that_was_killed_holds_nothing(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from asrlab.training.directory import held\n"
        "with held(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    )
    assert done.returncode != 0
    with held(tmp_path):
        pass


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AsrlabError, match=r"file: cannot be written"), held(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_of_an_earlier_run_nothing_stays_and_of_the_users_files_everything(tmp_path):
    old = ("recognizer.json", "model.safetensors", "lm.arpa", "receipt.json", "checkpoint.safetensors")
    for name in (*old, "notes.txt"):
        (tmp_path / name).write_text("old")
    start(tmp_path, toy.recipe())
    assert sorted(os.listdir(tmp_path)) == sorted([LOG, RECIPE, "notes.txt"])


def test_a_fingerprint_names_texts_recordings_and_tokens(tmp_path):
    corpus = toy.corpus(tmp_path, train=3, dev=2, test=1)
    train, dev = corpus["train"], corpus["dev"]
    tokenizer = CharTokenizer.fit(["abcde"])
    name = fingerprint(tokenizer, train, dev)
    assert fingerprint(CharTokenizer.fit(["abcde"]), train, dev) == name
    others = {
        fingerprint(CharTokenizer.fit(["abcdef"]), train, dev),
        fingerprint(tokenizer, train[1:], dev),
        fingerprint(tokenizer, train[::-1], dev),
        fingerprint(tokenizer, (*train, dev[0]), dev[1:]),
        fingerprint(tokenizer, train, (replace(dev[0], text="a"), dev[1])),
        fingerprint(tokenizer, (replace(train[0], seconds=9.0), *train[1:]), dev),
    }
    assert len(others | {name}) == 7
    path = dev[1].source().path
    samples = audio.load(path)
    samples[len(samples) // 2] += 0.1
    audio.save(path, samples, toy.RATE)  # as long as before
    assert fingerprint(tokenizer, train, dev) not in others | {name}


def test_both_ends_stand_for_a_long_file(tmp_path):
    utterance = toy.utterance(tmp_path, "long", "a", np.zeros(200_000, np.float32))
    tokenizer, path = CharTokenizer.fit(["a"]), utterance.source().path
    found = {fingerprint(tokenizer, [utterance])}
    for place in (100, -100):
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)
        found.add(fingerprint(tokenizer, [utterance]))
    path.write_bytes(path.read_bytes() + b"\x00\x00")
    assert len(found | {fingerprint(tokenizer, [utterance])}) == 4
