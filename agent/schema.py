"""The base of every table that a person writes, in configurations and in `model.toml`, and what is wrong with one in plain words.

Imported by each `settings.py`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from agent.core.names import NAME_PATTERN

if TYPE_CHECKING:
    from pydantic import ValidationError

Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Strict(BaseModel):
    """Unknown keys are faults, values do not change after validation, and the text under a field is the manual."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a table.

    Attributes:
        code: `unknown-key`, `missing-key` or `invalid-value`.
        path: Keys from the outermost table to the fault.
        message: What is wrong, beginning with the path.
        hint: The next step.
    """

    code: str
    path: tuple[str, ...]
    message: str
    hint: str


def problems(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Every fault of a validation, in words for the person who wrote the table.

    Args:
        error: What pydantic raised.
        model: The table that was validated; its fields are what a misspelt key may have meant.
    """
    return [_problem(entry, model) for entry in error.errors(include_url=False)]


def _problem(entry: Any, model: type[BaseModel]) -> Problem:
    path = tuple(str(part) for part in _written(entry["loc"], entry.get("input"), model))
    where = dotted(path)
    if entry["type"] == "extra_forbidden":
        known = sorted(_fields_at(model, path[:-1]))
        meant = closest(path[-1], known)
        hint = f"did you mean {meant}?" if meant else f"known keys: {', '.join(known)}" if known else "remove it"
        return Problem("unknown-key", path, f"{where} is not known", hint)
    if entry["type"] == "missing":
        return Problem("missing-key", path, f"{where} is missing", f"add {path[-1]} = …")
    if entry["type"] == "string_pattern_mismatch" and entry.get("ctx", {}).get("pattern") == NAME_PATTERN:
        text = f"{where} = {entry['input']!r} is no name"
        return Problem("invalid-value", path, text, "letters, digits, dot, dash, underscore; at most 64; begins with one of the first two")
    message = entry["msg"].removeprefix("Value error, ")
    given = "" if isinstance(entry["input"], dict | list) else f" (it is {entry['input']!r})"
    return Problem("invalid-value", path, f"{where}: {message[:1].lower()}{message[1:]}{given}", "see the configuration reference")


def closest(word: str, known: list[str]) -> str | None:
    """The known word that was probably meant."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else None


def dotted(path: tuple[str, ...]) -> str:
    """A path as TOML writes it: `sources.cam.url`."""
    return ".".join(path)


def _written(loc: tuple[Any, ...], _input: Any, model: type[BaseModel]) -> list[Any]:
    """Pydantic's location without what it adds for its own use: the tag of a union, the key marker of a dictionary."""
    kept: list[Any] = []
    current: Any = model
    for part in loc:
        if part == "[key]":
            continue
        members = _union_members(current)
        if len(members) > 1 and part in {tag for member in members for tag in _tags(member)}:
            current = next(member for member in members if part in _tags(member))
            continue
        kept.append(part)
        current = _inside(current, part)
    return kept


def _fields_at(model: type[BaseModel], path: tuple[str, ...]) -> set[str]:
    """Names of the fields that may stand in the table at `path`."""
    current: Any = model
    for part in path:
        current = _inside(current, part)
    return {name for member in _union_members(current) for name in member.model_fields}


def _inside(annotation: Any, part: Any) -> Any:
    """The annotation of what lies under `part` in a table, a dictionary or a list."""
    for member in _union_members(annotation):
        if str(part) in member.model_fields:
            return member.model_fields[str(part)].annotation
    arguments = get_args(annotation)
    containers = [a for a in arguments if get_args(a)] if annotation is not None else []
    if _origin_name(annotation) in ("dict", "list"):
        return arguments[-1]
    for container in containers:
        if _origin_name(container) in ("dict", "list"):
            return get_args(container)[-1]
    return None


def _origin_name(annotation: Any) -> str:
    return getattr(getattr(annotation, "__origin__", None), "__name__", "")


def _union_members(annotation: Any) -> list[type[BaseModel]]:
    """The tables among the members of a union, or the table itself."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if _origin_name(annotation) in ("dict", "list"):
        return []
    return [table for argument in get_args(annotation) for table in _union_members(argument)]


def _tags(table: type[BaseModel]) -> tuple[Any, ...]:
    """Values of the literal that tells this table from the others of its union."""
    field = table.model_fields.get("type")
    return get_args(field.annotation) if field else ()
