"""Where commands are taken in, so many and no more, and given to the clerk one at a time.

The mqtt thread calls `put` and never waits; a thread of its own does the rest, so that a slow verb stops no delivery. How many are
taken is bounded in number and in rate: a flood of junk costs the pipelines, the memory and the disk next to nothing.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from agent.commands.allowance import Allowance
from agent.core.names import is_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.commands.clerk import Clerk
    from agent.core.incoming import Incoming
    from agent.core.topics import Topics

log = logging.getLogger("lineside.commands")

WAITING = 100
"""Commands that wait while one is obeyed; little of each is kept (`agent.mqtt.inlet`), so this is 25 MB at the very most."""
RATE_HZ, BURST = 5.0, 100
"""Commands a second that are looked at, and how many at once."""
BUSY_HZ, BUSY_BURST = 1.0, 5
"""Of the others, how many are told so."""
_STOP_S = 1.0


class Desk:
    """`put` is the mqtt thread's, `counts` anybody's, `start` and `close` the composition's."""

    def __init__(self, topics: Topics, clerk: Clerk, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Store; nothing runs yet.

        Args:
            topics: Of this device.
            clerk: Obeys, in the desk's thread.
            clock: Monotonic seconds.
        """
        self._topics = topics
        self._clerk = clerk
        self._clock = clock
        self._waiting: queue.Queue[Incoming | None] = queue.Queue(WAITING)
        self._rate = Allowance(RATE_HZ, BURST)
        self._busy_rate = Allowance(BUSY_HZ, BUSY_BURST)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)

    @property
    def counts(self) -> dict[str, int]:
        """See `Clerk.counts`."""
        return self._clerk.counts

    def start(self) -> None:
        """Begin to obey."""
        self._thread.start()

    def put(self, incoming: Incoming) -> None:
        """Take a command in. Never waits and never raises: what is too much is counted, and told a few times a second."""
        verb = self._topics.verb(incoming.topic)
        if not is_name(verb):  # nobody could be answered there
            self._clerk.pass_over("malformed")
            return
        now_s = self._clock()
        if self._rate.take(now_s):
            try:
                self._waiting.put_nowait(incoming)
            except queue.Full:
                log.debug("a command came while %d waited", WAITING)
            else:
                return
        self._clerk.pass_over("busy")
        if self._busy_rate.take(now_s):
            self._clerk.refuse_unread(incoming, verb)

    def close(self) -> None:
        """Obey no more; what waits is forgotten. Waits a second at most for the one at hand. May be called twice."""
        self._stop.set()
        with contextlib.suppress(queue.Full):  # then it is awake, and looks before it takes the next one
            self._waiting.put_nowait(None)
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._obey_next()

    def _obey_next(self) -> None:
        incoming = self._waiting.get()
        if incoming is None:
            return
        try:
            self._clerk.obey(incoming)
        except Exception:  # the boundary of all that a stranger can reach: the next command must find somebody
            log.exception("a command failed")
            self._clerk.pass_over("failed")
