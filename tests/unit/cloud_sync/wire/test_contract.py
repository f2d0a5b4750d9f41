"""What every wire promises, over a web server and over a folder."""

from __future__ import annotations

import hashlib

import pytest
from file_server import FileServer

from cloud_sync.errors import BlobDiffers, ContentTooLarge, NotFound, Unreachable, Untrusted
from cloud_sync.wire import FolderWire, HttpWire

CONTENT = bytes(range(256)) * 1024
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Shelf:
    """Files that a wire reads, put there in the way of each kind."""

    def __init__(self, wire, put) -> None:
        self.wire, self.put = wire, put


@pytest.fixture(params=["http", "folder"])
def shelf(request, tmp_path):
    if request.param == "http":
        with FileServer({}) as server, HttpWire(server.url, retries=0) as wire:
            yield Shelf(wire, server.files.__setitem__)
        return

    def put(path: str, content: bytes) -> None:
        place = tmp_path / "stick" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    (tmp_path / "stick").mkdir()
    yield Shelf(FolderWire(tmp_path / "stick"), put)


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    return folder / "blob"


def _download(shelf: Shelf, into, **expected) -> int:
    return shelf.wire.download("blobs/one", into, **{"length_bytes": len(CONTENT), "sha256": SHA256, **expected})


def _here(into) -> list[str]:
    return sorted(path.name for path in into.parent.iterdir())


def test_a_file_is_read_whole_up_to_its_limit(shelf):
    """A limit that is just met is met."""
    shelf.put("metadata/1.root.json", b"12345")
    assert shelf.wire.read("metadata/1.root.json", 5) == b"12345"


def test_a_file_above_its_limit_is_refused(shelf):
    """One byte is enough."""
    shelf.put("metadata/1.root.json", b"12345")
    with pytest.raises(ContentTooLarge):
        shelf.wire.read("metadata/1.root.json", 4)


def test_an_empty_file_is_a_file(shelf, into):
    """Read and downloaded."""
    shelf.put("blobs/one", b"")
    assert shelf.wire.read("blobs/one", 10) == b""
    assert _download(shelf, into, length_bytes=0, sha256=hashlib.sha256(b"").hexdigest()) == 0
    assert into.read_bytes() == b""


def test_what_does_not_exist_is_not_found_and_leaves_nothing(shelf, into):
    """Not the same as a registry that does not answer."""
    with pytest.raises(NotFound):
        shelf.wire.read("metadata/2.root.json", 10)
    with pytest.raises(NotFound):
        _download(shelf, into)
    assert _here(into) == []


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a//b", "a/./b", "", "a/", "a\\..\\b", "a\nb"])
def test_no_path_leads_elsewhere(shelf, path):
    """Paths come from metadata that others sign."""
    with pytest.raises(Untrusted):
        shelf.wire.read(path, 10)


def test_a_download_is_verified_and_put_in_its_place(shelf, into):
    """It tells how many bytes crossed the wire, and its listener as they come."""
    shelf.put("blobs/one", CONTENT)
    came: list[int] = []
    assert _download(shelf, into, on_bytes=came.append) == len(CONTENT) == sum(came)
    assert into.read_bytes() == CONTENT
    assert _here(into) == ["blob"]


def test_a_download_goes_on_from_what_an_earlier_process_left(shelf, into):
    """Only what is missing crosses the wire."""
    shelf.put("blobs/one", CONTENT)
    into.with_name("blob.partial").write_bytes(CONTENT[:200_000])
    assert _download(shelf, into) == len(CONTENT) - 200_000
    assert into.read_bytes() == CONTENT


def test_a_download_that_was_all_here_crosses_nothing(shelf, into):
    """It stopped between the last byte and the rename."""
    shelf.put("blobs/one", CONTENT)
    into.with_name("blob.partial").write_bytes(CONTENT)
    assert _download(shelf, into) == 0
    assert into.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "left", [b"\0" * 200_000, b"\0" * len(CONTENT), CONTENT + b"more"], ids=["part", "whole", "longer"]
)
def test_a_partial_file_that_rotted_costs_one_more_download(shelf, into, left):
    """Zeros behind a power cut, for one."""
    shelf.put("blobs/one", CONTENT)
    into.with_name("blob.partial").write_bytes(left)
    assert _download(shelf, into) <= 2 * len(CONTENT)
    assert into.read_bytes() == CONTENT
    assert _here(into) == ["blob"]


@pytest.mark.parametrize(
    "lies", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"x", b""], ids=["shorter", "longer", "other", "empty"]
)
def test_a_file_that_is_another_is_refused_and_nothing_stays_of_it(shelf, into, lies):
    """The one that was there before stays."""
    shelf.put("blobs/one", lies)
    into.write_bytes(b"the old one")
    with pytest.raises((BlobDiffers, Unreachable)) as refused:
        _download(shelf, into)
    assert isinstance(refused.value, BlobDiffers)
    assert into.read_bytes() == b"the old one"
    assert _here(into) == ["blob"]
