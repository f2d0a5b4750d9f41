"""The judgement: what was lost, forgotten, duplicated and reordered. Pure; everything comes from recordings.

- *Accepted*: found in the spool after a SIGKILL; or a number below or equal to one that was confirmed (all of those that were sent, of a
  session that ended in good order), as numbers have no gap and leave in order.
- *Lost*: accepted, not confirmed as the proxy saw it, not announced by a gap, and no longer in the spool.
- *Forgotten*: confirmed, and never heard by the subscriber. A broker that is killed may do that; the agent cannot know.
- *Duplicated*: handed on to the broker again, with the same id.
- *Reordered*: first sent after an event of the same pipeline that is younger.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from recording import Event, Sent

WINDOW = 20
"""Events that may be on their way at once, so as many may come twice after an interruption."""

Key = tuple[str, str, int]
"""Session, pipeline and `event_seq` of an event."""


@dataclass(frozen=True)
class Verdict:
    """What became of the events of a run."""

    events: int
    """Different events that were confirmed."""
    announced: int
    """Events that a bound forced out, as gaps said."""
    lost: tuple[Key, ...]
    forgotten: tuple[Key, ...]
    duplicated: int
    most_again: int
    """Events that came again on one connection, at most."""
    reordered: tuple[Key, ...]
    waiting: int
    """Still in the spool."""
    interruptions: int
    """Connections beyond the first on which events were sent."""

    def faults(self) -> list[str]:
        """What breaks the promise, in words; nothing else does."""
        found = [f"{len(self.lost)} lost, such as {self.lost[:3]}"] if self.lost else []
        if self.reordered:
            found.append(f"{len(self.reordered)} reordered, such as {self.reordered[:3]}")
        if self.most_again > WINDOW:
            found.append(
                f"{self.most_again} events again after one interruption, and {WINDOW} are on their way at most"
            )
        return found


def keys(event: Event) -> Iterator[Key]:
    """The events that a message stands for."""
    return ((event.session, event.pipeline, number) for number in range(event.first, event.last + 1))


def judge(
    sent: Sequence[Sent],
    *,
    found: Iterable[Key] = (),
    waiting: Collection[Key] = (),
    killed: Collection[str] = (),
    received: Iterable[Event] | None = None,
) -> Verdict:
    """Judge a run.

    Args:
        sent: What the proxy handed on, in order.
        found: What was in the spool at each SIGKILL.
        waiting: What is in the spool now.
        killed: Sessions that ended by SIGKILL.
        received: What the subscriber heard, in order; None where that is not asked.
    """
    confirmed_messages = [s.event for s in sent if s.confirmed_s is not None]
    confirmed = {key for event in confirmed_messages if not event.is_gap for key in keys(event)}
    announced = {key for event in confirmed_messages if event.is_gap for key in keys(event)} - confirmed
    accepted = set(found) | _up_to_the_last(
        s.event for s in sent if s.confirmed_s is not None or s.event.session not in killed
    )
    heard = None if received is None else {key for event in received for key in keys(event)}
    return Verdict(
        events=len(confirmed),
        announced=len(announced),
        lost=tuple(sorted(accepted - confirmed - announced - set(waiting))),
        forgotten=() if heard is None else tuple(sorted((confirmed | announced) - heard)),
        duplicated=len(sent) - len({s.event.id for s in sent}),
        most_again=max(_again(sent).values(), default=0),
        reordered=tuple(reordered(s.event for s in sent)),
        waiting=len(waiting),
        interruptions=max(0, len({s.connection for s in sent}) - 1),
    )


def _again(sent: Iterable[Sent]) -> Counter[int]:
    """By connection, how many of its events had been sent before."""
    seen: set[str] = set()
    counts: Counter[int] = Counter()
    for one in sent:
        counts[one.connection] += one.event.id in seen
        seen.add(one.event.id)
    return counts


def _up_to_the_last(events: Iterable[Event]) -> set[Key]:
    last: dict[tuple[str, str], int] = defaultdict(lambda: -1)
    for event in events:
        stream = (event.session, event.pipeline)
        last[stream] = max(last[stream], event.last)
    return {(*stream, number) for stream, highest in last.items() for number in range(highest + 1)}


def reordered(events: Iterable[Event]) -> list[Key]:
    """Events that arrived first behind a younger one of their pipeline. Sessions are UUIDs of version 7, which sort by time."""
    seen: set[str] = set()
    youngest: dict[str, tuple[str, int]] = {}
    late = []
    for event in events:
        if event.id in seen:
            continue
        seen.add(event.id)
        age = (event.session, event.first)
        if age < youngest.get(event.pipeline, age):
            late.append((event.session, event.pipeline, event.first))
        else:
            youngest[event.pipeline] = (event.session, event.last)
    return late
