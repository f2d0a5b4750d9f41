"""What a person may ask of the spool, and do with its quarantine: for `lineside spool`, inside the agent or where none runs."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from agent.core.errors import BadData
from agent.spool.faults import SpoolUnwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.spool.quarantine import Quarantine, Quarantined
    from agent.spool.spool import Spool


class SpoolDesk:
    """Answers are JSON types. Any thread; each method may raise the faults of `agent.spool.faults`."""

    def __init__(self, spool: Spool) -> None:
        """Store.

        Args:
            spool: Opened.
        """
        self._spool = spool
        self._lock = threading.Lock()
        """Who asks twice finds done what was done."""

    def answers(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """For the control socket: question to function of the request."""
        return {
            "spool list": lambda _: self.overview(),
            "spool show": lambda request: self.show(*_numbers(request, least=1)),
            "spool retry": lambda request: self.retry(_numbers(request)),
            "spool drop": lambda request: self.drop(_numbers(request)),
        }

    def overview(self) -> dict[str, Any]:
        """Each lane, and what is in quarantine, without payloads."""
        spool = self._spool
        ages_s = spool.ages_s()
        with spool.changed:
            lanes = {
                lane.name: {
                    "messages": len(lane),
                    "on_disk": lane.disk_count,
                    "size_bytes": lane.disk_bytes,
                    "oldest_s": ages_s.get(lane.name),
                }
                for lane in spool.lanes
            }
            dropped = {reason: count for reason, count in spool.dropped.items() if count}
        fault = None if spool.fault is None else str(spool.fault)
        held = [] if spool.quarantine is None else spool.quarantine.all()
        return {"lanes": lanes, "dropped": dropped, "fault": fault, "quarantine": [_outline(item) for item in held]}

    def show(self, number: int) -> dict[str, Any]:
        """One message in quarantine, with what it says.

        Raises:
            BadData: There is none of that number.
        """
        [item] = self._found([number])
        return _outline(item) | {"message": json.loads(item.payload)}

    def retry(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Send messages after all, behind what waits; all of them where no number is given.

        Raises:
            BadData: One of them is not there; then none is sent.
            SpoolUnwritable: The disk takes nothing now; they are sent, and stay in quarantine as well, as a kill would lose them else.
        """
        with self._lock:
            items = self._found(numbers)
            self._spool.put_back([item.record() for item in items])
            if self._spool.fault is not None:
                raise self._spool.fault
            self._quarantine().remove([item.id for item in items])
        return {"retried": [item.id for item in items]}

    def drop(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Forget messages; all of them where no number is given.

        Raises:
            BadData: One of them is not there; then none is dropped.
        """
        with self._lock:
            items = self._found(numbers)
            self._quarantine().remove([item.id for item in items])
        return {"dropped": [item.id for item in items]}

    def _found(self, numbers: Sequence[int]) -> list[Quarantined]:
        held = {item.id: item for item in self._quarantine().all()}
        missing = [str(number) for number in numbers if number not in held]
        if missing:
            raise BadData(f"there is no message {', '.join(missing)} in quarantine", hint="lineside spool list")
        return [held[number] for number in dict.fromkeys(numbers)] if numbers else list(held.values())

    def _quarantine(self) -> Quarantine:
        if self._spool.quarantine is None:
            raise self._spool.fault or SpoolUnwritable("the spool has no file", hint="lineside status")
        return self._spool.quarantine


def _numbers(request: dict[str, Any], *, least: int = 0) -> Sequence[int]:
    numbers = request.get("ids")
    if not isinstance(numbers, list) or len(numbers) < least or not all(isinstance(number, int) for number in numbers):
        raise BadData("ids should be a list of numbers", hint="is the command of the agent's version?")
    return numbers[:least] if least else numbers


def _outline(item: Quarantined) -> dict[str, Any]:
    return {
        "id": item.id,
        "since": item.since,
        "lane": item.lane,
        "pipeline": item.pipeline,
        "session": item.session,
        "number": item.number,
        "decision": item.decision,
        "tries": item.tries,
        "reason": item.why,
        "size_bytes": len(item.payload),
    }
