"""How a source is watched and tried again. Pure; made from the settings once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.sources.camera.address import kind_of
from agent.sources.camera.settings import CameraSettings
from agent.sources.catalog import is_live

if TYPE_CHECKING:
    from agent.sources.images.settings import ImagesSettings

_STALE_S = 5.0
_STALE_PERIODS = 3
_FILE_HANG_S = 60.0
"""A disk that spins up, or a network share that comes back, is no hang."""
_DEVICE_HANG_S = 15.0
"""OpenCV waits 10 s for a V4L2 frame before it gives up."""
_HANG_MARGIN_S = 10.0
"""Name resolution stands outside of FFmpeg's timeouts: two tries of 5 s at one server (resolv.conf(5))."""
_TIMEOUT_STRETCH = 3
"""A read timeout of 2 s held OpenCV's read() for 6 s at a stalled RTSP server."""


@dataclass(frozen=True, slots=True)
class RunnerPolicy:
    """Limits of one source.

    Attributes:
        live: Frames come at their own pace and the newest wins; else every frame is taken, and nothing is stale.
        stale_after_s: Time without a new frame after which a live source is `stale`.
        hang_after_s: Time inside one call of the source after which its thread is given up; longer than every timeout that
            the source passes on.
        backoff_first_s: Longest delay before the first new try.
        backoff_max_s: Longest delay between two tries.
    """

    live: bool
    stale_after_s: float
    hang_after_s: float
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0

    @classmethod
    def of(cls, settings: CameraSettings | ImagesSettings) -> RunnerPolicy:
        """The policy that fits a source's settings."""
        live = is_live(settings)
        if not isinstance(settings, CameraSettings):
            return cls(live, max(_STALE_S, _STALE_PERIODS / settings.rate_hz), _FILE_HANG_S)
        match kind_of(settings.url):
            case "device":
                return cls(live, settings.stale_after_s, _DEVICE_HANG_S)
            case "stream":
                timeout_s = max(settings.open_timeout_s, settings.read_timeout_s)
                return cls(live, settings.stale_after_s, _TIMEOUT_STRETCH * timeout_s + _HANG_MARGIN_S)
            case "file":
                return cls(live, settings.stale_after_s, _FILE_HANG_S)
