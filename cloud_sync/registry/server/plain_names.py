"""Which names below the registry's address are plain files, and for how long whoever stands between may keep them.

A closed grammar of `cloud_sync.layout`: a name that is not in it is not there, so that no path, however it is written, leads to
anything else. Pure. The same rules make the configuration of an nginx or a bucket that serves the folder in our place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

FOREVER: Final = "public, max-age=31536000, immutable"
"""What is versioned or named by its digest never changes (RFC 8246)."""
ASK_AGAIN: Final = "no-cache"
"""May be kept, and is asked for with its ETag before each use."""
_JSON, _BYTES = "application/json", "application/octet-stream"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_DIGEST = r"(?P<sha256>[0-9a-f]{64})"


@dataclass(frozen=True, slots=True)
class PlainFile:
    """How a file is served.

    Attributes:
        media_type: Its content type.
        cache_control: For how long it may be kept.
        sha256: The digest in its name; None where the name says nothing of the content.
    """

    media_type: str
    cache_control: str
    sha256: str | None = None


_GRAMMAR: Final = tuple(
    (re.compile(pattern), media_type, cache_control)
    for pattern, media_type, cache_control in (
        (r"metadata/timestamp\.json", _JSON, ASK_AGAIN),
        (rf"metadata/[1-9][0-9]{{0,9}}\.(root|snapshot|targets|model\.{_NAME})\.json", _JSON, FOREVER),
        (rf"targets/keys/{_DIGEST}\.assignment\.json", _JSON, FOREVER),
        (rf"targets/models/{_NAME}/{_NAME}/{_DIGEST}\.manifest\.json", _JSON, FOREVER),
        (rf"blobs/sha256/{_DIGEST}", _BYTES, FOREVER),
        (rf"assignments/(device|channel):{_NAME}\.json", _JSON, ASK_AGAIN),
        (r"deltas/sha256/[0-9a-f]{64}\.json", _JSON, ASK_AGAIN),
    )
)
FOLDERS: Final = ("/metadata/", "/targets/", "/assignments/", "/blobs/", "/deltas/")
"""What the paths of all plain files begin with."""


def plain_file(path: str) -> PlainFile | None:
    """How the file at a path relative to the registry's address is served; None if no such name exists."""
    for pattern, media_type, cache_control in _GRAMMAR:
        if match := pattern.fullmatch(path):
            return PlainFile(media_type, cache_control, match.groupdict().get("sha256"))
    return None
