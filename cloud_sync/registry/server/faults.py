"""From an error to an answer: `{"error": {"code", "message", "hint"}}` with a status that says who is at fault.

What we raised on purpose is told as it is. Of anything else a stranger learns that it happened, and the log learns the rest.
"""

from __future__ import annotations

import errno
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from cloud_sync.errors import CloudSyncError, Refused, ServerBusy, Untrusted
from cloud_sync.registry.errors import BlobsMissing, UploadOffset

if TYPE_CHECKING:
    from starlette.requests import Request

log = logging.getLogger("lineside.registry")
_STATUS_OF_CODE: Final = {
    "token-missing": 401,
    "token-invalid": 401,
    "not-allowed": 403,
    "enrolment-refused": 403,
    "report-refused": 403,
    "unknown": 404,
    "already-there": 409,
    "conflict": 409,
    "blobs-missing": 409,
    "worse-refused": 409,
    "upload-offset": 409,
    "request-too-large": 413,
    "rate-limited": 429,
}


class TokenMissing(Refused):
    """The call needs a token, and none was given."""

    code = "token-missing"


class TokenInvalid(Refused):
    """The token is not known, was revoked, or is out of date."""

    code = "token-invalid"


class NotAllowed(Refused):
    """The role of the token does not cover the call."""

    code = "not-allowed"


class RequestInvalid(Refused):
    """The request cannot be read as what it should be."""

    code = "request-invalid"


class RequestTooLarge(Refused):
    """The request is larger than the registry takes."""

    code = "request-too-large"


class RateLimited(ServerBusy):
    """More calls than one asker may make."""

    code = "rate-limited"


def error_body(code: str, message: str, hint: str = "", **more: Any) -> bytes:
    """The bytes of an answer that is an error."""
    return json.dumps({"error": {"code": code, "message": message, "hint": hint} | more}, ensure_ascii=False).encode()


def status_of(error: CloudSyncError) -> int:
    """400: the request makes no sense. 422: it is understood, and not trusted. 503: try again."""
    known = _STATUS_OF_CODE.get(error.code)
    if known is not None:
        return known
    if isinstance(error, Untrusted):
        return 422
    return 503 if error.retryable else 400


def ours(request: Request, error: Exception) -> Response:
    """Answer to an error that was raised on purpose."""
    if not isinstance(error, CloudSyncError):
        raise error
    status = status_of(error)
    headers = _headers(request)
    if status == 401:  # noqa: PLR2004 - RFC 9110, section 15.5.2
        headers["www-authenticate"] = 'Bearer realm="lineside"'
    if isinstance(error, ServerBusy):
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    more: dict[str, Any] = {}
    if isinstance(error, UploadOffset):
        more["offset"] = error.offset
    if isinstance(error, BlobsMissing):
        more["missing"] = list(error.missing)
    body = error_body(error.code, str(error), error.hint, **more)
    return Response(body, status, headers, "application/json")


def starlettes(request: Request, error: Exception) -> Response:
    """Answer where no route fits: there is no such path, or not by this method."""
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    hint = "GET /api/v1/openapi.json lists what there is"
    body = error_body(code, str(error.detail), hint)
    return Response(body, error.status_code, {**(error.headers or {}), **_headers(request)}, "application/json")


def disks(request: Request, error: Exception) -> Response:
    """Answer where there is no room for what was sent; what else a disk does is unforeseen."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    log.error("%s %s: the disk is full", request.method, request.url.path)
    body = error_body("disk-full", "the registry's disk is full", "ask who runs it; nothing was changed")
    return Response(body, 507, _headers(request), "application/json")


def unforeseen(request: Request, error: Exception) -> Response:
    """Answer to anything else: no word of ours about it."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    body = error_body("internal", "the registry failed at this request", "its log says more")
    return Response(body, 500, _headers(request), "application/json")


def _headers(request: Request) -> dict[str, str]:
    """Of a failure. The rest of a body that was not read would be taken for the next request, so the connection ends with it."""
    headers = {"cache-control": "no-store"}
    if request.method not in ("GET", "HEAD"):
        headers["connection"] = "close"
    return headers
