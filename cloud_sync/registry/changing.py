"""How a change of the registry is made, and how its state is looked at: the ground that everything of it stands on.

A change is decided by one commit in the database, which carries the files that it makes; then the files are written, `timestamp.json`
late enough that no client ever sees half. A crash in between is redone by whoever opens or changes the registry next.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloud_sync.registry.edit import Edit
from cloud_sync.registry.files import remove_leftovers, write_all
from cloud_sync.registry.first import PUBLIC
from cloud_sync.registry.lock import Turn
from cloud_sync.registry.state import files
from cloud_sync.registry.state.database import NAME as DATABASE
from cloud_sync.registry.state.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from cloud_sync.registry.settings import Settings
    from cloud_sync.registry.state.database import Connection

_TURN = "registry.lock"


class Changing:
    """Any thread and any process; changes take turns (`RegistryBusy` after a deadline). `close` may be called twice.

    Attributes:
        folder: The registry's folder.
        public: What a web server may serve.
        settings: Of `registry.toml`.
        database: What the registry knows; changes of what is served go through `change`.
        turn: Who may change it now.
        now: The time.
    """

    def __init__(self, folder: Path, settings: Settings, clock: Callable[[], datetime]) -> None:
        """Open the database.

        Raises:
            StateUnreadable: There is none, or of a later version.
        """
        self.folder = folder
        self.public = folder / PUBLIC
        self.settings = settings
        self.now = clock
        self.database = Database(folder / DATABASE)
        self.turn = Turn(folder / _TURN)

    def recover(self) -> None:
        """Finish what a crash has left half written."""
        with self.turn.taken():
            self._finish(after_crash=True)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    @contextmanager
    def change(self, by: str) -> Iterator[Edit]:
        """A change: decided by the commit, then written. Raising within it undoes it.

        Args:
            by: Who asked, for the log.
        """
        with self.turn.taken():
            self._finish()
            with self.database.writing() as tx:
                edit = Edit(self.folder, self.settings, tx, self.now(), by)
                yield edit
                edit.close()
            self._finish()

    @contextmanager
    def looking(self, by: str) -> Iterator[Edit]:
        """The present state as a change sees it; nothing may be changed."""
        with self.database.reading() as tx:
            yield Edit(self.folder, self.settings, tx, self.now(), by)

    @contextmanager
    def standing(self) -> Iterator[Connection]:
        """The present state, while nobody changes it: files and database agree."""
        with self.turn.taken():
            self._finish()
            with self.database.reading() as tx:
                yield tx

    def _finish(self, *, after_crash: bool = False) -> None:
        """Write what committed changes have queued; whoever has the turn calls it. Afterwards files and database agree."""
        with self.database.reading() as tx:
            pending = files.pending(tx)
        if not pending:
            return
        queued = [(path, content) for _, path, content in pending]
        if after_crash:
            remove_leftovers(self.public, queued)
        write_all(self.public, queued)
        with self.database.writing() as tx:
            files.forget_pending(tx, pending[-1][0])
