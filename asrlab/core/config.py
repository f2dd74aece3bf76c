"""Typed options: dataclasses from nested dictionaries, YAML files and the command line, with unknown names refused.

A field's type says what it may hold: `Annotated[int, AtLeast(1)]`, `Annotated[float, Between(0, 1)]`,
`Literal["a", "b"]`; common ones have names, such as `Share`. The comment behind a field in its source is its
documentation, here and in `--help`: there is one place to change it.
"""

import dataclasses
import functools
import inspect
import json
import math
import numbers
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml

from asrlab.core.errors import AsrlabError
from asrlab.core.files import parse_json, read_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
Found = TypeVar("Found")
MOST = 2**53  # whole numbers beyond it are no exact floats, and no sensible options either
DEEPEST = 50  # mappings within mappings


@dataclasses.dataclass(frozen=True)
class Range:
    """What numbers an option may be; written behind its type in `Annotated`."""

    low: float = -MOST
    high: float = MOST
    open_low: bool = False  # whether `low` itself is refused
    open_high: bool = False  # whether `high` itself is refused

    def holds(self, value: Any) -> bool:
        """Whether a number lies inside; NaN and infinities never do."""
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        low = f"{'above ' if self.open_low else ''}{self.low:.15g}"
        high = f"{'below ' if self.open_high else ''}{self.high:.15g}"
        if self.high >= MOST:
            return "a finite number" if self.low == -MOST else low if self.open_low else f"{low} or more"
        return f"at most {high}" if self.low == -MOST else f"{low} to {high}"


def AtLeast(low: float, most: float = MOST) -> Range:
    """`low` or more; `most=math.inf` lets infinity pass, for a limit that may be none."""
    return Range(low, most)


def Between(low: float, high: float) -> Range:
    """`low` to `high`, both included."""
    return Range(low, high)


def Above(low: float, most: float = MOST) -> Range:
    """More than `low`, at most `most`."""
    return Range(low, most, open_low=True)


def Below(low: float, high: float) -> Range:
    """`low` or more, less than `high`."""
    return Range(low, high, open_high=True)


Width = Annotated[int, Between(1, 16_384)]  # of a layer: wider ones fill any memory
Count = Annotated[int, Between(1, 10_000)]
CountOrNone = Annotated[int, Between(0, 10_000)]
Hertz = Annotated[int, Between(1, 768_000)]  # samples a second
Share = Annotated[float, Between(0, 1)]
Chance = Annotated[float, Below(0, 0.99)]  # of dropping something
Positive = Annotated[float, Above(0, 1_000_000)]
NotNegative = Annotated[float, Between(0, 1_000_000)]
Threshold = Annotated[float, AtLeast(0, math.inf)]  # infinite: none


class Options:
    """What a dataclass of options inherits: its fields are checked against their types when one is made.

    Rules between fields stand in a `__post_init__` that calls `super().__post_init__()` first. Raises AsrlabError
    naming the field, its value and what it may be.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            expected = _refused(_declared(type(self))[field.name], value)
            if expected:
                raise AsrlabError(f"{field.name}={brief(value)}: give {expected}")


def brief(value: Any) -> str:
    """A value as an error message shows it: not thousands of digits."""
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # Python refuses to write integers of more than 4300 digits
        return "a number of thousands of digits" if isinstance(value, int) else f"a deep {type(value).__name__}"
    return shown if len(shown) <= 80 else f"{shown[:60]}... ({len(shown)} characters)"


def _refused(kind: Any, value: Any) -> str:
    """What was expected in place of a value that its type refuses, empty if it may stay."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    allowed = Range()
    if origin is typing.Annotated:
        kind, (allowed, *_) = arguments[0], arguments[1:]
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return ""
        return _refused(next(a for a in arguments if a is not type(None)), value)
    if origin is Literal:
        is_same = any(type(value) is type(one) and value == one for one in arguments)
        return "" if is_same else f"one of {', '.join(map(str, arguments))}"
    if origin is tuple and isinstance(value, (tuple, list)):
        return next(filter(None, (_refused(arguments[0], one) for one in value)), "")
    if origin in (dict, Mapping) and len(arguments) == 2 and isinstance(value, Mapping):
        return next(filter(None, (_refused(arguments[1], one) for one in value.values())), "")
    if kind in (int, float):
        number = numbers.Integral if kind is int else numbers.Real
        whole = "a whole number, " if kind is int else ""
        right = isinstance(value, number) and not isinstance(value, bool) and allowed.holds(value)
        return "" if right else f"{whole}{allowed}"
    if kind in (str, bool) and not isinstance(value, kind):
        return {str: "a text", bool: "true or false"}[kind]
    return ""


class _Yaml(yaml.SafeLoader):
    """YAML with the numbers of its version 1.2 (1e-3 is one; 1_0 and 1:30 are texts) and without aliases.

    An alias may stand for a mapping of aliases, and so on: a few lines that fill any memory.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # types-PyYAML leaves it without types
            raise yaml.composer.ComposerError(None, None, f"alias *{event.anchor}: write it out", event.start_mark)
        return super().compose_node(parent, index)

    def construct_int(self, node: Any) -> int:
        return int(self.construct_scalar(node))

    def construct_float(self, node: Any) -> float:
        text = self.construct_scalar(node).lower()
        return float(re.sub(r"\.(inf|nan)$", r"\1", text))


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
_Yaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in _NUMBERS]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml.add_implicit_resolver(_NUMBERS[0], re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
_Yaml.add_implicit_resolver(
    _NUMBERS[1],
    re.compile(r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"),
    list("-+.0123456789"),
)
_Yaml.add_constructor(_NUMBERS[0], _Yaml.construct_int)
_Yaml.add_constructor(_NUMBERS[1], _Yaml.construct_float)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text. Raises ValueError, in one line, for what is none, is too deep or holds an alias."""
    try:
        return yaml.load(text, _Yaml)
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{error.problem or 'not YAML'}{where}") from error
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise ValueError("mappings or lists too deep within one another") from error
    except (TypeError, OverflowError) as error:  # a mapping as a key
        raise ValueError(str(error)) from error


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build dataclass `cls` from a nested dictionary; what is not named keeps its default.

    Raises AsrlabError naming `where` (a file, say), the key and its value if a key is unknown, or if a value has the
    wrong type or is refused by the dataclass.
    """
    try:
        return _build(cls, values, "")
    except AsrlabError as error:
        if not where:
            raise
        raise AsrlabError(f"{where}: {error}") from error


def to_dict(options: Any) -> dict[str, Any]:
    """The inverse of `from_dict`, ready for JSON."""
    return dataclasses.asdict(options)


def load_yaml(cls: type[T], path: Path | str) -> T:
    """Build `cls` from a YAML file. Raises AsrlabError naming the file."""
    return _load(cls, path, parse_yaml, "YAML", "; give a recipe's name or a YAML file")


def load_json(cls: type[T], path: Path | str) -> T:
    """Build `cls` from a JSON file. Raises AsrlabError naming the file."""
    return _load(cls, path, parse_json, "JSON", "; check the path")


def _load(cls: type[T], path: Path | str, parse: Any, what: str, remedy: str) -> T:
    data = read_whole(path, remedy=remedy)
    try:
        values = parse(data.decode("utf-8"))
    except ValueError as error:
        raise AsrlabError(f"{path}: not a {what} file: {error}") from error
    return from_dict(cls, {} if values is None else values, str(path))


def override(options: T, assignments: Sequence[str]) -> T:
    """A copy of `options` with `"name=value"` or `"part.name=value"` applied; values are read as YAML.

    `null` takes a name out of a mapping of names.

    Raises AsrlabError naming the assignment if it has no `=`, names no field, or has a value of the wrong type.
    """
    values = to_dict(options)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise AsrlabError(f"{assignment!r}: write NAME=VALUE, for example learning_rate=0.001")
        (*parts, last), here, kind = path.split("."), values, type(options)
        for part in parts:
            inner = _inside(kind, part)
            if here.get(part) is None and inner is not None:
                here[part] = {}  # options that were null, or a new name in a mapping: with the defaults of the rest
            if not isinstance(here.get(part), dict):
                raise AsrlabError(f"{assignment!r}: {part!r} has no fields; the names are {', '.join(here)}")
            here, kind = here[part], inner
        if dataclasses.is_dataclass(kind) and last not in field_types(kind):
            raise AsrlabError(f"{assignment!r}: no field {last!r}; the names are {', '.join(field_types(kind))}")
        try:
            here[last] = text if isinstance(here.get(last), str) else parse_yaml(text)
            if here[last] is None and _is_mapping(kind):  # `model.branches.sound=null`: without it
                del here[last]
        except ValueError as error:
            raise AsrlabError(f"{brief(assignment)}: the value is not YAML ({error})") from error
    return from_dict(type(options), values)


def fields(cls: type, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Every field of `cls` and of the options inside it: (dotted name, default as text, its comment)."""
    comments = _comments(cls)
    for field in dataclasses.fields(cls):
        kind = field_types(cls)[field.name]
        inner = _options_in(kind)
        if inner is None or inner is not kind:
            yield prefix + field.name, _shown(field), comments[field.name]
        if inner is not None:
            name = field.name if inner is _without_none(kind) else f"{field.name}.NAME"
            yield from fields(inner, f"{prefix}{name}.")


def _shown(field: dataclasses.Field[Any]) -> str:
    """The default of a field as text, short where it is made of further options."""
    factory = field.default_factory
    default = field.default if factory is dataclasses.MISSING else factory()
    if default is dataclasses.MISSING:
        return ""
    if isinstance(default, Mapping) and any(map(dataclasses.is_dataclass, default.values())):
        return json.dumps({name: {} for name in default})
    return json.dumps({} if dataclasses.is_dataclass(default) else default)


def _without_none(kind: Any) -> Any:
    """`X` of `X | None`, anything else as it is."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(a for a in typing.get_args(kind) if a is not type(None))
    return kind


def _options_in(kind: Any) -> type[Any] | None:
    """The options that a field of this type holds: itself, perhaps null, or by name in a mapping."""
    kind = _without_none(kind)
    if typing.get_origin(kind) in (dict, Mapping) and len(typing.get_args(kind)) == 2:
        kind = typing.get_args(kind)[1]
    return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None


def _is_mapping(kind: Any) -> bool:
    """Whether a type is that of a mapping of names."""
    return kind is dict or typing.get_origin(kind) in (dict, Mapping)


def _inside(kind: Any, part: str) -> Any:
    """The type of `part` inside a type: of a dataclass' field, or of what a mapping holds under any name."""
    kind = _without_none(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        found = field_types(kind).get(part)
        return None if found is None else (_without_none(found) if _options_in(found) else None)
    if typing.get_origin(kind) in (dict, Mapping):
        return _options_in(kind)
    return None


def _cached(function: Callable[[type], Found]) -> Callable[[type], Found]:
    """`functools.cache`; its own type asks for arguments that are hashable, which mypy denies of many classes."""
    return functools.cache(function)


@_cached
def field_types(cls: type) -> dict[str, Any]:
    """Field name to its resolved type."""
    return typing.get_type_hints(cls)


@_cached
def _declared(cls: type) -> dict[str, Any]:
    """Field name to its type, with the range behind it."""
    return typing.get_type_hints(cls, include_extras=True)


@_cached
def _comments(cls: type[Any]) -> dict[str, str]:
    found = dict.fromkeys((f.name for f in dataclasses.fields(cls)), "")
    for line in inspect.getsource(cls).splitlines():
        match = re.match(r"\s+(\w+)\s*:[^#]*#\s*(.+)$", line)
        if match and match[1] in found:
            found[match[1]] = match[2].strip()
    return found


def _build(cls: type[T], values: Any, where: str) -> T:
    if not isinstance(values, Mapping):
        raise AsrlabError(f"{where or cls.__name__}: {brief(values)} is not a mapping of names to values")
    if where.count(".") > DEEPEST:
        raise AsrlabError(f"{brief(where)}: mappings too deep within one another")
    fields = field_types(cls)
    unknown = [key for key in values if key not in fields]
    if unknown:
        prefix = f"{where}: " if where else ""
        raise AsrlabError(f"{prefix}unknown key {brief(unknown[0])}; {cls.__name__} has {', '.join(fields)}")
    inside = f"{where}." if where else ""
    converted = {key: _convert(fields[key], value, inside + key) for key, value in values.items()}
    lacking = [f.name for f in dataclasses.fields(cls) if _required(f) and f.name not in converted]
    if lacking:
        raise AsrlabError(f"{inside}{lacking[0]}: missing; give it")
    try:
        return cls(**converted)
    except AsrlabError as error:  # its message begins with the field
        raise AsrlabError(f"{inside}{error}") from error


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.init and field.default is field.default_factory is dataclasses.MISSING


def _convert(kind: Any, value: Any, where: str) -> Any:
    """A value of JSON or YAML as the type asks: options of mappings, tuples of lists, floats of whole numbers."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else _build(kind, value, where)
    if origin is Literal:
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise AsrlabError(f"{where}={brief(value)}: expected a list, such as [{brief(value)}]")
        return tuple(_convert(arguments[0], item, where) for item in value)
    if origin in (dict, Mapping) or kind is dict:
        return _convert_mapping(arguments[1] if len(arguments) == 2 else Any, value, where)
    expected: Any = (int, float) if kind is float else kind
    wrong = not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool)
    if wrong or (kind is float and (value != value or (isinstance(value, int) and abs(value) > MOST))):
        raise AsrlabError(f"{where}={brief(value)}: expected {kind.__name__}")
    return float(value) if kind is float else value


def _convert_mapping(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise AsrlabError(f"{where}={brief(value)}: expected dict")
    for key in value:
        if not isinstance(key, str):
            raise AsrlabError(f"{where}: {brief(key)} is not a name; write it in quotes")
    if kind is Any:
        return value
    return {key: _convert(kind, one, f"{where}.{key}") for key, one in value.items()}
