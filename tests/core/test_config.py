"""Options: what is written comes back, what is wrong is told by name, and every field has its one comment."""

import contextlib
import dataclasses
import json
import math
import os
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.training.recipe import Recipe


@dataclass(frozen=True)
class Inner:
    width: int = 3  # how wide
    rate: float = 0.5  # how fast, from 0

    def __post_init__(self):
        if self.rate < 0:
            raise AsrlabError(f"rate={self.rate}: give 0 or more")


@dataclass(frozen=True)
class Outer:
    name: str = "x"  # what it is called
    flag: bool = False  # whether
    limit: float | None = None  # at most, None: no limit
    sizes: tuple[int, ...] = (1, 2)  # one after the other
    inner: Inner = field(default_factory=Inner)
    free: dict[str, Any] = field(default_factory=dict)  # anything: # and : may stand here


FULL = {
    "name": "y", "flag": True, "limit": 2.5, "sizes": [4, 5], "inner": {"width": 7, "rate": 1.0}, "free": {"a": [1]}
}  # fmt: skip


def test_there_and_back():
    built = config.from_dict(Outer, FULL)
    assert built == Outer("y", True, 2.5, (4, 5), Inner(7, 1.0), {"a": [1]})
    assert config.from_dict(Outer, config.to_dict(built)) == built
    assert config.from_dict(Outer, json.loads(json.dumps(config.to_dict(built)))) == built
    assert config.from_dict(Outer, {}) == Outer()
    whole = config.from_dict(Outer, {"inner": Inner(9), "limit": 2})
    assert whole.inner.width == 9
    assert isinstance(whole.limit, float)


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_files(tmp_path, suffix):
    path = tmp_path / f"o.{suffix}"
    path.write_text(json.dumps(FULL))  # JSON is YAML too
    load = config.load_yaml if suffix == "yaml" else config.load_json
    assert load(Outer, path) == config.from_dict(Outer, FULL)


def test_numbers_as_people_write_them(tmp_path):
    path = tmp_path / "o.yaml"
    path.write_text("inner: {rate: 1e-3}\nlimit: 1e3\n")
    assert config.load_yaml(Outer, path) == Outer(inner=Inner(rate=1e-3), limit=1000.0)
    path.write_text("")
    assert config.load_yaml(Outer, path) == Outer()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nme: y", r"unknown key 'nme'; Outer has name, flag, limit"),
        ("inner: {wdth: 3}", r"inner: unknown key 'wdth'; Inner has width, rate"),
        ("inner: 3", r"inner: 3 is not a mapping"),
        ("inner: {width: 3.5}", r"inner.width=3.5: expected int"),
        ("inner: {width: true}", r"inner.width=True: expected int"),
        ("inner: {rate: fast}", r"inner.rate='fast': expected float"),
        ("inner: {rate: .nan}", r"inner.rate=nan: expected float"),
        ("inner: {rate: -1}", r"rate=-1.0: give 0 or more"),
        ("flag: 1", r"flag=1: expected bool"),
        ("name: 3", r"name=3: expected str"),
        ("sizes: 3", r"sizes=3: expected a list, such as \[3\]"),
        ("sizes: [3, x]", r"sizes='x': expected int"),
        ("free: [3]", r"free=\[3\]: expected dict"),
        ("- 3", r"is not a mapping"),
        ("a: [", r"not a YAML file: expected the node content.* in line 1"),
    ],
)
def test_mistakes_name_file_key_and_value(tmp_path, text, message):
    path = tmp_path / "o.yaml"
    path.write_text(text)
    with pytest.raises(AsrlabError, match=rf"^{path}: .*{message}"):
        config.load_yaml(Outer, path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(AsrlabError, match=rf"{tmp_path}/no.yaml: no such file"):
        config.load_yaml(Outer, tmp_path / "no.yaml")
    with pytest.raises(AsrlabError, match="is a folder, expected a file"):
        config.load_json(Outer, tmp_path)
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(AsrlabError, match="not a YAML file"):
        config.load_yaml(Outer, path)
    with pytest.raises(AsrlabError, match="not a JSON file"):
        config.load_json(Outer, path)
    path.write_text("{")
    with pytest.raises(AsrlabError, match=rf"{path}: not a JSON file"):
        config.load_json(Outer, path)


def test_override():
    changes = ["name=", "flag=yes", "limit=3", "sizes=[7]", "inner.width=4", "inner.rate=1e-2", "free.speakers=8"]
    changed = config.override(Outer(name="z"), changes)
    assert changed == Outer("", True, 3.0, (7,), Inner(4, 0.01), {"speakers": 8})
    assert config.override(Outer(), ["name=no", "name=1 = 1"]).name == "1 = 1"  # a text is taken as it stands
    assert config.override(Outer(limit=1.0), ["limit=null"]).limit is None
    assert config.override(Outer(free={"a": {"b": 1}}), ["free.a.c=2"]).free == {"a": {"b": 1, "c": 2}}
    assert Outer().free == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("name", "'name': write NAME=VALUE"),
        ("nme=3", "'nme=3': no field 'nme'; the names are name, flag"),
        ("inner.wdth=3", "'inner.wdth=3': no field 'wdth'; the names are width, rate"),
        ("name.x=3", "'name' has no fields"),
        ("none.x=3", "'none' has no fields; the names are name"),
        ("sizes=[", r"'sizes=\[': the value is not YAML"),
        ("inner.width=wide", "inner.width='wide': expected int"),
        ("inner.rate=-2", "rate=-2.0: give 0 or more"),
    ],
)
def test_override_mistakes(change, message):
    with pytest.raises(AsrlabError, match=message):
        config.override(Outer(), [change])


@dataclass(frozen=True)
class Ranged(config.Options):
    count: Annotated[int, config.Between(1, 9)] = 3
    share: config.Share = 0.5
    limit: config.Threshold = 2.0
    rate: Annotated[float, config.Above(0)] | None = None
    kind: Literal["a", "b"] = "a"
    step: Literal[1, 2] = 1
    free: float = 0.0
    whole: int = 0
    name: str = ""
    flag: bool = False
    many: tuple[config.Share, ...] = ()
    by_name: dict[str, config.NotNegative] = field(default_factory=dict)


@dataclass(frozen=True)
class Holder(config.Options):
    inner: Ranged = field(default_factory=Ranged)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", 0, "count=0: give a whole number, 1 to 9"),
        ("count", 10, "count=10: give a whole number, 1 to 9"),
        ("count", 2.0, "count=2.0: give a whole number"),
        ("count", True, "count=True: give a whole number"),
        ("share", -0.1, "share=-0.1: give 0 to 1"),
        ("share", math.nan, "share=nan: give 0 to 1"),
        ("limit", -1.0, "limit=-1.0: give 0 or more"),
        ("rate", 0.0, "rate=0.0: give above 0"),
        ("kind", "c", "kind='c': give one of a, b"),
        ("step", True, "step=True: give one of 1, 2"),
        ("free", math.inf, "free=inf: give a finite number"),
        ("free", 10**400, r"free=10{59}\.\.\. \(401 characters\): give a finite number"),
        pytest.param(
            "whole", 10**5000, "whole=a number of thousands of digits: give a whole number, a finite number", id="huge"
        ),
        ("name", 3, "name=3: give a text"),
        ("flag", 1, "flag=1: give true or false"),
        ("many", (0.5, 2.0), r"many=\(0.5, 2.0\): give 0 to 1"),
        ("by_name", {"x": -1.0}, r"by_name=\{'x': -1.0\}: give 0 to 1000000"),
    ],
)
def test_ranges(name, value, message):
    with pytest.raises(AsrlabError, match=rf"^{message}"):
        Ranged(**{name: value})
    dotted = config.from_dict if name not in ("count", "free", "whole", "name", "flag", "many", "share") else None
    if dotted:
        with pytest.raises(AsrlabError, match=rf"^inner\.{message}"):
            dotted(Holder, {"inner": {name: value}})


def test_ranges_hold_their_ends_and_numbers_of_numpy():
    assert Ranged(count=np.int64(9), share=1, limit=math.inf, rate=1e-9, free=np.float32(3), step=2).count == 9
    assert Ranged(share=0.0, many=(0, 1), by_name={"x": 0}).rate is None


@pytest.mark.parametrize("text", ["1_0", "1:30", "2001-01-01", "0x10", "0o7", "1e", "--1", ".", "+.e3"])
def test_what_only_looks_like_a_number_is_text(text):
    assert config.parse_yaml(text) == text
    with pytest.raises(AsrlabError, match="expected"):
        config.override(Outer(), [f"inner.width={text}"])
    with pytest.raises(AsrlabError, match="expected"):
        config.override(Outer(), [f"inner.rate={text}"])


@given(st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)))
@settings(max_examples=50, deadline=None)
def test_every_number_that_python_writes_is_read(number):
    found = config.parse_yaml(repr(number))
    assert found == number and type(found) is type(number)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [1]\nb: *a", r"alias \*a: write it out in line 2"),
        ("[" * 5000, "too deep|expected the node content"),
        ("? {a: 1}\n: 2", "unhashable"),
        ("a: 1" + "0" * 5000, "digits"),
        ("a: \x01", "special characters"),
    ],
)
def test_yaml_that_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        config.parse_yaml(text)
    assert "\n" not in str(caught.value)
    (tmp_path / "o.yaml").write_text(text)
    with pytest.raises(AsrlabError, match=r"o\.yaml: not a YAML file"):
        config.load_yaml(Outer, tmp_path / "o.yaml")


def test_json_that_is_deep_or_no_file(tmp_path):
    (tmp_path / "o.json").write_text('{"free": ' + "[" * 100_000 + "}")
    with pytest.raises(AsrlabError, match=r"o\.json: not a JSON file"):
        config.load_json(Outer, tmp_path / "o.json")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AsrlabError, match="pipe: is a pipe, expected a file; check the path"):
        config.load_json(Outer, tmp_path / "pipe")
    with pytest.raises(AsrlabError, match="null: is a device, expected a file"):
        config.load_yaml(Outer, os.devnull)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
NAMES = [name for name, *_ in config.fields(Recipe)]


@given(st.sampled_from(NAMES), ANYTHING)
@settings(max_examples=200, deadline=None)
def test_any_value_in_any_place_of_a_recipe_is_taken_or_told_by_name(name, value):
    values: dict = {}
    here = values
    *parts, last = [part if part != "NAME" else "sound" for part in name.split(".")]
    for part in parts:
        here = here.setdefault(part, {})
    here[last] = value
    try:
        built = config.from_dict(Recipe, values)
    except AsrlabError as error:
        assert len(str(error)) < 600
    else:
        assert config.from_dict(Recipe, config.to_dict(built)) == built


@given(st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_assignment_is_taken_or_told(name, value):
    with contextlib.suppress(AsrlabError):
        config.override(Recipe(), [f"{name}={value}"])
    for field_name in ("epochs", "speeds", "model.decoder", "corpus_options.x"):
        with contextlib.suppress(AsrlabError):
            config.override(Recipe(), [f"{field_name}={value}"])


def test_fields_name_default_and_comment():
    found = {name: (default, comment) for name, default, comment in config.fields(Outer)}
    assert list(found) == ["name", "flag", "limit", "sizes", "inner.width", "inner.rate", "free"]
    assert found["inner.rate"] == ("0.5", "how fast, from 0")
    assert found["sizes"] == ("[1, 2]", "one after the other")
    assert found["limit"] == ("null", "at most, None: no limit")
    assert found["free"] == ("{}", "anything: # and : may stand here")


def test_every_field_of_a_recipe_has_a_comment_and_a_default_that_can_be_typed_in():
    found = list(config.fields(Recipe))
    assert len(found) > 60
    assert [name for name, _, comment in found if len(comment) < 10] == []
    assert len({name for name, _, _ in found}) == len(found)
    there = {name: default for name, default, _ in found if ".NAME." not in name and "trunk." not in name}
    null = ("inputs.lips.", "model.decoder.")  # typing a field of what is null makes it
    typed = {name: default for name, default in there.items() if not name.startswith(null)}
    retyped = [f"{name}={json.loads(text) if text[:1] == chr(34) else text}" for name, text in typed.items()]
    assert config.override(Recipe(), retyped) == Recipe()
    assert {name.split(".")[0] for name, _, _ in found} == {f.name for f in dataclasses.fields(Recipe)}
