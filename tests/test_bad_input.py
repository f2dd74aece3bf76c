"""Odd input at the command line, by families: it is told in a message and by the status, never as a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asrlab import cli
from asrlab.core.sources import PACKAGE
from asrlab.corpora.manifest import save_manifest

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
ROWS = st.lists(
    st.fixed_dictionaries({"id": VALUES, "text": VALUES}, optional={"speaker": VALUES, "tags": VALUES}), max_size=3
)


def run(capsys, *words) -> tuple[int, str, str]:
    status = cli.main([str(word) for word in words])
    told = capsys.readouterr()
    return status, told.out, told.err


def control(text: str) -> set[str]:
    """What of a text a terminal would obey."""
    return {c for c in text if not c.isprintable()} - {"\n", "\t"}


@FEW
@given(ROWS, st.sampled_from(["speaker", "tags", "room", "id", "text", ""]))
def test_any_lines_are_scored_or_refused(tmp_path, capsys, rows, by):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    status, out, err = run(capsys, "score", path, path, *(["--by", by] if by else []), "--show")
    assert (status, bool(err)) in ((0, False), (1, True))
    assert not control(out + err)
    if status == 0:
        assert out.startswith("WER 0.00%")


@FEW
@given(st.binary(max_size=60))
def test_any_bytes_are_no_lines(tmp_path, capsys, data):
    (tmp_path / "a.jsonl").write_bytes(data)
    status, out, err = run(capsys, "score", tmp_path / "a.jsonl", tmp_path / "a.jsonl")
    assert (status, out) == (1, "") and "a.jsonl" in err and not control(err)


@FEW
@given(st.text(min_size=1, max_size=20))
def test_any_name_of_a_speaker_is_one_line_of_a_table(tmp_path, capsys, name):
    rows = [{"id": f"{name}{i}", "text": "a b", "speaker": s} for i, s in enumerate((name, name, "other"))]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "heard.jsonl").write_text("".join(json.dumps({**row, "text": "a"}) + "\n" for row in rows))
    words = ("score", tmp_path / "said.jsonl", tmp_path / "heard.jsonl")
    status, out, err = run(capsys, *words, "--by", "speaker")
    assert (status, err) == (0, "") and not control(out)
    assert len(out.splitlines()) == 2 + (4 if name != "other" else 2)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tags": {"room": ["hall"]}}, r"--by room: utterance '1' has ['hall'], which is no text; there are: speaker"),
        ({}, "--by room: utterance '1' has none; there are: speaker"),
        ({"tags": "hall"}, "--by room: utterance '1' has none; there are: speaker"),
    ],
)
def test_a_group_that_is_none(tmp_path, capsys, row, message):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": 1, "text": "a", "speaker": "s", **row}))
    status, _, err = run(capsys, "score", tmp_path / "a.jsonl", tmp_path / "a.jsonl", "--by", "room")
    assert status == 1 and message in err


NUMBERS = ("9" * 400, "9" * 5000, "1e400", "-1", "1_0", "1:30", ".inf", ".nan", "0x10", "{", "[1", "*a", "&a [*a]")


@pytest.mark.parametrize("field", ["seed", "epochs", "workers", "clip", "model.branches.sound.layers", "beam.beam"])
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_that_are_none_are_told_before_anything_else(capsys, field, number):
    status, out, err = run(capsys, "train", "scenetalk", f"{field}={number}")
    assert (status, out) == (1, "") and field.rpartition(".")[2] in err and len(err) < 400


@pytest.mark.parametrize("options", ["{root: x}", "{name: x}", "{1: x}", "{minutes: [}"])
def test_options_of_a_corpus_that_are_none(capsys, options):
    status, out, err = run(capsys, "train", "an4", f"corpus_options={options}")
    assert (status, out) == (1, "") and "corpus_options" in err


def test_places_that_cannot_be_written_are_told_before_training(tmp_path, capsys):
    corpus = toy.corpus(tmp_path, train=2, dev=1, test=1)
    for split, utterances in corpus.splits.items():
        save_manifest(utterances, tmp_path / "corpus" / f"{split}.jsonl")
    (tmp_path / "file").write_text("")
    words = ("train", "scenetalk", f"corpus={tmp_path / 'corpus'}", "--quiet", "--dir", tmp_path / "run")
    for place in (tmp_path / "file" / "r.json", os.devnull, tmp_path / ("x" * 300)):
        status, _, err = run(capsys, *words, "--receipt", place)
        assert status == 1 and str(place) in err
    assert not (tmp_path / "run").exists()


NAMES = (b"\xff\xfe.wav", "x" * 300 + ".wav", "\x1b[31mred.wav", "two\nlines.wav", "NUL\0.wav", "")


def test_odd_names_of_files_do_not_stop_the_others(tmp_path, capsys, toy_run):
    good = tmp_path / "good.wav"
    good.write_bytes(toy_run.corpus["test"][0].source().path.read_bytes())
    (tmp_path / "text.wav").write_text("no sound")
    odd = [os.path.join(tmp_path, os.fsdecode(name)) for name in NAMES]
    status, out, err = run(capsys, "transcribe", "--model", toy_run.directory, *odd, tmp_path / "text.wav", good)
    assert status == 1 and len(out.splitlines()) == 1 and out.startswith(f"{good}\t")
    assert f"{len(odd) + 1} of {len(odd) + 2} files" in err and not control(err)


def test_a_full_device_and_a_terminal_of_ascii(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": 1, "text": "grün", "speaker": "Zoë"}))
    (tmp_path / "b.jsonl").write_text(json.dumps({"id": 1, "text": "grau"}))
    words = [sys.executable, "-m", "asrlab", "score", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--by", "speaker"]
    ascii_only = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(words, env=ascii_only, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and r"Zo\xeb" in done.stdout
    if not Path("/dev/full").exists():
        return
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "asrlab score: No space left on device; make room, or choose another place\n"
