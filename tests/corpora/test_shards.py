"""Shards: what is packed comes out again, other tools read it, and training goes through them one at a time."""

import io
import itertools
import json
import math
import tarfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import webdataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Corpus, Source, Utterance, read, shards
from asrlab.corpora.read import _members as member_places
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
        read(Source(path, member="other"))


def test_what_load_would_refuse_is_not_written(utterances, tmp_path):
    one = utterances[0]
    bad = {
        "a second one": [one, one],
        "seconds is nan": [replace(one, seconds=math.nan)],
        "seconds is -1": [replace(one, seconds=-1.0)],
        "id is 5, not a string": [replace(one, id=5)],
        "text is 5, not a string": [replace(one, text=5)],
        "text is empty": [replace(one, text=" ")],
        "tags are": [replace(one, tags={"k": 1})],
    }
    for i, (message, them) in enumerate(bad.items()):
        with pytest.raises(AsrlabError, match=message):
            shards.write(them, tmp_path / f"c{i}" / "train")
        assert not (tmp_path / f"c{i}" / "train" / "index.jsonl").exists()  # half a corpus is none
    for per_shard in (0, -1, 1.5, True):
        with pytest.raises(AsrlabError, match="per_shard"):
            shards.write(utterances, tmp_path / "other", per_shard=per_shard)


def test_a_text_may_hold_what_unicode_calls_a_line_end(utterances, tmp_path):
    said = replace(utterances[0], text="one\u2028two\u0085three")
    shards.write([said, utterances[1]], tmp_path / "train")
    assert [u.text for u in corpora.load("shards", tmp_path)["train"]] == [said.text, "word1"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"id": "u1"}, "already that of .*index.jsonl:2"),
        ({"id": 1}, "id is 1, not a string"),
        ({"text": ""}, "text is empty"),
        ({"seconds": "x"}, "seconds is 'x', not a number"),
        ({"seconds": math.nan}, "seconds is nan"),
        ({"seconds": 10**400}, "a number of many digits"),
        ({"tags": ["a"]}, "tags are"),
        ({"modalities": "sound"}, "modalities are"),
        ({"shard": "shard-00001.tar"}, "shard-00001.tar is missing"),
        ({"shard": "x" * 300}, "is missing"),
    ],
    ids=str,
)
def test_a_bad_line_of_an_index_is_named(utterances, tmp_path, change, message):
    shards.write(utterances[:3], tmp_path / "train")
    index = tmp_path / "train" / "index.jsonl"
    rows = [json.loads(line) for line in index.read_text().split("\n") if line]
    rows[2] |= change
    index.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(AsrlabError, match=rf"index\.jsonl:3: .*{message}"):
        corpora.load("shards", tmp_path)


def test_two_files_of_one_name_in_a_shard_are_refused(utterances, tmp_path):
    shards.write(utterances[:2], tmp_path / "train")
    corpus = corpora.load("shards", tmp_path)
    with tarfile.open(tmp_path / "train" / "shard-00000.tar", "a") as tar:
        tar.addfile(tarfile.TarInfo("u1.flac"), io.BytesIO())
    member_places.cache_clear()
    with pytest.raises(AsrlabError, match=r"holds 'u1\.flac' twice"):
        corpus["train"][0].load()


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.text(max_size=3))
ROWS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("id", "text", "speaker", "seconds", "tags", "notes", "modalities", "shard"), VALUES),
        "shard": VALUES | st.just("shard-00000.tar"),
        "tags": VALUES | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=ROWS | VALUES)
def test_any_json_in_an_index_is_read_or_refused(packed, change):
    folder, row = packed
    changed = row | change if isinstance(change, dict) else change
    (folder / "train" / "index.jsonl").write_text(json.dumps(changed) + "\n")
    try:
        (utterance,) = corpora.load("shards", folder)["train"]
    except AsrlabError as error:
        assert str(folder) in str(error) or "utterance" in str(error)
    else:
        assert math.isfinite(utterance.seconds) and isinstance(utterance.id, str) and utterance.text.strip()


@pytest.fixture
def packed(utterances, tmp_path):
    """A folder of one shard, and the row of its one utterance."""
    shards.write(utterances[:1], tmp_path / "packed" / "train")
    return tmp_path / "packed", json.loads((tmp_path / "packed" / "train" / "index.jsonl").read_text())


@pytest.mark.parametrize(("per_shard", "sizes"), [(10, [7, 8, 8]), (23, [23]), (22, [11, 12]), (1, [1] * 23)])
def test_shards_are_as_equal_as_they_can_be(utterances, tmp_path, per_shard, sizes):
    """Side by side in lanes, a small last shard would be read again and again or not at all."""
    assert shards.write(utterances, tmp_path / "train", per_shard=per_shard) == len(sizes)
    rows = [json.loads(line) for line in (tmp_path / "train" / "index.jsonl").read_text().splitlines()]
    assert sorted(Counter(row["shard"] for row in rows).values()) == sizes
    assert [row["id"] for row in rows] == [u.id for u in utterances]


def test_processes_side_by_side_write_the_same_bytes(utterances, tmp_path):
    for jobs in (1, 2):
        shards.write(utterances, tmp_path / f"{jobs}" / "train", per_shard=6, jobs=jobs)
    one, two = (sorted((tmp_path / f"{jobs}" / "train").iterdir()) for jobs in (1, 2))
    assert [path.name for path in one] == [path.name for path in two] and len(one) == 5
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, two, strict=True))
    with pytest.raises(AsrlabError, match="jobs=0: give a whole number, 1 or more"):
        shards.write(utterances, tmp_path / "other", jobs=0)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_recording_that_is_gone_leaves_no_corpus(utterances, tmp_path, jobs):
    gone = Utterance.recorded("gone", tmp_path / "gone.wav", "a", "s", 0.1)
    with pytest.raises(AsrlabError, match=r"gone\.wav: no such file"):
        shards.write([*utterances[:4], gone], tmp_path / "train", per_shard=2, jobs=jobs)
    assert not (tmp_path / "train" / "index.jsonl").exists()


def test_a_corpus_is_packed_split_by_split_with_its_lexicon(utterances, tmp_path):
    words = {"word1": (("W", "AH"), ("W",)), "two": (("T",),)}
    texts = tuple(Utterance(f"t{i}", "two", "unknown", 0.0) for i in range(3))
    splits = {"train": tuple(utterances[:15]), "test": tuple(utterances[15:]), "text": texts}
    corpus = Corpus("c", splits, 16000, words)
    assert shards.write_corpus(corpus, tmp_path / "a", per_shard=8) == {"train": 2, "test": 1, "text": 1}
    back = corpora.find(str(tmp_path / "a"))
    assert back.lexicon == words
    assert {split: sorted(u.id for u in back[split]) for split in back.splits} == {
        split: sorted(u.id for u in part) for split, part in splits.items()
    }
    assert [u.id for u in back["train"]] != [u.id for u in utterances[:15]]  # mixed, since a batch is of one shard
    shards.write_corpus(corpus, tmp_path / "b", per_shard=8)
    assert (tmp_path / "a/train/shard-00001.tar").read_bytes() == (tmp_path / "b/train/shard-00001.tar").read_bytes()
    shards.write_corpus(replace(corpus, splits={"text": texts}), tmp_path / "c")
    assert len(corpora.find(str(tmp_path / "c"))["text"]) == 3


@pytest.mark.parametrize("name", ["../../x", "sub/a.b", "b@0.5", "50%", "50%2E", "a b", "x" * 300, "漢"])
def test_any_id_can_be_packed(utterances, tmp_path, name):
    one = replace(utterances[0], id=name)
    shards.write([one, utterances[1]], tmp_path / "c" / "train")
    with tarfile.open(tmp_path / "c" / "train" / "shard-00000.tar") as tar:
        assert not any("/" in member or member.count(".") > 1 for member in tar.getnames())
    back = corpora.load("shards", tmp_path / "c")["train"]
    assert [u.id for u in back] == [name, "u1"]
    np.testing.assert_allclose(back[0].load(), utterances[0].load(), atol=2**-14)
