"""Every payload that leaves the agent over MQTT, as the types that are encoded (design, section 4.3).

Field order is the order on the wire. A field is added here and nowhere else: encoder, JSON Schema and AsyncAPI document
are made from these classes. Times are text in the form of `agent.core.times.utc_text`.

No slots, here and in `results`: orjson reads the dictionary of an object four times faster than its slots (1.4 against 6.2 µs for a
prediction with five labels, orjson 3.13).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from agent.core.results import Result  # noqa: TC001 - the schema generator resolves the annotation at run time

Timestamp = Annotated[str, "date-time"]
"""ISO 8601, UTC, with microseconds and `Z`."""
Decision = Literal["accept", "reject", "unsure"]
Quality = Literal["good", "uncertain", "stale", "bad"]
Clock = Literal["synced", "unsynced"]
AgentState = Literal["online", "degraded", "stopped", "offline"]
SourceStateName = Literal["connecting", "ok", "no_signal", "stale", "failed", "ended"]
CaptureClock = Literal["driver", "arrival"]
Hold = Literal["paused", "shed"]
"""Why a pipeline takes no frames: `paused` by a command, `shed` because the device has too little to run everything."""
AckReason = Literal[
    "not_allowed",
    "retained",
    "too_large",
    "malformed",
    "unknown_name",
    "not_applicable",
    "out_of_bounds",
    "repeated",
    "busy",
    "failed",
]
DriftState = Literal["ok", "drifting", "no_reference"]
VersionState = Literal["staged", "verified", "shadow", "canary", "active", "previous", "rejected"]


@dataclass(kw_only=True)
class FrameReference:
    """Which frame a prediction speaks of."""

    index: int
    """Number of the frame in its source since the agent started, from 0; dropped frames count too."""
    file: str | None
    """Name of the image file, for folders of images."""


@dataclass(kw_only=True)
class ModelReference:
    """Which model made a prediction."""

    name: str
    version: str
    digest: str
    """`sha256:` and the digest of `manifest.json`, or of the file for a bare model."""
    runtime: str
    """Interpreter and its version, such as `litert 2.3.0`."""
    delegate: str
    """What executed the operators: `xnnpack`, the name of an external delegate, or `none`."""


@dataclass(kw_only=True)
class Latency:
    """Where the time of one frame went, in milliseconds."""

    wait: float
    """From hand-over by the source until the pipeline took the frame."""
    pre: float
    """Resize, colour and quantization into the input tensor."""
    invoke: float
    """The interpreter's own time; the way to its process and back included where the model has one."""
    post: float
    """Decoding of the output and the decision."""
    total: float
    """From hand-over by the source until the prediction was complete."""


@dataclass(kw_only=True)
class Prediction:
    """What a pipeline says of one frame; on `…/event` the same with `event_seq` set."""

    schema: Literal["lineside.prediction/1"] = "lineside.prediction/1"
    id: str
    """UUID of version 7; the same id may arrive twice on `…/event`."""
    session: str
    """Changes with each start of the agent."""
    seq: int
    """Number of the prediction, from 0, per session and pipeline, without a gap."""
    event_seq: int | None
    """Number of the event, from 0, per session and pipeline, without a gap; null where it is no event."""
    captured_at: Timestamp
    published_at: Timestamp
    """Taken just before encoding."""
    clock: Clock
    device: str
    pipeline: str
    source: str
    frame: FrameReference
    part_id: str | None
    """Identification of the part, where the line gives one."""
    model: ModelReference
    result: Result
    decision: Decision | None
    """Null where the model has no `[decision]`."""
    quality: Quality
    historical: bool
    """True when the message was kept while the broker was away and is sent late."""
    latency_ms: Latency


@dataclass(kw_only=True)
class Gap:
    """Events that a bound forced out, in place of the events themselves."""

    schema: Literal["lineside.gap/1"] = "lineside.gap/1"
    session: str
    pipeline: str
    first: int
    """First `event_seq` that is missing."""
    last: int
    """Last `event_seq` that is missing."""
    reason: str


@dataclass(kw_only=True)
class Status:
    """Birth, will and every change of the agent's health."""

    schema: Literal["lineside.status/1"] = "lineside.status/1"
    device: str
    session: str
    state: AgentState
    since: Timestamp
    """When `state` began; for the will, when the session began."""
    agent: str
    """Version of the agent."""
    reasons: list[str] = field(default_factory=list)
    """Why the agent is degraded, one sentence each."""
    notes: list[str] = field(default_factory=list)
    """What was changed by command and is no fault, such as a paused pipeline; one sentence each."""


@dataclass(kw_only=True)
class PipelineHealth:
    """One pipeline over the last interval."""

    state: Literal["starting", "ok", "failed", "ended"]
    rate_hz: float
    """Predictions per second over the interval."""
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    predictions: int
    """Since the session began."""
    drops: dict[str, int]
    """Frames or messages dropped on purpose since the session began, by reason."""
    stale: int
    """Predictions later than the pipeline's `deadline_ms`, since the session began."""
    child_restarts: int = 0
    """How often the child process of an isolated model crashed or hung and was started anew, since the session began."""
    reason: str | None = None
    holds: list[Hold] = field(default_factory=list)
    """Why it takes no frames now; empty while it does."""
    set: dict[str, float] = field(default_factory=dict)
    """Values of the decision that were set by command and hold until the agent restarts."""
    slowed_to_hz: float | None = None
    """Frames a second that it takes at most now, as the machine has too little for all; null when it is not slowed. The cause is in
    `status`."""


@dataclass(kw_only=True)
class SpoolHealth:
    """What waits for the broker in the durable queue."""

    events: int
    """Events that the broker has not confirmed."""
    backlog: int
    """Late predictions that wait, where the operator keeps them."""
    size_bytes: int
    """What both take on the disk."""
    quarantined: int
    """Messages that the broker refused again and again, kept for a person to look at."""
    durable: bool
    """False while the disk takes nothing: full, read-only or failing. Events are kept in memory then."""


@dataclass(kw_only=True)
class Health:
    """Figures of the whole agent, every `health_interval_s`."""

    schema: Literal["lineside.health/1"] = "lineside.health/1"
    device: str
    session: str
    at: Timestamp
    uptime_s: float
    pipelines: dict[str, PipelineHealth]
    cpu_percent: float
    """Of one core, this process, over the interval."""
    memory_bytes: int
    """Resident set of this process."""
    temperature_c: float | None
    """Hottest sensor of the machine, null where it has none."""
    disk_free_bytes: int
    """On the file system of the state directory; 0 where it does not answer."""
    queued_messages: int
    """Messages that wait for the broker."""
    spool: SpoolHealth
    dropped_messages: dict[str, int]
    """Messages dropped since the session began, by reason."""
    abandoned_threads: int
    """Threads of sources, pipelines and sinks that hung and were given up since the session began."""
    clock: Clock
    clock_jumps: int
    """How often the wall clock was set by more than half a second since the session began."""
    commands: dict[str, int] = field(default_factory=dict)
    """Commands since the session began: `accepted`, refused by reason, and `unanswered`; empty where none are allowed."""


@dataclass(kw_only=True)
class SourceState:
    """Each change of a source's state."""

    schema: Literal["lineside.source-state/1"] = "lineside.source-state/1"
    device: str
    session: str
    source: str
    state: SourceStateName
    since: Timestamp
    captured_at_from: CaptureClock
    """Where `captured_at` comes from: the driver, or the moment the decoded picture was handed over."""
    reason: str | None = None
    retry_in_s: float | None = None
    """When the next try is made, for states that are tried again."""


@dataclass(kw_only=True)
class ModelVersion:
    """One version of a model on this device."""

    version: str
    digest: str
    state: VersionState
    reason: str | None
    """Why it came into this state."""


@dataclass(kw_only=True)
class ModelState:
    """Which versions of a model this device holds."""

    schema: Literal["lineside.model-state/1"] = "lineside.model-state/1"
    device: str
    session: str
    model: str
    since: Timestamp
    active: ModelVersion | None
    candidate: ModelVersion | None
    previous: ModelVersion | None


@dataclass(kw_only=True)
class StatisticDrift:
    """One statistic of a pipeline beside the reference of its model. The figures are those of the last window that was judged."""

    state: Literal["ok", "drifting"]
    since: Timestamp
    """When `state` began."""
    psi: float | None
    """Population stability index; null before the first window."""
    psi_limit: float | None
    """What it exceeds by chance as seldom as the pipeline's `false_alarm_rate` asks for."""
    ks: float | None
    """Largest difference of the two distribution functions (Kolmogorov-Smirnov), 0..1."""
    ks_limit: float | None
    """Likewise."""
    worth: float | None
    """How many independent values the window was worth."""
    windows: int
    """Windows that were judged since the model came to work."""
    unjudged: int
    """Windows that were worth too little, as the values hardly changed or were too few."""


@dataclass(kw_only=True)
class Drift:
    """Whether a pipeline still sees what its model was evaluated on; said with each window."""

    schema: Literal["lineside.drift/1"] = "lineside.drift/1"
    device: str
    session: str
    pipeline: str
    state: DriftState
    """`no_reference`: nothing is known to compare with."""
    since: Timestamp
    """When `state` began."""
    reason: str | None
    """Why there is no reference."""
    model: str | None
    """Digest of the model whose reference it is; null before its first prediction."""
    statistics: dict[str, StatisticDrift]
    """`score`, `brightness`, `contrast`, `sharpness`, as far as they are watched and the reference has them."""


@dataclass(kw_only=True)
class HoldResult:
    """What `pause` and `resume` came to."""

    pipelines: dict[str, list[Hold]]
    """Each pipeline that was meant, and why it takes no frames now."""
    until: Literal["restart"] = "restart"
    """A restarted agent has nothing paused."""


@dataclass(kw_only=True)
class SetResult:
    """What `set` came to."""

    pipeline: str
    set: dict[str, float]
    """Every value of the decision that is not the configured one now."""
    until: Literal["restart"] = "restart"
    """A restarted agent decides as the configuration says."""


@dataclass(kw_only=True)
class SnapshotResult:
    """The picture that `snapshot` kept."""

    file: str
    """Path under the state directory."""
    size_bytes: int
    sha256: str
    """Of the file, in hexadecimal."""
    pipeline: str
    source: str
    frame_index: int
    captured_at: Timestamp
    width: int
    """Of the picture as the source gave it, in pixels."""
    height: int


@dataclass(kw_only=True)
class SyncResult:
    """What `sync` came to: the registry is looked at, which takes its time; `model/<name>/state` tells what comes of it."""

    number: int
    """Of the look, from 1 in a session; asks that come before it begins share it."""
    outside_window: bool
    """It waits until the maintenance window opens."""


@dataclass(kw_only=True)
class VersionResult:
    """What `return`, `hold` and `confirm` came to: it is done at the next look; `model/<name>/state` tells what comes of it."""

    model: str
    version: str
    """That it is about: what is on trial, or what is active."""
    state: VersionState
    """Of that version when the command came."""
    will: str
    """What follows, in words."""


@dataclass(kw_only=True)
class FeedbackResult:
    """What `feedback` came to."""

    prediction: str
    counts: str
    """What it counts for, in words."""


@dataclass(kw_only=True)
class CommandAck:
    """What became of a command."""

    schema: Literal["lineside.ack/1"] = "lineside.ack/1"
    device: str
    session: str
    verb: str
    id: str | None
    """As it came with the command; null where none came, or none that could be read."""
    ok: bool
    """Whether it was done. If not, nothing was changed."""
    reason: AckReason | None
    """Why not."""
    message: str | None
    """The same for a person."""
    result: HoldResult | SetResult | SnapshotResult | SyncResult | VersionResult | FeedbackResult | None
    at: Timestamp


Message = Prediction | Gap | Status | Health | SourceState | ModelState | Drift | CommandAck
