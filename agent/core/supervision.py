"""One rule for all that may hang: when a stalled part gets a fresh thread, when it is `failed`, when only a fresh process helps.

Pure. `agent.supervisor` asks it; sources, pipelines and sinks are what it speaks of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["source", "pipeline", "sink"]
_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 10.0
"""Before a restart within the limits: a part that hangs has already waited, so this only keeps it from spinning."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with a part that stalled.

    Attributes:
        delay_s: When it gets a fresh thread, in seconds from now; 0 for at once.
        failed: Whether it was restarted too often, so that it is `failed` until it has worked for long enough again.
    """

    delay_s: float
    failed: bool


@runtime_checkable
class Supervised(Protocol):
    """A part of the agent with a thread of its own that may hang. All but the attributes: the supervisor's thread only.

    Attributes:
        name: Name of its table in the configuration, or of the part.
        kind: What it is.
        abandoned: Threads that were given up since the start.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see above

    @property
    def kind(self) -> Kind: ...  # noqa: D102

    @property
    def abandoned(self) -> int: ...  # noqa: D102

    @property
    def abandoned_alive(self) -> int:
        """Those of them that have not ended."""
        ...

    def stalled_s(self, now_s: float) -> float | None:
        """How long one step has held its thread, if that is longer than such a step may take; else None.

        Waiting for something to do is no stall, and neither is a thread that was abandoned already.

        Args:
            now_s: Monotonic time.
        """
        ...

    def abandon(self, now_s: float, plan: Plan) -> bool:
        """Give up the thread that hangs: nothing that it does later counts. It says why and what is planned.

        Returns:
            False if it hangs no longer; then nothing was done.
        """
        ...

    def restart(self) -> None:
        """Work on with a fresh thread. Called once after `abandon`, when the plan says so."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """When to give a part up.

    Attributes:
        max_restarts: Restarts of one part within `within_s`; it is `failed` when one more is needed.
        within_s: The stretch of time in which they count; a failed part that works for so long is as new.
        retry_s: How long a failed part waits for its next try.
        max_abandoned: Abandoned threads alive in the whole process; with so many of them only a fresh process helps.
    """

    max_restarts: int = 3
    within_s: float = 600.0
    retry_s: float = 300.0
    max_abandoned: int = 8


@dataclass(frozen=True, slots=True)
class History:
    """What became of one part. Times are monotonic, oldest first.

    Attributes:
        restarts: When it got a fresh thread, or was about to; later by the time for which it hung since.
        failed: Whether it was `failed` at the last of them.
    """

    restarts: Sequence[float] = field(default=())
    failed: bool = False


def after_stall(history: History, now_s: float, limits: Limits, *, held_s: float = 0.0) -> tuple[Plan, History]:
    """What to do with a part that stalled, and its history with that.

    The first restart is at once, the next ones after 1, 2, 4… up to 10 s. After `max_restarts` within `within_s` it is tried
    every `retry_s`, until one of the tries has worked for `within_s`. The time for which it hung does not count: it moves what was
    before nearer.

    Args:
        history: Of the part.
        now_s: Monotonic time.
        limits: When to give it up.
        held_s: For how long it has hung until now.
    """
    recent = [at_s + held_s for at_s in history.restarts if now_s - at_s - held_s < limits.within_s]
    was_failed = history.failed and bool(recent)
    if was_failed or len(recent) >= limits.max_restarts:
        plan = Plan(limits.retry_s, failed=True)
    else:
        plan = Plan(min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** (len(recent) - 1)) if recent else 0.0, failed=False)
    return plan, History((*recent, now_s + plan.delay_s), plan.failed)


def is_beyond_help(abandoned_alive: int, limits: Limits) -> bool:
    """Whether so many threads hang that the process must be replaced."""
    return abandoned_alive >= limits.max_abandoned
