"""Sources: sound as samples, other modalities as frames at the rate that is asked for, from files and from shards."""

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Source, Utterance, manifest, read, shards
from asrlab.corpora.read import at_rate
from asrlab.signals import audio

FILM = np.arange(30 * 2 * 3, dtype=np.uint8).reshape(30, 2, 3)


@pytest.fixture
def utterance(tmp_path):
    """A second of sound with 30 pictures, and a note."""
    audio.save(tmp_path / "a.wav", np.linspace(-0.5, 0.5, 16000, dtype=np.float32), 16000)
    np.save(tmp_path / "a.npy", FILM)
    sources = {"sound": Source(tmp_path / "a.wav", seconds=1.0), "lips": Source(tmp_path / "a.npy", seconds=1.0)}
    return Utterance("a", "yes", "ann", 1.0, sources, {"room": "bath"}, {"meaning": "agree"})


def test_frames_are_brought_to_a_rate_by_the_nearest():
    assert np.array_equal(at_rate(FILM, 1.0, 30), FILM)
    assert np.array_equal(at_rate(FILM, 1.0, 15), FILM[1::2])
    assert np.array_equal(at_rate(FILM, 1.0, 60), np.repeat(FILM, 2, axis=0))
    assert np.array_equal(at_rate(FILM, None, 7), FILM)
    assert len(at_rate(FILM, 0.001, 25)) == 1


def test_an_utterance_reads_what_it_has(utterance):
    assert utterance.load().shape == (16000,) and utterance.load(8000).shape == (8000,)
    assert utterance.load(25, "lips").shape == (25, 2, 3)
    with pytest.raises(AsrlabError, match=r"utterance 'a': has no scene \(sound, lips\); choose another"):
        utterance.load(1, "scene")
    with pytest.raises(AsrlabError, match=r"utterance 't': has no sound \(text alone\)"):
        Utterance("t", "yes", "", 0.0).load()
    assert (
        str(utterance).startswith("utterance 'a' (")
        and str(Utterance("t", "x", "", 0.0)) == "utterance 't' (text alone)"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "cannot be read as an array of frames"),
        (b"no array", "cannot be read as an array of frames"),
        (np.array({"a": 1}, dtype=object), "cannot be read as an array of frames"),  # a pickle is not opened
        (np.array(["a"]), "expected numbers"),
        (np.array(3.0), "expected numbers"),
        (np.array([np.nan]), "holds NaN or infinity"),
    ],
)
def test_what_is_no_array_of_frames_names_the_file(tmp_path, content, told):
    path = tmp_path / "x.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(AsrlabError, match=rf"x\.npy: .*{told}"):
        read(Source(path), "lips", 25)


def test_shards_and_manifests_keep_every_modality_and_note(utterance, tmp_path):
    assert shards.write([utterance], tmp_path / "shards" / "train") == 1
    (packed,) = shards.load(tmp_path / "shards")["train"]
    path = manifest.save_manifest([utterance], tmp_path / "train.jsonl")
    (listed,) = manifest.load(path)["train"]
    for again in (packed, listed):
        assert (again.text, again.tags, again.notes) == (utterance.text, utterance.tags, utterance.notes)
        assert set(again.sources) == {"sound", "lips"}
        np.testing.assert_array_equal(again.load(25, "lips"), utterance.load(25, "lips"))
        np.testing.assert_allclose(again.load(), utterance.load(), atol=2**-15)


def test_a_manifest_with_wrong_sources_says_so(utterance, tmp_path):
    path = tmp_path / "x.jsonl"
    for sources, told in (
        ('{"lips": "gone.npy"}', r"gone\.npy: no such file"),
        ('{"sound": "a.wav"}', "sources name sound, which is what audio names"),
        ('["a.npy"]', "they must be an object of strings"),
    ):
        path.write_text(f'{{"audio": "a.wav", "text": "yes", "sources": {sources}}}\n')
        with pytest.raises(AsrlabError, match=told):
            manifest.load(path)
