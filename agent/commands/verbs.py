"""What may be asked: each verb takes the arguments of a request, does it or refuses, and says what it came to.

Called by the desk's thread, one at a time. A verb changes what is in memory only; a restarted agent is as the configuration says.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from agent.commands.request import Refused, only, shown, text
from agent.core.messages import HoldResult, SetResult, SyncResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.core.messages import FeedbackResult, SnapshotResult, VersionResult
    from agent.pipeline.runner import PipelineRunner

    Result = HoldResult | SetResult | SnapshotResult | SyncResult | VersionResult | FeedbackResult
    """What a verb came to."""


class Verb(Protocol):
    """One thing that may be asked."""

    def __call__(self, arguments: Mapping[str, object]) -> Result:
        """Do it.

        Raises:
            Refused: It was not done, and nothing was changed.
        """
        ...


class Pause:
    """`pause` holds back the frames of one pipeline, or of all; `resume` lets them in again. Frames at hand are still finished."""

    def __init__(
        self,
        pipelines: Mapping[str, PipelineRunner],
        on_note: Callable[[str, str | None], None],
        *,
        resume: bool = False,
    ) -> None:
        """Store.

        Args:
            pipelines: By name.
            on_note: Called with a cause and what a subscriber should know of it; None when it is over.
            resume: Whether this is `resume`.
        """
        self._pipelines = pipelines
        self._on_note = on_note
        self._resume = resume

    def __call__(self, arguments: Mapping[str, object]) -> HoldResult:
        """See `Verb`; takes `pipeline`, without which all are meant."""
        only(arguments, "pipeline")
        name = text(arguments, "pipeline")
        meant = list(self._pipelines.values()) if name is None else [the_pipeline(self._pipelines, name)]
        for pipeline in meant:
            if self._resume:
                pipeline.intake.release("paused")
            else:
                pipeline.intake.hold("paused")
            note = None if self._resume else f"pipeline {pipeline.name} is paused by command"
            self._on_note(f"paused/{pipeline.name}", note)
        return HoldResult(pipelines={pipeline.name: sorted(pipeline.intake.holds) for pipeline in meant})


class Set:
    """`set` changes values of a pipeline's decision, all of a request from one frame to the next."""

    def __init__(self, pipelines: Mapping[str, PipelineRunner], on_note: Callable[[str, str | None], None]) -> None:
        """Store; see `Pause`."""
        self._pipelines = pipelines
        self._on_note = on_note

    def __call__(self, arguments: Mapping[str, object]) -> SetResult:
        """See `Verb`; takes `pipeline` and one or more values, each a number within its bounds, or null for the configured one."""
        name = text(arguments, "pipeline")
        if name is None:
            raise Refused("malformed", "pipeline is missing")
        pipeline = the_pipeline(self._pipelines, name)
        ranges = pipeline.settings.bounds.ranges if pipeline.settings.bounds else {}
        if not ranges:
            raise Refused(
                "not_allowed", f"nothing of {name} may be set: the configuration has no [pipelines.{name}.bounds]"
            )
        values = {key: value for key, value in arguments.items() if key != "pipeline"}
        only(values, *ranges)
        if not values:
            raise Refused("malformed", f"nothing to set; known: {', '.join(ranges)}")
        rule = pipeline.tuning.configured
        if rule is None:
            raise Refused("not_applicable", f"{name} has no decision, or its model is not loaded yet")
        for key in values:
            if key not in rule.values:
                raise Refused("not_applicable", f"the decision of {name} does not work with {key}")
        pipeline.tuning.change({key: within(key, value, *ranges[key]) for key, value in values.items()})
        changes = pipeline.tuning.changes
        said = ", ".join(f"{key} = {value:g}" for key, value in sorted(changes.items()))
        self._on_note(f"set/{name}", f"pipeline {name} decides by {said}, set by command" if said else None)
        return SetResult(pipeline=name, set=changes)


class Sync:
    """`sync` has the registry looked at now, or as soon as the maintenance window opens: who may publish commands cannot open it."""

    def __init__(self, nudge: Callable[[], tuple[int, bool]] | None) -> None:
        """Store.

        Args:
            nudge: Asks for a look; gives its number, and whether it waits for the window. None where there is nothing to look at.
        """
        self._nudge = nudge

    def __call__(self, arguments: Mapping[str, object]) -> SyncResult:
        """See `Verb`; takes nothing."""
        only(arguments)
        if self._nudge is None:
            raise Refused("not_applicable", "there is no sync.url, so there is nothing to look at")
        number, outside_window = self._nudge()
        return SyncResult(number=number, outside_window=outside_window)


def within(key: str, value: object, lowest: float, highest: float) -> float | None:
    """A value that may be set; None for the configured one.

    Raises:
        Refused: It is no number, or out of its bounds.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused("malformed", f"{key} must be a number, not {shown(value)}")
    # Compared before it is made a float, which a whole number of a thousand digits cannot be. NaN is within nothing.
    if not lowest <= value <= highest or not math.isfinite(value):
        raise Refused("out_of_bounds", f"{key} = {shown(value)} is not within its bounds, {lowest:g} to {highest:g}")
    return float(value)


def the_pipeline(pipelines: Mapping[str, PipelineRunner], name: str) -> PipelineRunner:
    """The pipeline of that name.

    Raises:
        Refused: There is none.
    """
    if name not in pipelines:
        raise Refused("unknown_name", f"there is no pipeline {shown(name)}; known: {', '.join(pipelines)}")
    return pipelines[name]
