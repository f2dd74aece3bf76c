"""Whole or not at all, and never into what is no file; lines of JSON, each with its number."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrlab.core import files
from asrlab.core.errors import AsrlabError
from asrlab.core.files import json_lines, read_json_lines, write_whole


def test_bytes_a_text_or_a_function(tmp_path):
    assert write_whole(tmp_path / "new" / "a", b"\x00\xff").read_bytes() == b"\x00\xff"
    assert write_whole(tmp_path / "b", "ß\n").read_bytes() == "ß\n".encode()
    assert write_whole(tmp_path / "c", lambda part: part.write_text("x")).read_text() == "x"
    assert sorted(os.listdir(tmp_path)) == ["b", "c", "new"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_is_full(tmp_path):
    (tmp_path / "log").write_text("as it was")

    def fill(part):
        with open("/dev/full", "w") as full:
            full.write("new" * 10000)

    with pytest.raises(AsrlabError, match=r"log: cannot be written \(.*No space left.*\); make room"):
        write_whole(tmp_path / "log", fill)
    assert os.listdir(tmp_path) == ["log"]
    assert (tmp_path / "log").read_text() == "as it was"


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = write_whole(tmp_path / "log", "old")

    def interrupted(part):
        part.write_text("n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, interrupted)
    assert path.read_text() == "old"
    write_whole(path, "new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["log"]


def test_what_killed_writers_left_is_swept_and_what_others_write_is_not(tmp_path):
    old, busy, other = (tmp_path / name for name in (".log-1.part", ".log-2.part", ".other-1.part"))
    for path in (old, busy, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (0, 0))
    write_whole(tmp_path / "log", "x")
    assert not old.exists() and busy.exists() and other.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        before = (tmp_path / name).stat().st_mode
        with pytest.raises(AsrlabError, match=f"{name}: is there and no regular file, so it is left alone"):
            write_whole(tmp_path / name, "x")
        assert (tmp_path / name).stat().st_mode == before
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(AsrlabError, match="no regular file"):
        write_whole(os.devnull, "x")


def test_a_planted_link_is_not_followed(tmp_path, monkeypatch):
    """Names of half-written files cannot be guessed, and one that is there already is never opened."""
    (tmp_path / "victim").write_text("precious")
    draws = iter(["aaaaaaaa", "bbbbbbbb"])
    monkeypatch.setattr(files.tempfile, "_get_candidate_names", lambda: draws)
    (tmp_path / ".log-aaaaaaaa.part").symlink_to(tmp_path / "victim")
    write_whole(tmp_path / "log", "new")
    assert (tmp_path / "victim").read_text() == "precious" and (tmp_path / "log").read_text() == "new"


def test_a_place_that_is_none_names_itself(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file/x", "x" * 300, "a\0b"):
        with pytest.raises(AsrlabError, match="cannot be written"):
            write_whole(tmp_path / name, "x")


rows = st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.none(), min_size=1)


@given(st.lists(rows))
def test_lines_come_back_as_they_were_written_whatever_their_texts_hold(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("lines") / "x.jsonl"
    write_whole(path, json_lines(written))
    assert [row for _, row in read_json_lines(path)] == written


def test_what_is_no_line_is_named_by_its_number(tmp_path):
    path = tmp_path / "x.jsonl"
    for line, told in (
        (b'{"a": 1', "2: not JSON"),
        (b'{"a": "\xff"}', "2: not UTF-8"),
        (b'{"a": 1, "a": 2}', r"2: .*field 'a' occurs twice"),
        (b"[" * 100_000, "2: not JSON"),
    ):
        path.write_bytes(b"{}\n" + line + b"\n")
        with pytest.raises(AsrlabError, match=f"x.jsonl:{told}"):
            list(read_json_lines(path))
    with pytest.raises(AsrlabError, match=r"gone\.jsonl: no such file"):
        list(read_json_lines(tmp_path / "gone.jsonl"))
