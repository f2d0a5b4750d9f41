"""Downloads over a bad line, and from a server that lies: they end, and cost no more than they must."""

from __future__ import annotations

import contextlib
import io

import pytest
from file_server import corrupted, endless, served, stalled, status, truncated
from one_blob import CONTENT, HALF, PIECE, PIECES, FakeClock, download

from cloud_sync.errors import BlobDiffers, Unreachable
from cloud_sync.pieces import digests
from cloud_sync.wire import HttpWire


def test_a_truncated_download_goes_on_where_it_stopped(server, wire, tmp_path):
    """Nothing crosses the wire twice."""
    server.faults["blob"].extend([truncated(HALF), truncated(1000)])
    assert download(wire, tmp_path) == len(CONTENT)
    assert [request.range for request in server.requests] == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_a_stalled_download_goes_on_where_it_stopped(server, time, tmp_path):
    """The line is given up."""
    server.faults["blob"].append(stalled(HALF))
    with HttpWire(server.url, clock=time.clock, timeout_s=0.5, retries=20) as wire:  # a loaded machine may stall, too
        assert download(wire, tmp_path) == len(CONTENT)
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_a_download_that_brings_something_each_time_is_not_given_up(server, wire, tmp_path):
    """More cuts than retries: only attempts that bring nothing count."""
    server.always["blob"] = truncated(40_000)
    with pytest.raises(Unreachable):
        download(wire, tmp_path)  # 40 000 is too little to count as something
    assert (tmp_path / "blob.partial").stat().st_size == 160_000
    server.always["blob"] = truncated(70_000)
    (tmp_path / "blob.partial").unlink()
    small = HttpWire(server.url, clock=FakeClock().clock, retries=1)
    assert download(small, tmp_path) == len(CONTENT)


def test_a_corrupted_download_is_fetched_once_more(server, wire, tmp_path):
    """At most one download's worth of extra bytes."""
    server.faults["blob"].append(corrupted)
    assert download(wire, tmp_path) == 2 * len(CONTENT)
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_a_mirror_that_lies_always_is_refused(server, wire, tmp_path):
    """After two downloads, and nothing stays."""
    server.always["blob"] = corrupted
    with pytest.raises(BlobDiffers):
        download(wire, tmp_path)
    assert len(server.requests) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_place_is_all_that_is_fetched_again(server, wire, tmp_path):
    """As often as it is spoilt, where it is known what the pieces should be."""
    server.faults["blob"].extend([corrupted] * 3)
    assert download(wire, tmp_path, PIECES) == len(CONTENT) + 3 * PIECE
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert [request.range for request in server.requests] == [None, *[f"bytes={HALF}-{HALF + PIECE - 1}"] * 3]


def test_a_piece_that_rotted_between_two_polls_is_all_that_is_fetched_again(server, wire, tmp_path):
    """Zeros behind a power cut, for one."""
    (tmp_path / "blob.partial").write_bytes(CONTENT[:PIECE] + bytes(PIECE) + CONTENT[2 * PIECE : HALF + 100])
    assert download(wire, tmp_path, PIECES) == len(CONTENT) - HALF - 100 + PIECE
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_something_else_of_the_right_length_is_left_after_two_pieces(server, wire, tmp_path):
    """And what came before it stays."""
    (tmp_path / "blob.partial").write_bytes(CONTENT[:HALF])
    server.faults["blob"].extend([lambda handler, content: served(handler, content[::-1])] * 2)
    assert download(wire, tmp_path, PIECES) <= HALF + 2 * 3 * PIECE
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_what_is_right_of_an_answer_that_is_too_long_is_not_fetched_again(server, wire, tmp_path):
    """However the line cuts it."""

    def too_long(handler, content):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.piece(content[:-100])
        handler.piece(content[-100:] + b"and more")

    server.faults["blob"].append(too_long)
    with pytest.raises(BlobDiffers):
        download(wire, tmp_path, PIECES)
    assert download(wire, tmp_path, PIECES) == 0
    assert (tmp_path / "blob").read_bytes() == CONTENT


@pytest.mark.parametrize("lie", [["0" * 64] * 16, ["0" * 64] * 15, PIECES[::-1]], ids=["others", "too few", "mixed"])
def test_a_list_of_pieces_that_lies_costs_nothing(server, wire, tmp_path, lie):
    """The file's own sha256 decides."""
    came: list[int] = []
    while not (tmp_path / "blob").exists():
        with contextlib.suppress(BlobDiffers):
            download(wire, tmp_path, lie, came.append)
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)


def test_pieces_that_are_right_of_a_file_that_is_not_are_not_believed(server, wire, tmp_path):
    """Signed is the whole; all is fetched once more, and then given up."""
    other = CONTENT[::-1]
    server.files["blob"] = other
    with pytest.raises(BlobDiffers):
        download(wire, tmp_path, digests(io.BytesIO(other), len(other)))
    assert len(server.requests) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_ranges_sends_all_again(server, wire, tmp_path):
    """Its 200 is no part: it takes the place of what came."""
    (tmp_path / "blob.partial").write_bytes(CONTENT[:1000])
    server.always["blob"] = lambda handler, content: handler.whole(content)
    assert download(wire, tmp_path) == len(CONTENT)
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_a_server_without_ranges_that_cuts_each_time_cannot_waste_more_than_onedownload(server, wire, tmp_path):
    """Then it is a bad line, and the next poll's."""

    def cutting(handler, content):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.piece(content[:-1000])
        handler.cut()

    server.always["blob"] = cutting
    with pytest.raises(Unreachable):
        download(wire, tmp_path)
    assert server.sent_bytes <= 3 * len(CONTENT)  # what was sent; no more than twice was taken


@pytest.mark.parametrize(
    "said",
    [
        f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}",
        f"bytes 1000-{len(CONTENT)}/{len(CONTENT) + 1}",
        "bytes 1000-1999/1",
        "items 1-2/3",
        "",
    ],
    ids=["from-the-start", "another-length", "nonsense", "unit", "none"],
)
def test_a_part_that_was_not_asked_for_is_refused(server, wire, tmp_path, said):
    """And all is fetched again, without ranges."""
    (tmp_path / "blob.partial").write_bytes(CONTENT[:1000])
    server.faults["blob"].append(lambda handler, content: handler.whole(b"x" * 5000, 206, Content_Range=said))
    assert download(wire, tmp_path) == len(CONTENT)
    assert [request.range for request in server.requests] == ["bytes=1000-", None]


def test_a_range_that_cannot_be_had_is_given_up(server, wire, tmp_path):
    """416: what lies there now is shorter than the part that came."""
    (tmp_path / "blob.partial").write_bytes(CONTENT[:1000])
    server.faults["blob"].append(status(416))
    assert download(wire, tmp_path) == len(CONTENT)


def test_an_endless_download_ends_at_its_length(server, wire, tmp_path):
    """Whatever the server announces, or does not."""
    server.always["blob"] = endless
    with pytest.raises(BlobDiffers):
        download(wire, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_rate_limit_is_held(server, time, tmp_path):
    """A token bucket: after the first second's worth, so many bytes a second."""
    with HttpWire(server.url, clock=time.clock, rate_limit_bytes_s=32_768, min_bytes_s=1e6, timeout_s=30) as wire:
        download(wire, tmp_path)
    assert sum(time.slept) == pytest.approx((len(CONTENT) - 32_768) / 32_768)


def test_the_real_server_of_these_tests_knows_ranges(server, wire, tmp_path):
    """So that the tests above test what they say."""
    assert served is not None
    (tmp_path / "blob.partial").write_bytes(CONTENT[:-5])
    assert download(wire, tmp_path) == 5
