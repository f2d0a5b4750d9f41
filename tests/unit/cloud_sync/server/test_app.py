"""The API before it reaches a registry: who may call, how much, and what a stranger is told."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import re
from types import SimpleNamespace

import pytest
from asgi import ask, asked

from cloud_sync.registry.errors import BlobsMissing, UnknownName, UploadOffset
from cloud_sync.registry.server import Limits, Rate, make_app
from cloud_sync.registry.server.endpoints import TABLE
from cloud_sync.registry.types import Principal

ADMIN = {"Authorization": "Bearer admin-secret"}
OWNER = {"Authorization": "Bearer owner-secret"}
VIEWER = {"Authorization": "Bearer viewer-secret"}
HEX = "ab" * 32


class FakeRegistry:
    """Knows three tokens, counts calls, and does what a test tells it to."""

    def __init__(self, public):
        self.public = public
        self.calls = []
        self.fails = None
        self.blobs = SimpleNamespace(has=lambda _: False, offset=lambda _: 0, append=self._append, commit=self._commit)
        self.models = SimpleNamespace(all=self._all, yank=self._yank, publish=self._publish)
        self.devices = SimpleNamespace(nonce=lambda: "n", report=self._report)
        self.tokens = SimpleNamespace(authenticate=self._authenticate)
        self.uploaded = bytearray()

    def _authenticate(self, secret):
        role = {"admin-secret": "admin", "owner-secret": "publisher", "viewer-secret": "viewer"}.get(secret)
        return Principal(secret[:5], secret[:5], role, ("parts",) if role == "publisher" else ()) if role else None

    def _all(self):
        if self.fails:
            raise self.fails
        return []

    def _yank(self, model, version, metadata, *, by):
        self.calls.append((model, version, by))
        raise UnknownName(f"there is no {model} {version}")

    def _publish(self, request, *, by):
        raise BlobsMissing("2 files were not uploaded", (HEX,))

    def _report(self, content):
        self.calls.append(content)
        return "press-07"

    def _append(self, sha256, offset, pieces):
        if offset != len(self.uploaded):
            raise UploadOffset("elsewhere", len(self.uploaded))
        for piece in pieces:
            self.uploaded += piece
        return len(self.uploaded)

    def _commit(self, sha256, length):
        self.calls.append(("commit", length))


@pytest.fixture
def registry(tmp_path):
    return FakeRegistry(tmp_path)


@pytest.fixture
def app(registry):
    return make_app(registry, Limits(body_bytes=1000, body_s=60))


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "token-missing"),
        ({"Authorization": "Basic YTpi"}, 401, "token-missing"),
        ({"Authorization": "Bearer wrong"}, 401, "token-invalid"),
        (VIEWER, 403, "not-allowed"),
        (OWNER, 403, "not-allowed"),
    ],
)
def test_who_may_not_is_told_so_before_the_body_is_read(app, registry, headers, status, code):
    """A publisher of one model has no say in another."""
    answer = ask(
        app, "DELETE", "/api/v1/models/others/versions/1.0", headers=headers, pieces=(b"{}",), then_silent=True
    )
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert registry.calls == []
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_an_owner_may_change_its_model_and_the_log_knows_who(app, registry):
    """What the registry says of a failure is told, with the status of its kind."""
    answer = ask(app, "DELETE", "/api/v1/models/parts/versions/1.0", headers=OWNER, pieces=(b'{"meta', b'data": "{}"}'))
    assert registry.calls == [("parts", "1.0", "token:owner")]
    assert (answer.status, answer.json["error"]["code"]) == (404, "unknown")


def test_a_failure_carries_what_the_caller_needs_to_go_on(app):
    """Missing files by digest; the right offset of an upload."""
    body = json.dumps({"manifest": "{}", "metadata": "{}"}).encode()
    missing = ask(app, "POST", "/api/v1/models/parts/versions", headers=OWNER, pieces=(body,))
    assert (missing.status, missing.json["error"]["missing"]) == (409, [HEX])
    offset = ask(app, "PUT", f"/api/v1/uploads/{HEX}?offset=5&length=9", headers=OWNER, pieces=(b"x",))
    assert (offset.status, offset.json["error"]["offset"]) == (409, 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "request-invalid"),
        (b"{", "request-invalid"),
        (b"[" * 100_000, "request-invalid"),
        (b'{"metadata": ' + b"[" * 40 + b"]" * 40 + b"}", "request-invalid"),
        (b'{"metadata": NaN}', "request-invalid"),
        (b'{"metadata": "{}", "more": 1}', "request-invalid"),
        (b'{"metadata": 1}', "request-invalid"),
        (b"\xff\xfe", "request-invalid"),
    ],
)
def test_a_body_that_is_not_what_it_should_be_is_400(app, registry, body, code):
    """However deep, and whatever numbers."""
    answer = ask(app, "DELETE", "/api/v1/models/parts/versions/1.0", headers=OWNER, pieces=(body,))
    assert (answer.status, answer.json["error"]["code"], registry.calls) == (400, code, [])


def test_too_much_is_refused_by_its_head_and_while_it_arrives(app, registry):
    """Whatever the head says; nothing of it is kept."""
    told = ask(app, "POST", "/api/v1/reports", headers={"Content-Length": "300000"}, then_silent=True)
    silent = ask(app, "POST", "/api/v1/reports", pieces=[b"x" * 100_000] * 3, then_silent=True)
    assert [each.status for each in (told, silent)] == [413, 413]
    assert silent.json["error"]["code"] == "request-too-large"
    assert registry.calls == []


def test_a_body_that_does_not_come_is_given_up(registry):
    """Else a few silent connections would hold the server."""
    app = make_app(registry, Limits(body_s=0))
    answer = ask(app, "POST", "/api/v1/reports", pieces=(b"x",), then_silent=True)
    assert (answer.status, answer.json["error"]["code"]) == (503, "too-slow")


def test_an_upload_is_handed_on_as_it_arrives_and_completed_at_its_end(app, registry):
    """In pieces of a megabyte, each at its own offset."""
    content = bytes(range(256)) * 10_000
    pieces = [content[at : at + 60_000] for at in range(0, len(content), 60_000)]
    path = f"/api/v1/uploads/{HEX}?offset=0&length={len(content)}"
    answer = ask(app, "PUT", path, headers=OWNER, pieces=pieces)
    assert (bytes(registry.uploaded), registry.calls) == (content, [("commit", len(content))])
    assert answer.json == {"sha256": HEX, "offset": len(content), "complete": True}


def test_a_full_disk_is_said(app, registry):
    """It is nobody's fault who asks, and passes."""
    registry.fails = OSError(errno.ENOSPC, "No space left on device")
    answer = ask(app, "GET", "/api/v1/models", headers=VIEWER)
    assert (answer.status, answer.json["error"]["code"]) == (507, "disk-full")


def test_the_log_learns_all_of_a_fault_of_ours(app, registry, caplog):
    """What a stranger learns is nothing; see the tests over a socket."""
    registry.fails = RuntimeError("password hunter2 in /srv/registry")

    async def one():
        with pytest.raises(RuntimeError):  # Starlette raises it once more, for the server's log
            await asked(app, "GET", "/api/v1/models", headers=VIEWER)

    with caplog.at_level(logging.ERROR):
        asyncio.run(one())
    assert "hunter2" in caplog.text


def test_wrong_tokens_are_counted_by_address_and_calls_by_token(registry):
    """Who guesses is slowed down; who has a token is served, also from the same address."""
    limits = Limits(token=Rate(0.001, 3), failures=Rate(0.001, 2))
    app = make_app(registry, limits)

    async def many():
        wrong = [
            (await asked(app, "GET", "/api/v1/models", headers={"Authorization": f"Bearer {n}"})).status
            for n in range(4)
        ]
        elsewhere = await asked(app, "GET", "/api/v1/models", headers=VIEWER, client="192.0.2.2")
        calls = [
            (await asked(app, "GET", "/api/v1/models", headers=ADMIN, client="192.0.2.3")).status for _ in range(4)
        ]
        return wrong, elsewhere.status, calls

    assert asyncio.run(many()) == ([401, 401, 429, 429], 200, [200, 200, 200, 429])


def test_one_network_of_ipv6_is_one_asker(registry):
    """It has more addresses than anybody can count."""
    app = make_app(registry, Limits(address=Rate(0.001, 2)))

    async def many():
        return [(await asked(app, "POST", "/api/v1/enrol/nonce", client=f"2001:db8::{n}")) for n in range(1, 4)]

    answers = asyncio.run(many())
    assert [each.status for each in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_the_document_says_what_the_table_does(app):
    """Every call with its types; every reference leads somewhere; nobody needs a token to read it."""
    found = ask(app, "GET", "/api/v1/openapi.json").json
    described = {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}
    assert described == {(each.method, f"/api/v1/{each.path}") for each in TABLE}
    references = set(re.findall(r'"#/components/([^"]+)"', json.dumps(found)))
    assert {name.split("/")[1] for name in references if name.startswith("schemas/")} <= set(
        found["components"]["schemas"]
    )
    operations = [operation["operationId"] for methods in found["paths"].values() for operation in methods.values()]
    assert len(operations) == len(set(operations))


def test_what_is_not_there_is_said_in_the_same_form(app):
    """Path and method alike."""
    assert ask(app, "GET", "/api/v1/nothing").json["error"]["code"] == "not-found"
    wrong = ask(app, "DELETE", "/api/v1/models")
    assert (wrong.status, wrong.json["error"]["code"]) == (405, "method-not-allowed")
