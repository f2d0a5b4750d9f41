"""Conditional and partial requests: what a server may leave out of its answer (RFC 9110, sections 13 and 14). Pure.

ETags here are strong. Of several ranges in one request none is served, as the RFC allows: the whole file is a right answer too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file.

    Attributes:
        start: Its first byte, from 0.
        length_bytes: How many, at least 1.
    """

    start: int
    length_bytes: int

    def content_range(self, total_bytes: int) -> str:
        """As it stands in `Content-Range`."""
        return f"bytes {self.start}-{self.start + self.length_bytes - 1}/{total_bytes}"


class Unsatisfiable(Exception):
    """The range begins behind the end of the file (416)."""


def has_it(if_none_match: str, etag: str) -> bool:
    """Whether the asker holds the current content: `If-None-Match`, compared weakly (section 13.1.2)."""
    if if_none_match == etag:
        return True
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in (etag, "*") for tag in tags)


def part_asked_for(range_: str | None, if_range: str | None, etag: str, total_bytes: int) -> Part | None:
    """What of the file is sent; None for all of it.

    Args:
        range_: `Range`, or None. What is not understood is ignored (section 14.2).
        if_range: `If-Range`, or None. Compared strongly; a date never holds, as we send none (section 13.1.5).
        etag: Of the current content.
        total_bytes: Its length.

    Raises:
        Unsatisfiable: There is no such part.
    """
    if range_ is None or (if_range is not None and if_range.strip() != etag):
        return None
    match = _RANGE.fullmatch(range_)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        length_bytes = min(int(last), total_bytes)
        start, end = total_bytes - length_bytes, total_bytes
    else:
        start, end = int(first), min(int(last) + 1, total_bytes) if last else total_bytes
        if last and int(last) < int(first):
            return None
    if start >= end or start >= total_bytes:
        raise Unsatisfiable
    return Part(start, end - start)
