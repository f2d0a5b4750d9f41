"""What the runner knows of a source, and what a source may tell it. A source reports; the runner retries, paces and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock


class EndOfStream(Exception):
    """The source has given its last frame."""


class FrameUnreadable(Exception):
    """One frame cannot be had, such as a broken picture in a folder; the next one may. The message names it and why."""


class Source(Protocol):
    """One camera, stream, file or folder, for one connection: a new one is made for each try.

    Every method is called by the same capture thread. Constructors store; `open` acts; `close` may be called twice.
    """

    captured_at_from: CaptureClock
    """Where the last frame's `captured_ns` came from."""
    period_s: float | None
    """Seconds from frame to frame at which the runner paces what plays in real time; None where frames come at their own
    pace, or as fast as they are taken. Valid after `open`."""

    def open(self) -> None:
        """Connect, within the source's own timeout. Called once.

        Raises:
            SourceUnavailable: It did not answer; the runner tries again.
            SourceInvalid: It can never give a frame.
        """
        ...

    def read(self, index: int) -> Frame:
        """The next frame, numbered `index`. A hang longer than the source's timeouts is the runner's to notice.

        The pixels are the receiver's: nothing writes them after this returns.

        Raises:
            EndOfStream: There are no more frames, and that is no fault.
            FrameUnreadable: This one is passed over; the runner counts it and reads on.
            SourceUnavailable: The connection was lost; the runner makes and opens another source.
            SourceInvalid: The data is broken for good.
        """
        ...

    def close(self) -> None:
        """Let the device or connection go. May be called twice, and without `open`."""
        ...
