"""Plain files by name: nothing else is served, and a poll costs next to nothing."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from asgi import ask, asked

from cloud_sync.registry.server.plain_files import PlainFiles
from cloud_sync.registry.server.plain_names import ASK_AGAIN, FOREVER

SECRET = b"the key of the timestamp"
BLOB = bytes(range(256)) * 4096
HEX = hashlib.sha256(BLOB).hexdigest()


async def _nobody(scope, receive, send):
    raise AssertionError("it was handed on")


@pytest.fixture
def folder(tmp_path):
    """What is served, and a secret beside it."""
    (tmp_path / "secret.json").write_bytes(SECRET)
    public = tmp_path / "public"
    files = {
        "metadata/timestamp.json": b'{"timestamp": 1}',
        "metadata/1.root.json": b"{}",
        f"blobs/sha256/{HEX}": BLOB,
        "assignments/channel:stable.json": b"{}",
        "metadata/.hidden.json": SECRET,
        "metadata/notes.txt": SECRET,
    }
    for name, content in files.items():
        (public / name).parent.mkdir(parents=True, exist_ok=True)
        (public / name).write_bytes(content)
    return public


@pytest.fixture
def app(folder):
    return PlainFiles(_nobody, folder)


def test_what_may_change_is_asked_for_again_and_the_rest_is_kept_for_ever(app):
    """By `Cache-Control`; the ETag of what is named by its digest is that digest."""
    timestamp, root = ask(app, "GET", "/metadata/timestamp.json"), ask(app, "GET", "/metadata/1.root.json")
    assert (timestamp.body, timestamp.headers["cache-control"]) == (b'{"timestamp": 1}', ASK_AGAIN)
    assert (root.headers["cache-control"], root.headers["content-type"]) == (FOREVER, "application/json")
    assert ask(app, "GET", "/assignments/channel:stable.json").headers["cache-control"] == ASK_AGAIN
    blob = ask(app, "GET", f"/blobs/sha256/{HEX}")
    assert (blob.headers["etag"], blob.headers["content-type"]) == (f'"{HEX}"', "application/octet-stream")
    assert (blob.body, blob.headers["content-length"]) == (BLOB, str(len(BLOB)))


@pytest.mark.parametrize(
    "path",
    [
        "/metadata/",
        "/metadata",
        "/blobs/sha256/",
        "/metadata/../../secret.json",
        "/metadata/%2e%2e/%2e%2e/secret.json",
        "/metadata/..%2f..%2fsecret.json",
        "/metadata//timestamp.json",
        "/metadata/./timestamp.json",
        "/metadata/.hidden.json",
        "/metadata/notes.txt",
        "/metadata/timestamp.json%00",
        "/metadata/timestamp.json%0a",
        "/metadata/timestamp.json/",
        "/metadata/Timestamp.json",
        "/metadata/01.root.json",
        "/metadata/2.root.json",
        f"/blobs/sha256/{HEX.upper()}",
        "/assignments/device:..%2fx.json",
    ],
)
def test_nothing_but_the_names_of_the_layout_is_there(folder, path):
    """No list of a folder, no way out of it, no second way to write a name."""

    async def elsewhere(scope, receive, send):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    answer = ask(PlainFiles(elsewhere, folder), "GET", path)
    assert answer.status == 404
    assert SECRET not in answer.body


def test_no_link_is_followed(app, folder):
    """Whether the file is one or a folder above it, also where the file was served before."""
    (folder / "metadata/2.root.json").symlink_to(folder.parent / "secret.json")
    assert ask(app, "GET", "/metadata/2.root.json").status == 404
    assert ask(app, "GET", "/metadata/1.root.json").status == 200
    (folder / "metadata").rename(folder.parent / "elsewhere")
    (folder.parent / "elsewhere/1.root.json").write_bytes(SECRET)
    (folder / "metadata").symlink_to(folder.parent / "elsewhere")
    assert ask(app, "GET", "/metadata/1.root.json").status == 404


def test_a_poll_that_finds_nothing_new_reads_no_file(app, folder, monkeypatch):
    """And one after a change gets the new content, however short the time between."""

    async def polls():
        first = await asked(app, "GET", "/metadata/timestamp.json")
        same = {"If-None-Match": first.headers["etag"]}
        with monkeypatch.context() as watched:
            watched.setattr(app, "_read", None)
            again = await asked(app, "GET", "/metadata/timestamp.json", headers=same)
        temporary = folder / "metadata/.new"
        temporary.write_bytes(b'{"timestamp": 2}')
        temporary.replace(folder / "metadata/timestamp.json")
        return again, await asked(app, "GET", "/metadata/timestamp.json", headers=same)

    again, changed = asyncio.run(polls())
    assert (again.status, again.body, again.headers["cache-control"]) == (304, b"", ASK_AGAIN)
    assert (changed.status, changed.body) == (200, b'{"timestamp": 2}')


def test_a_download_goes_on_where_it_was_cut(app):
    """A part is 206 with its place in the whole; behind the end 416 with the length."""
    rest = ask(app, "GET", f"/blobs/sha256/{HEX}", headers={"Range": "bytes=1000000-", "If-Range": f'"{HEX}"'})
    assert (rest.status, rest.body) == (206, BLOB[1000000:])
    assert rest.headers["content-range"] == f"bytes 1000000-{len(BLOB) - 1}/{len(BLOB)}"
    beyond = ask(app, "GET", f"/blobs/sha256/{HEX}", headers={"Range": f"bytes={len(BLOB)}-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(BLOB)}")


def test_a_head_is_the_get_without_its_body(app):
    """Ranges are of GET only; who writes is told what is allowed."""
    head = ask(app, "HEAD", f"/blobs/sha256/{HEX}", headers={"Range": "bytes=0-1"})
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(BLOB)))
    put = ask(app, "PUT", "/metadata/timestamp.json")
    assert (put.status, put.headers["allow"], put.json["error"]["code"]) == (405, "GET, HEAD", "method-not-allowed")
