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
            if not isinstance(here.get(part), dict):
                raise AsrlabError(f"{assignment!r}: {part!r} has no fields; the names are {', '.join(here)}")
            here, kind = here[part], field_types(kind)[part] if dataclasses.is_dataclass(kind) else None
        if last not in here and dataclasses.is_dataclass(kind):
            raise AsrlabError(f"{assignment!r}: no field {last!r}; the names are {', '.join(here)}")
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
        inner = kind if dataclasses.is_dataclass(kind) else None
        if inner:
            yield from fields(inner, f"{prefix}{field.name}.")
        else:
            has_factory = field.default_factory is not dataclasses.MISSING
            default = field.default_factory() if has_factory else field.default
            shown = "" if default is dataclasses.MISSING else json.dumps(default)
            yield prefix + field.name, shown, comments[field.name]


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
