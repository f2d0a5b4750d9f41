"""How often a candidate may look on, so that the model at work does not notice. Pure: what its predictions took in, a share out.

Stretches without the candidate alternate with longer ones beside it, and each of these is compared with the last stretches without. One that did
no harm lets the share grow by a little, one that did halves it (additive increase, multiplicative decrease: Chiu and Jain 1989). A frame that was
late or dropped and would not have been without the candidate counts at once, and the next growth waits twice as long as the last one did.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

_FRAMES = 24
"""Of a stretch: the worst tenth is two frames."""
_FEW_FRAMES, _LONG_S = 8, 10.0
"""A slow line's stretch may end with so many frames after so long."""
_STRETCHES = 8
"""Beside the candidate, for each one without."""
_RESTS = 3
"""So many stretches without the candidate are remembered."""
_FIRST, _STEP, _LEAST = 1 / 8, 1 / 16, 1 / 1024
_LONGEST_WAIT = 64
"""Harmless stretches before the share may grow again, after harm upon harm."""
SLOWER, SLOWER_PERIOD = 1.25, 0.1
"""A live line is harmed where its slow frames (90th percentile) take longer than this times theirs without the candidate and a share of the
time from one frame to the next: what is less, two stretches of one machine differ by anyway."""
_CHANCE = 2.0
"""Standard deviations of a count (Poisson: the root of what is expected) that are taken for chance."""
FEWER = 1.1
"""Files, which come as fast as they are taken: a frame may take so much longer, from one to the next."""


@dataclass(slots=True)
class Stretch:
    """What some predictions in a row took.

    Attributes:
        began_s: Monotonic.
        ended_s: Of the last prediction.
        latencies_ms: From hand-over to prediction, one each.
        late: Those that missed their deadline.
        dropped: Frames that were dropped meanwhile, since the model was busy.
    """

    began_s: float
    ended_s: float
    latencies_ms: list[float] = field(default_factory=list)
    late: int = 0
    dropped: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it says enough."""
        frames = len(self.latencies_ms)
        return frames >= _FRAMES or (frames >= _FEW_FRAMES and self.ended_s - self.began_s >= _LONG_S)

    @property
    def slow_ms(self) -> float:
        """The 90th percentile of the latencies."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]

    @property
    def period_s(self) -> float:
        """From one prediction to the next."""
        return (self.ended_s - self.began_s) / len(self.latencies_ms)


class BearableShare:
    """One thread.

    Attributes:
        share: Of the frames that the candidate may see now, in 0..1; the stretches without it not counted.
    """

    def __init__(self, asked: float, *, live: bool) -> None:
        """Begin without the candidate.

        Args:
            asked: The most that it ever becomes, in 0..1.
            live: Frames come in a pace of their own; else as fast as they are taken, and then how fast that is counts instead of latencies.
        """
        self.share = min(asked, _FIRST)
        self._asked = asked
        self._live = live
        self._rests: deque[Stretch] = deque(maxlen=_RESTS)
        self._left = 0
        self._stretch: Stretch | None = None
        self._dropped = 0
        self._credit = 0.0
        self._wait = self._waits = 1

    def takes(self) -> bool:
        """Whether the candidate sees this frame."""
        if not self._left:
            return False
        self._credit += self.share
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    def note(self, now_s: float, latency_ms: float, *, late: bool, dropped: int, beside: bool) -> None:
        """A prediction of the model at work is complete.

        Args:
            now_s: Monotonic time.
            latency_ms: From hand-over until it was complete.
            late: It missed its deadline.
            dropped: Frames that were dropped since the start because the model was busy.
            beside: The candidate is at a frame.
        """
        stretch = self._stretch
        if stretch is None or (
            beside and not self._left
        ):  # the candidate's last frame reaches into the stretch without it
            self._stretch, self._dropped = Stretch(now_s, now_s), dropped
            return
        stretch.ended_s = now_s
        stretch.latencies_ms.append(latency_ms)
        stretch.late += late
        stretch.dropped += dropped - self._dropped
        self._dropped = dropped
        if stretch.is_full or (self._left and self._costs_frames(stretch)):
            self._judge(stretch)
            self._stretch = Stretch(now_s, now_s)

    def _judge(self, stretch: Stretch) -> None:
        if not self._left:
            self._rests.append(stretch)
            self._left = _STRETCHES
            return
        self._left -= 1
        if self._costs_frames(stretch):
            self._wait = self._waits = min(self._wait * 2, _LONGEST_WAIT)
            self._shrink()
        elif self._slows(stretch):
            self._shrink()
        elif self._waits > 1:
            self._waits -= 1
        else:
            self.share = min(self.share + min(_STEP, self.share), self._asked)
            self._wait = self._waits = max(self._wait // 2, 1)

    def _shrink(self) -> None:
        self.share = max(self.share / 2, min(_LEAST, self._asked))

    def _costs_frames(self, stretch: Stretch) -> bool:
        """Whether more frames were late or dropped than chance explains, by what the stretches without it show."""
        share = max(len(stretch.latencies_ms), _FRAMES) / sum(len(rest.latencies_ms) for rest in self._rests)
        late, dropped = sum(rest.late for rest in self._rests), sum(rest.dropped for rest in self._rests)
        counts = (stretch.late, share * late), (stretch.dropped, share * dropped)
        return any(counted > expected + _CHANCE * math.sqrt(expected) for counted, expected in counts)

    def _slows(self, stretch: Stretch) -> bool:
        slow_ms = _middle([rest.slow_ms for rest in self._rests])
        period_s = _middle([rest.period_s for rest in self._rests])
        if self._live:
            return stretch.slow_ms > SLOWER * slow_ms + SLOWER_PERIOD * period_s * 1e3
        return stretch.period_s > FEWER * period_s


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
