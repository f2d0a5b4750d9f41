"""Patches between two versions of a file: zstd, with the old file as dictionary (`zstd --patch-from`). The one door to zstandard.

A patch is not signed: what it makes is compared with the sha256 that is. Without zstandard (32-bit ARM has no wheel) `available` says
no, and whole files are fetched. Imports it late: the agent reads this module's names and must not pay for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, BinaryIO

from cloud_sync import layout
from cloud_sync.errors import MetadataInvalid, PatchBomb, PatchDiffers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SCHEMA = "lineside.deltas/1"
MAX_INDEX_BYTES = 256 << 10
KEEP_PATCH = 0.70
"""A patch is kept when it is smaller than this part of the compressed whole (facts: a model that was trained from scratch has none)."""
KEEP_WHOLE = 0.90
"""The compressed whole is kept when it is smaller than this part of the file."""
_LEVEL = 12
"""Of 4 MB with a fifth of the weights changed by one: 12 takes 0.8 s for a patch of 0.44, 19 takes 4.5 s for 0.41, 9 makes 0.58."""
_MAX_PATCHES = 1000
_CHUNK_BYTES = 256 << 10
_LEAST_WINDOW_LOG = 10
_MOST_WINDOW_LOG = 31


@dataclass(frozen=True, slots=True)
class Patch:
    """One way to make a file.

    Attributes:
        source: sha256 of the old file; None for the compressed whole.
        sha256: Of the patch, which lies among the blobs.
        length_bytes: Of the patch.
        pieces: Digests of its pieces (`cloud_sync.pieces`).
    """

    source: str | None
    sha256: str
    length_bytes: int
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Index:
    """What may be of use to somebody who wants a file.

    Attributes:
        pieces: Digests of its pieces.
        patches: Ways to make it.
    """

    pieces: tuple[str, ...] = ()
    patches: tuple[Patch, ...] = ()


def available() -> bool:
    """Whether patches can be made and applied here."""
    return find_spec("zstandard") is not None


def make_patch(old: bytes, new: bytes) -> bytes:
    """What makes `new` of `old`; with `old` empty, `new` compressed."""
    import zstandard  # noqa: PLC0415 - see the module

    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=len(new),
        window_log=_window_log(len(old) + len(new)),
        enable_ldm=bool(old),
        write_checksum=0,
        write_content_size=1,
    )
    return zstandard.ZstdCompressor(dict_data=_dictionary(old), compression_params=parameters).compress(new)


def apply_patch(patch: Path, old: Path | None, out: Path, *, length_bytes: int, sha256: str) -> None:
    """Make a file of a patch, by way of a temporary file beside it; `out` is there only when it is right, whole and durable.

    Memory: the old file, and as much again.

    Args:
        patch: Fetched, of any content.
        old: The file that it was made from; None for a compressed whole.
        out: Where the new file goes.
        length_bytes: How long it must be; more is never written.
        sha256: Its digest.

    Raises:
        PatchBomb: It makes more bytes.
        PatchDiffers: It makes others, fewer, or is no patch.
        OSError: A file cannot be read or written.
    """
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    try:
        with temporary.open("xb") as file:
            _write_checked(file, _pieces(patch, old, length_bytes), length_bytes, sha256, f"the patch {patch.name}")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(out)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    folder = os.open(out.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_checked(file: BinaryIO, pieces: Iterable[bytes], length_bytes: int, sha256: str, what: str) -> None:
    digest = hashlib.sha256()
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > length_bytes:
            raise PatchBomb(f"{what} makes more than {length_bytes} bytes")
        digest.update(piece)
        file.write(piece)
    if size != length_bytes or digest.hexdigest() != sha256:
        raise PatchDiffers(f"{what} does not make {sha256}")


def is_worth(patch: Patch, *, whole_bytes: int, compressed_bytes: int) -> bool:
    """Whether a patch is kept, given the length of the file and of its compressed whole."""
    if patch.source is None:
        return patch.length_bytes < KEEP_WHOLE * whole_bytes
    return patch.length_bytes < KEEP_PATCH * compressed_bytes


def encode_index(to: str, index: Index) -> bytes:
    """The list of ways to make the file `to`, the smallest first."""
    rows = [
        {"from": p.source, "sha256": p.sha256, "length": p.length_bytes, "pieces": p.pieces}
        for p in sorted(index.patches, key=_by_length)
    ]
    return json.dumps({"schema": SCHEMA, "to": to, "pieces": index.pieces, "patches": rows}).encode()


def decode_index(content: bytes, to: str) -> Index:
    """Read such a list. One that says nothing of pieces is of an earlier registry.

    Raises:
        MetadataInvalid: It is none, or of another file.
    """
    try:
        if len(content) > MAX_INDEX_BYTES:
            raise ValueError(f"larger than {MAX_INDEX_BYTES} bytes")  # noqa: TRY301 - one place says what of it is wrong
        data = json.loads(content)
        if data["schema"] != SCHEMA or data["to"] != to or len(data["patches"]) > _MAX_PATCHES:
            raise ValueError("of another schema or file, or too long")  # noqa: TRY301 - likewise
        return Index(_digests(data.get("pieces", [])), tuple(_patch(row) for row in data["patches"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MetadataInvalid(f"the patches of {to} cannot be read: {type(error).__name__} {error}") from error


def _patch(row: dict[str, Any]) -> Patch:
    source, sha256, length = row["from"], row["sha256"], row["length"]
    if not (source is None or layout.is_sha256(source)) or not layout.is_sha256(sha256):
        raise ValueError("a digest is none")
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise ValueError("a length is none")
    return Patch(source, sha256, length, _digests(row.get("pieces", [])))


def _digests(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(digest, str) and layout.is_sha256(digest) for digest in found):
        raise ValueError("the digest of a piece is none")
    return tuple(found)


def _by_length(patch: Patch) -> tuple[int, str]:
    return patch.length_bytes, patch.sha256


def _pieces(patch: Path, source: Path | None, length_bytes: int) -> Iterator[bytes]:
    import zstandard  # noqa: PLC0415 - see the module

    old = source.read_bytes() if source is not None else b""
    # The window that a patch asks for is memory: no more than one that we would have made ourselves.
    most = 1 << _window_log(len(old) + length_bytes)
    decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary(old), max_window_size=most)
    with patch.open("rb") as file, decompressor.stream_reader(file, read_size=_CHUNK_BYTES) as reader:
        while True:
            try:
                piece = reader.read(_CHUNK_BYTES)
            except zstandard.ZstdError as error:
                raise PatchDiffers(f"{patch.name} is no patch: {error}") from error
            if not piece:
                return
            yield piece


def _dictionary(old: bytes) -> Any:
    import zstandard  # noqa: PLC0415 - see the module

    return zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if old else None


def _window_log(size_bytes: int) -> int:
    """The window must reach from the end of the new file to the start of the old one."""
    return min(max(size_bytes.bit_length(), _LEAST_WINDOW_LOG), _MOST_WINDOW_LOG)
