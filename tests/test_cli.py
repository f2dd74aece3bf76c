"""The command line: every command does its work, every mistake is one line with a remedy and a status of its own."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import toy
import yaml

from asrlab import cli, corpora
from asrlab.core import config
from asrlab.core.sources import PACKAGE
from asrlab.corpora.manifest import save_manifest
from asrlab.recognizer import Recognizer
from asrlab.scoring import receipt, score
from asrlab.signals import audio
from asrlab.training import recipe

COMMANDS = ("prepare", "shard", "train", "decode", "score", "transcribe", "grade", "release", "bench")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a corpus of one's own and a recipe for it."""
    folder = tmp_path_factory.mktemp("cli")
    said = toy.corpus(folder, train=10, dev=3, test=3)
    for split, utterances in said.splits.items():
        save_manifest(utterances, folder / "corpus" / f"{split}.jsonl")
    values = {**toy.TINY, "corpus": str(folder / "corpus"), "epochs": 2, "language": {"order": 2}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(values))
    return folder


@pytest.fixture
def asrlab(capsys, monkeypatch, tmp_path):
    """Runs a command in an empty folder: (status, what it printed, what it complained)."""
    monkeypatch.chdir(tmp_path)

    def run(*words) -> tuple[int, str, str]:
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as error:  # argparse ends by itself
            status = error.code
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def lines(path) -> dict[str, str]:
    return {row["id"]: row["text"] for row in map(json.loads, path.read_text().splitlines())}


# --- help -------------------------------------------------------------------------------------------------------------


def test_help_names_every_command(asrlab):
    status, out, _ = asrlab("--help")
    assert status == 0
    assert all(name in out for name in COMMANDS)
    for name in COMMANDS:
        status, out, _ = asrlab(name, "--help")
        assert status == 0
        assert f"usage: asrlab {name}" in out


def test_help_of_train_explains_every_field_and_names_every_recipe(asrlab):
    _, out, _ = asrlab("train", "--help")
    flat = " ".join(out.split())
    for name, default, comment in config.fields(recipe.Recipe):
        assert comment, f"{name} has no comment"
        assert " ".join(f"{name}={default} {comment}".split()) in flat
    assert all(name in out for name in recipe.names())
    assert max(map(len, out.splitlines())) <= 110


@pytest.mark.parametrize(
    "words",
    [
        ("--help",), ("--version",), ("decode", "--help"), ("score", "a.jsonl", "a.jsonl"),
        ("shard", "mine", "--out", "x"), ("prepare", "fsdd", "--root", "."), ("grade", "a.ipynb"),
        ("transcribe", "--min-confidence", "2", "a.wav"), ("decode", "nowhere"),
        ("transcribe", "--model", "nowhere", "a.wav"),
    ],
)  # fmt: skip
def test_what_needs_no_model_does_not_wait_for_what_takes_seconds_to_import(place, tmp_path, words):
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "a"}\n')
    (tmp_path / "mine").symlink_to(place / "corpus")
    slow = "{'torch', 'numba', 'scipy.signal'} & set(sys.modules)"
    code = f"import sys, asrlab.cli\ntry: asrlab.cli.main(sys.argv[1:])\nfinally: print(bool({slow}))"
    here = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path, env=here)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("fly",), "invalid choice: 'fly'"),
        (("train", "--fast"), "unrecognized arguments: --fast"),
        (("train", "scenetalk", "epochs"), "'epochs': write NAME=VALUE"),
        (("decode",), "the following arguments are required: model"),
        (("transcribe",), "the following arguments are required: files"),
    ],
)
def test_words_that_are_no_command_end_with_status_two(asrlab, words, message):
    status, _, err = asrlab(*words)
    assert status in (1, 2)
    assert re.search(message, err)


def test_words_are_added_on_the_command_line(asrlab, place, tmp_path):
    wav = place / "test0.wav"
    (tmp_path / "words.txt").write_text("coffee\ndata D EY T AH\n")
    assert asrlab("transcribe", "--words", tmp_path / "words.txt", wav)[0] == 0
    (tmp_path / "words.txt").write_text("coffee XX\n")
    status, _, err = asrlab("transcribe", "--words", tmp_path / "words.txt", wav)
    assert status == 1 and re.search(r"words.txt: word 'coffee': no phone 'XX'; one of AA", err)
    (tmp_path / "words.txt").write_text("two words\n")
    status, _, err = asrlab("decode", "an4", "--corpus", place / "corpus", "--words", tmp_path / "words.txt")
    assert status == 1 and "no phone 'words'" in err


# --- shard ------------------------------------------------------------------------------------------------------------


def test_a_corpus_is_packed_and_trained_from(asrlab, place, tmp_path):
    status, out, err = asrlab("shard", place / "corpus", "--out", tmp_path / "packed", "--per-shard", 4, "--quiet")
    assert (status, err) == (0, "")
    assert f"{tmp_path}/packed/train: 10 utterances in 3 shards\n" in out
    run = ("--dir", tmp_path / "run", "--quiet", "--cpu", "epochs=1")
    status, out, err = asrlab("train", place / "mine.yaml", f"corpus={tmp_path / 'packed'}", *run)
    assert (status, err) == (0, "")
    assert "shards train: 10 utterances" in out
    status, _, err = asrlab("shard", place / "corpus", "--out", tmp_path / "packed", "--quiet")
    assert status == 1 and re.search(r"packed.*: not empty; give a new folder", err)
    status, _, err = asrlab("shard", "nowhere", "--out", tmp_path / "other")
    assert status == 1 and "corpus 'nowhere': no such manifest or folder" in err


# --- train, decode, score, transcribe ---------------------------------------------------------------------------------


def test_from_a_recipe_to_the_text_of_a_file(asrlab, place, tmp_path):
    mine = place / "mine.yaml"
    where = ("--dir", tmp_path / "run", "seed=3", "--receipt", tmp_path / "r.json")
    status, out, err = asrlab("train", mine, "--cpu", "epochs=1", "--quiet", *where)
    assert (status, err) == (0, "")
    assert "corpus train: 10 utterances" in out
    assert re.search(r"0\.0\d million parameters, \d+ s, saved in .*run\n3 utterances of test, 2 speakers", out)
    assert len(re.findall(r"(greedy|beam|lm) +WER \d+.\d\d%   95% interval", out)) == 3
    assert config.load_json(recipe.Recipe, tmp_path / "run" / "recipe.json").seed == 3

    kept = receipt.read(tmp_path / "r.json")
    said = lines(place / "corpus" / "test.jsonl")
    assert kept["name"] == "mine"
    assert kept["command"].startswith("asrlab train ") and kept["command"].endswith(f"--receipt {tmp_path / 'r.json'}")
    assert kept["recipe"]["epochs"] == 1
    again = receipt.rescore(kept, said)
    assert {f"wer.{way}": wer for way, wer in again.items()}.items() <= kept["metrics"].items()

    status, out, _ = asrlab("decode", tmp_path / "run", "--out", tmp_path / "heard.jsonl")
    assert status == 0
    assert lines(tmp_path / "heard.jsonl") == kept["hypotheses"][kept["search"]]
    assert kept["metrics"]["wer"] == kept["metrics"][f"wer.{kept['search']}"]
    corpus = place / "corpus"
    asrlab("decode", tmp_path / "run", "--corpus", corpus, "--split", "dev", "--out", tmp_path / "dev.jsonl")
    assert set(lines(tmp_path / "dev.jsonl")) == set(lines(corpus / "dev.jsonl"))

    status, out, _ = asrlab("score", corpus / "test.jsonl", tmp_path / "heard.jsonl", "--by", "speaker", "--show")
    assert status == 0
    wer = score.wer(said, kept["hypotheses"][kept["search"]])
    assert out.startswith(f"WER {wer:.2%}   95% interval ")
    assert "CER " in out
    assert "speaker" in out

    wav = place / "test0.wav"
    status, out, _ = asrlab("transcribe", "--model", tmp_path / "run", wav)
    assert (status, out) == (0, Recognizer.load(tmp_path / "run").transcribe(wav).text + "\n")
    status, out, _ = asrlab("transcribe", "--model", tmp_path / "run", "--json", wav, place / "test1.wav")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["file"] for row in rows] == [str(wav), str(place / "test1.wav")]
    told = {"id", "file", "text", "words", "segments", "meanings", "confidence", "understood"}
    assert all(set(row) == told for row in rows)
    assert [row["id"] for row in rows] == ["test0", "test1"]  # as a manifest has them, so that it can be scored
    assert all(row["understood"] for row in rows)

    sure = rows[0]["confidence"]
    assert sure == pytest.approx(np.mean([word["confidence"] for word in rows[0]["words"]]))
    ask = ("transcribe", "--model", tmp_path / "run", wav, "--threads", "1", "--min-confidence")
    assert asrlab(*ask, str(sure - 0.01))[1] == rows[0]["text"] + "\n"
    assert asrlab(*ask, str(min(1.0, sure + 0.001)))[1] == f"(not understood: confidence {sure:.2f})\n"
    assert "--min-confidence 1.5: give 0 to 1" in asrlab(*ask, "1.5")[2]
    assert "0 threads: give 1 to 1024" in asrlab("decode", tmp_path / "run", "--threads", "0", "--quiet")[2]


def test_where_a_run_goes_by_itself_and_that_it_goes_on(asrlab, place, tmp_path):
    words = ("train", place / "mine.yaml", "--cpu", "--quiet", "language.order=0")
    assert asrlab(*words)[0] == 0
    run = tmp_path / "runs" / "mine"
    assert {"recognizer.json", "receipt.json", "log.jsonl"} <= set(os.listdir(run))
    weights, log = (run / "model.safetensors").read_bytes(), (run / "log.jsonl").read_text()
    assert asrlab(*words)[0] == 0
    assert (run / "log.jsonl").read_text() == log
    assert (run / "model.safetensors").read_bytes() == weights
    status, _, err = asrlab(*words, "seed=2")
    assert status == 1
    assert "another recipe (seed was 1 and is 2); use another directory, or --restart to start anew" in err
    assert asrlab(*words, "seed=2", "--restart")[0] == 0
    assert (run / "log.jsonl").read_text() != log


def test_changes_may_stand_anywhere(monkeypatch):
    for words in (
        ["train", "an4", "epochs=3", "--quiet", "seed=2"],
        ["train", "--quiet", "an4", "epochs=3", "seed=2"],
        ["train", "an4", "--quiet", "epochs=3", "seed=2"],
    ):
        options = cli.parse(words)
        assert (options.recipe, sorted(options.changes), options.quiet) == ("an4", ["epochs=3", "seed=2"], True)
    options = cli.parse(["train", "epochs=3"])
    seen = {}
    monkeypatch.setattr(recipe, "load", lambda name: seen.update(name=name) or recipe.Recipe())
    monkeypatch.setattr(recipe, "load_corpus", lambda chosen: seen.update(epochs=chosen.epochs) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.train(options)
    assert seen == {"name": "scenetalk", "epochs": 3}


def test_prepare(asrlab, tmp_path, monkeypatch):
    from asrlab import corpora

    monkeypatch.setattr(corpora, "prepare", lambda name, root: f"{name} in {root}")
    assert asrlab("prepare", "yesno", "--root", tmp_path) == (0, f"yesno in {tmp_path}\n", "")
    monkeypatch.undo()
    status, _, err = asrlab("prepare", "yes")
    assert status == 1
    assert err.startswith("asrlab prepare: corpus 'yes': unknown; one of scenetalk, an4")


def test_bench_is_called(asrlab, monkeypatch):
    from asrlab import bench

    monkeypatch.setattr(bench, "measure_machine", lambda: print("fast"))
    assert asrlab("bench") == (0, "fast\n", "")


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fast",), r"recipe 'fast': there are .*scenetalk.*; or give the path of a YAML file"),
        (("gone.yaml",), r"gone.yaml: no such file"),
        (("bad.yaml",), r"bad.yaml: not a YAML file"),
        (("typo.yaml",), r"typo.yaml: model: unknown key 'encodr'; ModelOptions has branches, fusion"),
        (("value.yaml",), r"value.yaml: epochs=0: give a whole number, 1 to 1000000"),
        (("epoch=3",), r"'epoch=3': no field 'epoch'; the names are corpus, "),
        (("epochs=many",), r"epochs='many': expected int"),
        (("model.branches.sound.kind=rnn",), r"model.branches.sound.kind='rnn': give one of cnn, lstm"),
        (("corpus=nowhere",), r"corpus 'nowhere': no such manifest or folder, nor one of scenetalk"),
        (("corpus=an4", "corpus_options.speed=3"), r"unknown option 'speed'"),
        (("corpus=an4",), r"an4.*(asrlab prepare an4)"),
    ],
)
def test_mistakes_in_a_recipe(asrlab, tmp_path, monkeypatch, words, message):
    monkeypatch.delenv("ASRLAB_DATA", raising=False)
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path))
    (tmp_path / "bad.yaml").write_text("a: [")
    (tmp_path / "typo.yaml").write_text("model: {encodr: {}}")
    (tmp_path / "value.yaml").write_text("epochs: 0")
    status, out, err = asrlab("train", *words)
    assert (status, out) == (1, "")
    assert re.search(f"^asrlab train: .*{message}", err, re.DOTALL)
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_a_split_that_is_not_there_is_told_before_training(asrlab, place, tmp_path):
    status, _, err = asrlab("train", place / "mine.yaml", "test_split=exam", "--quiet", "--cpu")
    assert status == 1
    assert "corpus 'corpus' has no split 'exam'; it has dev, test, train" in err
    assert not (tmp_path / "runs").exists()


def test_mistakes_in_a_manifest_are_told_by_line(asrlab, place, tmp_path):
    wav = str(place / "test0.wav")
    rows = [
        {"audio": wav, "text": "a b"}, {"audio": "gone.wav", "text": "a"}, {"audio": wav, "text": "a b"},
        {"id": "e", "audio": wav, "text": " "},
    ]  # fmt: skip
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    status, _, err = asrlab("train", place / "mine.yaml", f"corpus={tmp_path / 'train.jsonl'}", "--quiet", "--cpu")
    assert status == 1
    for line, what in ((2, "gone.wav"), (3, "test0"), (4, "text"), (5, "JSON")):
        assert re.search(rf"train.jsonl:{line}: .*{what}", err), err


def test_decode_answers_with_what_a_neural_model_chooses(asrlab, place, tmp_path, toy_run):
    """With all the weight on the language model the answer is the text of the list that it finds likeliest."""
    from asrlab.language.neural import NeuralLM, NeuralOptions

    said = [u.text for u in toy_run.corpus["train"]]
    lm = NeuralLM.train(said, NeuralOptions(dim=8, epochs=2))
    lm.save(tmp_path / "lm")
    out = tmp_path / "heard.jsonl"
    status, told, _ = asrlab("decode", toy_run.directory, "--corpus", place / "corpus", "--rescore", tmp_path / "lm",
                             "--rescore-weight", 1e6, "--nbest", 3, "--out", out)  # fmt: skip
    assert status == 0
    assert re.search(r"^rescored .*\(its own search\)$", told, re.MULTILINE)
    recognizer, utterances = toy_run.recognizer, corpora.load("manifest", place / "corpus")["test"]
    for u, heard in zip(utterances, recognizer.hear([recognizer.read(u) for u in utterances]), strict=True):
        listed = [h.text for h in recognizer.rescored(heard, {}, nbest=3)]
        assert 1 <= len(listed) <= 3
        assert lines(out)[u.id] == max(listed, key=lm.logprob)
    status, _, err = asrlab("decode", toy_run.directory, "--corpus", place / "corpus", "--rescore", tmp_path)
    assert status == 1 and "no neural language model here" in err


def test_mistakes_in_decode(asrlab, place, tmp_path, toy_run):
    status, _, err = asrlab("decode", tmp_path / "nothing")
    assert status == 1
    assert "no recogniser here; give a directory that `asrlab train` wrote" in err
    status, _, err = asrlab("decode", toy_run.directory, "--corpus", place / "corpus", "--split", "exam")
    assert status == 1
    assert "has no split 'exam'" in err
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "where.jsonl"
    status, _, err = asrlab("decode", toy_run.directory, "--corpus", place / "corpus", "--out", out)
    assert status == 1
    assert f"{out}: cannot be written (" in err
    toy_run.recognizer.save(tmp_path / "moved")
    status, _, err = asrlab("decode", tmp_path / "moved")
    assert status == 1
    assert "moved: does not say which corpus it was trained on; give --corpus" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "b.jsonl: empty; expected lines of"),
        ('{"id": 1, "text": "x"}\nwhat', r"b.jsonl:2: not JSON"),
        ('{"id": 1}', r"b.jsonl:1: expected"),
        ('{"id": 1, "text": null}', r"b.jsonl:1: expected"),
        ('{"id": 1, "text": "x"}\n{"id": 1, "text": "x"}', r"b.jsonl:2: .*with an id of its own"),
        ("[1]", r"b.jsonl:1: expected"),
        ('{"id": 2, "text": "x"}', r"'?1'?"),
    ],
)
def test_mistakes_in_score(asrlab, tmp_path, text, message):
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "x"}')
    (tmp_path / "b.jsonl").write_text(text)
    status, out, err = asrlab("score", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert (status, out) == (1, "")
    assert re.search(f"^asrlab score: .*{message}", err)
    status, _, err = asrlab("score", tmp_path / "gone.jsonl", tmp_path / "b.jsonl")
    assert re.search("gone.jsonl: no such file", err)


def test_score_of_one_line_by_tag(asrlab, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "x y", "tags": {"room": "hall"}}\n\n')
    (tmp_path / "b.jsonl").write_text('{"id": 1, "text": "x z"}')
    status, out, err = asrlab("score", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--by", "room")
    assert (status, err) == (0, "")
    assert out.splitlines()[:2] == ["WER 50.00%", "CER 33.33%"]
    assert "hall" in out


def test_score_minds_neither_capitals_nor_punctuation(asrlab, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "Yes, I don\u2019t."}')
    (tmp_path / "b.jsonl").write_text('{"id": 1, "text": "yes i don\'t"}')
    status, out, err = asrlab("score", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--show")
    assert (status, err) == (0, "")
    assert out.splitlines() == ["WER 0.00%", "CER 0.00%"]


def test_files_that_cannot_be_transcribed_do_not_stop_the_others(asrlab, place, tmp_path, toy_run):
    audio.save(tmp_path / "silent.wav", np.zeros(16000, np.float32), 16000)
    (tmp_path / "text.wav").write_text("no sound")
    good = place / "test0.wav"
    files = (tmp_path / "silent.wav", good, tmp_path / "text.wav", tmp_path / "gone.wav")
    status, out, err = asrlab("transcribe", "--model", toy_run.directory, *files)
    assert status == 1
    assert out == f"{good}\t{toy_run.recognizer.transcribe(good).text}\n"
    for told in ("silent.wav: silent", "text.wav: not readable as audio", "gone.wav: no such file", "3 of 4 files"):
        assert told in err


def test_hotwords_from_a_file(asrlab, place, tmp_path, toy_run):
    (tmp_path / "hot.txt").write_text("ab : 2\nbeade\n")
    model, good = ("--model", toy_run.directory), place / "test0.wav"
    status, out, err = asrlab("transcribe", *model, "--hotwords", tmp_path / "hot.txt", "--hotword-weight", "90", good)
    assert (status, err) == (0, "")
    assert "beade" in out.split()  # at this price it is heard everywhere
    status, out, _ = asrlab(
        "decode", toy_run.directory, "--corpus", place / "corpus", "--hotwords", tmp_path / "hot.txt"
    )
    assert status == 0
    assert re.search(r"hotwords +WER .*its own search", out)
    for words, message in (
        (("--hotword-weight", "3"), "--hotword-weight 3 without phrases to weigh; add --hotwords FILE"),
        (("--hotwords", "gone.txt"), "gone.txt: no such file"),
        (("--hotwords", tmp_path / "hot.txt", "--hotword-weight", "nan"), "hot.txt: hotword weight nan"),
    ):
        status, _, err = asrlab("transcribe", *model, *words, good)
        assert status == 1
        assert message in err
    (tmp_path / "hot.txt").write_text("ab\nxyz\n")
    status, _, err = asrlab("transcribe", *model, "--hotwords", tmp_path / "hot.txt", good)
    assert status == 1
    assert "hot.txt: hotword 'xyz': the recogniser has no letter 'x'" in err


# --- interruptions ----------------------------------------------------------------------------------------------------


def test_control_c(asrlab, monkeypatch):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "prepare", interrupted)
    status, _, err = asrlab("prepare", "an4")
    assert status == 130
    assert err == "asrlab prepare: interrupted; the same command goes on where it can\n"


def test_an_interrupted_training_goes_on(asrlab, place, tmp_path, monkeypatch):
    from asrlab.training import loop as training

    save, count = training.append_log, []

    def interrupted(path, line):
        count.append(line)
        if len(count) == 2:
            raise KeyboardInterrupt
        save(path, line)

    words = ("train", place / "mine.yaml", "--cpu", "--quiet")
    monkeypatch.setattr(training, "append_log", interrupted)
    assert asrlab(*words)[0] == 130
    assert asrlab(*words)[0] == 0
    assert [line["epoch"] for line in count] == [1, 2, 2]


def test_a_reader_who_has_seen_enough(place, toy_run):
    command = f"{sys.executable} -m asrlab score {place}/corpus/test.jsonl {place}/corpus/test.jsonl | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
