"""A server, or a proxy before it, that misbehaves."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import zlib

import pytest
from authority import Authority
from file_server import (
    FileServer,
    corrupted,
    endless,
    served,
    stalled,
    status,
    trickling,
    trickling_head,
    truncated,
)
from ports import HeldPort

from cloud_sync.errors import (
    BlobDiffers,
    ContentTooLarge,
    InsecureAddress,
    NotFound,
    RedirectRefused,
    Refused,
    ServerBusy,
    TooSlow,
    Unreachable,
)
from cloud_sync.pieces import digests
from cloud_sync.registry.server.faults import error_body
from cloud_sync.wire import HttpWire
from cloud_sync.wire.contract import nobody
from cloud_sync.wire.pace import Clock

CONTENT = random.Random(3).randbytes(256 << 10)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
PIECE = len(CONTENT) // 16
PIECES = digests(io.BytesIO(CONTENT), len(CONTENT))


class FakeClock:
    """Time passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now_s, self.sleep)


def test_a_server_that_is_down_is_not_called_slow():
    """Whoever reads it looks at the server and not at the line."""
    with (
        HeldPort() as nobody,
        pytest.raises(Unreachable, match=r"cannot be reached for file: Connection refused$") as refused,
    ):
        HttpWire(f"http://127.0.0.1:{nobody.number}", retries=0).read("file", 100)
    assert type(refused.value) is Unreachable


@pytest.fixture
def server():
    with FileServer({"blob": CONTENT, "file": b"content"}) as server:
        yield server


@pytest.fixture
def time():
    return FakeClock()


@pytest.fixture
def wire(server, time):
    with HttpWire(server.url, clock=time.clock) as wire:
        yield wire


@pytest.fixture
def impatient(server, time):
    """Gives up on a line after a fifth of a second."""
    with HttpWire(server.url, clock=time.clock, timeout_s=0.2, retries=0) as wire:
        yield wire


def _download(wire: HttpWire, tmp_path, pieces=(), on_bytes=nobody) -> int:
    into = tmp_path / "blob"
    return wire.download("blob", into, length_bytes=len(CONTENT), sha256=SHA256, pieces=pieces, on_bytes=on_bytes)


# -- addresses --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://registry.plant.example/", "http://10.0.0.5:8080/", "http://localhost.evil.example/"]
)
def test_http_to_another_machine_is_refused_unless_allowed(url):
    """Metadata is signed, but tokens and what a device asks for are nobody's business."""
    with pytest.raises(InsecureAddress):
        HttpWire(url)
    HttpWire(url, insecure_http=True).close()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://localhost/", "http://[::1]:8/", "https://registry.example/a"]
)
def test_https_and_this_machine_are_allowed(url):
    """Nothing is asked for until somebody reads."""
    HttpWire(url).close()


@pytest.mark.parametrize(
    "url", ["ftp://a/", "registry", "https://", "https://a/?x=1", "https://u:p@a/", "https://[::1", "https://a:x/"]
)
def test_what_is_no_address_is_refused(url):
    """With the next step."""
    with pytest.raises(Refused):
        HttpWire(url)


def test_proxies_of_the_environment_are_not_used(server, wire, monkeypatch):
    """A shell's proxy must not turn a device's way to its registry."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert wire.read("file", 100) == b"content"


def test_an_address_may_have_a_folder_and_names_are_quoted(server):
    """What is quoted already stays so; a question mark is part of a name."""
    server.files["a/b/1.%3F x?.json"] = b"odd"
    with HttpWire(f"{server.url}a/b") as wire:
        assert wire.read("1.%253F%20x?.json", 10) == b"odd"
    assert server.paths() == ["a/b/1.%253F%20x%3F.json"]


def test_one_connection_serves_many_reads(server, wire):
    """A poll asks for a handful of files."""
    seen = set()
    server.always["file"] = lambda handler, content: (seen.add(handler.client_address), handler.whole(content))
    for _ in range(5):
        wire.read("file", 100)
    assert len(seen) == 1


# -- TLS --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(tmp_path):
    """A server with a certificate of a plant's own authority; `tmp_path/ca.pem` is the authority's."""
    authority = Authority("plant")
    authority.write(tmp_path / "ca.pem")
    Authority("other").write(tmp_path / "other.pem")
    with FileServer({"file": b"content"}, certificate=authority.issue(tmp_path, "server", host="127.0.0.1")) as server:
        yield server


def test_a_plants_own_authority_may_be_named(secure, tmp_path):
    """Instead of the system's."""
    with HttpWire(secure.url, ca_file=tmp_path / "ca.pem", retries=0) as wire:
        assert wire.read("file", 100) == b"content"


@pytest.mark.parametrize("known", ["other.pem", None])
def test_a_certificate_of_a_stranger_is_refused(secure, tmp_path, known):
    """Whoever is in the line learns nothing, also when the address is of this machine."""
    with (
        HttpWire(secure.url, ca_file=tmp_path / known if known else None, retries=0) as wire,
        pytest.raises(Unreachable, match=r"(?i)certificate") as refused,
    ):
        wire.read("file", 100)
    assert "certificate" in refused.value.hint
    assert secure.requests == []


def test_a_certificate_for_another_name_is_refused(secure, tmp_path):
    """Well signed, for somebody else."""
    with (
        HttpWire(secure.url.replace("127.0.0.1", "localhost"), ca_file=tmp_path / "ca.pem", retries=0) as wire,
        pytest.raises(Unreachable),
    ):
        wire.read("file", 100)
    assert secure.requests == []


def test_slow_data_is_too_slow_through_tls_too(secure, tmp_path):
    """The line is cut below the encryption."""
    secure.always["file"] = trickling_head
    with HttpWire(secure.url, ca_file=tmp_path / "ca.pem", retries=0, timeout_s=0.3) as wire, pytest.raises(TooSlow):
        wire.read("file", 100)


# -- answers ----------------------------------------------------------------------------------------------------------------------


def test_what_is_absent_or_known_costs_no_new_line(server, wire):
    """Both come at each poll; with TLS a new line has kilobytes."""
    lines = set()

    def noted(handler, content):
        lines.add(handler.client_address)
        served(handler, content)

    server.always["file"] = server.always["none"] = noted
    for _ in range(3):
        wire.read("file", 100, known=b"content")
        with pytest.raises(NotFound):
            wire.read("none", 100)
    assert len(lines) == 1


@pytest.mark.parametrize(("known", "sent_bytes"), [(None, 7), (b"content", 0), (b"contend", 7)])
def test_what_is_known_already_does_not_cross_the_wire_again(server, wire, known, sent_bytes):
    """It is asked about by its own sha256, whatever ETag came with it."""
    assert wire.read("file", 100, known=known) == b"content"
    assert server.sent["file"] == sent_bytes


def test_a_304_that_nobody_asked_for_is_no_answer(server, wire):
    """There is nothing that it could stand for."""
    server.always["file"] = status(304)
    with pytest.raises(Unreachable, match="304"):
        wire.read("file", 100)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(server, wire, code, tmp_path):
    """To elsewhere, or to the same server."""
    server.always["file"] = server.always["blob"] = status(code, Location=f"{server.url}blob")
    with pytest.raises(RedirectRefused):
        wire.read("file", 100)
    with pytest.raises(RedirectRefused):
        _download(wire, tmp_path)
    with pytest.raises(RedirectRefused):
        wire.post("file", b"x", 10)
    assert server.paths() == ["file", "blob", "file"]


@pytest.mark.parametrize("code", [403, 404, 410])
def test_what_is_absent_is_asked_for_once(server, wire, time, code, tmp_path):
    """A 404 does not become a storm."""
    server.always["file"] = server.always["blob"] = status(code)
    with pytest.raises(NotFound):
        wire.read("file", 100)
    with pytest.raises(NotFound):
        _download(wire, tmp_path)
    assert server.paths() == ["file", "blob"]
    assert time.slept == []


@pytest.mark.parametrize("code", [400, 401, 418, 501])
def test_an_answer_that_will_not_change_is_not_asked_for_again(server, wire, code):
    """Only the next poll tries again."""
    server.always["file"] = status(code)
    with pytest.raises(Unreachable, match=str(code)):
        wire.read("file", 100)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again_a_few_times(server, wire, time, code):
    """With waits that grow and differ."""
    server.faults["file"].extend([status(code)] * 2)
    assert wire.read("file", 100) == b"content"
    assert len(time.slept) == 2
    assert 0.25 <= time.slept[0] <= 0.5 <= time.slept[1] <= 1.0


def test_a_server_that_stays_in_trouble_is_left_alone(server, wire):
    """Four requests, not a storm."""
    server.always["file"] = status(500)
    with pytest.raises(Unreachable, match="500"):
        wire.read("file", 100)
    assert len(server.requests) == 4


def test_retry_after_is_waited_for(server, wire, time):
    """Where it is short."""
    server.faults["file"].append(status(429, Retry_After="7"))
    assert wire.read("file", 100) == b"content"
    assert time.slept == [7.0]


def test_a_long_retry_after_is_the_callers_to_keep(server, wire, time):
    """A sync is a short-lived process."""
    server.always["file"] = status(503, Retry_After="3600")
    with pytest.raises(ServerBusy) as busy:
        wire.read("file", 100)
    assert busy.value.retry_after_s == 3600
    assert len(server.requests) == 1
    assert time.slept == []


def test_a_compressed_answer_is_not_unpacked(server, wire):
    """A bomb is only bytes; it was not asked for."""
    bomb = zlib.compress(bytes(1 << 20))
    server.always["file"] = lambda handler, _: handler.whole(bomb, Content_Encoding="deflate")
    with pytest.raises(Unreachable, match="deflate"):
        wire.read("file", 2 << 20)


def test_endless_data_ends_at_the_limit(server, wire):
    """No length is announced, and none would be believed."""
    server.always["file"] = endless
    with pytest.raises(ContentTooLarge):
        wire.read("file", 100_000)


def test_an_announced_length_above_the_limit_is_not_read(server, wire):
    """The body does not even begin."""
    with pytest.raises(ContentTooLarge):
        wire.read("blob", 100)


@pytest.mark.parametrize("fault", [trickling, trickling_head], ids=["body", "head"])
def test_slow_data_is_too_slow(server, impatient, fault):
    """Each byte comes in time; all of it never would."""
    server.always["file"] = fault
    with pytest.raises(TooSlow):
        impatient.read("file", 2 << 20)


def test_a_server_that_is_not_there_is_unreachable(time):
    """After a few attempts."""
    with FileServer({}) as gone:
        url = gone.url
    with HttpWire(url, clock=time.clock) as wire, pytest.raises(Unreachable):
        wire.read("file", 100)
    assert len(time.slept) == 3


def test_garbage_is_unreachable(server, wire):
    """Whatever answers, it is no web server."""
    server.always["file"] = lambda handler, _: (handler.piece(b"\0\xff\n" * 100), handler.cut())
    with pytest.raises(Unreachable):
        wire.read("file", 100)


# -- downloads --------------------------------------------------------------------------------------------------------------------


def test_a_truncated_download_goes_on_where_it_stopped(server, wire, tmp_path):
    """Nothing crosses the wire twice."""
    server.faults["blob"].extend([truncated(HALF), truncated(1000)])
    assert _download(wire, tmp_path) == len(CONTENT)
    assert [request.range for request in server.requests] == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_a_stalled_download_goes_on_where_it_stopped(server, time, tmp_path):
    """The line is given up."""
    server.faults["blob"].append(stalled(HALF))
    with HttpWire(server.url, clock=time.clock, timeout_s=0.5, retries=20) as wire:  # a loaded machine may stall, too
        assert _download(wire, tmp_path) == len(CONTENT)
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_a_download_that_brings_something_each_time_is_not_given_up(server, wire, tmp_path):
    """More cuts than retries: only attempts that bring nothing count."""
    server.always["blob"] = truncated(40_000)
    with pytest.raises(Unreachable):
        _download(wire, tmp_path)  # 40 000 is too little to count as something
    assert (tmp_path / "blob.partial").stat().st_size == 160_000
    server.always["blob"] = truncated(70_000)
    (tmp_path / "blob.partial").unlink()
    small = HttpWire(server.url, clock=FakeClock().clock, retries=1)
    assert _download(small, tmp_path) == len(CONTENT)


def test_a_corrupted_download_is_fetched_once_more(server, wire, tmp_path):
    """At most one download's worth of extra bytes."""
    server.faults["blob"].append(corrupted)
    assert _download(wire, tmp_path) == 2 * len(CONTENT)
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_a_mirror_that_lies_always_is_refused(server, wire, tmp_path):
    """After two downloads, and nothing stays."""
    server.always["blob"] = corrupted
    with pytest.raises(BlobDiffers):
        _download(wire, tmp_path)
    assert len(server.requests) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_place_is_all_that_is_fetched_again(server, wire, tmp_path):
    """As often as it is spoilt, where it is known what the pieces should be."""
    server.faults["blob"].extend([corrupted] * 3)
    assert _download(wire, tmp_path, PIECES) == len(CONTENT) + 3 * PIECE
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert [request.range for request in server.requests] == [None, *[f"bytes={HALF}-{HALF + PIECE - 1}"] * 3]


def test_a_piece_that_rotted_between_two_polls_is_all_that_is_fetched_again(server, wire, tmp_path):
    """Zeros behind a power cut, for one."""
    (tmp_path / "blob.partial").write_bytes(CONTENT[:PIECE] + bytes(PIECE) + CONTENT[2 * PIECE : HALF + 100])
    assert _download(wire, tmp_path, PIECES) == len(CONTENT) - HALF - 100 + PIECE
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_something_else_of_the_right_length_is_left_after_two_pieces(server, wire, tmp_path):
    """And what came before it stays."""
    (tmp_path / "blob.partial").write_bytes(CONTENT[:HALF])
    server.faults["blob"].extend([lambda handler, content: served(handler, content[::-1])] * 2)
    assert _download(wire, tmp_path, PIECES) <= HALF + 2 * 3 * PIECE
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
        _download(wire, tmp_path, PIECES)
    assert _download(wire, tmp_path, PIECES) == 0
    assert (tmp_path / "blob").read_bytes() == CONTENT


@pytest.mark.parametrize("lie", [["0" * 64] * 16, ["0" * 64] * 15, PIECES[::-1]], ids=["others", "too few", "mixed"])
def test_a_list_of_pieces_that_lies_costs_nothing(server, wire, tmp_path, lie):
    """The file's own sha256 decides."""
    came: list[int] = []
    while not (tmp_path / "blob").exists():
        with contextlib.suppress(BlobDiffers):
            _download(wire, tmp_path, lie, came.append)
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert sum(came) == len(CONTENT)


def test_pieces_that_are_right_of_a_file_that_is_not_are_not_believed(server, wire, tmp_path):
    """Signed is the whole; all is fetched once more, and then given up."""
    other = CONTENT[::-1]
    server.files["blob"] = other
    with pytest.raises(BlobDiffers):
        _download(wire, tmp_path, digests(io.BytesIO(other), len(other)))
    assert len(server.requests) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_ranges_sends_all_again(server, wire, tmp_path):
    """Its 200 is no part: it takes the place of what came."""
    (tmp_path / "blob.partial").write_bytes(CONTENT[:1000])
    server.always["blob"] = lambda handler, content: handler.whole(content)
    assert _download(wire, tmp_path) == len(CONTENT)
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_a_server_without_ranges_that_cuts_each_time_cannot_waste_more_than_one_download(server, wire, tmp_path):
    """Then it is a bad line, and the next poll's."""

    def cutting(handler, content):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.piece(content[:-1000])
        handler.cut()

    server.always["blob"] = cutting
    with pytest.raises(Unreachable):
        _download(wire, tmp_path)
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
    assert _download(wire, tmp_path) == len(CONTENT)
    assert [request.range for request in server.requests] == ["bytes=1000-", None]


def test_a_range_that_cannot_be_had_is_given_up(server, wire, tmp_path):
    """416: what lies there now is shorter than the part that came."""
    (tmp_path / "blob.partial").write_bytes(CONTENT[:1000])
    server.faults["blob"].append(status(416))
    assert _download(wire, tmp_path) == len(CONTENT)


def test_an_endless_download_ends_at_its_length(server, wire, tmp_path):
    """Whatever the server announces, or does not."""
    server.always["blob"] = endless
    with pytest.raises(BlobDiffers):
        _download(wire, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_rate_limit_is_held(server, time, tmp_path):
    """A token bucket: after the first second's worth, so many bytes a second."""
    with HttpWire(server.url, clock=time.clock, rate_limit_bytes_s=32_768, min_bytes_s=1e6, timeout_s=30) as wire:
        _download(wire, tmp_path)
    assert sum(time.slept) == pytest.approx((len(CONTENT) - 32_768) / 32_768)


def test_a_file_that_stays_open_elsewhere_is_not_served_from_a_stale_line(server, wire):
    """The server closes an idle line; the next read opens another."""
    server.faults["file"].append(lambda handler, content: (handler.whole(content), handler.cut()))
    assert wire.read("file", 100) == b"content"
    assert wire.read("file", 100) == b"content"


# -- handing over -----------------------------------------------------------------------------------------------------------------


def test_a_post_arrives_and_is_answered(server, wire):
    """Tried once: whether a failed one arrived is not known."""
    server.files["api/v1/reports"] = b"{}"
    assert wire.post("api/v1/reports", b"report", 100) == b"{}"
    assert server.posted["api/v1/reports"] == b"report"


@pytest.mark.parametrize(
    ("code", "error"), [(403, Refused), (405, Refused), (409, Refused), (429, ServerBusy), (500, Unreachable)]
)
def test_a_post_that_is_not_taken_says_why(server, wire, code, error):
    """In the registry's own words."""
    server.always["api"] = lambda handler, _: handler.whole(error_body("odd", "because"), code)
    with pytest.raises(error, match=f"answers {code} to api: because"):
        wire.post("api", b"x", 100)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [403, 404, 405, 501])
def test_what_serves_plain_files_takes_nothing(server, wire, code):
    """A bucket or a web server: its page is not shown to anybody."""
    page = b"<html><head><title>Not Allowed</title></head></html>"
    server.always["api"] = lambda handler, _: handler.whole(page, code, Content_Type="text/html")
    with pytest.raises(NotFound, match=f"takes nothing at api: it answers {code}, as plain files do$"):
        wire.post("api", b"x", 100)
    assert len(server.requests) == 1


def test_a_strangers_page_is_not_shown(server, wire):
    """A refusal is told by its status where no registry speaks."""
    server.always["api"] = lambda handler, _: handler.whole(b"<html>no</html>", 400)
    with pytest.raises(Refused, match=r"answers 400 to api$"):
        wire.post("api", b"x", 100)


def test_an_api_answer_is_the_callers_to_judge(server):
    """Token, method and query go along; a body above its limit is refused."""
    seen = {}

    def remember(handler, _):
        seen.update(handler.headers)
        handler.whole(b"taken", 409, X_Offset="7")

    server.always["api?offset=3"] = remember
    with HttpWire(server.url, token="secret") as wire:
        answer = wire.ask("POST", "api?offset=3", content=b"x", max_bytes=100)
        assert (answer.status, answer.content, answer.headers["x-offset"]) == (409, b"taken", "7")
        assert seen["Authorization"] == "Bearer secret"
        with pytest.raises(ContentTooLarge):
            wire.ask("POST", "api?offset=3", content=b"x", max_bytes=3)


def test_the_real_server_of_these_tests_knows_ranges(server, wire, tmp_path):
    """So that the tests above test what they say."""
    assert served is not None
    (tmp_path / "blob.partial").write_bytes(CONTENT[:-5])
    assert _download(wire, tmp_path) == 5
