"""The control socket: a unix socket in the state directory where the running agent answers `lineside status` and `lineside spool`.

One JSON object a line in each direction. Only the user of the agent and root may connect (mode 0600).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.core.errors import AgentUnreachable, BadData, LinesideError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a request, gives JSON types."""
_NAME = "agent.sock"
_MAX_REQUEST_BYTES = 1 << 20
"""The numbers of all messages that quarantine can hold (`spool.quarantine_messages`)."""
_TIMEOUT_S = 5.0
_HINT = "is it running, and yours? `lineside run -c CONFIG`"


@contextlib.contextmanager
def _address(state_dir: Path) -> Iterator[str]:
    """A path to the socket that is short whatever the folder's depth: the kernel takes 107 bytes."""
    fd = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{_NAME}"
    finally:
        os.close(fd)


class ControlServer:
    """Answers questions by name, each in a thread of its own. `start` and `close` belong to the composition."""

    def __init__(self, state_dir: Path, answers: dict[str, Answer]) -> None:
        """Store.

        Args:
            state_dir: Where the socket will be.
            answers: By question; each gets the whole request, and may raise LinesideError.
        """
        self._state_dir = state_dir
        self._answers = answers
        self._server: socketserver.ThreadingUnixStreamServer | None = None

    def start(self) -> None:
        """Listen. A socket that a killed agent left behind is replaced: the caller holds the state lock.

        Nobody can connect before the mode is set, because only then the socket listens.

        Raises:
            OSError: The disk takes no socket: it is full, read-only or fails.
        """
        (self._state_dir / _NAME).unlink(missing_ok=True)
        answers = self._answers

        class Handler(socketserver.StreamRequestHandler):
            timeout = _TIMEOUT_S

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    self.wfile.write(_answer(self.rfile.readline(_MAX_REQUEST_BYTES), answers))

        with _address(self._state_dir) as address:
            server = socketserver.ThreadingUnixStreamServer(address, Handler, bind_and_activate=False)
            server.daemon_threads = True
            try:
                server.server_bind()
                (self._state_dir / _NAME).chmod(0o600)
                server.server_activate()
            except OSError:
                server.server_close()
                raise
        self._server = server
        threading.Thread(target=server.serve_forever, name="control", daemon=True).start()

    def close(self) -> None:
        """Stop listening and remove the socket. May be called twice."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            with contextlib.suppress(OSError):  # a disk that became read-only keeps it, as after a kill
                (self._state_dir / _NAME).unlink(missing_ok=True)


def _answer(line: bytes, answers: dict[str, Answer]) -> bytes:
    """Whatever comes in, an object goes out."""
    try:
        request = json.loads(line)
        answer = answers[request["ask"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        reply: dict[str, Any] = {"error": "not understood", "known": sorted(answers)}
    else:
        try:
            reply = answer(request)
        except LinesideError as error:
            reply = {"refused": str(error), "hint": error.hint}
    return json.dumps(reply, default=str).encode() + b"\n"


def ask(state_dir: Path, question: str, **details: Any) -> dict[str, Any]:
    """Ask the agent that runs on `state_dir`.

    Args:
        state_dir: Of the agent.
        question: What it knows by this name.
        details: JSON types that go with it.

    Raises:
        AgentUnreachable: None does, it did not answer within 5 s, or it does not understand.
        BadData: It understands and will not; says why.
    """
    try:
        with _address(state_dir) as address, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(address)
            connection.sendall(json.dumps({"ask": question, **details}).encode() + b"\n")
            with connection.makefile("rb") as reply:
                answer = json.loads(reply.readline())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise AgentUnreachable(f"no agent answers on {state_dir}: {reason}", hint=_HINT) from error
    if not isinstance(answer, dict) or "error" in answer:
        raise AgentUnreachable(
            f"the agent on {state_dir} does not understand {question!r}", hint="is it of this version?"
        )
    if "refused" in answer:
        raise BadData(answer["refused"], hint=answer["hint"])
    return answer
