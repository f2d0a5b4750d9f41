"""The child process of a sync: started with an order, read in bounded pieces, ended in time, never left behind.

A sync runs apart so that hostile bytes are parsed away from the line and its memory goes away again. Called by the thread of
`agent.sync.job`, which lives as long as the agent.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from agent.models.children import PACKAGES, environment, how_it_ended
from agent.sync.outcome import Outcome, failed, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LONGEST_LINE_BYTES = 64 << 10
_MOST_BYTES = 16 << 20
_KEPT_TALK_BYTES = 2000
_LOOK_S = 0.25
_LOOK_AGAIN_S = 0.02
_TERM_S = 2.0
_NICENESS = 10
"""On one core a download that is hashed must not take turns from a frame."""
_HINT = "the log has what it said; lineside sync now tries again"


def run_child(
    order: Mapping[str, Any],
    *,
    timeout_s: float,
    is_over: Callable[[], bool] = lambda: False,
    on_progress: Callable[[dict[str, Any]], None] = lambda _: None,
    program: Sequence[str] = (),
) -> Outcome:
    """One sync, from its start to its outcome. Never raises for what the child does.

    Args:
        order: What to do; JSON types.
        timeout_s: The child is ended then.
        is_over: The agent stops: the child is ended.
        on_progress: Called with what the child says that it is at.
        program: What Python runs in place of `cloud_sync.device`.
    """
    try:
        child = subprocess.Popen(
            [sys.executable, *(program or ("-m", "agent.sync.launch", str(os.getpid())))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(os.environ),
            cwd=PACKAGES,  # `-m` looks in the working directory first, which may be anybody's
            start_new_session=True,  # a group of its own, so that what it starts ends with it
        )
    except OSError as error:
        return failed("sync-not-started", f"the sync could not be started: {error.strerror}")
    reader = _Reader(on_progress)
    try:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, child.pid, _NICENESS)
        with contextlib.suppress(OSError):  # it has ended already; what it said tells why
            assert child.stdin is not None  # noqa: S101 - for mypy
            child.stdin.write(json.dumps(order).encode())
            child.stdin.close()
        why = _listen(child, reader, time.monotonic() + timeout_s, is_over)
        if why == "late":
            return failed(
                "sync-late", f"the sync was not done after {timeout_s:g} s", "sync.timeout_s; the next one goes on"
            )
        if why == "over":
            return failed("sync-stopped", "the agent stopped")
        if why == "loud":
            return failed("sync-nonsense", "the sync says more than it has to say", _HINT)
        _has_ended(child, _TERM_S)  # else it has closed its output, and said what it had to say
    finally:
        _end(child)
    return reader.outcome(child.returncode)


class _Reader:
    """Lines of the child, and the end of what it says on stderr."""

    def __init__(self, on_progress: Callable[[dict[str, Any]], None]) -> None:
        self._on_progress = on_progress
        self._rest = b""
        self._talk = b""
        self._outcome: Outcome | None = None
        self._fault = ""
        self._taken = 0

    def take(self, piece: bytes) -> bool:
        """Some output; False if it is too much."""
        self._taken += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._line(line)
        return len(self._rest) <= _LONGEST_LINE_BYTES and self._taken <= _MOST_BYTES

    def overhear(self, piece: bytes) -> None:
        """Some talk."""
        self._talk = (self._talk + piece)[-_KEPT_TALK_BYTES:]

    def _line(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            if "outcome" in said:
                self._outcome = outcome_of(said["outcome"])
            elif isinstance(said.get("progress"), dict):
                self._on_progress(said["progress"])
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            self._fault = f"{type(error).__name__} {error}"[:200]

    def outcome(self, returncode: int | None) -> Outcome:
        """What the child came to, or how it ended without."""
        if self._outcome is not None:
            return self._outcome
        ended = "not at all" if returncode is None else how_it_ended(returncode)
        last = self._talk.decode("utf-8", "replace").strip().splitlines()[-1:]
        why = self._fault or (last[0][:300] if last else "it said nothing")
        return failed("sync-ended", f"the sync ended ({ended}) without an outcome: {why}", _HINT)


def _listen(child: subprocess.Popen[bytes], reader: _Reader, until_s: float, is_over: Callable[[], bool]) -> str:
    """Read until the child has closed its output; otherwise why not."""
    assert child.stdout is not None  # noqa: S101 - for mypy
    assert child.stderr is not None  # noqa: S101
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        selector.register(child.stderr, selectors.EVENT_READ)
        while child.stdout.fileno() in selector.get_map():
            if is_over():
                return "over"
            if time.monotonic() > until_s:
                return "late"
            for key, _ in selector.select(_LOOK_S):
                piece = os.read(key.fd, 64 << 10)
                if not piece:
                    selector.unregister(key.fileobj)
                elif key.fileobj is child.stderr:
                    reader.overhear(piece)
                elif not reader.take(piece):
                    return "loud"
    return "done"


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and all that it started; it may be killed at any moment, as its steps are journalled.

    The group is killed before the child is reaped: until then its number is nobody else's.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not _has_ended(child, 0):
            os.killpg(child.pid, signal.SIGTERM)
            _has_ended(child, _TERM_S)
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the kernel; subprocess reaps it later
        child.wait(_TERM_S)
    for pipe in (child.stdin, child.stdout, child.stderr):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()


def _has_ended(child: subprocess.Popen[bytes], patience_s: float) -> bool:
    """Whether it ends in time; it stays to be reaped."""
    until_s = time.monotonic() + patience_s
    while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() >= until_s:
            return False
        time.sleep(_LOOK_AGAIN_S)
    return True
