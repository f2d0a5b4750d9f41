"""Reading what a request brings: never more than its limit, never for longer than its time, never deeper than a person would nest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import anyio
from starlette.requests import ClientDisconnect

from cloud_sync.errors import TooSlow
from cloud_sync.registry.server.faults import RequestInvalid, RequestTooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

PIECE_BYTES: Final = 256 << 10


async def read_body(request: Request, max_bytes: int, within_s: float) -> bytes:
    """The whole body.

    Raises:
        RequestTooLarge: It is longer, as its head says or as it turns out.
        TooSlow: It does not arrive in time.
        RequestInvalid: The asker left before its end.
    """
    return b"".join([piece async for piece in pieces(request, max_bytes, within_s)])


async def pieces(request: Request, max_bytes: int, within_s: float) -> AsyncIterator[bytes]:
    """The body as it arrives; for the errors see `read_body`."""
    told = request.headers.get("content-length", "0")
    if not told.isdigit() or int(told) > max_bytes:
        raise _too_large(max_bytes)
    deadline_s = anyio.current_time() + within_s
    stream, count = request.stream(), 0
    while True:
        piece = b""
        try:
            with anyio.fail_after(max(0.0, deadline_s - anyio.current_time())):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise TooSlow(f"the request did not arrive within {within_s:g} s") from None
        except ClientDisconnect:
            raise RequestInvalid("the request ended before its end") from None
        count += len(piece)
        if count > max_bytes:
            raise _too_large(max_bytes)
        if piece:
            yield piece


def parsed(content: bytes, depth: int) -> Any:
    """JSON from outside.

    Raises:
        RequestInvalid: It is none, is nested deeper than `depth`, or holds NaN, Infinity or half a surrogate pair.
    """
    try:
        data = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise RequestInvalid(f"the body is no JSON: {type(error).__name__}") from error
    level, todo = 0, [data]
    while todo:
        level += 1
        if level > depth:
            raise RequestInvalid(f"the body is nested deeper than {depth} levels")
        inner: list[Any] = []
        for value in todo:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        todo = [value for value in inner if isinstance(value, dict | list)]
    return data


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _too_large(max_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(f"the request is larger than the {max_bytes} bytes that are taken")
