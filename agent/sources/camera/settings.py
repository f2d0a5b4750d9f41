"""`[sources.<name>]` with `type = "camera"`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agent.core.redact import has_password, without_password
from agent.schema import Strict
from agent.sources.camera.address import STREAM_PORTS, host_and_port, kind_of, scheme_of

TimeoutSeconds = Annotated[float, Field(gt=0, le=300)]


class CameraSettings(Strict):
    """A camera, a stream or a video file, read by OpenCV."""

    type: Literal["camera"] = "camera"
    """`camera`: V4L2 devices, RTSP and HTTP streams, video files and GIFs."""
    url: str = Field(min_length=1, repr=False)
    """Device index ("0") or path (/dev/video0, /dev/v4l/by-id/…), rtsp://, rtsps://, http:// or https:// (MJPEG), or a
    video file, relative to the configuration file."""
    loop: bool = False
    """files: begin again at the end, for good."""
    realtime: bool = False
    """files: play at the file's own frame rate and let the newest frame win; false = as fast as the pipeline takes them,
    none dropped. Devices and streams are always live."""
    width: int | None = Field(default=None, ge=1, le=16384)
    """devices: width to ask the driver for, in pixels; default the driver's."""
    height: int | None = Field(default=None, ge=1, le=16384)
    """devices: height to ask the driver for, in pixels; default the driver's."""
    fps: float | None = Field(default=None, gt=0, le=1000)
    """devices: frames per second to ask the driver for; default the driver's."""
    fourcc: str | None = Field(default=None, pattern=r"^[\x20-\x7e]{4}$")
    """devices: pixel format to ask the driver for, such as MJPG or YUYV; default the driver's."""
    transport: Literal["tcp", "udp"] = "tcp"
    """rtsp://: how the pictures travel. `tcp` loses none on a full network, `udp` is for cameras that know no other."""
    decode_threads: int = Field(default=1, ge=1, le=16)
    """streams and files: threads of the decoder. Each beyond the first holds a live frame back by one, and costs more
    processor time in all; a large file that is read as fast as possible may gain."""
    decode: Literal["full", "scaled", "auto"] = "full"
    """streams and files: `full` decodes every pixel. `scaled` has an ffmpeg process decode beside the agent and hand over frames
    as small as the models that look at them allow, by their inputs and regions. It averages over pixels, so that the models see
    other values than with `full`: judge by your own pictures before you switch. `auto` is `scaled` for frames of 1440 lines or more,
    of which at most half the width and height is needed, with ffmpeg on the PATH and no password in the url; else `full`."""
    open_timeout_s: TimeoutSeconds = 5.0
    """streams: how long opening may take."""
    read_timeout_s: TimeoutSeconds = 5.0
    """streams: how long one frame may take before the connection counts as lost."""
    stale_after_s: TimeoutSeconds = 5.0
    """live: without a new frame for so long the source is `stale`; longer than the time between two frames."""

    @model_validator(mode="after")
    def _address_can_be_read(self) -> CameraSettings:
        if kind_of(self.url) != "stream":
            return self
        shown = without_password(self.url)
        if scheme_of(self.url) not in STREAM_PORTS:
            known = ", ".join(f"{known}://" for known in (*STREAM_PORTS, "file"))
            raise ValueError(f"{shown}: a camera is a device, a file, or one of {known}")
        if host_and_port(self.url) is None:
            raise ValueError(
                f"{shown}: no host, or no such port; in a password write / as %2F, ? as %3F, # as %23, @ as %40"
            )
        return self

    @model_validator(mode="after")
    def _only_devices_take_hints(self) -> CameraSettings:
        given = [key for key in ("width", "height", "fps", "fourcc") if getattr(self, key) is not None]
        if given and kind_of(self.url) != "device":
            raise ValueError(f"{', '.join(given)}: only a device can be asked for it, a stream or a file is as it is")
        return self

    @model_validator(mode="after")
    def _can_be_scaled(self) -> CameraSettings:
        if self.decode != "full" and kind_of(self.url) == "device":
            raise ValueError(
                f'decode = "{self.decode}": a device is always decoded in full; ask it for a smaller picture with width'
            )
        if self.decode == "scaled" and has_password(self.url):
            raise ValueError(
                'decode = "scaled": ffmpeg would show the password of the url to every user of this machine;'
                ' take "auto" or "full", or an account of the camera without password'
            )
        return self
