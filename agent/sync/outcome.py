"""What the child process is told and what it answers: the forms of `cloud_sync.device`, which the agent never imports.

Hostile bytes were parsed there, so whatever comes is read as data of the wrong form first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cloud_sync import errors

State = Literal["current", "staged", "waiting", "failed"]
_LONGEST = 500
_DISTRUST = 5
"""Exit code of what is not trusted, in `cloud_sync.errors` as in `agent.core.errors`."""
_UNREACHED = 4


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a sync came to nothing.

    Attributes:
        code: As in `cloud_sync.errors`.
        message: A sentence.
        hint: The next step.
        retryable: Whether it may go better next time without anybody doing anything.
        distrusted: Whether somebody sent what must not be trusted; the agent is degraded at once.
    """

    code: str
    message: str
    hint: str = ""
    retryable: bool = True
    distrusted: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sync came to.

    Attributes:
        state: `current`: all that is wanted runs. `staged`: something new is in the store. `waiting`: nothing is assigned, or not yet.
        wanted: Version that is assigned, by model.
        fault: Why it failed, or what does not let it go on; None if nothing.
        size_bytes: What crossed the wire.
        retry_after_s: When the registry wants to be asked again, at the earliest.
        faults: Why a model is not where it should be, by model.
        enrolment: `admitted`, `waiting` for an operator, or empty where nobody asked.
        keyid: Of this device's key.
        report_fault: Why the registry does not take reports; versions come all the same.
        no_reports: Why nobody is there to take them, which is no fault; empty where somebody is.
    """

    state: State
    wanted: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    size_bytes: int = 0
    retry_after_s: float = 0.0
    faults: dict[str, Fault] = field(default_factory=dict)
    enrolment: str = ""
    report_fault: Fault | None = None
    keyid: str = ""
    no_reports: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def failed(code: str, message: str, hint: str = "") -> Outcome:
    """A sync that ended by a fault of this machine."""
    return Outcome("failed", fault=Fault(code, message, hint))


def outcome_of(data: Any) -> Outcome:
    """An outcome after JSON.

    Raises:
        ValueError: It is none.
    """
    try:
        state = data["state"]
        if state not in ("current", "staged", "waiting", "failed"):
            raise ValueError(f"state {state!r}")
        wanted = {str(name): str(version)[:_LONGEST] for name, version in (data.get("wanted") or {}).items()}
        error = data.get("error")
        fault = None if error is None else _fault(error)
        models, report = data.get("models") or {}, data.get("report_error")
        faults = {str(name): _fault(model["error"]) for name, model in models.items() if model.get("error")}
        retry_after_s = min(max(0.0, float(data.get("retry_after_s") or 0)), 86_400.0)
        return Outcome(
            state,
            wanted,
            fault,
            int(data.get("bytes") or 0),
            retry_after_s,
            faults,
            str(data.get("enrolment") or "")[:_LONGEST],
            None if report is None else _fault(report),
            str(data.get("keyid") or "")[:_LONGEST],
            str(data.get("no_reports") or "")[:_LONGEST],
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from error


def _fault(error: dict[str, Any]) -> Fault:
    code, message, hint = (
        " ".join(str(error.get(key) or "").split())[:_LONGEST] for key in ("code", "message", "hint")
    )
    return Fault(code or "failed", message or "it failed", hint, bool(error.get("retryable")), code in _UNTRUSTED)


def exit_code(last: dict[str, Any] | None) -> int:
    """What a command exits with after a sync (design, section 4.1).

    Args:
        last: Of `agent.sync.job.SyncJob.status`; None where there was none.
    """
    return _code(None if last is None else last["fault"])


def enrolment_exit_code(last: dict[str, Any]) -> int:
    """What a command exits with that was to introduce the device: 4 also where nobody is there who admits devices."""
    return _code(last["report_fault"]) or (0 if last["enrolment"] else _code(last["fault"]) or _UNREACHED)


def _code(fault: dict[str, Any] | None) -> int:
    if fault is None:
        return 0
    if fault["distrusted"]:
        return _DISTRUST
    return _UNREACHED if fault["code"] in _OUT_OF_REACH else 1


def _codes(family: type[errors.CloudSyncError]) -> frozenset[str]:
    """Codes of a family of errors."""
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, family))
    return frozenset(kind.code for kind in kinds)


_UNTRUSTED, _OUT_OF_REACH = _codes(errors.Untrusted), _codes(errors.Unreachable)
