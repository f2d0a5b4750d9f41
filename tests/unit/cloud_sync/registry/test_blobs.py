"""Uploads: in pieces, by several at once, and never half of one among the blobs."""

from __future__ import annotations

import hashlib
import os
import threading

import pytest

from cloud_sync.errors import BlobDiffers, ContentTooLarge, Refused
from cloud_sync.registry.blobs import FolderBlobs
from cloud_sync.registry.errors import UnknownName, UploadOffset

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def blobs(tmp_path):
    return FolderBlobs(tmp_path / "public", tmp_path / "uploads", max_bytes=len(CONTENT))


def test_an_upload_goes_on_where_it_broke_off(blobs):
    """The next one asks where; nothing is there before it is whole."""

    def breaks_off():
        yield CONTENT[:1000]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        blobs.append(SHA256, 0, breaks_off())
    assert (blobs.offset(SHA256), blobs.has(SHA256)) == (1000, False)
    with pytest.raises(UploadOffset) as caught:
        blobs.append(SHA256, 0, [CONTENT])
    assert caught.value.offset == 1000
    with pytest.raises(UploadOffset):
        blobs.commit(SHA256, len(CONTENT))
    blobs.append(SHA256, 1000, [CONTENT[1000:]])
    blobs.commit(SHA256, len(CONTENT))
    assert (blobs.size(SHA256), blobs.open(SHA256).read()) == (len(CONTENT), CONTENT)
    blobs.commit(SHA256, len(CONTENT))


def test_what_is_something_else_is_thrown_away(blobs):
    """The next upload starts anew."""
    blobs.append(SHA256, 0, [CONTENT[::-1]])
    with pytest.raises(BlobDiffers):
        blobs.commit(SHA256, len(CONTENT))
    assert (blobs.offset(SHA256), blobs.has(SHA256)) == (0, False)


def test_what_is_too_large_or_no_digest_is_refused(blobs):
    """No path of it leads elsewhere."""
    with pytest.raises(ContentTooLarge):
        blobs.append(SHA256, 0, [CONTENT, b"x"])
    for odd in ("../../x", "", SHA256.upper(), SHA256 + "\n"):
        with pytest.raises(Refused):
            blobs.has(odd)
    with pytest.raises(UnknownName):
        blobs.size("a" * 64)


def test_two_who_upload_the_same_file_do_not_mix_it(blobs):
    """Each is told where to go on, and what is committed is the file."""
    pieces = [CONTENT[at : at + 512] for at in range(0, len(CONTENT), 512)]

    def upload():
        while not blobs.has(SHA256):
            offset = blobs.offset(SHA256)
            try:
                blobs.append(SHA256, offset, [CONTENT[offset : offset + 512]] if offset < len(CONTENT) else [])
                if offset >= len(CONTENT):
                    blobs.commit(SHA256, len(CONTENT))
            except UploadOffset:
                continue

    threads = [threading.Thread(target=upload, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert blobs.open(SHA256).read() == b"".join(pieces)


def test_uploads_that_nobody_goes_on_with_are_removed(site):
    """After a week; younger ones and whole files stay."""
    blobs = site.registry.blobs
    whole, old, young = blobs.put(b"whole"), SHA256, "a" * 64
    for sha256 in (old, young):
        blobs.append(sha256, 0, [b"x"])
    os.utime(site.folder / "uploads" / f"{old}.partial", (0, 0))
    os.utime(blobs.path(whole), (0, 0))
    site.registry.keys.refresh()
    assert (blobs.offset(old), blobs.offset(young), blobs.has(whole)) == (0, 1, True)
