"""Opening the database, and its transactions. The one place that knows that it is SQLite."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select, text, update
from sqlalchemy.exc import DatabaseError, OperationalError

from cloud_sync.registry.errors import RegistryBusy, StateUnreadable
from cloud_sync.registry.state import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Connection", "Database"]

NAME = "state.db"
_BUSY_MS = 10_000
_ON_CONNECT = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {_BUSY_MS}",
)


class Database:
    """Any thread; each transaction has a connection of its own."""

    def __init__(self, path: Path, *, make: bool = False) -> None:
        """Open it.

        Args:
            path: Of the file.
            make: Make it; it must not be there.

        Raises:
            StateUnreadable: It is none, or of another version.
        """
        self._path = path
        if not make and not path.is_file():
            raise StateUnreadable(f"{path} is not there", hint="`lineside registry init` makes a registry")
        self._engine = create_engine(URL.create("sqlite", database=str(path)), max_overflow=-1)  # one a thread
        event.listen(self._engine, "connect", _set_up)
        event.listen(self._engine, "begin", _begin)
        try:
            if make:
                self._make()
            self._check()
        except DatabaseError as error:
            self.close()
            raise StateUnreadable(f"{path} cannot be read: {error.orig}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state, however many questions are asked.

        Raises:
            StateUnreadable: The disk fails.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except OperationalError as error:
            raise self._failed(error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is durable when this ends, or did not happen when it raises.

        Raises:
            RegistryBusy: Another process writes for too long.
            StateUnreadable: The disk is full, or fails.
        """
        try:
            with self._engine.connect().execution_options(**{_WRITES: True}) as connection:
                try:
                    transaction = connection.begin()
                except DatabaseError as error:
                    raise RegistryBusy(f"{self._path} is held by another process: {error.orig}") from error
                with transaction:
                    yield connection
        except OperationalError as error:
            raise self._failed(error) from error

    def _failed(self, error: OperationalError) -> StateUnreadable:
        return StateUnreadable(f"{self._path} takes no change: {error.orig}", hint="is the disk full, or read-only?")

    def _make(self) -> None:
        with self.writing() as tx:
            schema.tables.create_all(tx)
            for statement in schema.FOR_SQLITE:
                tx.execute(text(statement))
            tx.execute(insert(schema.about).values(name="version", value=str(schema.VERSION)))

    def _check(self) -> None:
        if self._version() in schema.FROM_EARLIER:
            with self.writing() as tx:
                _bring_up_to_date(tx)
        version = self._version()
        if version != str(schema.VERSION):
            raise StateUnreadable(
                f"{self._path} is of version {version}, this program knows {schema.VERSION}",
                hint="start the newer program",
            )

    def _version(self) -> str:
        with self.reading() as tx:
            return _version(tx)


def _version(tx: Connection) -> str:
    return str(tx.execute(select(schema.about.c.value).where(schema.about.c.name == "version")).scalar())


def _bring_up_to_date(tx: Connection) -> None:
    """All steps in one transaction; whoever opens it at the same time waits, and finds nothing left to do."""
    while (step := schema.FROM_EARLIER.get(version := _version(tx))) is not None:
        tx.execute(text(step))
        later = str(int(version) + 1)
        tx.execute(update(schema.about).where(schema.about.c.name == "version").values(value=later))


_WRITES = "lineside_writes"


def _set_up(connection: Any, _: Any) -> None:
    # The driver's own rule, to begin at the first change only, would let a reader that goes on to write fail at once with
    # SQLITE_BUSY_SNAPSHOT; `_begin` says it instead.
    connection.isolation_level = None
    for statement in _ON_CONNECT:
        connection.execute(statement)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def engine_of(database: Database) -> Engine:
    """For tests that look behind."""
    return database._engine  # noqa: SLF001 - of this module
