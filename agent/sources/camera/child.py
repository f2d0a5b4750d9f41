"""A child process that writes pictures to its stdout, read with a deadline and without a thread.

It never outlives its use: closed, it is ended and waited for; if the agent dies, its pipe breaks at the next picture, and
ffmpeg ends by itself. Belongs to one capture thread.
"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from agent.core.errors import SourceUnavailable
from agent.core.redact import without_password
from agent.sources.camera import ppm

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_PIPE_BYTES = 1 << 20
"""Room for a whole picture, so that the child need not wait for us in the middle of one; the most that Linux allows to all."""
_SET_PIPE_SIZE = 1031
"""F_SETPIPE_SZ of fcntl(2)."""
_KEPT_WORDS = 4096
_SHOWN_WORDS = 200
_TERMINATE_S = 1.0
_KILL_S = 1.0


class Overdue(Exception):
    """No picture came in time."""


class PictureChild:
    """One run of ffmpeg. `start`, then `picture` until it gives None, then `close`, which may be called at any time and twice."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._poll = select.poll()
        self._out = self._err = -1
        self._head = b""
        self._rgb: npt.NDArray[np.uint8] = np.empty((0, 0, 3), np.uint8)
        self._words = b""

    def start(self) -> None:
        """Run the command.

        Raises:
            SourceUnavailable: It cannot be run.
        """
        try:
            # a session of its own: Ctrl-C in the agent's terminal is the agent's
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, "AV_LOG_FORCE_NOCOLOR": "1"},
            )
        except OSError as error:
            raise SourceUnavailable(f"{self._command[0]} cannot be run: {error.strerror}") from error
        assert process.stdout is not None  # noqa: S101 - for the type checker: both were asked for
        assert process.stderr is not None  # noqa: S101
        self._process = process
        self._out, self._err = process.stdout.fileno(), process.stderr.fileno()
        for descriptor in (self._out, self._err):
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)
        with suppress(OSError):  # the user's share of pipe memory is used up: 64 kB will do
            fcntl.fcntl(self._out, _SET_PIPE_SIZE, _PIPE_BYTES)

    @property
    def last_words(self) -> str:
        """The end of what it said on stderr, on one line, without passwords; empty if it said nothing."""
        self._hear()
        said = " ".join(self._words.decode(errors="replace").split())
        return " ".join(without_password(word) for word in said.split(" "))[-_SHOWN_WORDS:]

    def picture(self, timeout_s: float) -> npt.NDArray[np.uint8] | None:
        """The next picture, uint8 [height, width, 3] BGR, which is the caller's; None after the last.

        Args:
            timeout_s: How long all of it may take.

        Raises:
            Overdue: It did not come in time; what came of it is lost, and the child is of no more use.
            SourceUnavailable: What came is no picture.
        """
        deadline_s = time.monotonic() + timeout_s
        if not (self._read_head(deadline_s) and self._read(self._rgb.reshape(-1).data, deadline_s)):
            return None
        self._hear()
        return cast("npt.NDArray[np.uint8]", cv2.cvtColor(self._rgb, cv2.COLOR_RGB2BGR))

    def _read_head(self, deadline_s: float) -> bool:
        """Read a head, and make room for its picture if it differs from the one before; False at the end."""
        head = bytearray(ppm.SHORTEST_HEAD)
        if not self._read(memoryview(head), deadline_s):
            return False
        byte = bytearray(1)
        while head.count(b"\n") < ppm.LINES and len(head) < ppm.LONGEST_HEAD:
            if not self._read(memoryview(byte), deadline_s):
                return False
            head += byte
        if head != self._head:
            try:
                width, height = ppm.size(head)
            except ValueError as error:
                raise SourceUnavailable(f"ffmpeg gave no picture: {error}") from error
            self._head, self._rgb = bytes(head), np.empty((height, width, 3), np.uint8)
        return True

    def _read(self, into: memoryview, deadline_s: float) -> bool:
        """Fill a buffer; False if the child's stdout ends before."""
        while into:
            try:
                count = os.readv(self._out, [into])
            except BlockingIOError:
                self._wait(deadline_s)
                continue
            if not count:
                return False
            into = into[count:]
        return True

    def _wait(self, deadline_s: float) -> None:
        """Until there may be something to read on stdout; what comes on stderr meanwhile is kept."""
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise Overdue
        if any(descriptor == self._err for descriptor, _ in self._poll.poll(left_s * 1000)):
            self._hear()

    def _hear(self) -> None:
        """Take what the child said, without waiting, so that it never waits for us."""
        while self._err >= 0:
            try:
                said = os.read(self._err, _KEPT_WORDS)
            except BlockingIOError:
                return
            if not said:
                self._poll.unregister(self._err)
                self._err = -1
            self._words = (self._words + said)[-_KEPT_WORDS:]

    def close(self) -> None:
        """End it, and wait until it has ended. May be called twice, and without `start`."""
        process, self._process = self._process, None
        if process is None:
            return
        self._hear()
        self._err = -1
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.terminate()
        try:
            process.wait(_TERMINATE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # it hangs in the kernel; subprocess reaps it later
                process.wait(_KILL_S)
