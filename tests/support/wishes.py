"""Somebody who needs so many pixels of a source's frames, may change their mind, and notes what they are told."""

from __future__ import annotations

from agent.sources.demand import Needed


class Wish:
    """Implements `agent.sources.demand.Demand`."""

    def __init__(self, width: float | None = None, height: float | None = None) -> None:
        self.now = None if width is None or height is None else Needed(width, height)
        self.told = []

    def needed(self) -> Needed | None:
        return self.now

    def tell(self, sentence: str) -> None:
        if sentence not in self.told:
            self.told.append(sentence)
