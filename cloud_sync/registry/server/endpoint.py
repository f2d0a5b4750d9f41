"""One call of the API: who may make it, what it takes and gives, and what it does. Knows nothing of HTTP servers.

The same call serves the API and the commands that work on a registry's folder, so both say the same words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import ValidationError

from cloud_sync.registry.errors import UnknownName
from cloud_sync.registry.server.body import parsed
from cloud_sync.registry.server.faults import NotAllowed, RequestInvalid
from cloud_sync.registry.server.messages import Nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloud_sync.registry.registry import Registry
    from cloud_sync.registry.server.messages import Message
    from cloud_sync.registry.types import Principal

Access = Literal["anyone", "viewer", "publisher", "owner", "admin"]
"""`publisher` is of any model; `owner` is a publisher of the model in the path."""
Body = Literal["message", "envelope", "stream"]
SIGNED_BYTES: Final = 256 << 10
MESSAGE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked.

    Attributes:
        registry: Whom.
        by: Who asks, for the log.
        who: Whose token it is; None where none is needed.
        path: What stands for the names in braces.
        query: Read by the endpoint's type.
        body: Likewise; bytes where it is signed.
    """

    registry: Registry
    by: str
    who: Principal | None
    path: Mapping[str, str]
    query: Any = field(default_factory=Nothing)
    body: Any = field(default_factory=Nothing)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A line of the table of calls.

    Attributes:
        method: Of HTTP.
        path: Below `/api/v1/`, with names in braces.
        may: Who may call.
        does: Does it; raises `CloudSyncError`.
        gives: Type of the answer.
        takes: Type of the body.
        query: Type of the query.
        body: `message`: JSON of the type; `envelope`: a signed object, judged by its signature; `stream`: bytes, piece by piece.
        max_bytes: Of the body.
        status: Of the answer.
        slow: Whether it may take seconds, so that it must not hold up the others.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    may: Access
    does: Callable[[Call], Message]
    gives: type[Message]
    takes: type[Message] = Nothing
    query: type[Message] = Nothing
    body: Body = "message"
    max_bytes: int = MESSAGE_BYTES
    status: int = 200
    slow: bool = False

    @property
    def names(self) -> list[str]:
        """The names in braces."""
        return re.findall(r"{([a-z0-9]+)}", self.path)

    def admit(self, who: Principal | None, path: Mapping[str, str]) -> None:
        """Decide whether somebody may call.

        Raises:
            NotAllowed: They may not.
        """
        if self.may == "anyone":
            return
        allowed = who is not None and (
            self.may == "viewer"
            or who.role == "admin"
            or (self.may == "publisher" and who.role == "publisher")
            or (self.may == "owner" and who.may_publish(path["model"]))
        )
        if not allowed:
            name = "nobody" if who is None else f"the {who.role} {who.name}"
            needed = f"a publisher of {path['model']}" if self.may == "owner" else f"a token of role {self.may}"
            raise NotAllowed(f"{name} may not {self.method} {self.path}", hint=f"it takes {needed}, or an admin")

    def answer(
        self,
        registry: Registry,
        who: Principal | None,
        by: str,
        path: Mapping[str, str],
        query: Mapping[str, str],
        body: bytes,
        depth: int,
    ) -> Message:
        """Read what came, and do it. Blocks.

        Raises:
            RequestInvalid: It is not what it should be.
            CloudSyncError: Whatever the call itself raises.
        """
        self.admit(who, path)
        asked = _read(self.query, dict(query), "the query")
        content: Any = body
        if self.body == "envelope":
            parsed(body, depth)
        elif self.takes is not Nothing:
            content = _read(self.takes, parsed(body, depth), "the body")
        return self.does(Call(registry, by, who, path, asked, content))


def find(table: tuple[Endpoint, ...], method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    """The call at a path, and what stands for its names.

    Raises:
        UnknownName: There is none.
    """
    for endpoint in table:
        match = endpoint.method == method and re.fullmatch(
            re.sub(r"{([a-z0-9]+)}", r"(?P<\1>[^/]+)", endpoint.path), path
        )
        if match:
            return endpoint, match.groupdict()
    raise UnknownName(f"there is no {method} {path}")


def _read(kind: type[Message], data: Any, what: str) -> Message:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise RequestInvalid(f"{what}: {where + ': ' if where else ''}{fault['msg']}") from error
