"""Looks after everything that may hang, twice a second: gives stalled parts a fresh thread, as `agent.core.supervision` rules.

Belongs to the main loop of `agent.app` (and of `bench`); it has no thread, and takes the time it is given.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.core.supervision import History, Limits, after_stall, is_beyond_help

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.core.supervision import Plan, Supervised

log = logging.getLogger("lineside.supervisor")


class Supervisor:
    """One thread."""

    def __init__(
        self,
        parts: Iterable[Supervised],
        limits: Limits | None = None,
        on_plan: Callable[[Supervised, Plan | None], None] = lambda _part, _plan: None,
    ) -> None:
        """Store.

        Args:
            parts: What may hang; started by others.
            limits: When to give a part up; None for the defaults.
            on_plan: Called with a part and its plan after it was abandoned, and with None right before it is restarted.
        """
        self._parts = list(parts)
        self._limits = limits or Limits()
        self._on_plan = on_plan
        self._histories: dict[Supervised, History] = {}
        self._due: dict[Supervised, tuple[float, Plan]] = {}

    def check(self, now_s: float) -> None:
        """Restart what is due, and abandon what hangs. Where only a fresh process helps, nothing is restarted any more.

        Args:
            now_s: Monotonic time.
        """
        for part in self._parts:
            if part in self._due:
                if now_s >= self._due[part][0]:
                    self._restart(part)
            elif (held_s := part.stalled_s(now_s)) is not None:
                self._abandon(part, now_s, held_s)

    @property
    def abandoned(self) -> int:
        """Threads that were given up since the start."""
        return sum(part.abandoned for part in self._parts)

    @property
    def hanging(self) -> int:
        """Those of them that have not ended."""
        return sum(part.abandoned_alive for part in self._parts)

    @property
    def beyond_help(self) -> str | None:
        """Why the process must be replaced, or None."""
        hanging = self.hanging
        if not is_beyond_help(hanging, self._limits):
            return None
        return f"{hanging} abandoned threads still hang; only a fresh process helps"

    def is_mending(self, part: Supervised) -> bool:
        """Whether it waits for a restart that is still within the limits."""
        return part in self._due and not self._due[part][1].failed

    def _abandon(self, part: Supervised, now_s: float, held_s: float) -> None:
        plan, history = after_stall(self._histories.get(part, History()), now_s, self._limits, held_s=held_s)
        if not part.abandon(now_s, plan):
            return
        self._histories[part] = history
        self._due[part] = (now_s + plan.delay_s, plan)
        self._on_plan(part, plan)
        if plan.failed:
            log.error(
                "%s %s hung too often: failed, tried again every %g s",
                part.kind,
                part.name,
                self._limits.retry_s,
                extra={part.kind: part.name, "restarts": len(history.restarts) - 1},
            )
        if plan.delay_s <= 0:
            self._restart(part)

    def _restart(self, part: Supervised) -> None:
        if self.beyond_help:
            return
        del self._due[part]
        self._on_plan(part, None)
        log.warning("%s %s is given a fresh thread", part.kind, part.name, extra={part.kind: part.name})
        part.restart()
