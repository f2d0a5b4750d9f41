"""The composition root: the only file that knows every part, and the order in which they start and stop.

Its main loop is what systemd's watchdog watches; it looks after everything that may hang, so it must never wait for any of it.

Start: state lock, spool, publisher, models (each in its pipeline's thread), then, once the broker answered or 5 s have passed, the
sources, and last what is not needed for the first prediction. Stop: sources, pipelines, `stopped`, drain, spool.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from typing import TYPE_CHECKING, Any

import cv2

from agent import __version__
from agent.caretaker import Caretaker, measured
from agent.commands.assembly import make_desk
from agent.control import ControlServer
from agent.core.errors import ConfigInvalid, LinesideError
from agent.core.lifecycle import PipelineFate, SourceFate, exit_code
from agent.core.supervision import Supervised
from agent.core.times import new_id
from agent.core.topics import Topics
from agent.core.waking import Wake
from agent.jobs import Jobs
from agent.life.desk import LifeDesk
from agent.lock import StateLock
from agent.memory import forget_free
from agent.mqtt.hearing import Hearing
from agent.mqtt.publisher import LinkState, Publisher
from agent.observing import Lookers
from agent.pipeline.demand import PipelineDemand
from agent.pipeline.inspector import Identity
from agent.pipeline.picture import jpeg
from agent.pipeline.shift import Patience
from agent.reporter import Reporter
from agent.service import Service
from agent.spool.desk import SpoolDesk
from agent.spool.spool import Spool
from agent.supervisor import Supervisor
from agent.sync.desk import SyncDesk
from agent.telemetry.clock import KernelClock
from agent.telemetry.systemd import Notifier
from agent.updates import Updates
from agent.wiring import wire_pipelines, wire_source

if TYPE_CHECKING:
    from agent.config.settings import AgentSettings
    from agent.core.incoming import Incoming
    from agent.core.messages import AgentState
    from agent.core.supervision import Plan
    from agent.pipeline.runner import PipelineRunner
    from agent.sources.runner import SourceRunner

log = logging.getLogger("lineside.app")

FIRST_CONNECTION_S = 5.0
"""How long the first connection to the broker is awaited before the first frame is taken (design, section 4.2)."""
ONCE_S = 60.0
"""How long `--once` waits for one prediction of every pipeline."""
_CHECK_S = 0.5
"""How often everything is looked at from outside; here and not in a job, which would cost 0.3 % of a core."""
_SETTLE_S = 1.0
"""From the sources' start to that of the jobs: the first prediction is out by then."""
_FIRST_HEALTH_S = 1.0
"""From the jobs' start to the first figures; early enough for whoever looks at a start."""
_HOPELESS_GRACE_S = 1.0
"""Where no pipeline can ever work there is nothing to deliver but the status."""
_UNDELIVERED = 4


class App:
    """One start of the agent. `run` is called once; `stop` may be called from any thread and from signal handlers."""

    def __init__(self, settings: AgentSettings, *, once: bool = False) -> None:
        self._settings = settings
        self._once = once
        self._session = new_id()
        self._wake = Wake()
        self._stopping = False
        device = settings.device
        self._topics = Topics(settings.mqtt.prefix, device.location, device.id)
        self._spool = Spool(
            settings.spool, device.state_dir, capacity=settings.mqtt.queue_messages, on_fault=self._disk_changed
        )
        hearing = Hearing(self._topics.commands, self._command_came, self._command_trouble)
        self._publisher = Publisher(
            settings.mqtt,
            self._topics,
            device=device.id,
            session=self._session,
            agent_version=__version__,
            spool=self._spool,
            on_link=self._link_changed,
            on_drop=self._message_dropped,
            hearing=hearing if settings.commands.allow else None,
        )
        clock = KernelClock()
        self._reporter = Reporter(
            self._topics, self._publisher, self._spool, session=self._session, state_dir=device.state_dir, clock=clock
        )
        self._updates = Updates(settings, self._reporter)
        read = {pipeline.source for pipeline in settings.pipelines.values()}
        demands = {name: PipelineDemand(name) for name in read}
        self._sources = {
            name: wire_source(name, settings.sources[name], demands[name], self._source_changed) for name in read
        }
        self._worked: set[str] = set()
        self._pipelines = wire_pipelines(
            settings.pipelines,
            self._sources,
            demands,
            load=self._updates.shelf.load,
            sink=self._publisher,
            identity=Identity(device.id, self._session, clock),
            on_change=self._pipeline_changed,
            once=once,
            patience=_patience(settings),
        )
        self._lookers = Lookers(
            settings,
            self._pipelines,
            self._reporter,
            session=self._session,
            store=self._updates.store,
            jpeg=jpeg,
            on_blame=self._updates.blame,
        )
        self._updates.wire(self._pipelines, self._lookers)
        sync, words = self._updates.sync, self._updates.words
        self._desk = make_desk(
            settings.commands,
            self._pipelines,
            topics=self._topics,
            session=self._session,
            state_dir=device.state_dir,
            answer=self._publisher.answer,
            on_note=self._reporter.note,
            jpeg=jpeg,
            nudge=None if sync is None or settings.sync.url is None else sync.ask_politely,
            ear=words,
        )
        self._reporter.commands = self._command_counts
        self._caretaker = Caretaker(
            settings.limits, self._pipelines, self._reporter.reasons, lambda: measured(device.state_dir)
        )
        parts: list[object] = [*self._sources.values(), *self._pipelines.values(), self._publisher]
        self._supervisor = Supervisor(
            [part for part in parts if isinstance(part, Supervised)], settings.supervision.limits(), self._part_planned
        )
        self._service = Service(Notifier.of(os.environ), self._pipelines, self._sources, self._publisher)
        self._last_word: AgentState = "stopped"
        self._jobs = Jobs()
        self._control = ControlServer(
            device.state_dir,
            {
                "status": lambda _: self.status(),
                **SpoolDesk(self._spool).answers(),
                **SyncDesk(sync, self._updates.states).answers(),
                **LifeDesk(words).answers(),
            },
        )

    def run(self) -> int:
        """Work until every source has ended or `stop` is called.

        Returns:
            The exit code of `lineside run` (design, section 4.1).

        Raises:
            AlreadyRunning: Another agent works on this state directory.
        """
        cv2.setNumThreads(1)  # one stream is one thread; OpenCV's pool would fight the interpreters for the cores
        grace_s = self._settings.device.shutdown_grace_s
        with StateLock(self._settings.device.state_dir) as lock:
            try:
                if lock.fault:
                    self._reporter.disk("state", f"the state directory is not well: {lock.fault}")
                self._start()
                code = self._until_the_end()
                if code == ConfigInvalid.exit_code:
                    grace_s = min(grace_s, _HOPELESS_GRACE_S)
            finally:
                undelivered = self._shut_down(grace_s)
        if undelivered:
            log.error(
                "%d messages stayed undelivered",
                undelivered,
                extra={"hint": "is the broker reachable, and may we publish there? lineside doctor"},
            )
        return code or (_UNDELIVERED if undelivered else 0)

    def stop(self) -> None:
        """Ask for the end. Returns at once."""
        self._stopping = True
        self._wake.wake()

    def _start(self) -> None:
        log.info("lineside %s starts on %s", __version__, self._settings.device.id, extra={"topics": self._topics.root})
        self._spool.open()
        self._spool.start()
        self._reporter.born()
        if self._settings.commands.allow:
            self._desk.start()
        self._publisher.start()
        self._updates.begin()
        self._open_control()
        self._lookers.start()
        for pipeline in self._pipelines.values():
            pipeline.start()
        until_s = time.monotonic() + FIRST_CONNECTION_S
        while not self._publisher.wait_connected(0.1) and time.monotonic() < until_s:
            if self._stopping or self._exit_code() is not None:
                return
        for source in self._sources.values():
            source.start()
        self._service.ready(time.monotonic())
        self._jobs.after(_FIRST_HEALTH_S, "first health", self._report_health)
        self._jobs.every(self._settings.device.health_interval_s, "health", self._report_health, jitter_s=1)
        self._jobs.every(self._settings.limits.check_interval_s, "limits", self._caretaker.look)

    def _open_control(self) -> None:
        """Without the socket the agent works as well; only those who ask it by hand get no answer."""
        try:
            self._control.start()
        except OSError as error:
            sentence = f"no control socket in {self._settings.device.state_dir}: {error.strerror}"
            log.error("%s", sentence, extra={"hint": "`lineside status` has no answer until the next start"})  # noqa: TRY400 - no traceback
            self._reporter.disk("control", sentence)

    def _until_the_end(self) -> int:
        deadline_s = time.monotonic() + ONCE_S if self._once else None
        settled, settles_at_s = False, time.monotonic() + _SETTLE_S
        while not self._stopping:
            if (code := self._exit_code()) is not None:
                return code
            if deadline_s is not None and time.monotonic() > deadline_s:
                silent = [p.name for p in self._pipelines.values() if p.state != "ended"]
                log.error(
                    "no prediction of %s within %g s", ", ".join(silent), ONCE_S, extra={"hint": "lineside doctor"}
                )
                return LinesideError.exit_code
            if not settled and time.monotonic() >= settles_at_s:
                settled = True
                self._settle()
            self._wake.wait(_CHECK_S)
            self._look(time.monotonic())
            if why := self._supervisor.beyond_help:
                return self._give_up(why)
        return 0

    def _give_up(self, why: str) -> int:
        """The agent ends to be started afresh. It was not asked to, so its last word is that of the will, with the reason."""
        log.critical(
            "%s; the agent ends", why, extra={"hint": "systemd starts it again; if it comes back, see the driver"}
        )
        self._reporter.reasons.set("supervision", why)
        self._last_word = "offline"
        return LinesideError.exit_code

    def _settle(self) -> None:
        """Do what the first prediction need not wait for."""
        self._jobs.start()
        self._lookers.settle()
        if not self._once:
            self._updates.start()
        # What the start made stays for good. Left out of the search for garbage, it costs no full collection of 20 ms later.
        gc.freeze()
        gc.enable()
        forget_free()

    def _exit_code(self) -> int | None:
        return exit_code(
            [
                PipelineFate(
                    ended=p.state == "ended",
                    worked=p.name in self._worked,
                    # what crashed or hung, and starts again, is not at its end
                    fault=None if p.state != "failed" or self._supervisor.is_mending(p) else p.fault,
                )
                for p in self._pipelines.values()
            ],
            [SourceFate(ended=s.ended, fault=s.fault) for s in self._sources.values()],
        )

    def _shut_down(self, grace_s: float) -> int:
        """End everything in the order of the data; the number of messages that stayed undelivered."""
        until_s = time.monotonic() + grace_s
        self._service.stopping(grace_s)
        self._jobs.close()
        self._desk.close()
        self._updates.stop()
        for source in self._sources.values():
            source.stop()
        for pipeline in self._pipelines.values():
            pipeline.stop()
        for pipeline in self._pipelines.values():
            if not pipeline.join(max(0.1, until_s - time.monotonic())):
                log.warning("pipeline %s did not end in time", pipeline.name, extra={"pipeline": pipeline.name})
        self._updates.close(is_clean=self._last_word == "stopped")
        self._lookers.close()
        self._report_health()
        undelivered = self._publisher.stop(self._reporter.status(self._last_word), max(0.5, until_s - time.monotonic()))
        self._spool.close()
        self._control.close()
        return undelivered

    def _look(self, now_s: float) -> None:
        """See what hangs or has gone stale, then say how all is."""
        self._supervisor.check(now_s)
        for source in self._sources.values():
            source.check(now_s)
        self._service.tick(now_s)

    def _report_health(self) -> None:
        self._reporter.health(
            self._pipelines,
            self._sources,
            self._settings.device.health_interval_s,
            abandoned=self._supervisor.abandoned,
        )

    def _part_planned(self, part: Supervised, plan: Plan | None) -> None:
        if part.kind == "sink":  # sources and pipelines speak for themselves
            self._reporter.sink(part.name, plan)

    def _source_changed(self, source: SourceRunner) -> None:
        self._reporter.source(source.name, source.status)
        self._wake.wake()

    def _pipeline_changed(self, pipeline: PipelineRunner) -> None:
        if pipeline.state == "ok":
            self._worked.add(pipeline.name)
        self._reporter.pipeline(pipeline)
        self._updates.pipeline_changed()
        self._wake.wake()

    def _link_changed(self, link: LinkState) -> None:
        self._reporter.link(link)

    def _disk_changed(self, cause: str, sentence: str | None) -> None:
        self._reporter.disk(cause, sentence)
        if sentence is None:
            self._reporter.disk("state", None)  # the lock is held all the same; only its file could not name us

    def _message_dropped(self, reason: str, sentence: str) -> None:
        self._reporter.drop(reason, sentence)

    def _command_came(self, incoming: Incoming) -> None:
        self._desk.put(incoming)

    def _command_trouble(self, cause: str, sentence: str | None) -> None:
        self._reporter.command_trouble(cause, sentence)

    def _command_counts(self) -> dict[str, int]:
        counts, unanswered = self._desk.counts, self._publisher.unanswered
        return counts | {"unanswered": unanswered} if unanswered else counts

    def status(self) -> dict[str, Any]:
        """What `lineside status` shows, from any thread."""
        return self._reporter.snapshot(self._pipelines, self._sources) | {
            "trials": self._updates.trials(),
            "samples": self._lookers.samples(),
            "pid": os.getpid(),
        }


def _patience(settings: AgentSettings) -> Patience:
    """A model may have to wait until those of all other pipelines were tried."""
    stall_s, trial_s = settings.supervision.stall_after_s, settings.runtime.trial_timeout_s
    return Patience(stall_s, stall_s + trial_s * len(settings.pipelines))
