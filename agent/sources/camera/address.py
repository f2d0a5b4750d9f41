"""Which kind of thing a source's `url` names. Pure; the configuration loader, the settings and the catalog ask."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

Kind = Literal["device", "stream", "file"]

STREAM_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""The schemes of streams that can be read, and the ports they have when the address names none."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme_of(url: str) -> str | None:
    """The scheme in lower case, or None for a device and a path."""
    match = _SCHEME.match(url)
    return match.group(1).lower() if match else None


def kind_of(url: str) -> Kind:
    """Sort an address.

    Returns:
        `device`: an index such as `0`, or a path under /dev. `stream`: anything with a scheme but `file://`, also one that
        no source can read. `file`: every other path, and `file://`.
    """
    scheme = scheme_of(url)
    if scheme is not None:
        return "file" if scheme == "file" else "stream"
    if (url.isascii() and url.isdigit()) or url.startswith("/dev/"):
        return "device"
    return "file"


def file_path(url: str) -> str:
    """The path of an address of kind `file`; `file://` is undone, with its percent signs (RFC 8089)."""
    return unquote(urlsplit(url).path) if scheme_of(url) == "file" else url


def device_path(url: str) -> str:
    """The path of an address of kind `device`: V4L2's index n is /dev/videon."""
    return f"/dev/video{int(url)}" if url.isdigit() else url


def host_and_port(url: str) -> tuple[str, int] | None:
    """Where the server of a stream listens; None if the address names no host, or a port that is no number.

    That happens when a password holds a `/`, `?` or `#` that is not written with a percent sign.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # its text would show a part of the password
        return None
    return (host, STREAM_PORTS.get(parts.scheme, 0) if port is None else port) if host else None
