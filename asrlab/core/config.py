"""Typed options: dataclasses from nested dictionaries, YAML files and the command line, with unknown names refused.

The comment behind a field in its source is its documentation, here and in `--help`: there is one place to change it.
"""

import contextlib
import dataclasses
import functools
import inspect
import json
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from asrlab.core.errors import AsrlabError

T = TypeVar("T")


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
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise AsrlabError(f"{path}: cannot be read ({error.strerror}); give a recipe's name or a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AsrlabError(f"{path}: not a YAML file: {error}") from error
    return from_dict(cls, values, str(path))


def load_json(cls: type[T], path: Path | str) -> T:
    """Build `cls` from a JSON file. Raises AsrlabError naming the file."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise AsrlabError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise AsrlabError(f"{path}: not a JSON file: {error}") from error
    return from_dict(cls, values, str(path))


def override(options: T, assignments: Sequence[str]) -> T:
    """A copy of `options` with `"name=value"` or `"part.name=value"` applied; values are read as YAML.

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
            here[last] = text if isinstance(here.get(last), str) else yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise AsrlabError(f"{assignment!r}: the value is not YAML ({str(error).splitlines()[0]})") from error
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


def _shown(field: dataclasses.Field) -> str:
    """The default of a field as text, short where it is made of further options."""
    has_factory = field.default_factory is not dataclasses.MISSING
    default = field.default_factory() if has_factory else field.default
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


def _options_in(kind: Any) -> type | None:
    """The options that a field of this type holds: itself, perhaps null, or by name in a mapping."""
    kind = _without_none(kind)
    if typing.get_origin(kind) in (dict, Mapping) and len(typing.get_args(kind)) == 2:
        kind = typing.get_args(kind)[1]
    return kind if dataclasses.is_dataclass(kind) else None


def _inside(kind: Any, part: str) -> Any:
    """The type of `part` inside a type: of a dataclass' field, or of what a mapping holds under any name."""
    kind = _without_none(kind)
    if dataclasses.is_dataclass(kind):
        found = field_types(kind).get(part)
        return None if found is None else (_without_none(found) if _options_in(found) else None)
    if typing.get_origin(kind) in (dict, Mapping):
        return _options_in(kind)
    return None


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """Field name to its resolved type."""
    return typing.get_type_hints(cls)


@functools.cache
def _comments(cls: type) -> dict[str, str]:
    found = dict.fromkeys((f.name for f in dataclasses.fields(cls)), "")
    for line in inspect.getsource(cls).splitlines():
        match = re.match(r"\s+(\w+)\s*:[^#]*#\s*(.+)$", line)
        if match and match[1] in found:
            found[match[1]] = match[2].strip()
    return found


def _build(cls: type[T], values: Any, where: str) -> T:
    if not isinstance(values, Mapping):
        raise AsrlabError(f"{where or cls.__name__}: {values!r} is not a mapping of names to values")
    fields = field_types(cls)
    unknown = [key for key in values if key not in fields]
    if unknown:
        prefix = f"{where}: " if where else ""
        raise AsrlabError(f"{prefix}unknown key {unknown[0]!r}; {cls.__name__} has {', '.join(fields)}")
    inside = f"{where}." if where else ""
    return cls(**{key: _convert(fields[key], value, inside + key) for key, value in values.items()})


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else _build(kind, value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise AsrlabError(f"{where}={value!r}: expected a list, such as [{value}]")
        return tuple(_convert(arguments[0], item, where) for item in value)
    if origin in (dict, Mapping) and len(arguments) == 2 and arguments[1] is not Any and isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise AsrlabError(f"{where}: {key!r} is not a name; write it in quotes")
        return {key: _convert(arguments[1], one, f"{where}.{key}") for key, one in value.items()}
    if origin in (dict, Mapping) or kind is dict:
        expected: Any = Mapping
    elif kind is float and not isinstance(value, bool):
        expected = (int, float)
        if isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
            with contextlib.suppress(ValueError):
                value = float(value)
    else:
        expected = kind
    wrong = not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool)
    if wrong or (kind is float and math.isnan(value)):
        raise AsrlabError(f"{where}={value!r}: expected {getattr(kind, '__name__', kind)}")
    return float(value) if kind is float else value
