"""The registry as a Starlette app: plain files in front, the API behind, and the job that signs the timestamp in time.

Whatever touches the disk, the database or a key happens in threads: the quick calls in some, those that may take seconds in others.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from cloud_sync.errors import CloudSyncError
from cloud_sync.registry.server import faults
from cloud_sync.registry.server.body import pieces, read_body
from cloud_sync.registry.server.endpoints import TABLE
from cloud_sync.registry.server.limits import Limits, RateLimit
from cloud_sync.registry.server.openapi import BASE, document
from cloud_sync.registry.server.plain_files import PlainFiles
from cloud_sync.registry.server.signing_job import keep_signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from cloud_sync.registry.registry import Registry
    from cloud_sync.registry.server.endpoint import Endpoint
    from cloud_sync.registry.server.messages import Message
    from cloud_sync.registry.types import Principal

_T = TypeVar("_T")
_QUICK_THREADS: Final = 16
_SLOW_THREADS: Final = 4
_FLUSH_BYTES: Final = 1 << 20
"""How much of an upload is held in memory."""


def make_app(registry: Registry, limits: Limits | None = None) -> Starlette:
    """The app. Who opened the registry closes it, after the app has ended.

    Args:
        registry: What is served.
        limits: How much is taken from one asker.
    """
    api = _Api(registry, limits or Limits())

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        job = asyncio.create_task(keep_signed(registry))
        try:
            yield
        finally:
            job.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await job

    routes = [Route(f"{BASE}/openapi.json", api.describe, methods=["GET"])]
    routes += [
        Route(f"{BASE}/{each.path}", partial(api.answer, each), methods=[each.method], name=each.does.__name__)
        for each in TABLE
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(PlainFiles, folder=registry.public)],
        exception_handlers={
            CloudSyncError: faults.ours,
            HTTPException: faults.starlettes,
            OSError: faults.disks,
            Exception: faults.unforeseen,
        },
        lifespan=life,
    )


class _Api:
    """Answers the calls of the table. Belongs to one event loop."""

    def __init__(self, registry: Registry, limits: Limits) -> None:
        self._registry = registry
        self._limits = limits
        self._by_token = RateLimit(limits.token, time.monotonic)
        self._by_address = RateLimit(limits.address, time.monotonic)
        self._by_failures = RateLimit(limits.failures, time.monotonic)
        self._quick = anyio.CapacityLimiter(_QUICK_THREADS)
        self._slow = anyio.CapacityLimiter(_SLOW_THREADS)
        self._document = json.dumps(document()).encode()

    async def describe(self, _: Request) -> Response:
        """The OpenAPI document."""
        return Response(self._document, media_type="application/json", headers={"cache-control": "no-cache"})

    async def answer(self, endpoint: Endpoint, request: Request) -> Response:
        """One call, from its token to its answer."""
        who = None
        if endpoint.may == "anyone":
            self._by_address.take(_asker(request))
        else:
            who = await self._who(request)
            endpoint.admit(who, request.path_params)  # before anything of the body is read
        by = f"token:{who.name}" if who else f"address:{_asker(request)}"
        if endpoint.body == "stream":
            message = await self._stream(endpoint, request, who, by)
        else:
            body = await read_body(request, endpoint.max_bytes, self._limits.body_s)
            message = await self._do(endpoint, request, who, by, dict(request.query_params), body)
        content = message.model_dump_json(by_alias=True).encode()
        return Response(content, endpoint.status, {"cache-control": "no-store"}, "application/json")

    async def _who(self, request: Request) -> Principal:
        """Whose token it is.

        Raises:
            TokenMissing: There is none.
            TokenInvalid: It is nobody's.
            RateLimited: Too many calls with it, or too many wrong ones from this address.
        """
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise faults.TokenMissing("the call needs a token", hint="Authorization: Bearer …")
        asker = _asker(request)
        self._by_failures.check(asker)
        who = await self._in_thread(self._quick, self._registry.tokens.authenticate, secret.strip())
        if who is None:
            self._by_failures.take(asker)
            raise faults.TokenInvalid(
                "the token is not known here, was revoked, or is out of date", hint="ask an admin for another one"
            )
        self._by_token.take(who.id)
        return who

    async def _stream(self, endpoint: Endpoint, request: Request, who: Principal | None, by: str) -> Message:
        """Hand the body on in pieces, each at its own offset; what has arrived stays when the asker leaves."""
        query = dict(request.query_params)
        first = query.get("offset", "")
        held, done, message = bytearray(), 0, None
        try:
            async for piece in pieces(request, endpoint.max_bytes, self._limits.body_s):
                held += piece
                if len(held) >= _FLUSH_BYTES:
                    body, held = bytes(held), bytearray()
                    message = await self._do(endpoint, request, who, by, _moved(query, first, done), body)
                    done += len(body)
        except faults.RequestInvalid:
            if held:
                await self._do(endpoint, request, who, by, _moved(query, first, done), bytes(held))
            raise
        if held or message is None:
            message = await self._do(endpoint, request, who, by, _moved(query, first, done), bytes(held))
        return message

    async def _do(
        self, endpoint: Endpoint, request: Request, who: Principal | None, by: str, query: dict[str, str], body: bytes
    ) -> Message:
        limiter = self._slow if endpoint.slow else self._quick
        path, depth = request.path_params, self._limits.depth
        return await self._in_thread(limiter, endpoint.answer, self._registry, who, by, path, query, body, depth)

    @staticmethod
    async def _in_thread(limiter: anyio.CapacityLimiter, work: Callable[..., _T], *arguments: Any) -> _T:
        return await anyio.to_thread.run_sync(partial(work, *arguments), limiter=limiter)


def _moved(query: dict[str, str], first: str, done: int) -> dict[str, str]:
    return query | {"offset": str(int(first) + done)} if done and first.isdigit() else query


def _asker(request: Request) -> str:
    """The address that is counted: of IPv6 the network, since one asker has very many addresses."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:100]
    if address.version == 6:  # noqa: PLR2004 - IPv6
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return host
