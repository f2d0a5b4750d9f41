"""What the runner knows of a source, and what a source may tell it. A source reports; the runner retries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock


class EndOfStream(Exception):
    """The source has given its last frame."""


class Source(Protocol):
    """One camera, stream, file or folder. Every method is called by one capture thread, but `abandon`.

    Constructors store; `open` acts; `close` may be called twice.
    """

    live: bool
    """True where frames come at their own pace and the newest wins; False where every frame is taken."""
    captured_at_from: CaptureClock
    """Where `Frame.captured_ns` comes from; valid after `open`."""

    def open(self) -> None:
        """Connect, within the source's own timeout.

        Raises:
            SourceUnavailable: It did not answer; the runner tries again.
            SourceInvalid: It can never give a frame.
        """
        ...

    def read(self, index: int) -> Frame:
        """The next frame, numbered `index`. A hang longer than the source's timeouts is the runner's to notice.

        Raises:
            EndOfStream: There are no more frames, and that is no fault.
            SourceUnavailable: The connection was lost; the runner opens it again.
            SourceInvalid: The data is broken for good.
        """
        ...

    def close(self) -> None:
        """Let the device or connection go."""
        ...
