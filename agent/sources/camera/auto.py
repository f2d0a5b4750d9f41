"""`decode = "auto"`: scaled frames where that may pay, else full ones. The figures stand in docs/how-to/cameras.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from agent.core.redact import has_password
from agent.sources.camera.ffmpeg import ffmpeg_path
from agent.sources.contract import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock
    from agent.sources.camera.settings import CameraSettings
    from agent.sources.demand import Demand, Needed

LEAST_LINES = 1440
"""Below, a process of its own costs more than it saves: at 1080p full decoding reached 0.97 of bare inference, scaled 0.92 to 0.95; at
2160p scaled gave 69 frames/s, full 54 (2-core x86-64)."""
MOST_NEEDED = 0.5
NOBODY_KNOWS = "not every pipeline has its model, or one needs full frames"


class Sized(Source, Protocol):
    """A source that knows the size of its frames once it is open."""

    frame_size: tuple[int, int]
    """Width and height."""


class AutoSource:
    """Opens the source in full, looks at its size, and changes over if it pays. Implements `agent.sources.contract.Source`."""

    captured_at_from: CaptureClock = "arrival"

    def __init__(
        self, settings: CameraSettings, demand: Demand, *, full: Callable[[], Sized], scaled: Callable[[], Source]
    ) -> None:
        """Store.

        Args:
            settings: The table.
            demand: What is needed, and who is told.
            full: Makes the source that decodes in full.
            scaled: Makes the source that scales.
        """
        self._settings = settings
        self._demand = demand
        self._scaled = scaled
        self._full = full()
        self._source: Source = self._full
        self.period_s: float | None = None

    def open(self) -> None:
        """Open and decide.

        Raises:
            SourceUnavailable: It did not answer.
            SourceInvalid: It can never give a frame.
        """
        self._full.open()
        self._choose()
        self.period_s = self._source.period_s

    def _choose(self) -> None:
        needed = self._demand.needed()
        reason = why_full(
            self._full.frame_size,
            needed,
            ffmpeg=ffmpeg_path() is not None,
            password=has_password(self._settings.url),
        )
        if reason is not None or needed is None:
            self._demand.tell(f'decode = "auto": full frames, {reason}')
            return
        (width, height), (less_width, less_height) = self._full.frame_size, needed.size(*self._full.frame_size)
        self._demand.tell(f'decode = "auto": frames scaled from {width} x {height} to {less_width} x {less_height}')
        self._full.close()
        self._source = self._scaled()
        self._source.open()

    def read(self, index: int) -> Frame:
        """The next frame; see `agent.sources.contract.Source`."""
        return self._source.read(index)

    def close(self) -> None:
        """Let go. May be called twice, and without `open`."""
        self._source.close()


def why_full(frame_size: tuple[int, int], needed: Needed | None, *, ffmpeg: bool, password: bool) -> str | None:
    """Why frames should not be scaled; None if it pays.

    Args:
        frame_size: Width and height of the source's frames.
        needed: What the pipelines need, None for all of it.
        ffmpeg: Whether there is the program.
        password: Whether the address holds one, which the process list would show.
    """
    width, height = frame_size
    if needed is None:
        return NOBODY_KNOWS
    if password:
        return "ffmpeg would show the password of the url to every user of this machine"
    if not ffmpeg:
        return "ffmpeg is not on the PATH"
    if height < LEAST_LINES or not width:
        return f"{width} x {height} is less than {LEAST_LINES} lines"
    if needed.scale(width, height) > MOST_NEEDED:
        return f"{needed.width:.0f} x {needed.height:.0f} of {width} x {height} pixels are needed, more than half"
    return None
