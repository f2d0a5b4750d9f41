"""Keeps the agent within the limits of its machine: looks at heat, memory and disk, and slows or sheds pipelines before the system does.

The rule is `agent.core.limits`; this is its edge. The composition calls `look` from one job.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from agent.core.limits import Watch, ladder
from agent.memory import forget_free

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agent.core.health import Reasons
    from agent.core.limits import Measures, Readings
    from agent.pipeline.runner import PipelineRunner
    from agent.telemetry.settings import LimitsSettings

log = logging.getLogger("lineside.limits")


class Caretaker:
    """`look` belongs to one thread."""

    def __init__(
        self,
        settings: LimitsSettings,
        pipelines: Mapping[str, PipelineRunner],
        reasons: Reasons,
        read: Callable[[], Readings],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store.

        Args:
            settings: `[limits]`.
            pipelines: All of them, in the order of the configuration.
            reasons: Where what is short, and what is done about it, is told.
            read: Measures.
            clock: Monotonic seconds.
        """
        self._bounds = settings.bounds
        self._pipelines = pipelines
        self._reasons = reasons
        self._read = read
        self._clock = clock
        priorities = {name: runner.settings.priority for name, runner in pipelines.items()}
        self._ladder = ladder(settings.reaction, settings.slower_factor, priorities)
        self._watch = Watch()
        self._counted: dict[str, tuple[float, int]] = {}
        self._usual_hz: dict[str, float] = {}

    def look(self) -> None:
        """Measure once, and take or take back at most one measure."""
        before, now_s = self._watch, self._clock()
        self._watch = watch = before.next(self._read(), self._bounds, len(self._ladder) - 1, now_s)
        self._learn_rates(now_s)
        self._take(self._ladder[watch.step])
        self._tell(before, watch)

    def _learn_rates(self, now_s: float) -> None:
        """What each pipeline looked at in a second since the last look, while nothing held it back.

        Frames in which nothing moved count: else a pipeline that waits for a part would be slowed to the rate of its waiting.
        """
        for name, runner in self._pipelines.items():
            count = runner.figures.predictions + runner.intake.still
            since_s, before = self._counted.get(name, (now_s, 0))
            self._counted[name] = (now_s, count)
            if before and count > before and runner.intake.slowed_to_hz is None and not runner.intake.holds:
                self._usual_hz[name] = (count - before) / (now_s - since_s)

    def _take(self, measures: Measures) -> None:
        """Again at each look, as the rate of a pipeline may be known only after the step was taken."""
        for name, runner in self._pipelines.items():
            usual_hz = self._usual_hz.get(name)
            runner.intake.limit(None if usual_hz is None or measures.rate == 1 else usual_hz * measures.rate)
            if name in measures.shed:
                runner.intake.hold("shed")
            else:
                runner.intake.release("shed")

    def _tell(self, before: Watch, now: Watch) -> None:
        for resource in now.short.keys() - before.short.keys():
            log.warning(now.short[resource], extra={"resource": resource})
            self._reasons.set(f"limits/{resource}", now.short[resource])
            if resource != "disk":
                forget_free()
        for resource in before.short.keys() - now.short.keys():
            log.info("%s is well again", resource, extra={"resource": resource})
            self._reasons.clear(f"limits/{resource}")
        if now.step != before.step:
            measures = self._ladder[now.step]
            level = logging.WARNING if now.step > before.step else logging.INFO
            log.log(level, "limits: %s", measures, extra={"step": now.step, "of": len(self._ladder) - 1})
            if now.step:
                self._reasons.set("limits", f"limits: {measures}")
            else:
                self._reasons.clear("limits")


def measured(state_dir: Path) -> Readings:
    """The figures of this machine now."""
    from agent.telemetry.machine import readings  # noqa: PLC0415 - psutil is not needed for the first prediction

    return readings(state_dir)
