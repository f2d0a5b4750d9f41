"""What every wire promises, and which paths may be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cloud_sync.errors import MetadataInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def nobody(_: int) -> None:
    """Who listens to the progress of a download when nobody does."""


class Wire(Protocol):
    """The files below one base address. Used by one thread; any call may be repeated.

    A path is relative to the base, with `/`, as it stands in an address: what needs quoting is quoted already.
    """

    def read(self, path: str, max_bytes: int, *, known: bytes | None = None) -> bytes:
        """A small file, whole.

        Args:
            path: Where it lies.
            max_bytes: How much of it is taken.
            known: What was there before. Where the other end says that it still is, nothing else crosses the wire and this is the answer,
                to be judged like any other: who says so falsely withholds what is new, as he could before.

        Raises:
            NotFound: It does not exist.
            ContentTooLarge: It has more than `max_bytes`; no more than that was read.
            Unreachable: It could not be read, also after the retries that are worth it.
            Untrusted: The other end does what nobody may do, such as sending us elsewhere.
        """
        ...

    def download(
        self,
        path: str,
        into: Path,
        *,
        length_bytes: int,
        sha256: str,
        pieces: Sequence[str] = (),
        on_bytes: Callable[[int], None] = nobody,
    ) -> int:
        """A file of known length and digest, by way of `<into>.partial`, which a later call goes on from.

        `into` is replaced when all of it is there, verified, and on the disk. A partial file that turns out to be wrong is thrown away
        and all is fetched again, once; where it is known which of its pieces are wrong, only these are, as often as other faults.

        Args:
            path: Where it lies.
            into: Where it goes; the folder exists.
            length_bytes: Its length. No more than twice as much crosses the wire.
            sha256: Its digest in hexadecimal.
            pieces: Digests of its pieces (`cloud_sync.pieces`), as far as anybody says; they need not be true.
            on_bytes: Told how many bytes have just come.

        Returns:
            How many bytes crossed the wire.

        Raises:
            NotFound: It does not exist.
            BlobDiffers: It has another length or digest; nothing stays of it but pieces that may be right.
            Unreachable: It could not be had; the part that came stays for the next call.
            Untrusted: The other end does what nobody may do.
            OSError: The disk here is full or broken.
        """
        ...


def segments(path: str) -> list[str]:
    """The parts of a path that leads downwards only.

    Raises:
        MetadataInvalid: It leads elsewhere, or could be read in two ways.
    """
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\\" in path or any(ord(letter) < ord(" ") for letter in path):
        raise MetadataInvalid(f"{path!r} is no path below a registry's address")
    return parts
