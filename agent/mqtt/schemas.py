"""From a dataclass to its JSON Schema (draft 2020-12), with the text under each field as its description.

Made from the standard library alone, so that the text depends on our types and on nothing else. Reads source files; called by
`agent.mqtt.reference`, never by the agent.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schema_of(cls: type) -> Schema:
    """A whole schema document for one payload.

    All fields are required, as the encoder always writes them; further ones are allowed, as later versions of the agent add some.

    Args:
        cls: A dataclass whose fields are dataclasses, unions of them, lists, dicts with text keys, `Literal`, and plain types;
            `Annotated[str, "…"]` names a format.

    Raises:
        TypeError: A field has a type that this generator does not know.
    """
    definitions: dict[str, Schema] = {}
    body = _object(cls, definitions)
    return {"$schema": DIALECT, **body, **({"$defs": dict(sorted(definitions.items()))} if definitions else {})}


def _object(cls: type, definitions: dict[str, Schema]) -> Schema:
    hints = get_type_hints(cls, include_extras=True)
    texts = field_texts(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    properties = {
        name: _of(hints[name], definitions) | ({"description": texts[name]} if name in texts else {}) for name in names
    }
    return {
        "title": cls.__name__,
        "description": inspect.cleandoc(cls.__doc__ or ""),
        "type": "object",
        "properties": properties,
        "required": names,
    }


def _of(hint: Any, definitions: dict[str, Schema]) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # taken, should it refer to itself
            definitions[hint.__name__] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if origin is Annotated:
        return _of(arguments[0], definitions) | {"format": arguments[1]}
    if origin is Literal:
        kind = {"type": _PLAIN[type(arguments[0])]}
        return kind | ({"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)})
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(argument, definitions) for argument in arguments]}
    if origin is list:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    raise TypeError(f"{hint!r} has no JSON Schema here; add it to agent.mqtt.schemas")


def field_texts(cls: type) -> dict[str, str]:
    """The string under each field of a class, on one line; fields without one are left out."""
    body = ast.parse(inspect.cleandoc(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - it is the source of a class
    texts = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            texts[field.target.id] = " ".join(below.value.value.split())
    return texts
