"""The errors a person may read, in two families: bad data is never retried, a bad wire is.

Every error names the fault and the object in its message and the next step in `hint`. The command line turns
`exit_code` into the process's exit code (design, section 4.1); the runners look at `retryable` only.
"""

from __future__ import annotations

from typing import ClassVar


class LinesideError(Exception):
    """Base of all errors that Lineside raises on purpose.

    Attributes:
        code: Stable, machine-readable name of the fault, such as `model-refused`.
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


class BadData(LinesideError):
    """What was given is wrong and stays wrong until somebody changes it."""

    code = "bad-data"


class BadWire(LinesideError):
    """Something that should be reachable is not; the same call may succeed later."""

    code = "bad-wire"
    retryable = True


class UsageError(BadData):
    """The command was called in a way that makes no sense."""

    code = "usage"
    exit_code = 2


class ConfigInvalid(BadData):
    """The configuration has findings of severity `error`."""

    code = "config-invalid"
    exit_code = 3


class ModelRefused(BadData):
    """A model or bundle cannot be run: unreadable, refused by the runtime, or it does not fit its description."""

    code = "model-refused"


class ModelCrashed(LinesideError):
    """The child process that ran a model has ended, or was ended because it did not answer. The same model may run again."""

    code = "model-crashed"
    retryable = True


class ModelAwaited(LinesideError):
    """A model comes from a registry, and no version that works here has come yet."""

    code = "model-awaited"
    retryable = True


class NotTrusted(BadData):
    """A file differs from what its manifest or signature says."""

    code = "not-trusted"
    exit_code = 5


class SourceInvalid(BadData):
    """A source's address can never give a frame, such as a text file where a video was expected."""

    code = "source-invalid"


class MissingExtra(BadData):
    """A feature needs an optional dependency that is not installed."""

    code = "missing-extra"


class AlreadyRunning(BadData):
    """Another agent holds the lock of this state directory."""

    code = "already-running"


class Stalled(BadWire):
    """A call did not return for so long that its thread was abandoned."""

    code = "stalled"


class SourceUnavailable(BadWire):
    """A camera or stream did not answer, or stopped answering."""

    code = "source-unavailable"


class BrokerUnreachable(BadWire):
    """The MQTT broker did not answer or refused the connection."""

    code = "broker-unreachable"
    exit_code = 4


class AgentUnreachable(BadWire):
    """No running agent answers at the control socket of this state directory."""

    code = "agent-unreachable"
    exit_code = 4
