"""What a source gives without any pipeline, and the pictures to go on with when it no longer matters where they came from."""

from __future__ import annotations

import itertools
import time
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.bench.figures import SourceFigures, rate_hz
from agent.sources.opencv import arrived
from agent.sources.runner import RunnerPolicy, SourceRunner
from agent.supervisor import Supervisor
from agent.wiring import wire_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock
    from agent.sources.settings import SourceSettings

FIRST_PICTURE_S = 20.0
_KEPT = 4
"""Pictures that are kept: more than one, so that not all of them lie in the processor's cache."""
_POLL_S = 0.05
_END_S = 5.0
_WIDTH, _HEIGHT = 1280, 720
_REPLAY = RunnerPolicy(live=False, stale_after_s=60.0, hang_after_s=60.0)


def look_at(
    name: str, settings: SourceSettings, seconds: float
) -> tuple[SourceFigures, Sequence[npt.NDArray[np.uint8]]]:
    """Read a source for a while and do nothing with its frames.

    Args:
        name: Name of the table in the configuration.
        settings: That table.
        seconds: How long, from the first frame on.

    Returns:
        What it gives, and some of its pictures; a synthetic one where it gives nothing.
    """
    times_s = array("d")
    kept: list[npt.NDArray[np.uint8]] = []

    def admit(frame: Frame) -> Any:
        times_s.append(time.monotonic())
        if len(kept) < _KEPT:
            kept.append(frame.pixels)

    runner = wire_source(name, endless(settings))
    runner.subscribe("bench", admit)
    supervisor = Supervisor([runner])
    runner.start()
    until_s = time.monotonic() + FIRST_PICTURE_S
    while not times_s and runner.fault is None and not runner.ended and time.monotonic() < until_s:
        time.sleep(_POLL_S)
        supervisor.check(time.monotonic())
    if times_s:
        time.sleep(seconds)
    fault = runner.fault
    runner.stop()
    runner.join(_END_S)
    if kept:
        height, width = kept[0].shape[:2]
        return SourceFigures(runner.live, width, height, rate_hz(times_s)), kept
    picture = _synthetic(settings)
    height, width = picture.shape[:2]
    why = str(fault) if fault else f"no picture within {FIRST_PICTURE_S:g} s"
    return SourceFigures(runner.live, width, height, None, is_synthetic=True, fault=why), [picture]


def endless(settings: SourceSettings) -> SourceSettings:
    """The same source, but a file or folder begins again at its end."""
    return settings.model_copy(update={"loop": True})


def replayed(name: str, pictures: Sequence[npt.NDArray[np.uint8]]) -> SourceRunner:
    """A source that gives pictures as fast as they are taken, without any decoding."""
    return SourceRunner(name, make=lambda: _Replay(pictures), policy=_REPLAY)


class _Replay:
    """Implements `agent.sources.contract.Source`."""

    captured_at_from: CaptureClock = "arrival"
    period_s: float | None = None

    def __init__(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> None:
        self._pictures = itertools.cycle(pictures)

    def open(self) -> None:
        """Nothing to open."""

    def read(self, index: int) -> Frame:
        """The next one."""
        return arrived(next(self._pictures), index)

    def close(self) -> None:
        """Nothing to close."""


def _synthetic(settings: SourceSettings) -> npt.NDArray[np.uint8]:
    """Noise, so that nothing about it is easy; of the size that a device was to be asked for."""
    size = (getattr(settings, "height", None) or _HEIGHT, getattr(settings, "width", None) or _WIDTH, 3)
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)
