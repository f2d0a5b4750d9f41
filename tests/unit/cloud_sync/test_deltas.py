"""Patches: what they save, and what a hostile one cannot do."""

from __future__ import annotations

import hashlib
import json
import random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync import deltas
from cloud_sync.deltas import Index, Patch
from cloud_sync.errors import MetadataInvalid, PatchBomb, PatchDiffers


def _weights(seed: int, count: int = 200_000) -> bytes:
    return random.Random(seed).randbytes(count)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _apply(tmp_path, patch: bytes, old: bytes | None, new: bytes):
    source = None
    if old is not None:
        source = tmp_path / "old"
        source.write_bytes(old)
    (tmp_path / "patch").write_bytes(patch)
    out = tmp_path / "out"
    deltas.apply_patch(tmp_path / "patch", source, out, length_bytes=len(new), sha256=_sha256(new))
    return out


def test_a_patch_makes_the_new_file_of_the_old_one(tmp_path):
    """A last layer that was retrained costs about itself."""
    old = _weights(1)
    new = old[:-10_000] + _weights(2, 10_000)
    patch = deltas.make_patch(old, new)
    assert len(patch) < 11_000
    assert _apply(tmp_path, patch, old, new).read_bytes() == new


@given(
    old=st.binary(max_size=3000), edits=st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=50)), max_size=5)
)
@settings(max_examples=60, deadline=None)
def test_any_file_survives(tmp_path_factory, old, edits):
    """Whatever was changed, added or cut."""
    new = old
    for at, piece in edits:
        new = new[:at] + piece + new[at + len(piece) // 2 :]
    folder = tmp_path_factory.mktemp("patch")
    assert _apply(folder, deltas.make_patch(old, new), old, new).read_bytes() == new


def test_the_compressed_whole_needs_no_old_file(tmp_path):
    """A device without any version takes it."""
    new = b"\0" * 100_000 + _weights(3, 1000)
    patch = deltas.make_patch(b"", new)
    assert len(patch) < 2000
    assert _apply(tmp_path, patch, None, new).read_bytes() == new


def test_a_bomb_writes_no_more_than_the_file_has(tmp_path, monkeypatch):
    """A patch of some bytes that makes gigabytes is refused at the first byte too many."""
    written = []
    real = deltas._write_checked

    def watched(file, *arguments):
        try:
            real(file, *arguments)
        finally:
            written.append(file.tell())

    monkeypatch.setattr(deltas, "_write_checked", watched)
    new = _weights(4, 5000)
    bomb = zstandard.ZstdCompressor(level=3).compress(b"\0" * (64 << 20))
    with pytest.raises((PatchBomb, PatchDiffers)):
        _apply(tmp_path, bomb, None, new)
    assert written[0] <= len(new)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["patch"]


def test_a_small_window_does_not_hide_a_bomb(tmp_path):
    """The bound holds for bytes, not for what the frame says of itself."""
    parameters = zstandard.ZstdCompressionParameters(window_log=10, write_content_size=0)
    bomb = zstandard.ZstdCompressor(compression_params=parameters).compress(b"\0" * (8 << 20))
    with pytest.raises(PatchBomb):
        _apply(tmp_path, bomb, None, _weights(4, 5000))


@pytest.mark.parametrize("spoil", ["other bytes", "cut", "no patch", "other source"])
def test_what_makes_something_else_is_refused(tmp_path, spoil):
    """Nothing stays of it."""
    old, new = _weights(5, 20_000), _weights(5, 20_000)[:-50] + _weights(6, 50)
    patch = deltas.make_patch(old, new)
    if spoil == "other bytes":
        patch = deltas.make_patch(old, new[::-1])
    elif spoil == "cut":
        patch = patch[:-10]
    elif spoil == "no patch":
        patch = b"<html>"
    else:
        old = _weights(7, 20_000)
    with pytest.raises(PatchDiffers):
        _apply(tmp_path, patch, old, new)
    assert not (tmp_path / "out").exists()


def test_the_list_of_patches_comes_back_smallest_first():
    """A device takes the first that it has the source of."""
    patches = (Patch("b" * 64, "c" * 64, 80), Patch(None, "a" * 64, 9000, ("1" * 64, "2" * 64, "3" * 64)))
    index = Index(("e" * 64,), patches)
    assert deltas.decode_index(deltas.encode_index("d" * 64, Index(index.pieces, patches[::-1])), "d" * 64) == index


def test_a_list_of_an_earlier_registry_says_nothing_of_pieces():
    """It is read all the same."""
    row = {"from": None, "sha256": "a" * 64, "length": 9}
    content = {"schema": deltas.SCHEMA, "to": "d" * 64, "patches": [row]}
    assert deltas.decode_index(json.dumps(content).encode(), "d" * 64) == Index((), (Patch(None, "a" * 64, 9),))


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"{}",
        deltas.encode_index("e" * 64, Index()),
        deltas.encode_index("d" * 64, Index(("../x",))),
        b'{"schema": "lineside.deltas/1", "to": "%s", "patches": [{"from": "../x", "sha256": "a", "length": 1}]}'
        % (b"d" * 64),
        b" " * (deltas.MAX_INDEX_BYTES + 1),
    ],
)
def test_a_list_that_is_none_is_refused(content):
    """It is not signed: anybody may have written it."""
    with pytest.raises(MetadataInvalid):
        deltas.decode_index(content, "d" * 64)


def test_what_is_worth_a_patch():
    """Under 0.70 of the compressed whole; the whole itself under 0.90 of the file."""
    source = "a" * 64
    assert [
        deltas.is_worth(Patch(source, "", 699), whole_bytes=2000, compressed_bytes=1000),
        deltas.is_worth(Patch(source, "", 700), whole_bytes=2000, compressed_bytes=1000),
        deltas.is_worth(Patch(None, "", 1799), whole_bytes=2000, compressed_bytes=1799),
        deltas.is_worth(Patch(None, "", 1800), whole_bytes=2000, compressed_bytes=1800),
    ] == [True, False, True, False]
