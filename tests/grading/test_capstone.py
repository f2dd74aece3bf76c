"""The capstone: splits by seed, budgets, the bar, the leaderboard, folders that are none."""

import json
from dataclasses import replace

import pytest

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.corpora.base import draw_speakers
from asrlab.grading import capstone

RESULT = capstone.Result("ann", "7", 0.08, 0.06, 0.10, 0.124, 900, 14, 3_000_000, 1800.0, 0.1, ())


def utterances(speakers=12, each=3):
    return tuple(Utterance(f"{s}-{k}", "go", f"s{s:02d}", 1.0) for s in range(speakers) for k in range(each))


def test_a_seed_draws_whole_speakers_whatever_the_order():
    mine = utterances()
    train, test = draw_speakers(mine, 5)
    assert {u.speaker for u in train}.isdisjoint(u.speaker for u in test) and len({u.speaker for u in test}) == 2
    assert sorted(u.id for u in (*train, *test)) == sorted(u.id for u in mine)
    assert {u.id for u in draw_speakers(mine[::-1], 5)[1]} == {u.id for u in test}
    assert len({frozenset(u.speaker for u in draw_speakers(mine, seed)[1]) for seed in range(10)}) > 3
    with pytest.raises(AsrlabError, match="split_seed=-1"):
        draw_speakers(mine, -1)


@pytest.mark.parametrize(
    ("change", "passed"),
    [({}, True), ({"high": 0.13}, False), ({"high": 0.124}, False), ({"faults": ("too large",)}, False)],
)
def test_only_the_upper_end_below_the_bar_within_the_budget_passes(change, passed):
    result = replace(RESULT, **change)
    assert result.passed == passed and ("not yet" in capstone.text(result)) != passed


def test_the_board_keeps_the_best_of_each_name_and_split(tmp_path):
    path = tmp_path / "board.jsonl"
    for change in ({}, {"high": 0.09}, {"high": 0.11}, {"name": "bo", "high": 0.08}, {"name": "cy", "high": 0.2},
                   {"split": "8"}):  # fmt: skip
        rows = capstone.enter(replace(RESULT, **change), path)
    assert [row["split"] for row in rows] == ["8"]
    rows = capstone.enter(RESULT, path)
    assert [(row["name"], row["high"]) for row in rows] == [("bo", 0.08), ("ann", 0.09), ("cy", 0.2)]
    assert "not passed" in capstone.board(rows).splitlines()[-1]
    path.write_text('{"a": 1}\n')
    with pytest.raises(AsrlabError, match="no leaderboard"):
        capstone.enter(RESULT, path)


@pytest.fixture
def submitted(tmp_path, monkeypatch):
    """A folder with what the run notes, and a decoder that answers without one."""
    for name in capstone.FILES:
        (tmp_path / name).write_text("{}")
    (tmp_path / "recipe.json").write_text(json.dumps({"corpus": "an4", "corpus_options": {"split_seed": 3}}))
    receipt = dict.fromkeys(("name", "command", "commit", "seed", "date", "versions", "device", "metrics"), "x")
    (tmp_path / "receipt.json").write_text(json.dumps({**receipt, "wall_seconds": 1000}))
    mine = utterances()
    monkeypatch.setattr(capstone, "test_utterances", lambda seed: mine)
    heard = {u.id: u.text for u in mine}
    monkeypatch.setattr(capstone, "_decode", lambda folder, seed, speech, budget: (heard, 0.1 * speech, 3_000_000))
    return tmp_path


def test_budget_and_split_are_held(submitted):
    assert capstone.measure(submitted, 3).passed
    small = capstone.Budget(parameters=10, training_seconds=10, real_time_factor=0.01)
    assert len(capstone.measure(submitted, 3, budget=small).faults) == 3
    other = capstone.measure(submitted, 4)
    assert not other.passed and "split_seed=3" in other.faults[0]
    with pytest.raises(AsrlabError, match="bar=2"):
        capstone.measure(submitted, 3, bar=2)


def test_a_folder_that_is_none_is_named(submitted, tmp_path):
    (submitted / "receipt.json").unlink()
    with pytest.raises(AsrlabError, match=r"receipt\.json.*whole folder"):
        capstone.measure(submitted, 3)
    with pytest.raises(AsrlabError, match=r"recognizer\.json"):
        capstone.measure(tmp_path / "none", 3)
