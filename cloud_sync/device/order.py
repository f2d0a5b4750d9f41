"""What the agent wants of a sync, and what it is told: the two ends of the child process, as values with a form in JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from cloud_sync.device.faults import OrderInvalid
from cloud_sync.layout import is_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from cloud_sync.errors import CloudSyncError

OnDeltaFailure = Literal["full", "wait"]
State = Literal["current", "staged", "waiting", "failed"]
MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Order:
    """One sync.

    Attributes:
        state_dir: Of the agent.
        device: Id of this device.
        url: Of the registry; None for an import alone.
        import_dir: Take everything from this folder instead; nothing is reported then.
        hardware: Tags of this device.
        models: By name in the registry, the channel that each follows; empty for none but an assignment of the device's own.
        root_path: The root of trust.
        root_sha256: Or the digest of the registry's first root.
        rate_limit_bytes_s: 0 for none.
        on_delta_failure: `full`: fetch the whole file where no patch can be had. `wait`: not of a model that is here in another version.
        reserve_bytes: What the disk keeps free.
        insecure_http: Allow an address without TLS that is not of this machine.
        retention: Versions of each model that stay on the disk.
        in_use: Digests that somebody has open besides what the store knows.
        runs: Model → {version, digest, state, reason}, for the report.
        events: What happened since the last order, for the report: {at, what, model, version, reason}.
        profile: Of the device, for its enrolment.
        agent_version: Likewise.
        enrol_token: Admits this device once; empty where somebody asks without one, None where nobody asks now.
    """

    state_dir: Path
    device: str
    url: str | None = None
    import_dir: Path | None = None
    hardware: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    root_path: Path | None = None
    root_sha256: str | None = None
    rate_limit_bytes_s: int = 0
    on_delta_failure: OnDeltaFailure = "full"
    reserve_bytes: int = 0
    insecure_http: bool = False
    retention: int = 3
    in_use: tuple[str, ...] = ()
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()
    profile: str = ""
    agent_version: str = ""
    enrol_token: str | None = None

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """What the agent wrote.

        Raises:
            OrderInvalid: It is none.
        """
        try:
            data = dict(json.loads(content))
            for name in ("state_dir", "import_dir", "root_path"):
                data[name] = Path(data[name]) if data.get(name) else None
            for name in ("hardware", "in_use", "events"):
                data[name] = tuple(data.get(name) or ())
            order = cls(**data)
            names = [order.device, *order.models, *filter(None, order.models.values())]
            is_sensible = (
                order.state_dir is not None
                and all(map(is_name, names))
                and all(isinstance(tag, str) for tag in (*order.hardware, *order.in_use))
                and all(isinstance(each, dict) for each in (order.runs, *order.runs.values(), *order.events))
                and order.on_delta_failure in get_args(OnDeltaFailure)
            )
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise OrderInvalid(f"the order of a sync cannot be read: {type(error).__name__} {error}") from error
        if not is_sensible:
            raise OrderInvalid("the order of a sync names no state directory, or says what makes no sense")
        return order

    def encode(self) -> bytes:
        """As the agent writes it."""
        return json.dumps(asdict(self), default=str).encode()

    def digests_in_use(self) -> set[str]:
        """In hexadecimal, however they are written."""
        running = (str(run.get("digest", "")) for run in self.runs.values())
        return {digest.removeprefix("sha256:") for digest in (*self.in_use, *running)}


@dataclass(slots=True)
class Outcome:
    """How a sync ended.

    Attributes:
        state: `staged`: something is ready to be next, whatever else went wrong. `waiting`: it goes on by itself later.
        wanted: Model → version, as far as it is known and allowed.
        staged: Model → version that is ready to be next.
        error: What a person should know first: {code, message, hint, retryable}.
        models: Model → {state, version, error}: the same for each.
        bytes: How many came in downloads.
        retry_after_s: When the registry wants to be asked again; 0 where it does not say.
        enrolment: `admitted`, `waiting`, or empty.
        keyid: Of this device's key, which an operator compares.
        no_reports: Why nobody is there to take reports, as a sentence: plain files, which is no fault; empty where somebody is.
        report_error: Why reports are not taken; updates go on without.
        at: When, ISO 8601.
    """

    state: State = "current"
    wanted: dict[str, str] = field(default_factory=dict)
    staged: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    bytes: int = 0
    retry_after_s: float = 0.0
    enrolment: str = ""
    keyid: str = ""
    no_reports: str = ""
    report_error: dict[str, Any] | None = None
    at: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As it is told."""
        return asdict(self)


def described(error: CloudSyncError) -> dict[str, Any]:
    """An error, as it crosses the process boundary."""
    return {"code": error.code, "message": str(error)[:1000], "hint": error.hint, "retryable": error.retryable}
