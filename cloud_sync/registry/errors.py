"""What the registry refuses, by what its caller can do about it. The HTTP API turns each into a status of its own."""

from __future__ import annotations

from cloud_sync.errors import Refused, Untrusted


class UnknownName(Refused):
    """There is no such model, version, channel, device or token (404)."""

    code = "unknown"


class AlreadyThere(Refused):
    """It exists, and what exists is not overwritten (409)."""

    code = "already-there"


class Conflict(Refused):
    """Somebody else was faster: what was sent builds on a state that is not the last one any more (409)."""

    code = "conflict"
    retryable = True


class RegistryBusy(Refused):
    """Another process holds the registry for longer than a change takes (503)."""

    code = "registry-busy"
    retryable = True


class BlobsMissing(Refused):
    """A manifest names files that were not uploaded (409).

    Attributes:
        missing: Their sha256 in hexadecimal.
    """

    code = "blobs-missing"
    retryable = True

    def __init__(self, message: str, missing: tuple[str, ...]) -> None:
        super().__init__(message, hint="upload them, then publish again")
        self.missing = missing


class UploadOffset(Refused):
    """A piece of an upload does not follow what is there (409).

    Attributes:
        offset: Where to go on.
    """

    code = "upload-offset"
    retryable = True

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message, hint=f"go on at {offset}")
        self.offset = offset


class EnrolmentRefused(Untrusted):
    """A device's request is not admitted: a nonce or token that is not valid, a key that is not its own (403)."""

    code = "enrolment-refused"


class ReportRefused(Untrusted):
    """A report is not signed by the device's key, or its number was seen before (403)."""

    code = "report-refused"


class RoleRefused(Untrusted):
    """A model's new role metadata says more than the change that is asked for, or something impossible (422)."""

    code = "role-refused"


class LogBroken(Untrusted):
    """The log of changes was changed: its chain of hashes does not hold."""

    code = "log-broken"


class StateUnreadable(Refused):
    """The registry's folder or database is none, or of a later version."""

    code = "state-unreadable"
