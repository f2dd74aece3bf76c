"""Manifests: what is good comes back the same, and all that is wrong is reported at once, line by line."""

import json
import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora.base import Utterance
from asrlab.corpora.download import sha256_file
from asrlab.corpora.manifest import FIELDS, ManifestError, load, save_manifest

RATE = 16000


@pytest.fixture
def folder(tmp_path):
    """a.wav (1 s, a rising ramp) and sub/b.flac (2 s)."""
    (tmp_path / "sub").mkdir()
    soundfile.write(tmp_path / "a.wav", np.arange(RATE, dtype=np.int16), RATE)
    soundfile.write(tmp_path / "sub/b.flac", np.arange(2 * RATE, dtype=np.int16), RATE)
    return tmp_path


def written(folder, *rows, name="train.jsonl"):
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    (folder / name).write_bytes(b"\n".join(lines) + b"\n")
    return folder / name


def test_fields_and_defaults(folder):
    path = written(
        folder,
        {"audio": "a.wav", "text": "Turn LEFT!"},
        {"id": "x", "audio": "sub/b.flac", "text": "stop", "speaker": "ann", "start": 0.5, "seconds": 1.25,
         "tags": {"noise": "car"}},
        {"audio": str(folder / "sub/b.flac"), "text": "stop", "start": 0.5},
    )  # fmt: skip
    corpus = corpora.load("manifest", path)
    first, second, third = corpus["train"]
    assert first == Utterance.recorded("a", folder / "a.wav", "turn left", "unknown", 1.0)
    assert second == Utterance.recorded("x", folder / "sub/b.flac", "stop", "ann", 1.25, 0.5, {"noise": "car"})
    assert (third.id, third.seconds) == ("b@0.5", 1.5)
    assert corpus.sample_rate == RATE
    ramp = np.arange(2 * RATE, dtype=np.float32) / 32768
    np.testing.assert_array_equal(second.load(), ramp[RATE // 2 : RATE // 2 + 20000])
    np.testing.assert_array_equal(third.load(), ramp[RATE // 2 :])
    assert second.load(8000).shape == (10000,)


def test_text_may_stay_as_it_is(folder):
    path = written(folder, {"audio": "a.wav", "text": " Turn  LEFT! "})
    assert load(path, normalise_text=False)["train"][0].text == "Turn LEFT!"


def test_save_and_load_round_trip(folder):
    path = written(
        folder,
        {"audio": "a.wav", "text": "naïve 我们"},
        {"id": "x", "audio": "sub/b.flac", "text": "b", "start": 1 / 3, "seconds": 0.7, "tags": {"k": "v"}},
    )
    utterances = load(path)["train"]
    copy = save_manifest(utterances, folder / "deep" / "er" / "copy.jsonl")
    assert [json.loads(line)["audio"] for line in copy.read_text(encoding="utf-8").splitlines()] == [
        "../../a.wav",
        "../../sub/b.flac",
    ]
    again = load(copy)["copy"]
    assert [
        (u.id, u.text, u.speaker, u.source().start, u.seconds, u.tags, u.source().path.resolve()) for u in again
    ] == [(u.id, u.text, u.speaker, u.source().start, u.seconds, u.tags, u.source().path.resolve()) for u in utterances]
    assert [p.name for p in copy.parent.iterdir()] == ["copy.jsonl"]


def test_saving_where_one_cannot(folder):
    with pytest.raises(AsrlabError, match="cannot be written"):
        save_manifest([], folder / "a.wav" / "x.jsonl")


BAD = [
    (b"{not json", "not JSON"),
    (b"\xff\xfe{}", "not UTF-8"),
    (b"[1, 2]", "not a JSON object"),
    (b'{"audio": "a.wav", "audio": "b.wav", "text": "x"}', "'audio' occurs twice"),
    ({"text": "x"}, "no field 'audio'"),
    ({"audio": "a.wav"}, "no field 'text'"),
    ({"id": "1", "audio": "missing.wav", "text": "x"}, "missing.wav"),
    ({"id": "2", "audio": "sub", "text": "x"}, "sub"),
    ({"id": "3", "audio": "a\0.wav", "text": "x"}, "audio"),
    ({"id": "4", "audio": "", "text": "x"}, "audio is empty"),
    ({"id": "5", "audio": "notes.txt", "text": "x"}, "notes.txt"),
    ({"id": "6", "audio": "empty.wav", "text": "x"}, "empty.wav"),
    ({"id": "7", "audio": "a.wav", "text": "?!"}, "holds no words"),
    ({"id": "8", "audio": "a.wav", "text": 5}, "text is 5, not a string"),
    ({"id": "9", "audio": "a.wav", "text": "x", "seconds": "long"}, "seconds is 'long', not a number"),
    ({"id": "10", "audio": "a.wav", "text": "x", "seconds": True}, "not a number"),
    (b'{"id": "11", "audio": "a.wav", "text": "x", "seconds": NaN}', "seconds is nan"),
    (b'{"id": "12", "audio": "a.wav", "text": "x", "start": -Infinity}', "start is -inf"),
    ({"id": "13", "audio": "a.wav", "text": "x", "seconds": 0}, "more than 0"),
    ({"id": "14", "audio": "a.wav", "text": "x", "start": -1}, "at least 0"),
    ({"id": "15", "audio": "a.wav", "text": "x", "start": 1.5}, "beyond the end"),
    ({"id": "16", "audio": "a.wav", "text": "x", "start": 0.5, "seconds": 0.9}, "ends at 1.4 s"),
    ({"id": "17", "audio": "a.wav", "text": "x", "tags": {"k": 1}}, "object of strings"),
    ({"id": "18", "audio": "a.wav", "text": "x", "duration": 1}, "unknown field 'duration'"),
    ({"id": "good", "audio": "a.wav", "text": "x"}, "already that of"),
    ({"id": 19, "audio": "a.wav", "text": "x"}, "id is 19, not a string"),
    (b'{"id": "20", "audio": "a.wav", "text": "x", "seconds": ' + b"9" * 400 + b"}", "it must be finite"),
    (b'{"id": "21", "audio": "a.wav", "text": "\\ud800"}', "half a character"),
    ({"id": "22\n", "audio": "a.wav", "text": "x"}, "control characters"),
    ({"id": "23", "audio": "a" * 300 + ".wav", "text": "x"}, "cannot be read"),
    ({"id": "24", "audio": "a.wav", "text": "x", "sources": {"lips": "a" * 300}}, "sources: "),
    (b"[" * 5000, "not JSON"),
]


def test_every_bad_line_is_reported_at_once_with_its_number(folder):
    (folder / "notes.txt").write_text("no sound")
    soundfile.write(folder / "empty.wav", np.zeros(0, np.int16), RATE)
    path = written(folder, {"id": "good", "audio": "a.wav", "text": "x"}, b"", *(row for row, _ in BAD))
    with pytest.raises(ManifestError) as error:
        load(path)
    places = [place for place, _ in error.value.problems]
    assert places == [
        f"{path}:{number}" for number in range(3, 3 + len(BAD))
    ]  # the blank line 2 counts but is no fault
    for (_, expected), (_, found) in zip(BAD, error.value.problems, strict=True):
        assert expected in found
    assert f"{len(BAD)} bad lines" in str(error.value) and f"{path}:3: not JSON" in str(error.value)


def test_two_faults_of_one_line_and_very_many_lines(folder):
    rows = [{"audio": "a.wav", "text": "", "id": str(i), "start": 2} for i in range(100)]
    with pytest.raises(ManifestError) as error:
        load(written(folder, *rows))
    assert len(error.value.problems) == 200 and "and 160 more" in str(error.value)


def test_rounded_ends_are_taken_as_the_end(folder):
    path = written(folder, {"audio": "a.wav", "text": "x", "start": 0.3333, "seconds": 0.6767})
    (utterance,) = load(path)["train"]
    assert len(utterance.load()) == RATE - round(0.3333 * RATE)


def test_hashes_are_compared_on_request(folder):
    good = sha256_file(folder / "a.wav")
    path = written(folder, {"audio": "a.wav", "text": "x", "sha256": good.upper()})
    assert len(load(path, verify=True)["train"]) == 1
    path = written(folder, {"audio": "a.wav", "text": "x", "sha256": "0" * 64})
    assert len(load(path)["train"]) == 1
    with pytest.raises(ManifestError, match="SHA-256"):
        load(path, verify=True)


def test_folder_of_manifests_is_splits_and_ids_differ_across_them(folder):
    written(folder, {"id": "1", "audio": "a.wav", "text": "x"}, name="train.jsonl")
    written(folder, {"id": "2", "audio": "a.wav", "text": "x"}, name="test.jsonl")
    assert {s: [u.id for u in load(folder)[s]] for s in load(folder).splits} == {"test": ["2"], "train": ["1"]}
    written(folder, {"id": "1", "audio": "a.wav", "text": "x"}, name="test.jsonl")
    with pytest.raises(ManifestError, match="already that of"):
        load(folder)


@pytest.mark.parametrize("name, separator", [("all.csv", ","), ("all.tsv", "\t")])
def test_a_table_is_a_manifest(folder, name, separator):
    rows = [("File_name", "sentence", "speaker", "start", "mood"), ("a.wav", "turn left", "ann", "", "glad"),
            ("sub/b.flac", '"Stop, now!"', "", "0.5", "")]  # fmt: skip
    (folder / name).write_text("".join(separator.join(row) + "\r\n" for row in rows), encoding="utf-8-sig")
    first, second = corpora.load("manifest", folder / name)["all"]
    assert first == Utterance.recorded("a", folder / "a.wav", "turn left", "ann", 1.0)
    assert second == Utterance.recorded("b@0.5", folder / "sub/b.flac", "stop now", "unknown", 1.5, 0.5)
    assert corpora.load("manifest", folder)["all"] == (first, second)


@pytest.mark.parametrize(
    "table, message",
    [
        ("", "its first line names nothing"),
        ("a.wav,turn left\n", "its first line names a.wav, turn left; it must name the columns audio and text"),
        ('audio,text\n"a.wav"x,stop\n', r"all.csv:2: .*; quote cells that hold a separator"),
        ("audio,text,start\na.wav,stop,soon\n", r"all.csv:2: start is 'soon', not a number"),
        ("audio,text\na.wav\n", r"all.csv:2: no field 'text'"),
        ("audio,text\nno.wav,stop\n", r"all.csv:2: audio: .*no.wav"),
    ],
)
def test_a_table_that_says_too_little(folder, table, message):
    (folder / "all.csv").write_text(table, encoding="utf-8")
    with pytest.raises(AsrlabError, match=message):
        corpora.load("manifest", folder / "all.csv")


def many(folder, number, speakers=3):
    rows = [{"id": f"u{k}", "audio": "a.wav", "text": "stop", "speaker": f"s{k % speakers}"} for k in range(number)]
    return written(folder, *rows, name="all.jsonl")


def test_one_split_is_divided_and_what_is_added_moves_nothing(folder):
    held = {"dev": 0.1, "test": 0.25}
    corpus = corpora.load("manifest", many(folder, 40), hold_out=held)
    assert {split: len(corpus[split]) for split in corpus.splits} == {"train": 26, "dev": 4, "test": 10}
    ids = [{u.id for u in corpus[split]} for split in ("train", "dev", "test")]
    assert len(set.union(*ids)) == 40
    again = corpora.load("manifest", many(folder, 41), hold_out={"dev": 4 / 41, "test": 10 / 41})
    moved = sum(u.id not in ids[k] for k, split in enumerate(("train", "dev", "test")) for u in again[split])
    assert moved <= 3  # the new one, and at each border the one that it pushes over
    written(folder, {"id": "v", "audio": "a.wav", "text": "stop"}, name="dev.jsonl")
    assert len(corpora.load("manifest", folder, hold_out=held)["all"]) == 41  # splits that are there stay


def test_whole_speakers_are_held_out(folder):
    corpus = corpora.load("manifest", many(folder, 30), hold_out={"test": 0.3}, by="speaker")
    train, test = ({u.speaker for u in corpus[split]} for split in ("train", "test"))
    assert len(test) == 1 and len(train) == 2 and not train & test


@pytest.mark.parametrize(
    "number, options, message",
    [
        (2, {"hold_out": {"dev": 0.1, "test": 0.2}}, r"2 utterances; too few for hold_out=.* nothing is left"),
        (9, {"hold_out": {"test": 0.2}, "by": "mood"}, r"by='mood': hold out by utterance or by speaker"),
        (9, {"hold_out": {"dev": 0.6, "test": 0.4}}, r"shares above 0, below 1 together"),
        (9, {"hold_out": {"train": 0.6}}, r"train is what they leave"),
    ],
)
def test_what_cannot_be_held_out(folder, number, options, message):
    with pytest.raises(AsrlabError, match=message):
        corpora.load("manifest", many(folder, number), **options)


def test_byte_order_mark_and_windows_lines(folder):
    path = folder / "train.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"audio": "a.wav", "text": "x"}\r\n\r\n')
    assert len(load(path)["train"]) == 1


def test_folder_of_recordings(folder):
    (folder / "a.txt").write_text("Turn left.\n")
    (folder / "sub/sub.trans.txt").write_text("b GO ON\n")
    (utterance, other) = load(folder)["all"]
    assert (utterance.id, utterance.text, utterance.speaker) == ("a", "turn left", "unknown")
    assert (other.id, other.text, other.speaker) == ("sub/b", "go on", "sub")
    (folder / "sub").rename(folder / "train")
    corpus = load(folder)
    assert list(corpus.splits) == ["train"] and corpus["train"][0].id == "b"


def test_recordings_without_text_are_named(folder):
    (folder / "a.txt").write_text("...")
    with pytest.raises(ManifestError) as error:
        load(folder)
    assert [place.rsplit("/", 1)[1] for place, _ in error.value.problems] == ["a.txt", "b.flac"]


def test_nothing_there(folder):
    with pytest.raises(AsrlabError, match="no such manifest"):
        load(folder / "nowhere")
    (folder / "void").mkdir()
    with pytest.raises(AsrlabError, match="no utterances"):
        load(folder / "void")
    with pytest.raises(AsrlabError, match="no utterances"):
        load(written(folder, name="void.jsonl"))


def test_the_pieces_that_unicode_calls_lines_are_one_line(folder):
    path = written(folder, {"audio": "a.wav", "text": "turn\u2028left\u0085now"})
    assert load(path, normalise_text=False)["train"][0].text == "turn left now"


def test_a_line_with_very_many_tags_is_read_at_once(folder):
    tags = {f"t{i}": "x" for i in range(60_000)}
    began = time.process_time()
    (utterance,) = load(written(folder, {"audio": "a.wav", "text": "x", "tags": tags}))["train"]
    assert utterance.tags == tags
    assert time.process_time() - began < 10  # looking through all names before it for each takes minutes


@pytest.mark.parametrize("name", ["a.txt", "x.trans.txt"])
def test_a_text_that_is_no_utf_8_is_named_and_not_guessed(folder, name):
    (folder / "sub/b.flac").unlink()
    (folder / name).write_bytes("a caf\xe9".encode("latin-1"))
    with pytest.raises(ManifestError, match=rf"{name}: not UTF-8, byte 5 is 0xE9; .*iconv -f LATIN1"):
        load(folder)
    (folder / name).write_bytes(b"\xef\xbb\xbf" + "a caf\xe9".encode())
    assert load(folder)["all"][0].text.endswith("caf\xe9")


def test_pipes_are_not_opened(folder):
    os.mkfifo(folder / "pipe.wav")
    os.mkfifo(folder / "pipe.txt")
    (folder / "a.txt").write_text("x")
    (folder / "sub/b.txt").write_text("x")
    with pytest.raises(ManifestError, match=r"pipe\.txt: is a pipe"):
        load(folder)
    (folder / "pipe.txt").unlink()
    (folder / "pipe.txt").write_text("x")
    with pytest.raises(ManifestError, match=r"pipe\.wav: is a pipe"):
        load(folder)
    with pytest.raises(ManifestError, match=r"pipe\.wav: is a pipe"):
        load(written(folder.parent, {"audio": str(folder / "pipe.wav"), "text": "x"}))
    for path in (folder / "pipe.wav", Path("/dev/zero")):
        with pytest.raises(AsrlabError, match=r"is a (pipe|device)"):
            load(path)


def test_names_that_no_file_can_have(folder):
    for name in ("a" * 300, "nul\0", "\ud800"):
        with pytest.raises(AsrlabError, match="cannot be read"):
            load(folder / name)


def test_a_name_that_is_no_utf_8_is_one_bad_line(folder):
    strange = os.fsencode(folder / "strange") + b"\xff.wav"
    os.rename(folder / "a.wav", strange)
    Path(os.fsdecode(strange)).with_suffix(".txt").write_text("x")
    (folder / "sub/b.txt").write_text("x")
    with pytest.raises(ManifestError) as error:
        load(folder)
    assert {what.split(" is ")[0] for _, what in error.value.problems} == {"id", "audio"}


def test_a_place_that_is_no_file_is_not_replaced(folder):
    (folder / "a.txt").write_text("x")
    (folder / "sub/b.txt").write_text("x")
    os.mkfifo(folder / "pipe")
    with pytest.raises(AsrlabError, match="no regular file"):
        save_manifest(load(folder)["all"], folder / "pipe")
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("a.wav"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6) | VALUES, min_size=1, max_size=3))
def test_any_json_is_read_or_refused_line_by_line(folder, rows):
    path = written(folder, *(json.dumps(row).encode() for row in rows))
    try:
        utterances = load(path)["train"]
    except AsrlabError as error:
        assert str(path) in str(error)
    else:
        assert len(utterances) == len(rows)
        for utterance, row in zip(utterances, rows, strict=True):
            assert utterance.text and 0 < utterance.seconds <= 1
            assert row["audio"] == "a.wav" and isinstance(row["text"], str)
