"""What stands in a table, read from its settings model: the one place that turns fields into words.

Used for the sample, the reference page and `lineside init`, so that none of them can say something else than the code.
"""

from __future__ import annotations

import json
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from agent.core.names import NAME_PATTERN
from agent.schema import is_table, manual


@dataclass(frozen=True, slots=True)
class FieldText:
    """One key of a table, in words.

    Attributes:
        key: Its name.
        kind: What may stand there, such as `whole number ≥ 1` or `"linear" | "area"`.
        default: As TOML writes it; `""` where there is none that can be written.
        required: Whether it must be given.
        text: The manual.
        table: The settings model of a nested table, or None.
    """

    key: str
    kind: str
    default: str
    required: bool
    text: str
    table: type[BaseModel] | None


def fields_of(model: type[BaseModel]) -> list[FieldText]:
    """The keys of a table, in their order."""
    found, texts = [], manual(model)
    for key, field in model.model_fields.items():
        default = field.default
        found.append(
            FieldText(
                key=key,
                kind=_kind(field.annotation, [m for m in field.metadata if m is not None]),
                default="" if default in (PydanticUndefined, None) or _table(field.annotation) else toml_value(default),
                required=field.is_required(),
                text=texts.get(key, ""),
                table=_table(field.annotation),
            )
        )
    return found


def toml_value(value: Any) -> str:
    """A plain value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:_}" if isinstance(value, int) and value >= 100_000 else str(value)  # noqa: PLR2004 - readable
        case str() | Path():
            # JSON escapes as TOML's basic strings do, but leaves DEL, which TOML forbids.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(toml_value(entry) for entry in value)}]"
        case dict():
            pairs = ", ".join(f"{key} = {toml_value(entry)}" for key, entry in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case BaseModel():
            return toml_value({key: inner for key, inner in value.model_dump(exclude_none=True).items() if inner != {}})
        case _:
            raise TypeError(f"{value!r} has no form in TOML")


def _table(annotation: Any) -> type[BaseModel] | None:
    """The settings model that an annotation holds directly."""
    candidates = [annotation, *_members(annotation)]
    return next((candidate for candidate in candidates if is_table(candidate)), None)


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()


def _kind(annotation: Any, limits: list[Any]) -> str:
    members = [member for member in _members(annotation) if member is not types.NoneType]
    if members:
        return " | ".join(dict.fromkeys(_kind(member, limits) for member in members))
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        inner, *more = get_args(annotation)
        return _kind(inner, [*limits, *more])
    if origin is Literal:
        return " | ".join(toml_value(value) for value in get_args(annotation))
    if origin is list:
        kind = _kind(get_args(annotation)[0], [])
        return f"list of {kind}s" if kind.replace(" ", "").isalpha() else f"list of {kind}"
    if origin is dict:
        return f"table of {_kind(get_args(annotation)[1], [])}"
    inside = [inner for limit in limits for inner in (limit, *getattr(limit, "metadata", ()))]
    if any(getattr(limit, "pattern", None) == NAME_PATTERN for limit in inside):
        return "name"
    words = {str: "text", int: "whole number", float: "number", bool: "true | false", Path: "path"}
    return words.get(annotation, "table") + _range(inside)


def _range(limits: list[Any]) -> str:
    signs = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
    said = [
        f"{sign} {_short(getattr(limit, name))}"
        for limit in limits
        for name, sign in signs
        if getattr(limit, name, None) is not None
    ]
    return f" {', '.join(said)}" if said else ""


def _short(value: float) -> str:
    return f"{value:_}" if isinstance(value, int) else f"{value:g}"
