"""From a message to the bytes on the wire. The only place that knows the format is JSON; called by publisher and tests."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from agent.core.messages import Message

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY  # a decoder may leave a NumPy number in a result; it is still a number


def encode(message: Message) -> bytes:
    """One JSON object in UTF-8, fields in the order of the class; NaN and infinity become null, as JSON has neither.

    Raises:
        TypeError: A field holds what JSON cannot say.
    """
    try:
        return orjson.dumps(message, option=_OPTIONS)
    except TypeError:
        return orjson.dumps(_readable(asdict(message)), option=_OPTIONS)


def _readable(value: Any) -> Any:
    """The same with UTF-8 in all its texts: names of files need not be."""
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {key: _readable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_readable(inner) for inner in value]
        case _:
            return value
