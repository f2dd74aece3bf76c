"""The stand-ins for own recordings: splits that share nothing, and a folder that the recipes can read."""

import numpy as np
import pytest
import soundfile

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from benchmarks import small


@pytest.fixture
def utterances(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1600, np.int16), 16000)
    return [Utterance.recorded(f"u{k}", tmp_path / "a.wav", "stop", "ann", 0.1, 0.0, {"k": "1"}) for k in range(20)]


def test_splits_share_nothing_and_are_the_same_every_time(utterances):
    sizes = {"train": 10, "dev": 3, "test": 5}
    splits = small.drawn(utterances, sizes)
    assert {split: len(part) for split, part in splits.items()} == sizes
    assert len({u.id for part in splits.values() for u in part}) == 18
    assert small.drawn(utterances[::-1], sizes) == splits


def test_a_stand_in_is_a_folder_of_plain_manifests(utterances, tmp_path):
    splits = small.drawn(utterances, {"train": 10, "dev": 3, "test": 5})
    corpus = corpora.load("manifest", small.write(splits, tmp_path / "digits"))
    assert {split: len(corpus[split]) for split in corpus.splits} == {"train": 10, "dev": 3, "test": 5}
    assert not any(u.tags for split in corpus.splits.values() for u in split)


def test_recordings_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("ASRLAB_DATA", str(tmp_path))
    with pytest.raises(AsrlabError, match=r"audio-cmn.*: no recordings; fetch audio-cmn"):
        small.mandarin()
