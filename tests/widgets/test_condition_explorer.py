"""The condition explorer: what Python hands over is what was measured, and the script shows just that."""

import pytest
from node import run_many

from asrlab.classic.conditions import Condition, ConditionsOptions, Job, Results
from asrlab.corpora import Utterance

widget = pytest.importorskip("asrlab.widgets.condition_explorer", reason="anywidget is not installed")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two systems at every kind of place; the second word is the one that they disagree about."""
    import numpy as np
    import soundfile

    path = tmp_path_factory.mktemp("sound") / "x.wav"
    soundfile.write(path, 0.1 * np.sin(np.arange(8000) / 5), 16000)
    said = tuple(
        Utterance.recorded(f"u{i}", path, text, f"s{i % 2}", 0.5) for i, text in enumerate(["one", "two", "red", "ten"])
    )
    levels = [("home", "", False), ("voice", "heard in training", True), ("voice", "new", False)]
    levels += [("accent", "en-us", True), ("accent", "en-029", False), ("noise", "0 dB", False), ("rate", "90", False)]
    places = [Condition(axis, level, said, seen) for axis, level, seen in levels]
    found = Results(ConditionsOptions(sizes=(2, 4)), {place.key.strip(): place for place in places})
    right = {u.id: u.text for u in said}
    wrong = {**right, "u1": "ten"}
    for training in ("clean", "noisy"):
        found.heard[Job("svm", training, 4)] = {key: right for key in found.conditions}
        found.heard[Job("ctc", training, 4)] = {
            key: wrong if training == "clean" else right for key in found.conditions
        }
    found.heard[Job("svm", "clean", 2)] = found.heard[Job("ctc", "clean", 2)] = {"home": wrong}
    return found


@pytest.fixture(scope="module")
def data(results):
    return widget.ConditionExplorer(results).data


def test_the_example_is_where_the_systems_disagree(results):
    assert widget.telling_example(results) == 1


def test_every_number_is_the_one_that_was_measured(results, data):
    for axis in data["axes"]:
        for level, shown in zip(results.levels(axis["key"]), axis["levels"], strict=True):
            assert shown["sound"] in data["sounds"]
            for training, rates in shown["rates"].items():
                for system, numbers in rates.items():
                    found = results.rate(system, axis["key"], level, training)
                    assert numbers == pytest.approx([found.value, found.low, found.high], abs=1e-4)


def test_the_script_shows_these_numbers_and_who_was_right(data):
    calls = [
        (data, axis["key"], place, training)
        for axis in data["axes"]
        for place in range(len(axis["levels"]))
        for training in ("clean", "noisy")
    ]
    for (_, key, place, training), rows in zip(calls, run_many("condition_explorer", "rowsOf", calls), strict=True):
        level = next(axis for axis in data["axes"] if axis["key"] == key)["levels"][place]
        trained = training if training in level["rates"] else "clean"
        assert [row["key"] for row in rows] == [system["key"] for system in data["systems"]]
        for row in rows:
            assert [row["value"], row["low"], row["high"]] == level["rates"][trained][row["key"]]
            assert row["right"] == (level["heard"][trained][row["key"]] == level["said"])


def test_home_is_marked_on_every_axis(data):
    places = run_many("condition_explorer", "homeOf", [(data, axis["key"]) for axis in data["axes"]])
    for axis, place in zip(data["axes"], places, strict=True):
        level = axis["levels"][place]
        assert level["home"] or level["seen"]


def test_a_method_has_the_colour_of_the_figures(data):
    from asrlab.pages.plot import COLOURS

    assert [one["colour"] for one in data["systems"]] == list(COLOURS[: len(data["systems"])])
    rows = run_many("condition_explorer", "rowsOf", [(data, data["axes"][0]["key"], 0, data["trainings"][0]["key"])])[0]
    assert [row["colour"] for row in rows] == [one["colour"] for one in data["systems"]]
