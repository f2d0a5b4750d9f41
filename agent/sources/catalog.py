"""Every kind of source there is. The composition asks; a plug-in is imported, and OpenCV with it, when it is first made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.sources.camera.address import kind_of
from agent.sources.camera.settings import CameraSettings

if TYPE_CHECKING:
    from agent.sources.contract import Source
    from agent.sources.images.settings import ImagesSettings


def is_live(settings: CameraSettings | ImagesSettings) -> bool:
    """Whether frames come at their own pace and the newest wins: devices, streams, and what plays in real time."""
    if isinstance(settings, CameraSettings) and kind_of(settings.url) != "file":
        return True
    return settings.realtime


def make_source(settings: CameraSettings | ImagesSettings) -> Source:
    """A source that is not open yet, for one connection."""
    # ruff: noqa: PLC0415 - each plug-in is imported when it is used
    if not isinstance(settings, CameraSettings):
        from agent.sources.images.source import ImagesSource

        return ImagesSource(settings)
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
