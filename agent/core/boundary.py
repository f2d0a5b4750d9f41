"""One point among the frames of a source, the same for all pipelines that take them: what comes to work there decides whole frames.

Two pipelines are never at the same frame, so "from the next frame on" is another frame for each. Who wants several of them to change at once makes
a boundary, leaves what is to change with each pipeline, and then marks it: the next frame that the source hands over is the first one after it.
"""

from __future__ import annotations

from collections import deque


class Handover:
    """Of one source. `begins` and `ended` are the capture thread's, once a frame; the rest is anybody's. Takes no lock."""

    def __init__(self) -> None:
        self._marked: deque[Boundary] = deque()
        self._is_under_way = False

    def begins(self, index: int) -> None:
        """A frame is about to be handed to the first pipeline."""
        self._is_under_way = True  # before the boundaries are looked at: see `Boundary.all_came`
        while self._marked:
            self._marked.popleft().first = index

    def ended(self) -> None:
        """Every pipeline has it, or has let it go."""
        self._is_under_way = False

    def mark(self, boundary: Boundary) -> None:
        """The next frame is the first one after it."""
        self._marked.append(boundary)
        boundary.is_marked = True

    @property
    def is_under_way(self) -> bool:
        """Whether a frame may be with some pipelines and not yet with others."""
        return self._is_under_way


class Boundary:
    """See the module. Any thread.

    Attributes:
        first: Index of the first frame after it; None before that frame.
        is_marked: Whether the next frame will be that.
    """

    def __init__(self, handover: Handover) -> None:
        self.first: int | None = None
        self.is_marked = False
        self._handover = handover

    def mark(self) -> None:
        """Draw it here. Before that no frame is after it."""
        self._handover.mark(self)

    def lies_before(self, index: int) -> bool:
        """Whether a frame of the source comes after it."""
        return self.first is not None and index >= self.first

    def all_came(self) -> bool:
        """Whether no frame from before it is on its way to a pipeline any more; what waits in a mailbox has come.

        Asked in this order nothing slips through: a frame whose hand-over begins after the question finds the mark.
        """
        return self.is_marked and not self._handover.is_under_way
