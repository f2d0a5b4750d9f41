"""A server, or a proxy before it, that misbehaves."""

from __future__ import annotations

import time
import zlib

import pytest
from authority import Authority
from deadlines import LONG_S
from file_server import FileServer, endless, served, status, trickling, trickling_head
from one_blob import download
from ports import HeldPort

from cloud_sync.errors import (
    ContentTooLarge,
    InsecureAddress,
    NotFound,
    RedirectRefused,
    Refused,
    ServerBusy,
    TooSlow,
    Unreachable,
)
from cloud_sync.registry.server.faults import error_body
from cloud_sync.wire import HttpWire


def test_a_server_that_is_down_is_not_called_slow():
    """Whoever reads it looks at the server and not at the line."""
    with (
        HeldPort() as nobody,
        pytest.raises(Unreachable, match=r"cannot be reached for file: Connection refused$") as refused,
    ):
        HttpWire(f"http://127.0.0.1:{nobody.number}", retries=0).read("file", 100)
    assert type(refused.value) is Unreachable


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
    until_s = time.monotonic() + LONG_S
    while server.sent["file"] < sent_bytes and time.monotonic() < until_s:
        time.sleep(0.005)  # the server counts what it has sent when the client may have read it already
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
        download(wire, tmp_path)
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
        download(wire, tmp_path)
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
