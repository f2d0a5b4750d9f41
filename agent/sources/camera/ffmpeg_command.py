"""The command lines of the children that decode, scale, and write pictures (PPM) to stdout. Pure.

Every number of pixels is worked out by FFmpeg itself from the size of the frames that come, so nobody has to know it before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.sources.camera.address import scheme_of

if TYPE_CHECKING:
    from pathlib import Path

    from agent.sources.camera.settings import CameraSettings
    from agent.sources.demand import Needed

_FPS_MODE_SINCE = (5, 1)
"""`-fps_mode` came, and `-vsync` is deprecated."""
_RTSP_TIMEOUT_SINCE = (5, 0)
"""Before, `-timeout` of RTSP was for listening, and `-stimeout` for reading."""
_OWN_TIMEOUT = 2.0
"""FFmpeg's own patience in units of ours: it must not give up first, but a child without an agent must."""
_WAITED_FOR = 0.5
_LONGEST_CATCH_UP_S = 1.0
_ONLY_NEW = (
    "st(1,time(0)-ld(0));st(0,time(0));if(not(ld(2)),st(2,ld(0)));"
    f"if(gt(pts,prev_pts)*gte(ld(1),{_WAITED_FOR}*(pts-prev_pts)*TB)+gte(ld(0)-ld(2),{_LONGEST_CATCH_UP_S}),st(3,1));ld(3)"
)
"""Passes over the pictures that were gathered while the stream was opened, by the rule of `StreamSource`: they come at once,
without a wait, and the first that took its time is new, and all after it. Variables: 0 the time, 1 since the picture before,
2 the time of the first, 3 whether a new one came."""


def file_command(
    program: str, version: tuple[int, int], path: Path, needed: Needed, *, threads: int, skip: int, matrix: str
) -> list[str]:
    """Decode a file from picture `skip` on, every picture once, as fast as they are taken.

    Args:
        program: Path of ffmpeg.
        version: Major and minor number of it.
        path: The file.
        needed: Fewest pixels that the frames must have.
        threads: Of the decoder.
        skip: Pictures at the beginning that are passed over.
        matrix: FFmpeg's name of the colour matrix, `auto` for the one that the file names.
    """
    # file: keeps a name with a colon from being a protocol
    arguments = ["-threads", str(threads), "-i", f"file:{path}"]
    return _command(program, version, arguments, f"gte(n,{skip})" if skip else None, needed, matrix)


def stream_command(
    program: str, version: tuple[int, int], settings: CameraSettings, needed: Needed, *, matrix: str
) -> list[str]:
    """Decode a live stream from its newest picture on.

    Without `-flags low_delay`, which brought no picture earlier, and without `-fflags nobuffer`, which throws the first key picture
    away and so costs a second until the next (both measured over RTSP).

    Args:
        program: Path of ffmpeg.
        version: Major and minor number of it.
        settings: Of the source; the address holds no password.
        needed: Fewest pixels that the frames must have.
        matrix: FFmpeg's name of the colour matrix, `auto` for the one that the stream names.
    """
    timeout_us = str(round(_OWN_TIMEOUT * max(settings.open_timeout_s, settings.read_timeout_s) * 1e6))
    if scheme_of(settings.url) in ("rtsp", "rtsps"):
        timeout = "-timeout" if version >= _RTSP_TIMEOUT_SINCE else "-stimeout"
        # fpsprobesize: without it, opening waits until a second and a half of pictures have told the frame rate
        options = ["-rtsp_transport", settings.transport, timeout, timeout_us, "-fpsprobesize", "0"]
    else:
        options = ["-rw_timeout", timeout_us]
    arguments = [*options, "-threads", str(settings.decode_threads), "-i", settings.url]
    return _command(program, version, arguments, _ONLY_NEW, needed, matrix)


def _command(
    program: str, version: tuple[int, int], source: list[str], select: str | None, needed: Needed, matrix: str
) -> list[str]:
    filters = [] if select is None else [f"select='{select}'"]
    filters.append(_scaled(needed, matrix))
    passthrough = "-fps_mode" if version >= _FPS_MODE_SINCE else "-vsync"
    return [
        *(program, "-nostdin", "-hide_banner", "-loglevel", "error", "-filter_threads", "1", *source),
        *("-map", "0:v:0", "-vf", ",".join(filters), passthrough, "passthrough"),
        *("-c:v", "ppm", "-f", "image2pipe", "pipe:1"),
    ]


def _scaled(needed: Needed, matrix: str) -> str:
    """FFmpeg's words for `Needed.size`, and for what OpenCV does with colours.

    First smaller, then to another format: RGB at once, by `bilinear`, costs 1.2 ms more for 1080p (FFmpeg 5.1, x86-64). Of
    the ways that average, `area` by way of `yuv422p` is the nearest to OpenCV's pixels, and has no tint: 4:4:4 is greener by 1.5 of 255.
    """
    scale = f"min(1,max({needed.width!r}/iw,{needed.height!r}/ih))"
    width, height = (f"min({side},2*ceil({side}*{scale}/2-1e-6))" for side in ("iw", "ih"))
    return f"scale=w='{width}':h='{height}':flags=area,format=yuv422p,scale=in_color_matrix={matrix}"
