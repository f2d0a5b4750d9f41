"""The base of every table that a person writes, in configurations and in `model.toml`, and what is wrong with one in plain words.

Imported by each `settings.py`.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import json
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, TypeGuard, get_args, get_origin

from pydantic import BaseModel, ConfigDict, StringConstraints

from agent.core.names import NAME_PATTERN
from agent.core.redact import HIDDEN, without_password

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
_SHOWN = 100
"""Characters of a faulty value that are shown."""
_WORDS = (
    (("model_", "dict_"), " should be a table"),
    (("list_",), " should be a list"),
    (("string_type",), " should be text"),
    (("int_",), " should be a whole number"),
    (("float_", "finite_number"), " should be a number"),
    (("bool_",), " should be true or false"),
    (("path_type",), " should be a path"),
)
"""Beginnings of pydantic's kinds of fault, and what a person reads, in the words of the reference."""
_NAME_RULE = " is no name: letters, digits, dot, dash, underscore, at most 64, the first a letter or a digit"


class Strict(BaseModel):
    """Unknown keys and numbers that are none (inf, nan) are faults, values stay, and the text under a field is the manual.

    The manual is read when a person asks for it (`manual`): pydantic's `use_attribute_docstrings` parses the source of every table
    at each start, which took 17 of the 45 ms that the tables took.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@cache
def manual(model: type[BaseModel]) -> dict[str, str]:
    """The text under each field of a table, in one line; nothing where Python's source is not installed."""
    try:
        [definition] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except OSError:
        return {}
    texts = {}
    for field, text in pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(words))):
                texts[key] = " ".join(words.split())
    return texts


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
    """Every fault of a validation, in words for the person who wrote the table. Passwords in addresses never show.

    Args:
        error: What pydantic raised.
        model: The table that was validated; its fields are what a misspelt key may have meant.
    """
    found = [_problem(entry, model) for entry in error.errors(include_url=False)]
    # A value that fits no member of a union has a fault for each of them: the first speaks for all.
    return list({(problem.code, problem.path): problem for problem in reversed(found)}.values())[::-1]


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _problem(entry: ErrorDetails, model: type[BaseModel]) -> Problem:
    place = _Place(model)
    for part in entry["loc"]:
        place.enter(part)
    kind, context = entry["type"], entry.get("ctx", {})
    untagged, mistagged = kind == "union_tag_not_found", kind == "union_tag_invalid"
    if untagged or mistagged:
        place.path.append("type")
    path, where = tuple(place.path), without_password(".".join(place.path))
    expected = place.tags() if untagged or mistagged else re.findall(r"'([^']+)'", str(context.get("expected", "")))
    if kind == "extra_forbidden":
        return Problem("unknown-key", path, f"{where} is not known", _instead(path[-1], place.siblings))
    if untagged:
        return Problem("missing-key", path, f"{where} is missing", f"it is {_either(expected)}")
    if kind == "missing":
        return Problem("missing-key", path, f"{where} is missing", place.manual or f"add {path[-1]} = …")
    given = entry["input"]["type"] if mistagged else entry["input"]
    message = f"{where}{_what_is_wrong(entry, expected)}".removeprefix(": ")
    if not isinstance(given, dict | list):
        message += f" (it is {_shown(given)})"
    meant = closest(str(given), expected)
    return Problem("invalid-value", path, message, f"did you mean {meant}?" if meant else place.manual)


def _what_is_wrong(entry: ErrorDetails, expected: list[str]) -> str:
    kind = entry["type"]
    if kind == "union_tag_invalid":
        return f" should be {_either(expected)}"
    if kind == "string_pattern_mismatch" and entry.get("ctx", {}).get("pattern") == NAME_PATTERN:
        return _NAME_RULE
    for beginnings, words in _WORDS:
        if kind.startswith(beginnings):
            return words
    message = entry["msg"].removeprefix("Value error, ")
    if isinstance(entry["input"], str) and without_password(entry["input"]) != entry["input"]:
        # Whoever wrote the message may have quoted a piece of the address that holds the password.
        message = re.sub(r"(['\"]).*['\"]", rf"\1{HIDDEN}\1", message, flags=re.DOTALL)
    if message.startswith("Input should"):
        return message.removeprefix("Input")
    return f": {message[:1].lower()}{message[1:]}"


def _either(words: Iterable[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)


def _shown(value: Any) -> str:
    """A plain value as it was written, short, without a password."""
    text = without_password(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _instead(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    if meant := closest(word, known):
        return f"did you mean {meant}?"
    return f"known keys: {', '.join(known)}" if known else "remove it"


def is_table(annotation: Any) -> TypeGuard[type[BaseModel]]:
    """Whether an annotation is a table itself. Python 3.10 takes `list[int]` for a class, so the origin is asked first."""
    return get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel)


class _Place:
    """Follows a location of pydantic through the tables, leaving out what pydantic adds for its own use.

    Attributes:
        path: The keys as they were written.
        siblings: Keys that the innermost table knows.
        manual: The text under the innermost field, or an empty string.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.path: list[str] = []
        self.siblings: set[str] = set()
        self.manual = ""
        self._inside: list[Any] = [model]

    def enter(self, part: int | str) -> None:
        """One part of the location: a key, a place in a list, or the member of a union, which nobody wrote."""
        tables = [found for annotation in self._inside for found in _tables(annotation)]
        containers = [found for annotation in self._inside for found in _containers(annotation)]
        if part == "[key]" or not (tables or containers):
            return
        if tagged := [table for table in tables if len(tables) > 1 and part in _tags(table)]:
            self._inside = list(tagged)
            return
        self.path.append(str(part))
        self.siblings = {key for table in tables for key in table.model_fields}
        fields = [table.model_fields[str(part)] for table in tables if str(part) in table.model_fields]
        texts = [manual(table).get(str(part), "") for table in tables if str(part) in table.model_fields]
        self.manual = texts[0] if texts else self.manual
        values = [get_args(container)[-1] for container in containers]
        self._inside = [field.annotation for field in fields] or values

    def tags(self) -> list[str]:
        """What may stand as `type` of the innermost table."""
        return [str(tag) for a in self._inside for table in _tables(a) for tag in _tags(table)]


def _tables(annotation: Any) -> list[type[BaseModel]]:
    """The tables that may stand where the annotation is: itself, or members of a union, but not what a container holds."""
    if is_table(annotation):
        return [annotation]
    if get_origin(annotation) in (dict, list):
        return []
    return [table for argument in get_args(annotation) for table in _tables(argument)]


def _containers(annotation: Any) -> list[Any]:
    """The dictionaries and lists among the members of a union, or the annotation itself."""
    if get_origin(annotation) in (dict, list):
        return [annotation]
    return [container for argument in get_args(annotation) for container in _containers(argument)]


def _tags(table: type[BaseModel]) -> tuple[Any, ...]:
    """Values of the literal that tells this table from the others of its union."""
    field = table.model_fields.get("type")
    return get_args(field.annotation) if field else ()
