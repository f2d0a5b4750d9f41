"""One download over HTTP(S): attempts that go on from each other, and ask again only for what is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloud_sync.errors import BlobDiffers, Unreachable
from cloud_sync.wire.exchange import OK, PARTIAL, RANGE_NOT_SATISFIABLE, Again, length_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3.response import BaseHTTPResponse

    from cloud_sync.wire.exchange import Exchanges
    from cloud_sync.wire.landing import Landing
    from cloud_sync.wire.watch import Watch

_PROGRESS_BYTES = 1 << 16
"""An attempt that brought less than this is one that brought nothing: else a server could hold us with a byte at a time."""
_MOST_MISTAKES = 2
"""Wrong pieces in one answer: a bad line has spoilt a place, and this many are something else."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class Download:
    """Runs once, within twice the length of the file. The arguments are those of `HttpWire.download`."""

    def __init__(
        self, exchanges: Exchanges, path: str, landing: Landing, length_bytes: int, on_bytes: Callable[[int], None]
    ) -> None:
        self._exchanges = exchanges
        self._path = path
        self._landing = landing
        self._length_bytes = length_bytes
        self._on_bytes = on_bytes
        self._crossed = 0
        self._again = True  # all may be thrown away and fetched once more

    def run(self) -> int:
        """How many bytes crossed the wire until the file was there. Raises as `Wire.download`."""
        landing, attempt = self._landing, 0
        is_unasked = not self._length_bytes  # an empty file may be none at all
        while is_unasked or not landing.is_right():
            before = self._crossed
            begin, end = landing.wanted
            try:
                if begin == end and not is_unasked:
                    self._start_over("has another sha256 than it should")
                else:
                    self._fetch(begin, end)
                is_unasked = False
            except Again as again:
                attempt = 0 if self._crossed - before >= _PROGRESS_BYTES else attempt
                self._exchanges.rest(attempt, again)
                attempt += 1
        landing.settle()
        return self._crossed

    def _fetch(self, begin: int, end: int) -> None:
        exchanges, landing = self._exchanges, self._landing
        is_whole = (begin, end) == (0, self._length_bytes)
        last = end - 1 if end < self._length_bytes else ""
        headers = {} if is_whole else {"Range": f"bytes={begin}-{last}"}
        with exchanges.open("GET", self._path, headers=headers) as (response, watch):
            if response.status == RANGE_NOT_SATISFIABLE and not is_whole:
                self._refuse("is shorter than the part that came before")
            exchanges.judge(response, self._path)
            if response.status == PARTIAL and (is_whole or not self._is_wanted(response, begin)):
                self._refuse("is answered with another part than was asked for")
            is_piece = landing.missing_bytes == 0
            if response.status == OK:
                self._expect_whole(response)
                if not is_whole and not landing.has_pieces:  # a server that knows no ranges
                    landing.restart()
                begin, end, is_piece = 0, self._length_bytes, False
            landing.go_to(begin)
            self._take(response, watch, end - begin, is_piece=is_piece)

    def _take(self, response: BaseHTTPResponse, watch: Watch, count: int, *, is_piece: bool) -> None:
        """Put down what comes, up to so many bytes: one piece again, or all up to the end of the file.

        Raises:
            Again: It ended early, or is wrong.
            BlobDiffers: It goes on behind the end of the file.
        """
        landing = self._landing
        mistakes, allowed = landing.mistakes, 0 if is_piece else _MOST_MISTAKES - 1
        for content in self._exchanges.pieces(response, watch, self._path, most_bytes=landing.piece_bytes):
            self._crossed += len(content)
            self._on_bytes(len(content))
            if self._crossed > 2 * self._length_bytes:
                raise Unreachable(f"{self._path} takes more than twice its {self._length_bytes} bytes: the line is bad")
            landing.add(content[:count])
            count -= len(content)
            if landing.mistakes - mistakes > allowed:
                raise Again(BlobDiffers(f"{self._path} has another sha256 than it should, in some of its pieces"))
            if count <= 0 and is_piece:
                return
            if count < 0:
                self._forget_unproven()
                raise BlobDiffers(f"{self._path} is longer than its {self._length_bytes} bytes")
        if count > 0:  # an answer without a length, cut off
            raise Again(Unreachable(f"{self._path} ended {count} bytes early"))

    def _is_wanted(self, response: BaseHTTPResponse, begin: int) -> bool:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if match is None:
            return False
        first, last, whole = match.groups()
        return int(first) == begin and int(last) < self._length_bytes and whole in {"*", str(self._length_bytes)}

    def _expect_whole(self, response: BaseHTTPResponse) -> None:
        said = length_said(response)
        if said is not None and said != self._length_bytes:
            self._forget_unproven()
            raise BlobDiffers(f"{self._path} has {said} bytes, not {self._length_bytes}")

    def _refuse(self, why: str) -> None:
        """Take nothing of this answer.

        Raises:
            Again: In any case.
            BlobDiffers: It was thrown away before.
        """
        if not self._landing.has_pieces:
            self._start_over(why)
        raise Again(Unreachable(f"{self._path} {why}"))

    def _forget_unproven(self) -> None:
        """What came may be of another file, unless its pieces say whether it is."""
        if not self._landing.has_pieces:
            self._landing.discard()

    def _start_over(self, why: str) -> None:
        """Throw away what came, once, and what was said of its pieces.

        Raises:
            BlobDiffers: It was thrown away before.
        """
        if not self._again:
            self._landing.discard()
            raise BlobDiffers(f"{self._path} {why}")
        self._again = False
        self._landing.distrust_pieces()
        self._landing.restart()
