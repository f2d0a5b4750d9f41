"""Every kind of source there is. The composition asks; a plug-in is imported, and OpenCV with it, when it is first made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.sources.camera.address import kind_of
from agent.sources.camera.settings import CameraSettings

if TYPE_CHECKING:
    from pathlib import Path

    from agent.sources.camera.file import Pictures
    from agent.sources.contract import Source
    from agent.sources.demand import Demand
    from agent.sources.images.settings import ImagesSettings


def is_live(settings: CameraSettings | ImagesSettings) -> bool:
    """Whether frames come at their own pace and the newest wins: devices, streams, and what plays in real time."""
    if isinstance(settings, CameraSettings) and kind_of(settings.url) != "file":
        return True
    return settings.realtime


# ruff: noqa: PLC0415 - each plug-in is imported when it is used
def make_source(settings: CameraSettings | ImagesSettings, demand: Demand | None = None) -> Source:
    """A source that is not open yet, for one connection.

    Args:
        settings: The table.
        demand: Who knows how many pixels are needed; without, frames are full whatever `decode` says.
    """
    if not isinstance(settings, CameraSettings):
        from agent.sources.images.source import ImagesSource

        return ImagesSource(settings, demand)
    if demand is not None and settings.decode != "full":
        return _less_than_full(settings, demand)
    match kind_of(settings.url):
        case "device":
            from agent.sources.camera.device import DeviceSource

            return DeviceSource(settings)
        case "stream":
            from agent.sources.camera.stream import StreamSource

            return StreamSource(settings)
        case "file":
            from agent.sources.camera.file import FileSource

            return FileSource(settings)


def _less_than_full(settings: CameraSettings, demand: Demand) -> Source:
    """A file or stream with `decode = "scaled"` or `"auto"`."""
    from agent.sources.camera.auto import NOBODY_KNOWS, AutoSource
    from agent.sources.camera.file import FileSource
    from agent.sources.camera.scaled import ScaledPictures, ScaledStreamSource
    from agent.sources.camera.stream import StreamSource

    def pictures(path: Path) -> Pictures:
        return ScaledPictures(path, demand, settings.decode_threads)

    def full() -> FileSource | StreamSource:
        return FileSource(settings) if kind_of(settings.url) == "file" else StreamSource(settings)

    def scaled() -> Source:
        if kind_of(settings.url) == "file":
            return FileSource(settings, decode=pictures)
        return ScaledStreamSource(settings, demand)

    if settings.decode == "auto":
        return AutoSource(settings, demand, full=full, scaled=scaled)
    if demand.needed() is None:
        demand.tell(f'decode = "scaled": full frames, {NOBODY_KNOWS}')
        return full()
    return scaled()
