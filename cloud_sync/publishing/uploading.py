"""Brings files to a registry: only those that are missing, each from where it was cut, until nothing gets through any more."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cloud_sync.errors import BlobDiffers, CloudSyncError, MetadataInvalid, ServerBusy, Unreachable
from cloud_sync.manifest import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cloud_sync.manifest import FileEntry
    from cloud_sync.publishing.desk import Desk

_PIECE_BYTES: Final = 2 << 20
_ATTEMPTS: Final = 5
"""In a row that bring nothing."""
_ASKED_AT_ONCE: Final = 1000
_OFFSET_WRONG: Final = "upload-offset"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What had to be sent.

    Attributes:
        files: How many.
        sent_bytes: Bytes of files that crossed the wire.
        missing_bytes: What was missing when it began, of all files.
    """

    files: int
    sent_bytes: int
    missing_bytes: int


class Uploads:
    """One bundle's files on their way.

    Args:
        desk: Where to.
        folder: The bundle.
        told: Told bytes done and bytes in all.
        wait: Sleeps, in seconds.
    """

    def __init__(
        self,
        desk: Desk,
        folder: Path,
        told: Callable[[int, int], None],
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._desk = desk
        self._folder = folder
        self._told = told
        self._wait = wait
        self._done_bytes = 0
        self._sent_bytes = 0
        self._all_bytes = 0

    def run(self, files: Sequence[FileEntry]) -> Uploaded:
        """Send what is missing.

        Raises:
            BlobDiffers: A file changed since its manifest was made.
            Unreachable: Nothing gets through.
            Refused: The registry does not take it.
        """
        entries = {entry.sha256: entry for entry in files}
        missing = self._missing(list(entries))
        todo = [(entries[sha256], offset) for sha256, offset in missing.items() if sha256 in entries]
        missing_bytes = sum(max(0, entry.length_bytes - offset) for entry, offset in todo)
        self._all_bytes = sum(entry.length_bytes for entry, _ in todo)
        for entry, offset in todo:
            if file_sha256(self._folder / entry.path) != entry.sha256:
                raise BlobDiffers(
                    f"{entry.path} is not what its manifest says", hint=f"lineside model pack {self._folder}"
                )
            self._send(entry, offset)
            self._done_bytes += entry.length_bytes
        return Uploaded(len(todo), self._sent_bytes, missing_bytes)

    def _missing(self, digests: list[str]) -> dict[str, int]:
        missing: dict[str, int] = {}
        for first in range(0, len(digests), _ASKED_AT_ONCE):
            asked = digests[first : first + _ASKED_AT_ONCE]
            answer = self._patiently("POST", "blobs/missing", {"sha256": asked})
            try:
                missing |= {str(sha256): int(offset) for sha256, offset in answer["missing"].items()}
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise MetadataInvalid("the registry does not say which files are missing") from error
        return missing

    def _send(self, entry: FileEntry, offset: int) -> None:
        """One file. After a failure the registry is asked how far it has come."""
        attempt = 0
        with (self._folder / entry.path).open("rb") as file:
            while True:
                self._told(self._done_bytes + offset, self._all_bytes)
                file.seek(offset)
                piece = file.read(min(_PIECE_BYTES, max(0, entry.length_bytes - offset)))
                try:
                    state = self._desk.upload(entry.sha256, offset, entry.length_bytes, piece)
                except CloudSyncError as error:
                    if not (isinstance(error, Unreachable) or error.code == _OFFSET_WRONG):
                        raise
                    attempt += 1
                    self._rest(error, attempt)
                    before, offset = offset, self._missing([entry.sha256]).get(entry.sha256, -1)
                    if offset < 0:
                        break
                    attempt = 0 if offset > before else attempt
                    continue
                attempt = 0
                self._sent_bytes += len(piece)
                offset = int(state.get("offset", 0))
                if state.get("complete") is True:
                    break
                if not piece:
                    raise MetadataInvalid(f"the registry has all of {entry.path} and says that it is not complete")
        self._told(self._done_bytes + entry.length_bytes, self._all_bytes)

    def _patiently(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A call that changes nothing, until it is answered."""
        attempt = 0
        while True:
            try:
                return self._desk.ask(method, path, body)
            except Unreachable as error:  # noqa: PERF203 - it waits for the network
                attempt += 1
                self._rest(error, attempt)

    def _rest(self, error: CloudSyncError, attempt: int) -> None:
        """Wait, longer each time, or as long as the registry asks for.

        Raises:
            CloudSyncError: It was tried often enough.
        """
        if attempt >= _ATTEMPTS:
            raise error
        told_s = error.retry_after_s if isinstance(error, ServerBusy) else 0.0
        self._wait(max(min(told_s, 60.0), random.uniform(0.5, 1.0) * 2 ** (attempt - 1)))  # noqa: S311 - jitter
