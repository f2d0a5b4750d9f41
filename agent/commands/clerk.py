"""One command from its judgement to its answer: judged, written down, obeyed, written down again, answered. Called by the desk."""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from dataclasses import asdict
from typing import TYPE_CHECKING

from agent.commands.audit import excerpt
from agent.commands.request import Refusal, Refused, judge
from agent.core.messages import CommandAck
from agent.core.times import now_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.commands.audit import Audit
    from agent.commands.request import Request
    from agent.commands.verbs import Result, Verb
    from agent.core.incoming import Incoming
    from agent.core.topics import Topics

log = logging.getLogger("lineside.commands")

REMEMBERED = 1000
"""Ids of commands that were done."""


class Clerk:
    """`obey`: one thread. `refuse_unread`, `pass_over` and `counts`: any thread."""

    def __init__(
        self,
        topics: Topics,
        session: str,
        verbs: Mapping[str, Verb],
        *,
        max_bytes: int,
        audit: Audit,
        answer: Callable[[CommandAck, bytes | None], None],
    ) -> None:
        """Store.

        Args:
            topics: Of this device.
            session: Of this start of the agent.
            verbs: Those that are allowed, by name.
            max_bytes: Of one command.
            audit: Where commands are written down.
            answer: Sends an answer, with the correlation data of the question. Must not wait.
        """
        self._topics = topics
        self._session = session
        self._verbs = verbs
        self._max_bytes = max_bytes
        self._audit = audit
        self._audit_fault: str | None = None
        self._answer = answer
        self._counts: Counter[str] = Counter()
        self._unrecorded = 0
        self._lock = threading.Lock()
        self._done: OrderedDict[tuple[str, str], str] = OrderedDict()

    @property
    def counts(self) -> dict[str, int]:
        """Commands since the start: `accepted`, and refused ones by reason."""
        with self._lock:
            return dict(self._counts)

    def pass_over(self, reason: str) -> None:
        """Count a command that is neither written down nor answered; the next line of the audit file says how many these were."""
        with self._lock:
            self._counts[reason] += 1
            self._unrecorded += 1

    def refuse_unread(self, incoming: Incoming, verb: str) -> None:
        """Say that there were too many at once."""
        self._say(incoming, verb, Refusal(None, "busy", "too many commands at once; it was not looked at"))

    def obey(self, incoming: Incoming) -> None:
        """Do what is asked, if it may be, and answer."""
        verb = self._topics.verb(incoming.topic)
        judged = judge(incoming, verb, allow=self._verbs, max_bytes=self._max_bytes)
        if not isinstance(judged, Refusal):
            judged = self._unless_done(judged)
        if not isinstance(judged, Refusal):
            judged = self._unless_unwritten(judged, incoming)
        if isinstance(judged, Refusal):
            self._count(judged.reason)
            fields = {"message": judged.message, "payload": excerpt(incoming.payload)}
            self._write(verb, judged.id, judged.reason, durable=False, **fields)
            self._say(incoming, verb, judged)
            return
        result = self._do(judged)
        outcome, what = _outcome(result)
        self._count("accepted" if outcome == "done" else outcome)
        self._write(verb, judged.id, outcome, durable=True, **what)
        log.info("command %s: %s", verb, outcome, extra={"verb": verb, "command": judged.id, "outcome": outcome})
        self._say(incoming, verb, result, judged.id)

    def _unless_done(self, request: Request) -> Request | Refusal:
        """A broker may give a message twice, and who has heard no answer asks again."""
        done_at = request.id and self._done.get((request.verb, request.id))
        if not done_at:
            return request
        return Refusal(request.id, "repeated", f"it was done at {done_at}, and was not done again")

    def _unless_unwritten(self, request: Request, incoming: Incoming) -> Request | Refusal:
        """Who could not say afterwards what was done does not do it."""
        if self._write(request.verb, request.id, "begun", durable=True, payload=excerpt(incoming.payload)):
            return request
        return Refusal(request.id, "failed", f"the audit file cannot be written: {self._audit_fault}")

    def _do(self, request: Request) -> Result | Refusal:
        try:
            result = self._verbs[request.verb](request.arguments)
        except Refused as error:
            return Refusal(request.id, error.reason, str(error))
        except Exception as error:  # the boundary of a verb: its fault is an answer
            log.exception("command %s failed", request.verb)
            return Refusal(request.id, "failed", f"{type(error).__name__}; the log has more")
        if request.id is not None:
            self._done[request.verb, request.id] = now_text()
            if len(self._done) > REMEMBERED:
                self._done.popitem(last=False)
        return result

    def _write(self, verb: str, name: str | None, outcome: str, *, durable: bool, **fields: object) -> bool:
        """Write a line of the audit file; False if it cannot be written, which is logged once until it can."""
        with self._lock:
            unrecorded = self._unrecorded
        record: dict[str, object] = {"at": now_text(), "session": self._session, "verb": verb, "id": name}
        record |= {"outcome": outcome, **fields}
        if unrecorded:
            record["unrecorded"] = unrecorded
        try:
            self._audit.write(record, durable=durable)
        except OSError as error:
            if self._audit_fault is None:
                log.error("the audit file cannot be written: %s", error, extra={"hint": "is the disk full?"})  # noqa: TRY400 - its cause is in the line
            self._audit_fault = error.strerror or str(error)
            return False
        self._audit_fault = None
        with self._lock:
            self._unrecorded -= unrecorded
        return True

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def _say(
        self,
        incoming: Incoming,
        verb: str,
        result: Result | Refusal,
        name: str | None = None,
    ) -> None:
        refusal = result if isinstance(result, Refusal) else None
        ack = CommandAck(
            device=self._topics.device,
            session=self._session,
            verb=verb,
            id=refusal.id if refusal else name,
            ok=refusal is None,
            reason=refusal.reason if refusal else None,
            message=refusal.message if refusal else None,
            result=None if isinstance(result, Refusal) else result,
            at=now_text(),
        )
        self._answer(ack, incoming.correlation)


def _outcome(result: Result | Refusal) -> tuple[str, dict[str, object]]:
    """What the second line of a command says."""
    if isinstance(result, Refusal):
        return result.reason, {"message": result.message}
    return "done", {"result": asdict(result)}
