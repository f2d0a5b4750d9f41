"""From a message to the bytes on the wire. The only place that knows the format is JSON; called by publisher and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from agent.core.messages import Message

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY  # a decoder may leave a NumPy number in a result; it is still a number


def encode(message: Message) -> bytes:
    """One JSON object in UTF-8, fields in the order of the class; NaN and infinity become null, as JSON has neither.

    Raises:
        TypeError: A field holds what JSON cannot say.
    """
    return orjson.dumps(message, option=_OPTIONS)
