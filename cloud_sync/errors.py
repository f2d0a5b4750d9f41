"""What can go wrong between registry and device, split by who is at fault: what is not trusted, what cannot be reached, what is refused.

Each error names the fault and the object in its message and the next step in `hint`. Commands exit with `exit_code` (design, section
4.1); whoever repeats a call looks at `retryable` only. One class stands for each attack, so that a report says which it was.
"""

from __future__ import annotations

from typing import ClassVar


class CloudSyncError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes:
        code: Stable, machine-readable name of the fault, such as `rollback-refused`.
        exit_code: What a command exits with when the error ends it.
        retryable: Whether the same call may succeed later without anybody changing anything here.
        hint: The next step for the person who reads it, or an empty string.
    """

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


# -- who sent it is not who they say, or sent what they must not ------------------------------------------------------------------


class Untrusted(CloudSyncError):
    """Something is not what its signature, digest or length says; nothing of it is used."""

    code = "untrusted"
    exit_code = 5


class SignatureInvalid(Untrusted):
    """It is not signed by enough of the keys that may sign it."""

    code = "signature-invalid"


class MetadataInvalid(Untrusted):
    """It cannot be read as what it should be."""

    code = "metadata-invalid"


class RollbackRefused(Untrusted):
    """A version lies below one that was trusted before."""

    code = "rollback-refused"


class MetadataExpired(Untrusted):
    """It is out of date: the registry is frozen, a mirror serves old files, or the clock is wrong."""

    code = "metadata-expired"
    retryable = True


class MetadataMixed(Untrusted):
    """Files of different states of the registry were put together."""

    code = "metadata-mixed"


class ContentTooLarge(Untrusted):
    """There is more of it than was said or is allowed."""

    code = "content-too-large"


class BlobDiffers(Untrusted):
    """A file does not have the digest or the length that its manifest says."""

    code = "blob-differs"
    retryable = True


class ManifestInvalid(Untrusted):
    """A manifest cannot be read, or names files that a bundle cannot have, such as one outside its folder."""

    code = "manifest-invalid"


class ManifestForeign(Untrusted):
    """A manifest is of another model or version than was asked for, or not the one that its owners signed."""

    code = "manifest-foreign"


class PatchBomb(Untrusted):
    """A patch makes more bytes than the file that it is for has."""

    code = "patch-bomb"


class PatchDiffers(Untrusted):
    """A patch makes other bytes than the file that it is for."""

    code = "patch-differs"


class AssignmentInvalid(Untrusted):
    """An assignment cannot be read, or says something impossible."""

    code = "assignment-invalid"


class AssignmentForeign(Untrusted):
    """An assignment is for somebody else."""

    code = "assignment-foreign"


class AssignmentReplayed(Untrusted):
    """An assignment is older than one that was accepted before."""

    code = "assignment-replayed"


class AssignmentExpired(Untrusted):
    """An assignment is out of date."""

    code = "assignment-expired"
    retryable = True


class HardwareUnfit(Untrusted):
    """A version is not for this hardware."""

    code = "hardware-unfit"


class BelowMinRelease(Untrusted):
    """A version lies below the least release that the model's owners still allow."""

    code = "below-min-release"


class VersionYanked(Untrusted):
    """A version is no target of the registry: it was taken back, or never published."""

    code = "version-yanked"


class RedirectRefused(Untrusted):
    """The server sends us elsewhere."""

    code = "redirect-refused"


class InsecureAddress(Untrusted):
    """An address without TLS that is not of this machine."""

    code = "insecure-address"


# -- the wire ---------------------------------------------------------------------------------------------------------------------


class Unreachable(CloudSyncError):
    """The registry does not answer, or not as one."""

    code = "registry-unreachable"
    exit_code = 4
    retryable = True


class TooSlow(Unreachable):
    """It sends so slowly that nothing would ever be complete."""

    code = "too-slow"


class NotFound(Unreachable):
    """The registry does not have it. Asked for again at the next poll, never at once."""

    code = "not-found"


class ServerBusy(Unreachable):
    """The registry asks to come back later.

    Attributes:
        retry_after_s: When, in seconds from now; 0 where it does not say.
    """

    code = "server-busy"

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


# -- what is asked for is not done ------------------------------------------------------------------------------------------------


class Refused(CloudSyncError):
    """What was asked for makes no sense here, or is not allowed."""

    code = "refused"


class DiskReserve(Refused):
    """It would leave less room on the disk than is reserved."""

    code = "disk-reserve"
    retryable = True


class DeltaFailed(Refused):
    """No patch could be had, and a full download is not wanted (`sync.on_delta_failure = "wait"`)."""

    code = "delta-failed"
    retryable = True


class VersionRejected(Refused):
    """A version was tried on this device and did not prove itself. It is not tried again until something else was assigned."""

    code = "version-rejected"


class NotAssigned(Refused):
    """Nobody says what a model should run: neither the device nor the channel that it follows has an assignment."""

    code = "not-assigned"
    retryable = True
