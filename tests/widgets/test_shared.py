"""The helpers that all widgets share: those that compute, against Python's own, and how a widget is put together."""

import math

import pytest
from matplotlib import colormaps
from node import run_js, run_many

from asrlab.errors import AsrlabError

base = pytest.importorskip("asrlab.widgets.base", reason="anywidget is not installed")
ANY = "edit_distance"  # the shared text stands in front of every module


def test_numbers_read_as_they_should():
    assert run_js(ANY, "heat", 0) == [0, 0, 4]
    assert run_js(ANY, "tint", "--sense", 0.5) == "color-mix(in srgb, var(--sense) 50.0%, transparent)"


def test_heat_is_close_to_the_colour_map_of_the_listening_cards():
    steps = [k / 40 for k in range(41)]
    for v, colour in zip(steps, run_many(ANY, "heat", [(v,) for v in steps]), strict=True):
        expected = [255 * part for part in colormaps["magma"](v)[:3]]
        assert math.dist(colour, expected) < 14, v


def test_a_widget_is_its_name_the_helpers_and_its_module():
    text = base.script(ANY)
    assert text.startswith('const WIDGET = "edit_distance";')
    assert text.index("export function h(") < text.index("export function distanceTable(")
    assert "import " not in "".join(line for line in text.splitlines(True) if not line.lstrip().startswith("//"))


def test_a_class_gets_script_and_style():
    class Example(base.Widget, module=ANY):
        pass

    assert base.script(ANY) == Example._esm
    assert ".aw-title" in Example._css and ".ed-table" in Example._css
    state = Example().get_state()
    assert state["_esm"] == Example._esm and state["_css"] == Example._css


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(AsrlabError, match=r"no_such\.js"):
        base.script("no_such")
