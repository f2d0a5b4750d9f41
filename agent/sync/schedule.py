"""When to look for new versions. Pure: takes times and gives times; `agent.sync.job` has the clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of each day in local time, over midnight where it ends before it begins."""

    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Window:
        """The window of `02:00-05:00`.

        Raises:
            ValueError: It is none, or empty.
        """
        if (match := _FORM.fullmatch(text)) is None:
            raise ValueError("a window is two times of the day, such as 02:00-05:00")
        begin_h, begin_min, end_h, end_min = map(int, match.groups())
        window = cls(time(begin_h, begin_min), time(end_h, end_min))
        if window.begin == window.end:
            raise ValueError("a window that begins and ends at the same time is empty; leave it out for any time")
        return window

    def holds(self, local: datetime) -> bool:
        """Whether a local time lies in it; its end does not."""
        now = local.time().replace(tzinfo=None)
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end

    def opens_in_s(self, local: datetime) -> float:
        """Seconds from a local time until it holds, 0 while it does. On the day of a change of clocks up to an hour off: ask again."""
        if self.holds(local):
            return 0.0
        opens = local.replace(hour=self.begin.hour, minute=self.begin.minute, second=0, microsecond=0)
        if opens <= local:
            opens += _DAY
        return (opens - local).total_seconds()


def next_look_s(interval_s: float, jitter_s: float, spread: float, retry_after_s: float = 0.0) -> float:
    """Seconds from one look to the next.

    A failure makes it no shorter, so that what is not there is never asked for in a storm.

    Args:
        interval_s: As configured.
        jitter_s: At most so much earlier or later.
        spread: -1..1, drawn by lot.
        retry_after_s: What the registry asks for.
    """
    return max(interval_s + spread * jitter_s, retry_after_s + abs(spread) * jitter_s if retry_after_s else 0.0)
