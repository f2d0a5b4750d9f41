"""Asks an ASGI app without a socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote


@dataclass(frozen=True)
class Answer:
    """What the app said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


async def asked(app, method, path, *, headers=(), pieces=(b"",), client="192.0.2.1", then_silent=False) -> Answer:
    """One request; its body comes in pieces, and with `then_silent` never ends."""
    plain, _, query = path.partition("?")
    sent, waiting = [], list(pieces)

    async def receive():
        if waiting:
            piece = waiting.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(waiting) or then_silent}
        return await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(plain),
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()],
        "client": (client, 4711),
        "server": ("registry", 80),
    }
    await app(scope, receive, send)
    start = sent[0]
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(start["status"], {k.decode().lower(): v.decode() for k, v in start["headers"]}, body)


def ask(app, method, path, **more) -> Answer:
    """`asked`, in an event loop of its own."""
    return asyncio.run(asked(app, method, path, **more))
