"""From what came to a request, or to a refusal: whatever comes, one of the two and never an exception. Pure; called by the desk."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agent.core.incoming import Incoming
    from agent.core.messages import AckReason

_ID = re.compile(r"[!-~]{1,64}")
_SHOWN = 60


class Refused(Exception):
    """A command is not obeyed, and nothing was changed. Raised by judging and by verbs; ends at the desk."""

    def __init__(self, reason: AckReason, message: str) -> None:
        super().__init__(message)
        self.reason: AckReason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """A command that may be obeyed.

    Attributes:
        verb: One that is allowed.
        id: As its sender chose it, or None.
        arguments: What else stood in it; for the verb to judge.
    """

    verb: str
    id: str | None
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that is not obeyed.

    Attributes:
        id: As its sender chose it, where that could be read.
        reason: For a program.
        message: For a person.
    """

    id: str | None
    reason: AckReason
    message: str


def judge(incoming: Incoming, verb: str, *, allow: Collection[str], max_bytes: int) -> Request | Refusal:
    """What to make of a command.

    Args:
        incoming: As it came.
        verb: From its topic.
        allow: Verbs that are obeyed.
        max_bytes: A larger one is not parsed.
    """
    name, arguments, fault = _read(incoming, max_bytes)
    # First what stays wrong when the content is mended.
    if incoming.is_retained:
        why = "a retained command would come back at each connect; publish it without the retain flag"
        return Refusal(name, "retained", why)
    if verb not in allow:
        return Refusal(name, "not_allowed", f"{shown(verb)} is not allowed; commands.allow has {', '.join(allow)}")
    return Request(verb, name, arguments) if fault is None else Refusal(name, fault.reason, str(fault))


def _read(incoming: Incoming, max_bytes: int) -> tuple[str | None, dict[str, object], Refused | None]:
    """The id as far as it can be read, the rest of the object, and what is wrong with them."""
    arguments: dict[str, object] = {}
    try:
        arguments = _parse(incoming, max_bytes)
        return _id(arguments.pop("id", None)), arguments, None
    except Refused as fault:
        return None, arguments, fault


def _parse(incoming: Incoming, max_bytes: int) -> dict[str, object]:
    size = len(incoming.payload) + len(incoming.correlation or b"")
    if size > max_bytes:
        raise Refused("too_large", f"it has more than commands.max_bytes = {max_bytes}")
    try:
        text = incoming.payload.decode("utf-8")
        body: Any = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise Refused("malformed", "it is nested too deeply") from None
    except ValueError as error:  # also what is no UTF-8, and integers of thousands of digits
        raise Refused("malformed", f"it is no JSON: {_cut(str(error))}") from None
    if not isinstance(body, dict):
        raise Refused("malformed", "it is no JSON object")
    return body


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of two equal keys, whoever looks at the command later may see the other one."""
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("a key stands there twice")
    return body


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _id(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise Refused("malformed", "id must be 1 to 64 printable ASCII characters without spaces")


def shown(value: object) -> str:
    """Something a stranger wrote, fit for a message and a log: cut, in ASCII, and of lists and objects only that they are."""
    if isinstance(value, (str, int, float, type(None))):
        return _cut(ascii(value))
    return "an object" if isinstance(value, dict) else "a list"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def only(arguments: Mapping[str, object], *known: str) -> None:
    """See to it that nothing stands there that would be passed over.

    Raises:
        Refused: `malformed`: it does.
    """
    for key in arguments:
        if key not in known:
            raise Refused("malformed", f"{shown(key)} is not known; known: {', '.join(('id', *known))}")


def text(arguments: Mapping[str, object], key: str) -> str | None:
    """A text among the arguments, or None where it is not there.

    Raises:
        Refused: `malformed`: something else stands there.
    """
    value = arguments.get(key)
    if value is None or isinstance(value, str):
        return value
    raise Refused("malformed", f"{key} must be text, not {shown(value)}")
