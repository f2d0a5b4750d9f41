"""What is retained and said again on each connect: status, states, health. Pure; the publisher holds its lock around it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Notice:
    """The newest that was announced on a topic.

    Attributes:
        topic: Full topic.
        payload: As on the wire.
        qos: 0 or 1.
        is_confirmed: The broker has it, or had it before it was restarted.
    """

    topic: str
    payload: bytes
    qos: int
    is_confirmed: bool = False

    @property
    def retain(self) -> bool:
        """The broker keeps every one for late subscribers."""
        return True


class Notices:
    """One notice per topic; the number of topics is its bound. Who is late says the newest only."""

    def __init__(self) -> None:
        self._all: dict[str, Notice] = {}
        self._unsaid: dict[str, Notice] = {}

    def announce(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Remember, and say at the next chance."""
        self._all[topic] = self._unsaid[topic] = Notice(topic, payload, qos)

    def give_up(self, notice: Notice) -> None:
        """The broker does not want it: do not say it again, unless the topic has a newer one."""
        if self._all.get(notice.topic) is notice:
            del self._all[notice.topic]

    def repeat(self) -> None:
        """Say everything again, in the order in which the topics were first announced."""
        self._unsaid = dict(self._all)

    def take(self) -> Notice | None:
        """The next one to say, or None."""
        return self._unsaid.pop(next(iter(self._unsaid))) if self._unsaid else None

    @property
    def is_waiting(self) -> bool:
        """Whether one is unsaid."""
        return bool(self._unsaid)

    @property
    def undelivered(self) -> int:
        """Topics of QoS 1 whose newest notice was never confirmed."""
        return sum(notice.qos > 0 and not notice.is_confirmed for notice in self._all.values())
