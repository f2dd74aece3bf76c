"""Loaders of public corpora: on the recordings where they are at hand, else on small copies of their layout."""

import hashlib
import os
import re
import tarfile
import wave
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora import an4, census_names, fsdd, librispeech, speech_commands, yesno
from asrlab.corpora.base import hold_out_speakers
from asrlab.corpora.download import Archive


def recordings(folder):
    data = os.environ.get("ASRLAB_DATA")
    if not data or not (Path(data) / folder).is_dir():
        pytest.skip(f"needs the recordings of {folder}: set ASRLAB_DATA to the folder that holds them")
    return Path(data) / folder


def write(path, seconds=0.1, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.sin(np.arange(int(seconds * rate)) / 9) / 2, rate)


def text_file(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# --- AN4 --------------------------------------------------------------------------------------------------------------


def test_an4_is_as_published():
    corpus = an4.load(recordings("an4"))
    assert {s: len(corpus[s]) for s in corpus.splits} == {"train": 948, "test": 130}
    assert {s: len(corpus.speakers(s)) for s in corpus.splits} == {"train": 74, "test": 10}
    assert not set(corpus.speakers("train")) & set(corpus.speakers("test"))
    assert sum(corpus.word_counts("test").values()) == 773
    assert corpus.seconds("train") / 60 == pytest.approx(42, abs=1)
    assert corpus.seconds("test") / 60 == pytest.approx(6, abs=0.5)
    first = corpus["test"][0]
    assert (first.id, first.speaker, first.text) == ("an406-fcaw-b", "fcaw", "rubout g m e f three nine")
    assert first.load().shape == (round(first.seconds * 16000),)
    for split in corpus.splits:
        assert set(corpus.words(split)) <= set(corpus.lexicon)
        assert not any(re.search(r"[^a-z ]", u.text) for u in corpus[split])
    assert corpus.lexicon["a"] == (("AH",), ("EY",)) and len(corpus.lexicon["twentieth"]) == 4


@pytest.mark.parametrize("count", [1, 8, 20])
def test_an4_dev_is_whole_speakers_out_of_train(count):
    root = recordings("an4")
    whole, split = an4.load(root), an4.load(root, dev_speakers=count)
    assert split.speakers("dev") == an4.load(root, dev_speakers=count).speakers("dev")
    assert len(split.speakers("dev")) == count
    assert not set(split.speakers("dev")) & set(split.speakers("train"))
    assert Counter(split["train"]) + Counter(split["dev"]) == Counter(whole["train"]) and split["test"] == whole["test"]
    if count >= 8:  # both sexes, about in proportion: 21 of 74 are women
        women = sum(u.tags["sex"] == "f" for u in split["dev"]) / len(split["dev"])
        assert 0.1 < women < 0.45


def small_an4(root, suffix=".wav"):
    for split, folder, speaker in (("train", "an4_clstk", "fash"), ("test", "an4test_clstk", "mxyz")):
        text_file(root / f"etc/an4_{split}.fileids", f"{folder}/{speaker}/an1-{speaker}-b\n")
        text_file(root / f"etc/an4_{split}.transcription", f"<s> GO A </s> (an1-{speaker}-b)\n")
        write(root / f"wav/{folder}/{speaker}/an1-{speaker}-b.wav", 0.25)
        if suffix == ".raw":
            path = root / f"wav/{folder}/{speaker}/an1-{speaker}-b.wav"
            samples, _ = soundfile.read(path, dtype="int16")
            samples.astype(">i2").tofile(path.with_suffix(".raw"))
            path.unlink()
    text_file(root / "etc/an4.dic", "A   AH\nA(2)  EY\nGO G OW\n")


def test_prepare_makes_wav_of_the_raw_archive(tmp_path, monkeypatch):
    small_an4(tmp_path / "plain" / "an4")
    small_an4(tmp_path / "raw" / "an4", ".raw")
    with tarfile.open(tmp_path / "downloads.tar.gz", "w:gz") as file:
        file.add(tmp_path / "raw" / "an4", "an4")
    archive = (tmp_path / "downloads.tar.gz").as_uri()  # urllib reads file: addresses as well
    monkeypatch.setattr(an4, "ARCHIVE", replace(an4.ARCHIVE, url=archive))
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ASRLAB_DATA", raising=False)
    assert corpora.prepare("an4") == tmp_path / "cache" / "an4"
    made, plain = corpora.load("an4"), an4.load(tmp_path / "plain" / "an4")
    for split in ("train", "test"):
        (ours,), (theirs,) = made[split], plain[split]
        assert (ours.id, ours.text, ours.speaker, ours.seconds) == (theirs.id, "go a", theirs.speaker, 0.25)
        np.testing.assert_array_equal(ours.load(), theirs.load())
        with wave.open(str(ours.source().path)) as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16000, 2, 1)
    assert not list((tmp_path / "cache").rglob("*.raw"))


def test_an4_errors_name_the_file_and_the_remedy(tmp_path):
    root = tmp_path / "an4"
    with pytest.raises(AsrlabError, match=r"an4_train\.fileids.*asrlab prepare an4"):
        an4.load(root)
    small_an4(root)
    assert an4.load(root)["train"][0].text == "go a"
    for path, text, message in (
        ("etc/an4_test.transcription", "GO (other)\n", "transcription:1"),
        ("etc/an4_test.transcription", "GO (a)\nGO (b)\n", "2 transcripts for 1 files"),
        ("etc/an4.dic", "A AH\nGO\n", r"an4\.dic:2"),
        ("wav/an4test_clstk/mxyz/an1-mxyz-b.wav", "no audio", r"an1-mxyz-b\.wav"),
    ):
        before = (root / path).read_bytes()
        (root / path).write_text(text)
        with pytest.raises(AsrlabError, match=message):
            an4.load(root)
        (root / path).write_bytes(before)
    (root / "wav/an4test_clstk/mxyz/an1-mxyz-b.wav").unlink()
    with pytest.raises(AsrlabError, match=r"mxyz-b\.wav.*no such file"):
        an4.load(root)


@pytest.mark.parametrize("count", [-1, 74])
def test_too_many_dev_speakers(count):
    with pytest.raises(AsrlabError, match=f"dev_speakers={count}"):
        hold_out_speakers(an4.load(recordings("an4"))["train"], count)


# --- FSDD -------------------------------------------------------------------------------------------------------------


def test_fsdd_published_split():
    root = recordings(fsdd.FOLDER)
    corpus = fsdd.load(root)
    assert len(corpus["train"]) + len(corpus["test"]) == len(list((root / "recordings").glob("*.wav")))
    if fsdd.speakers(root) == ("george", "jackson", "nicolas", "theo"):
        assert (len(corpus["train"]), len(corpus["test"])) == (1800, 200)
    for split in corpus.splits:
        for u in corpus[split]:
            digit, speaker, take = u.source().path.stem.split("_")
            assert u.text == fsdd.DIGITS[int(digit)] and u.speaker == speaker
            assert (int(take) <= 4) == (split == "test")
    accents = {u.speaker: u.tags["accent"] for u in corpus["test"]}
    assert accents["george"] == "Greek" and accents["nicolas"] == "Belgian French" and accents["theo"] == "US"
    assert corpus["test"][0].load(8000).shape == (round(corpus["test"][0].seconds * 8000),)


def test_fsdd_leave_one_speaker_out():
    root = recordings(fsdd.FOLDER)
    speakers = fsdd.speakers(root)
    for speaker in speakers[:2]:
        corpus = fsdd.load(root, split="leave-one-out", held_out=speaker)
        assert corpus.speakers("test") == (speaker,) and len(corpus["test"]) == 500
        assert speaker not in corpus.speakers("train") + corpus.speakers("dev")
        ids = [u.id for split in corpus.splits for u in corpus[split]]
        assert len(ids) == len(set(ids)) == 500 * len(speakers)


def test_fsdd_errors(tmp_path):
    with pytest.raises(AsrlabError, match="asrlab prepare fsdd"):
        fsdd.load(tmp_path)
    write(tmp_path / "recordings/3_ann_0.wav", rate=8000)
    with pytest.raises(AsrlabError, match=r"'bob'.*ann"):
        fsdd.load(tmp_path, split="leave-one-out", held_out="bob")
    with pytest.raises(AsrlabError, match="'random'"):
        fsdd.load(tmp_path, split="random")
    write(tmp_path / "recordings/three.wav", rate=8000)
    with pytest.raises(AsrlabError, match=r"three\.wav"):
        fsdd.load(tmp_path)


# --- census names -----------------------------------------------------------------------------------------------------


def test_census_names_are_as_published():
    corpus = census_names.load(recordings("census-names"))
    assert {split: len(corpus[split]) for split in corpus.splits} == {"surnames": 88799, "female": 4275, "male": 1219}
    assert [corpus[split][0].text for split in corpus.splits] == ["smith", "mary", "james"]
    for split in corpus.splits:
        shares = [float(u.tags["share"]) for u in corpus[split]]
        assert shares == sorted(shares, reverse=True) and 75 < sum(shares) < 92


def test_census_names_are_fetched_once_and_read(tmp_path, monkeypatch):
    lists = {
        "surnames": "SMITH  1.006  1.006  1\nLEE    0.220  1.226  2\n",
        "female": "MARY 2.629 2.629 1\n",
        "male": "",
    }
    for split, text in lists.items():
        name = census_names.LISTS[split].name
        text_file(tmp_path / "public" / name, text)
        there = Archive((tmp_path / "public" / name).as_uri(), hashlib.sha256(text.encode()).hexdigest())
        monkeypatch.setitem(census_names.LISTS, split, there)
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ASRLAB_DATA", raising=False)
    assert corpora.prepare("census_names") == corpora.prepare("census_names") == tmp_path / "cache" / "census-names"
    assert not [p for p in (tmp_path / "cache" / "downloads").iterdir() if p.name != "checksums.json"]
    corpus = corpora.load("census_names")
    first, second = corpus["surnames"]
    assert (first.text, first.tags, first.sources, second.text) == ("smith", {"share": "1.006"}, {}, "lee")
    assert corpus["male"] == ()


@pytest.mark.parametrize("line", ["SMITH 1.006", "O'NEIL 0.1 0.1 1", "LEE 0.2 0.2 1\nLEE 0.1 0.3 2", "<html>"])
def test_a_list_of_names_that_is_none(tmp_path, line):
    for archive in census_names.LISTS.values():
        text_file(tmp_path / archive.name, line)
    with pytest.raises(AsrlabError, match=r"dist\.all\.last:\d: .* is no line of this list"):
        census_names.load(tmp_path)


# --- the others, on copies of their layout ----------------------------------------------------------------------------


def test_yesno(tmp_path):
    names = ["0_0_1", "0_1_0", "1_0_0", "1_1_1"]
    for name in names:
        write(tmp_path / f"{name}.wav", rate=8000)
    corpus = yesno.load(tmp_path)
    assert [u.text for u in corpus["train"]] == ["no no yes", "yes no no"]
    assert [u.id for u in corpus["test"]] == ["0_1_0", "1_1_1"]


def test_librispeech(tmp_path):
    root = tmp_path / "LibriSpeech"
    for subset, speaker in (("train-clean-100", "19"), ("dev-clean", "84"), ("dev-other", "116"), ("test-clean", "61")):
        for number in range(2):
            write(root / subset / speaker / "7" / f"{speaker}-7-{number:04d}.flac", 0.2)
        lines = [f"{speaker}-7-{number:04d} IT'S LINE {word}" for number, word in enumerate(("ONE", "TWO"))]
        text_file(root / subset / speaker / "7" / f"{speaker}-7.trans.txt", "\n".join(lines) + "\n")
    corpus = librispeech.load(root, dev="dev-clean+dev-other")
    assert {s: len(corpus[s]) for s in corpus.splits} == {"train": 2, "dev": 4, "test": 2}
    second = corpus["train"][1]
    assert (second.id, second.text, second.speaker, second.seconds) == ("19-7-0001", "it's line two", "19", 0.2)
    assert second.tags["subset"] == "train-clean-100" and second.load().shape == (3200,)
    assert set(librispeech.load(root, train="", dev="").splits) == {"test"}
    with pytest.raises(AsrlabError, match=r"test-other.*asrlab prepare librispeech"):
        librispeech.load(root, test="test-other")
    with pytest.raises(AsrlabError, match="'test-dirty'"):
        librispeech.load(root, test="test-dirty")
    (root / "dev-clean/84/7/84-7.trans.txt").write_text("84-7-0000 ONE\n")
    with pytest.raises(AsrlabError, match="84-7-0001"):
        librispeech.load(root)


def test_speech_commands(tmp_path):
    root = tmp_path / "SpeechCommands"
    base = root / speech_commands.VERSION
    for word in ("yes", "no"):
        for speaker in ("aa", "bb", "cc"):
            write(base / word / f"{speaker}_nohash_0.wav")
    write(base / "_background_noise_" / "hum.wav")
    text_file(base / "validation_list.txt", "yes/bb_nohash_0.wav\nno/bb_nohash_0.wav\n")
    text_file(base / "testing_list.txt", "yes/cc_nohash_0.wav\nno/cc_nohash_0.wav\n")
    corpus = speech_commands.load(root)
    assert {s: corpus.speakers(s) for s in corpus.splits} == {"train": ("aa",), "dev": ("bb",), "test": ("cc",)}
    assert corpus.words("train") == ("no", "yes") and corpus["dev"][0].load().shape == (1600,)
    assert [u.id for u in speech_commands.load(root, words=["yes"])["test"]] == ["yes/cc_nohash_0"]
    with pytest.raises(AsrlabError, match="maybe"):
        speech_commands.load(root, words=["yes", "maybe"])
    with pytest.raises(AsrlabError, match="asrlab prepare speech_commands"):
        speech_commands.load(tmp_path / "elsewhere")


# --- by name ----------------------------------------------------------------------------------------------------------


def test_names_options_and_homes(tmp_path, monkeypatch):
    assert corpora.names()[0] == "scenetalk" and "an4" in corpora.names()
    assert list(corpora.options("fsdd")) == ["split", "held_out"]
    monkeypatch.setenv("ASRLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path / "cache"))
    assert corpora.home("an4") == tmp_path / "cache/an4"
    (tmp_path / "data/an4").mkdir(parents=True)
    assert corpora.home("an4") == tmp_path / "data/an4"
    for name in corpora.names():
        assert corpora.home(name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: corpora.load("an5"), "'an5'.*an4"),
        (lambda: corpora.load("an4", dev_speaker=3), "'dev_speaker'.*dev_speakers"),
        (lambda: corpora.load("manifest"), "needs root"),
        (lambda: corpora.prepare("manifest"), "nothing to fetch"),
        (lambda: corpora.prepare("an4", subsets=["x"]), "'subsets'"),
        (lambda: corpora.prepare("librispeech", "nowhere", subsets=["x"]), "'x'.*dev-clean"),
    ],
)
def test_wrong_calls(call, message):
    with pytest.raises(AsrlabError, match=message):
        call()


def test_corpus_answers(tmp_path):
    write(tmp_path / "0_1.wav", 0.5, 8000)
    corpus = yesno.load(tmp_path)
    assert corpus.seconds("train") == 0.5 and corpus.words("train") == ("no", "yes")
    assert "1 utterances" in corpus.summary() and corpus.word_counts("train") == {"no": 1, "yes": 1}
    with pytest.raises(AsrlabError, match=r"'dev'.*train, test"):
        corpus["dev"]


def test_archives_are_the_well_known_ones():
    stated = [yesno.ARCHIVE, speech_commands.ARCHIVE, *(Archive(k, v) for k, v in librispeech.SHA256.items())]
    assert all(re.fullmatch("[0-9a-f]{64}", archive.sha256) for archive in stated)
    from torchaudio.datasets import librispeech as theirs

    for url, sha256 in theirs._CHECKSUMS.items():
        assert librispeech.SHA256[url.rsplit("/", 1)[1].removesuffix(".tar.gz")] == sha256
