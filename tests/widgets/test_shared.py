"""The helpers that all widgets share: those that compute, against Python's own, and how a widget is put together."""

import math

import pytest
from matplotlib import colormaps
from node import run_js, run_many

from asrlab.core.errors import AsrlabError

base = pytest.importorskip("asrlab.widgets.base", reason="anywidget is not installed")
ANY = "edit_distance"  # the shared text stands in front of every module


FORMATS = [
    ("number", -1.5, "−1.50"),
    ("number", -0.001, "0.00"),
    ("number", 12.345, "12.35"),
    ("percent", 0.25, "25 %"),
    ("seconds", 1.5, "1.50 s"),
    ("hertz", 440, "440 Hz"),
    ("hertz", 3400, "3.4 kHz"),
    ("log", -3.14159, "−3.1"),
]


def test_numbers_read_as_they_should():
    call = "(m) => (kind, x) => m.format[kind](x)"
    assert run_many(ANY, call, [case[:2] for case in FORMATS]) == [case[2] for case in FORMATS]
    assert run_js(ANY, "(m) => () => [m.format.number(-Infinity), m.format.number(NaN)]") == ["−∞", "–"]
    assert run_js(ANY, "tint", "--sense", 0.5) == "color-mix(in srgb, var(--sense) 50.0%, transparent)"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (10, 0), (0, 8000), (1e-4, 3e-4)])
def test_a_scale_and_its_ticks(low, high):
    call = "(m) => (a, b) => { const f = m.scale(a, b); return [f(a[0]), f(a[1]), f.invert(f(0.3)), f.ticks(5)]; }"
    first, last, back, ticks = run_js(ANY, call, [low, high], [300, 20])
    assert (first, last) == pytest.approx((300, 20))
    assert back == pytest.approx(0.3)
    step = ticks[1] - ticks[0]
    assert 3 <= len(ticks) <= 6 and min(low, high) - 1e-9 <= ticks[0] and ticks[-1] <= max(low, high) + 1e-9
    assert ticks == pytest.approx([ticks[0] + k * step for k in range(len(ticks))])
    assert round(step / 10 ** math.floor(math.log10(step * 1.0001)), 6) in (1, 2, 5)


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
