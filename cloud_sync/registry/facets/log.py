"""What happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_sync.registry.state import changes

if TYPE_CHECKING:
    from cloud_sync.registry.changing import Changing
    from cloud_sync.registry.types import Change


class Log:
    """`registry.log`: every change, in a chain that shows whether one was altered."""

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    def read(self, *, after: int = 0, limit: int = 100, subject: str | None = None) -> list[Change]:
        """Lines of the log from number `after + 1`, oldest first."""
        with self._changing.database.reading() as tx:
            return changes.read(tx, after, limit, subject)

    def verify(self) -> int:
        """Number of lines, after the whole chain was computed again.

        Raises:
            LogBroken: A line was changed, or one is missing.
        """
        with self._changing.database.reading() as tx:
            return changes.verify(tx)
