"""What was heard is kept until all is: a kill between two utterances, or within a line, loses no more than that."""

import pytest

from asrlab.core.errors import AsrlabError
from asrlab.scoring.evaluate import evaluate
from asrlab.scoring.journal import Journal


def test_what_was_noted_is_known_to_the_next(tmp_path):
    folder = tmp_path / "heard.part"
    first = Journal(folder, "k")
    assert first.known == {}
    first.note("a", {"greedy": "eins", "beam": "zwei"})
    first.note("b\n", {"greedy": "drei\u2028", "beam": ""})
    again = Journal(folder, "k")
    assert again.known == {"a": {"greedy": "eins", "beam": "zwei"}, "b\n": {"greedy": "drei\u2028", "beam": ""}}
    assert Journal(folder, "another model").known == {}
    again.clear()
    assert not folder.exists()


def test_a_line_that_was_cut_short_costs_itself_alone(tmp_path):
    first = Journal(tmp_path / "j", "k")
    first.note("a", {"greedy": "x"})
    path = tmp_path / "j" / "0.jsonl"
    path.write_bytes(path.read_bytes() + b'\n{"key": "k", "id": "b", "heard": {"gre')
    again = Journal(tmp_path / "j", "k")
    again.note("c", {"greedy": "y"})
    (tmp_path / "j" / "1.jsonl").write_text('{"key": "k", "id": "d", "heard": {"greedy": "z"}}\n[1]\nnull\n')
    assert set(Journal(tmp_path / "j", "k").known) == {"a", "c", "d"}


def test_a_place_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AsrlabError, match=r"file/j: cannot be written \(Not a directory\); choose another --out"):
        Journal(tmp_path / "file" / "j", "k")


def test_decoding_goes_on_after_what_is_known(toy_run, tmp_path, monkeypatch):
    said, recognizer = toy_run.corpus["test"], toy_run.recognizer
    whole = evaluate(recognizer, said)
    journal = Journal(tmp_path / "j", "k")
    noted, note = [], Journal.note

    def dies(self, name, heard):
        if len(noted) == 3:
            raise KeyboardInterrupt
        noted.append(name)
        note(self, name, heard)

    monkeypatch.setattr(Journal, "note", dies)
    with pytest.raises(KeyboardInterrupt):
        evaluate(recognizer, said, journal=journal)
    monkeypatch.undo()
    read, load = [], recognizer.read
    monkeypatch.setattr(recognizer, "read", lambda u: read.append(u.id) or load(u))
    again = evaluate(recognizer, said, journal=Journal(tmp_path / "j", "k"))
    assert sorted(read + noted) == sorted(u.id for u in said)
    assert again == whole
    assert list(again.answers) == [u.id for u in said]
