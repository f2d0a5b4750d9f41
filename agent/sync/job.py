"""When a sync runs, and what is done with what it brings: one thread that starts a child process at its time and adopts what was staged.

Never in the way of a frame: it starts after the first prediction, everything heavy is in children, and pipelines are only offered what is
ready. `agent.app` owns it; `lineside sync` asks it over the control socket, `cmd/sync` over MQTT.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from agent.core.times import now_text
from agent.sync.outcome import failed
from agent.sync.schedule import Window, next_look_s
from agent.sync.status import Failures, degraded_by, doing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.life.events import Event
    from agent.sync.adoption import Adoption
    from agent.sync.orders import Orders
    from agent.sync.outcome import Outcome
    from agent.sync.settings import SyncSettings

log = logging.getLogger("lineside.sync")

FIRST_LOOK_S = 5.0
"""From the start of the job to the first look, at the earliest."""
REPORT_S = 3.0
"""From an adoption to the next look, so that the registry soon hears what became of it."""
_MOST_EVENTS = 50
_CHECK_S = 30.0
"""How often the wall clock is looked at while the window is awaited; it may have been set."""
_STOP_S = 3.0

State = Literal["idle", "syncing", "adopting"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wants a sync now.

    Attributes:
        number: Rises with each.
        import_dir: Where the registry's files lie, such as a USB stick; None for the registry itself.
        at_any_time: Whether the maintenance window does not matter: a person at the machine asks.
        enrol_token: Admits this device to the registry, once; empty where it should ask without one.
    """

    number: int
    import_dir: Path | None = None
    at_any_time: bool = False
    enrol_token: str | None = field(default=None, repr=False)


class SyncJob:
    """`start`, `stop` and `close` belong to the composition; `nudge` and `status` are anybody's."""

    def __init__(
        self,
        settings: SyncSettings,
        orders: Orders,
        adoption: Adoption,
        *,
        run: Callable[..., Outcome],
        on_degraded: Callable[[str | None], None] = lambda _: None,
        local: Callable[[], datetime] = lambda: datetime.now().astimezone(),
        first_look_s: float = FIRST_LOOK_S,
    ) -> None:
        """Store; nothing runs yet.

        Args:
            settings: `[sync]`.
            orders: Writes the order of each sync.
            adoption: Takes into work what was staged.
            run: `agent.sync.child.run_child`.
            on_degraded: Called with why the agent is degraded by the sync, None when it is not.
            local: The time on the wall, with its zone.
            first_look_s: See `FIRST_LOOK_S`.
        """
        self._settings = settings
        self._orders = orders
        self._adoption = adoption
        self._run_child = run
        self._on_degraded = on_degraded
        self._local = local
        self._first_look_s = first_look_s
        self._window = Window.parse(settings.window) if settings.window else None
        self._changed = threading.Condition()
        self._asks: deque[Ask] = deque()
        self._numbers = 0
        self._done = 0
        self._closed = threading.Event()
        self._released = threading.Event()
        self._due_s: float | None = None
        self._state: State = "idle"
        self._doing = ""
        self._last: tuple[str, Outcome] | None = None
        self._failures = Failures()
        self._wanted: dict[str, str] = {}
        self._events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self._thread = threading.Thread(target=self._work, name="sync", daemon=True)

    def recall(self, at: str, outcome: Outcome) -> None:
        """Know what the last sync of an earlier process came to, before `start`.

        Args:
            at: When it ended, as `agent.core.times.now_text` writes it.
            outcome: See `agent.sync.outcome.outcome_of`.
        """
        self._last = (at, outcome)
        if outcome.state != "failed":
            self._wanted = outcome.wanted

    def start(self) -> None:
        """Begin: first with what an earlier start has staged, then with a look at the registry."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more, and end the child if one runs. Returns at once."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread, when no pipeline needs the models that it has loaded any more. May be called twice."""
        self.stop()
        self._released.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def nudge(
        self, *, import_dir: Path | None = None, at_any_time: bool = False, enrol_token: str | None = None
    ) -> int:
        """Ask for a sync now. Returns at once; asks of the same kind that still wait are one.

        Args:
            import_dir: See `Ask`.
            at_any_time: See `Ask`.
            enrol_token: See `Ask`.

        Returns:
            The number of the ask; `done` of `status` reaches it when the sync it asked for has ended.
        """
        with self._changed:
            for waiting in self._asks:
                if (waiting.import_dir, waiting.at_any_time, waiting.enrol_token) == (
                    import_dir,
                    at_any_time,
                    enrol_token,
                ):
                    return waiting.number
            self._numbers += 1
            self._asks.append(Ask(self._numbers, import_dir, at_any_time, enrol_token))
            self._changed.notify_all()
            return self._numbers

    def once(self, *, import_dir: Path | None = None, enrol_token: str | None = None) -> None:
        """One sync in the caller's thread, where no agent runs; in place of `start`.

        Args:
            import_dir: See `Ask`.
            enrol_token: See `Ask`.
        """
        self._guarded("syncing", lambda: self._sync(Ask(0, import_dir, at_any_time=True, enrol_token=enrol_token)))

    def tell(self, event: Event) -> None:
        """Something became of a version between two syncs: the registry hears of it soon. Any thread."""
        with self._changed:
            self._events.append(event)
            if self._due_s is not None:
                self._due_s = min(self._due_s, time.monotonic() + REPORT_S)
            self._changed.notify_all()

    def ask_politely(self) -> tuple[int, bool]:
        """`nudge` for who is not at the machine: the number, and whether it waits for the window."""
        return self.nudge(), self._window is not None and not self._window.holds(self._local())

    def status(self) -> dict[str, Any]:
        """What it is at, as JSON types; the models are told by who knows them."""
        with self._changed:
            left_s = None if self._due_s is None else self._due_s - time.monotonic()
            if left_s is not None and self._window is not None:
                left_s = max(left_s, self._window.opens_in_s(self._local()))
            last = None if self._last is None else {"at": self._last[0], **self._last[1].as_dict()}
            return {
                "url": self._settings.url,
                "state": self._state,
                "doing": self._doing,
                "window": self._settings.window,
                "next_in_s": None if left_s is None else round(max(0.0, left_s), 1),
                "last": last,
                "failures": self._failures.count,
                "asked": self._numbers,
                "done": self._done,
                "events": [event.as_dict() for event in self._events],
            }

    @property
    def wanted(self) -> dict[str, str]:
        """Version that is assigned, by the registry's name of the model, as the last sync that did not fail saw it."""
        return self._wanted

    def _work(self) -> None:
        self._guarded("adopting", self._adopt)
        spread = random.random()  # noqa: S311 - a spread, no secret
        self._plan(self._first_look_s + spread * min(self._settings.jitter(), self._first_look_s))
        while (ask := self._turn()) is not None:
            self._guarded("syncing", lambda ask=ask: self._sync(ask))  # type: ignore[misc]
            with self._changed:
                self._done = max(self._done, ask.number)
        self._released.wait()  # with the thread the kernel ends the processes of the models that it has loaded

    def _plan(self, in_s: float) -> None:
        """When the next look is due; never without an address."""
        with self._changed:
            self._due_s = None if self._settings.url is None else time.monotonic() + in_s

    def _turn(self) -> Ask | None:
        """Wait until it is time: for what, or None at the end."""
        with self._changed:
            while not self._closed.is_set():
                wait_s, now_s = _CHECK_S, time.monotonic()
                outside_s = 0.0 if self._window is None else self._window.opens_in_s(self._local())
                for ask in self._asks:
                    if ask.at_any_time or outside_s <= 0:
                        self._asks.remove(ask)
                        return ask
                if self._due_s is not None:
                    left_s = max(self._due_s - now_s, outside_s)
                    if left_s <= 0:
                        return Ask(0)
                    wait_s = min(wait_s, left_s)
                elif outside_s > 0 and self._asks:
                    wait_s = min(wait_s, outside_s)
                self._changed.wait(wait_s)
        return None

    def _sync(self, ask: Ask) -> None:
        told: list[Event] = []
        if ask.import_dir is None and self._settings.url is None:
            outcome = failed(
                "no-registry", "there is no sync.url, so there is nothing to look at", "lineside sync import DIR"
            )
        else:
            self._say("syncing", f"reading {ask.import_dir}" if ask.import_dir else "looking at the registry")
            told = self._to_tell()
            outcome = self._run_child(
                self._orders.order(ask.import_dir, ask.enrol_token, told),
                timeout_s=self._settings.timeout_s,
                is_over=self._closed.is_set,
                on_progress=self._progress,
            )
        if self._closed.is_set():
            return
        self._came(outcome)
        if ask.import_dir is None and outcome.state not in ("failed", "waiting") and outcome.report_fault is None:
            self._has_heard(told)
        events = self._adopt()
        spread = random.uniform(-1, 1)  # noqa: S311 - a spread, no secret
        next_s = next_look_s(self._settings.interval_s, self._settings.jitter(), spread, outcome.retry_after_s)
        self._plan(min(next_s, REPORT_S) if any(event.what != "postponed" for event in events) else next_s)

    def _came(self, outcome: Outcome) -> None:
        """Keep what a sync came to, and say it once."""
        now_s = time.monotonic()
        with self._changed:
            before = None if self._last is None else self._last[1].fault
            self._last = (now_text(), outcome)
            self._failures = self._failures.after(outcome, now_s)
            if outcome.state != "failed":
                self._wanted = outcome.wanted
        if outcome.fault is None:
            if before is not None:
                log.info("the sync works again")
        elif before is None or (before.code, before.message) != (outcome.fault.code, outcome.fault.message):
            log.warning(
                "sync: %s",
                outcome.fault.message,
                extra={"code": outcome.fault.code, "hint": outcome.fault.hint},
            )
        self._on_degraded(degraded_by(outcome, self._failures, now_s))

    def _adopt(self) -> list[Event]:
        self._say("adopting", "judging what has come, and taking it into work")
        events = self._adoption.adopt(self._closed.is_set)
        with self._changed:
            known = {(event.what, event.model, event.version, event.reason) for event in self._events}
            self._events.extend(e for e in events if (e.what, e.model, e.version, e.reason) not in known)
        return events

    def _to_tell(self) -> list[Event]:
        with self._changed:
            return list(self._events)

    def _has_heard(self, told: list[Event]) -> None:
        """The registry has these; what came meanwhile goes with the next report."""
        with self._changed:
            left = [event for event in self._events if event not in told]
            self._events.clear()
            self._events.extend(left)

    def _progress(self, progress: dict[str, Any]) -> None:
        self._say("syncing", doing(progress))

    def _say(self, state: State, doing: str) -> None:
        with self._changed:
            self._state, self._doing = state, doing

    def _guarded(self, state: State, step: Callable[[], object]) -> None:
        """The boundary of the job: whatever is wrong with one turn, the next one comes."""
        try:
            step()
        except Exception as error:
            log.exception("the sync failed while %s", state)
            self._came(failed("sync-broken", f"{type(error).__name__}: {error}", "report it with the log lines above"))
            self._plan(self._settings.interval_s)
        finally:
            self._say("idle", "")
