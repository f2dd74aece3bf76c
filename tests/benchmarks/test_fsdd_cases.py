"""The FSDD benchmark: its cases do not leak, and what a receipt already answers is not run again."""

import pytest

from asrlab import corpora
from asrlab.corpora import Corpus, Utterance
from asrlab.scoring import receipt
from benchmarks import fsdd

SPEAKERS = ("ann", "bob")


@pytest.fixture
def digits(monkeypatch):
    """A corpus of two speakers, ten takes of two digits, behind `corpora.load`."""
    said = [
        Utterance.recorded(f"{digit}_{speaker}_{take}", None, digit, speaker, 0.5, tags={"take": str(take)})
        for speaker in SPEAKERS
        for digit in ("one", "two")
        for take in range(10)
    ]

    def load(name, split="published", held_out=""):
        kept = [u for u in said if u.speaker != held_out]
        splits = {
            "train": tuple(u for u in kept if int(u.tags["take"]) >= 5),
            "test": tuple(u for u in said if (u.speaker == held_out if held_out else int(u.tags["take"]) < 5)),
        }
        return Corpus("fsdd", splits, 8000)

    monkeypatch.setattr(corpora, "load", load)


def test_cases_have_files_of_their_own_and_the_quick_ones_come_first():
    cases = fsdd.cases(["ctc", "svm"], SPEAKERS)
    assert len({case.file for case in cases}) == len(cases) == 2 * (2 * len(SPEAKERS) + 1)
    assert [case.system for case in cases] == ["svm"] * 5 + ["ctc"] * 5
    assert fsdd.Case("svm", "ann").file == "fsdd-svm.ann.json"
    assert fsdd.Case("svm", "ann", few=True).file == "fsdd-few-svm.ann.json"
    assert fsdd.Case("svm", "").file == "fsdd-published-svm.json"


def test_the_speaker_held_out_is_in_test_alone(digits):
    for few in (False, True):
        corpus = fsdd.split(fsdd.Case("svm", "ann", few), few=2)
        assert {u.speaker for u in corpus["train"]} == {"bob"}
        assert {u.speaker for u in corpus["test"]} == {"ann"}
    assert len(corpus["train"]) == 2 * 2
    published = fsdd.split(fsdd.Case("svm", ""), few=2)
    assert {u.speaker for u in published["train"]} == {u.speaker for u in published["test"]}
    assert not {u.id for u in published["train"]} & {u.id for u in published["test"]}


def test_only_a_receipt_of_this_very_code_spares_a_run(tmp_path):
    path = receipt.write(tmp_path / "a.json", "a", "x", {"wer.clean": 0.5}, commit="abc")
    assert fsdd.is_there(path, "abc")
    for state in ("abd", "abc+dirty", None):
        assert not fsdd.is_there(path, state)
    assert not fsdd.is_there(tmp_path / "b.json", "abc")


def test_receipts_of_all_speakers_are_pooled_and_can_be_rescored(digits, tmp_path):
    said = {u.id: u.text for split in corpora.load("fsdd").splits.values() for u in split}
    for system, wrong in (("svm", "1_none"), ("ctc", "one_ann_0")):
        for speaker in SPEAKERS:
            case = fsdd.Case(system, speaker)
            mine = {id: text for id, text in said.items() if f"_{speaker}_" in id}
            heard = {id: "two" if id == wrong else text for id, text in mine.items()}
            found = {"seconds": 1.0, "recordings": 10, "said": mine, "heard": {"clean": heard}}
            fsdd.write(case, tmp_path / case.file, found, "abc", [], fsdd.recipe.load("fsdd"))
    metrics = receipt.read(fsdd.summarise(tmp_path, "abc"))["metrics"]
    assert metrics["svm.clean"] == 0
    assert metrics["ctc.clean"] == pytest.approx(1 / len(said))
    assert metrics["ctc-minus-svm.clean"] == pytest.approx(1 / len(said))
    held = receipt.read(tmp_path / "fsdd-ctc.ann.json")
    mine = {id: text for id, text in said.items() if "_ann_" in id}
    assert receipt.rescore(held, mine)["clean"] == held["metrics"]["wer.clean"]
    assert held["recipe"]["corpus_options"] == {"split": "leave-one-out", "held_out": "ann"}
