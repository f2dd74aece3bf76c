"""Shards: what is packed comes out again, other tools read it, and training goes through them one at a time."""

import io
import itertools
import json
import tarfile

import numpy as np
import pytest
import soundfile
import webdataset

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Source, Utterance, read, shards
from asrlab.signals import audio
from asrlab.text import CharTokenizer
from asrlab.training.batching import Speech, plan_epoch


@pytest.fixture
def utterances(tmp_path):
    made = []
    for i in range(23):
        samples = np.random.default_rng(i).uniform(-0.5, 0.5, 1600 + 160 * i).astype(np.float32)
        audio.save(tmp_path / f"u{i}.wav", samples, 16000)
        path, seconds = tmp_path / f"u{i}.wav", len(samples) / 16000
        made.append(Utterance.recorded(f"u{i}", path, f"word{i}", f"s{i % 3}", seconds, tags={"n": str(i)}))
    return made


def test_what_is_packed_comes_out_again(utterances, tmp_path):
    assert shards.write(utterances, tmp_path / "disk1" / "train", per_shard=5) == 5
    corpus = corpora.load("shards", tmp_path / "disk1")
    for before, after in zip(utterances, corpus["train"], strict=True):
        assert (before.id, before.text, before.speaker, before.seconds, before.tags) == (
            after.id, after.text, after.speaker, after.seconds, after.tags,
        )  # fmt: skip
        np.testing.assert_array_equal(before.load(), after.load())


def test_several_disks_are_one_corpus(utterances, tmp_path):
    shards.write(utterances[:10], tmp_path / "disk1" / "train", per_shard=5)
    shards.write(utterances[10:20], tmp_path / "disk2" / "train", per_shard=5)
    shards.write(utterances[20:], tmp_path / "disk2" / "test")
    corpus = corpora.load("shards", tmp_path / "disk1", more=[str(tmp_path / "disk2")])
    assert [u.id for u in corpus["train"]] == [f"u{i}" for i in range(20)]
    assert len(corpus["test"]) == 3


def test_webdataset_reads_them(utterances, tmp_path):
    shards.write(utterances, tmp_path / "train", per_shard=10)
    urls = [str(path) for path in sorted((tmp_path / "train").glob("*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [u.id for u in utterances]
    for utterance, sample in zip(utterances, samples, strict=True):
        assert json.loads(sample["json"])["text"] == utterance.text
        np.testing.assert_array_equal(soundfile.read(io.BytesIO(sample["flac"]), dtype="float32")[0], utterance.load())


def test_an_epoch_goes_through_the_shards_one_after_the_other(utterances, tmp_path):
    shards.write(utterances, tmp_path / "train", per_shard=8)
    corpus = corpora.load("shards", tmp_path)
    dataset = Speech(corpus["train"], CharTokenizer.fit(u.text for u in utterances), {"sound": 16000}, keep=False)
    orders = set()
    for epoch in range(8):
        plan = plan_epoch(dataset.seconds(), 0.6, (1.0, 1.1), 1, epoch, shards=dataset.shards())
        assert sorted(i for batch in plan for i, _ in batch) == list(range(23))
        visited = [dataset.utterances[i].source().path.name for batch in plan for i, _ in batch]
        changes = sum(a != b for a, b in itertools.pairwise(visited))
        assert changes == 2  # three shards, each visited once
        orders.add(tuple(dict.fromkeys(visited)))
    assert len(orders) > 1
    item = dataset[0, 1.0]
    np.testing.assert_array_equal(item.inputs["sound"].numpy(), utterances[0].load())


def test_bad_shards_are_named(utterances, tmp_path):
    folder = tmp_path / "c" / "train"
    shards.write(utterances[:3], folder)
    with pytest.raises(AsrlabError, match="not empty"):
        shards.write(utterances, folder)
    with pytest.raises(AsrlabError, match="leave out"):
        shards.write([Utterance.recorded("../x", utterances[0].source().path, "a", "s", 0.1)], tmp_path / "d")
    with pytest.raises(AsrlabError, match="needs root"):
        corpora.load("shards")
    with pytest.raises(AsrlabError, match=r"no SPLIT/index\.jsonl"):
        corpora.load("shards", tmp_path / "nothing")
    rows = (folder / "index.jsonl").read_text().splitlines()
    (folder / "index.jsonl").write_text("\n".join([*rows, "{"]))
    with pytest.raises(AsrlabError, match=r"index\.jsonl:4"):
        corpora.load("shards", tmp_path / "c")
    (folder / "index.jsonl").write_text(rows[0].replace("shard-00000.tar", "../../../etc/passwd"))
    with pytest.raises(AsrlabError, match="passwd is missing"):
        corpora.load("shards", tmp_path / "c")


def test_a_damaged_shard_says_so(utterances, tmp_path):
    shards.write(utterances[:3], tmp_path / "train")
    corpus = corpora.load("shards", tmp_path)
    path = tmp_path / "train" / "shard-00000.tar"
    with tarfile.open(path) as tar:
        begin = tar.getmember("u1.flac").offset_data
    data = bytearray(path.read_bytes())
    data[begin : begin + 400] = b"x" * 400
    path.write_bytes(bytes(data))
    with pytest.raises(AsrlabError, match=r"shard-00000\.tar:u1\.flac: not readable as audio"):
        corpus["train"][1].load()
    with pytest.raises(AsrlabError, match="holds no"):
        read(Source(path, member="other.flac"))
