"""Runs the app on uvicorn until it is asked to end: calls under way are finished, for a while, and nothing new begins.

Called by `lineside registry serve`, in the main thread, since signals are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import uvicorn

from cloud_sync.errors import Refused
from cloud_sync.registry.server.app import make_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloud_sync.registry.registry import Registry
    from cloud_sync.registry.server.limits import Limits

log = logging.getLogger("lineside.registry")
_GRACE_S: Final = 30
_BACKLOG: Final = 2048
_CONNECTIONS: Final = 4096
_IDLE_S: Final = 30
"""An agent keeps its connection for the files of one sync."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the registry listens.

    Attributes:
        host: Address or name of this machine.
        port: 0 for any that is free.
        certificate: PEM with the chain; None for plain HTTP.
        key: PEM of its key.
        proxies: Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    """

    host: str = "127.0.0.1"
    port: int = 8377
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()


def serve(registry: Registry, place: Place, told: Callable[[str], None], limits: Limits | None = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        registry: What is served.
        place: Where.
        told: Told the address, as soon as it answers there.
        limits: How much is taken from one asker.

    Raises:
        Refused: The address cannot be had.
    """
    config = uvicorn.Config(
        make_app(registry, limits),
        http="auto",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(place.proxies),
        forwarded_allow_ips=list(place.proxies),
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_GRACE_S,
        limit_concurrency=_CONNECTIONS,
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
    )
    with contextlib.closing(_listening(place)) as listener:
        _allow_files()
        _leave_the_end_to_us()
        asyncio.run(_Server(config, _address_of(listener, place), told).serve([listener]))


class _Server(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, address: str, told: Callable[[str], None]) -> None:
        super().__init__(config)
        self._address = address
        self._told = told

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets)
        if self.started:
            self._told(self._address)


def _listening(place: Place) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Refused(
            f"{place.host} port {place.port} cannot be had: {error.strerror or error}", hint="--host, --port"
        ) from error
    listener.setblocking(False)
    return listener


def _address_of(listener: socket.socket, place: Place) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if place.certificate else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _allow_files() -> None:
    """As many open files as this process may have: a connection is one, and the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 2 * _CONNECTIONS) if hard != resource.RLIM_INFINITY else 2 * _CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave_the_end_to_us() -> None:
    """Uvicorn raises the signal that ended it once more, when all is done: nobody is killed by that."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
