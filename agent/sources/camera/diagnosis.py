"""Why a stream could not be opened, or broke off. Decoders only say that it did; a person needs to know where to look."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from agent.core.errors import SourceUnavailable
from agent.core.redact import without_password
from agent.sources.camera.address import host_and_port

if TYPE_CHECKING:
    from agent.sources.camera.settings import CameraSettings

_PROBE_S = 1.0


def why_not_open(url: str, took_s: float, timeout_s: float) -> SourceUnavailable:
    """The error for a stream that did not open.

    Who used up the timeout did not answer. For the others a TCP connection tells a wrong name from a closed port from a
    server that has no such stream; it takes at most a second.

    Args:
        url: Address of the stream.
        took_s: How long opening took.
        timeout_s: How long it might have taken.
    """
    shown = without_password(url)
    host, port = host_and_port(url) or ("", 0)
    if took_s >= timeout_s:
        return SourceUnavailable(f"{shown} did not answer within {timeout_s:g} s", hint=f"is it on? ping {host}")
    try:
        socket.create_connection((host, port), _PROBE_S).close()
    except socket.gaierror as error:
        return SourceUnavailable(
            f"{shown}: the name {host} is not known ({error.strerror})", hint="check the name, or use the IP address"
        )
    except ConnectionRefusedError:
        return SourceUnavailable(
            f"{shown}: {host} refuses connections to port {port}", hint="is the camera's server on, is the port right?"
        )
    except OSError as error:
        return SourceUnavailable(f"{shown}: {error.strerror or error}", hint=f"is it on? ping {host}")
    return SourceUnavailable(
        f"{shown}: {host} answers at port {port}, but gives no video",
        hint=f"check path, user, password and transport: ffprobe {shown}",
    )


def hung_up(settings: CameraSettings) -> SourceUnavailable:
    """The error for a stream that gave pictures and came to an end."""
    return SourceUnavailable(f"{without_password(settings.url)} closed the connection", hint="is the camera still on?")


def stalled(settings: CameraSettings) -> SourceUnavailable:
    """The error for a stream that gave pictures, and then none within the read timeout."""
    return SourceUnavailable(
        f"{without_password(settings.url)} stalled: no frame within {settings.read_timeout_s:g} s",
        hint="check the network and the camera's load; a camera that is slower than that needs a longer read_timeout_s",
    )
