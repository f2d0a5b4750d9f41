"""`python serve_bare.py`: a Starlette route that answers 304 to everything, by uvicorn as the registry runs it. Says where it listens."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request


async def unchanged(_: Request) -> Response:
    """The least that a route can do."""
    return Response(status_code=304, headers={"etag": '"0"', "cache-control": "no-cache"})


def main() -> None:
    """Serve until SIGTERM."""
    app = Starlette(routes=[Route("/metadata/timestamp.json", unchanged)])
    config = uvicorn.Config(app, http="auto", ws="none", log_config=None, access_log=False, server_header=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
