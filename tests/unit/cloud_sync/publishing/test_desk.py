"""What a registry says of its failures, and what becomes of it here."""

from __future__ import annotations

import json

import pytest

from cloud_sync.errors import MetadataInvalid, NotFound, Refused, ServerBusy, Unreachable, Untrusted
from cloud_sync.publishing import HttpDesk
from cloud_sync.wire import Answer


class Wire:
    """Answers everything with one answer, and keeps what was asked."""

    def __init__(self, status, content, headers=None):
        self.answer, self.asked = Answer(status, content, headers or {}), []

    def ask(self, method, path, *, content=b"", headers=None, max_bytes):
        self.asked.append((method, path, content))
        return self.answer


def failure(status, code="stale", message="no", hint="do", **headers):
    said = json.dumps({"error": {"code": code, "message": message, "hint": hint}}).encode()
    with pytest.raises((Refused, Untrusted, Unreachable)) as raised:
        HttpDesk(Wire(status, said, headers)).ask("GET", "models")
    return raised.value


@pytest.mark.parametrize(
    ("status", "family", "exit_code"),
    [
        (400, Refused, 1),
        (401, Refused, 1),
        (404, Refused, 1),
        (409, Refused, 1),
        (422, Untrusted, 5),
        (500, Unreachable, 4),
    ],
)
def test_a_failure_has_the_code_of_the_registry_and_the_family_of_its_status(status, family, exit_code):
    """So scripts can tell them apart, and commands end alike."""
    error = failure(status)
    assert (type(error).__mro__[1], error.code, error.exit_code) == (family, "stale", exit_code)
    assert (str(error), error.hint) == ("no", "do")


def test_who_is_busy_says_when_to_come_back():
    """In seconds."""
    error = failure(429, **{"retry-after": "7"})
    assert isinstance(error, ServerBusy)
    assert error.retry_after_s == 7


def test_the_words_of_a_stranger_move_no_cursor():
    """Codes that are none are left out, and no text is without end."""
    error = failure(400, code="\x1b[2J", message="\x1b]0;owned\x07" + "x" * 10_000)
    assert (error.code, "\x1b" in str(error), len(str(error)) < 1000) == ("refused", False, True)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"[" * 100_000, b""])
def test_what_is_no_registry_is_not_taken_for_one(content):
    """Such as the page of a proxy."""
    with pytest.raises(MetadataInvalid):
        HttpDesk(Wire(200, content)).ask("GET", "models")
    with pytest.raises(NotFound):
        HttpDesk(Wire(404, content)).ask("GET", "models")


def test_what_is_asked_is_written_as_an_address():
    """Names are quoted, and what was not given is left out."""
    wire = Wire(200, b"{}")
    HttpDesk(wire).ask("PUT", "assignments/device:press 7", {"models": {"ä": None}}, {"a": 1, "b": None})
    assert wire.asked == [("PUT", "api/v1/assignments/device:press%207?a=1", '{"models": {"ä": null}}'.encode())]
