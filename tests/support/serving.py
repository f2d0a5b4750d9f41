"""A registry's server on the loopback, in a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn

from cloud_sync.registry.server import make_app


class Serving:
    """`with Serving(registry) as url:`; the address ends without a slash."""

    def __init__(self, registry, limits=None):
        self._app = make_app(registry, limits)
        self._listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(self._app, ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        asyncio.run(self._server.serve([self._listener]))

    def __enter__(self):
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join(30)
        self._listener.close()
        assert not self._thread.is_alive()
