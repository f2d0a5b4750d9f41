"""Structured logs: one line per change of state, with fields, in the form that its reader wants.

On a terminal a short aligned line; under systemd native journal fields, so that `journalctl LINESIDE_SOURCE=cam` works; JSON
where the journal's socket is not there or where it is asked for. Everything goes through the standard library's `logging`,
as paho does.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any, Literal, TextIO, cast

from agent.core.times import utc_text

LogFormat = Literal["auto", "terminal", "json", "journal"]
_JOURNAL_SOCKET = "/run/systemd/journal/socket"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_COLOURS = {logging.WARNING: "\033[33m", logging.ERROR: "\033[31m", logging.CRITICAL: "\033[31m"}


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`, without empty values."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD and value not in (None, "")}


class TerminalFormatter(logging.Formatter):
    """`15:17:26 warning source cam: no_signal  (retry_in_s=2.1)`."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows on lines of its own."""
        fields = " ".join(f"{key}={value}" for key, value in fields_of(record).items() if key not in ("code", "hint"))
        hint = fields_of(record).get("hint")
        text = f"{self.formatTime(record, self.datefmt)} {record.levelname.lower():<8} {record.getMessage()}"
        text += (f"  ({fields})" if fields else "") + (f"\n{'':18}next: {hint}" if hint else "")
        if self._colour and record.levelno in _COLOURS:
            text = f"{_COLOURS[record.levelno]}{text}\033[0m"
        return text + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger and message first, then the fields."""
        entry = {
            "time": utc_text(round(record.created * 1e6) * 1000),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class JournalHandler(logging.Handler):
    """Speaks the journal's native protocol (systemd, "Native Journal Protocol"): one datagram an entry."""

    def __init__(self, address: str = _JOURNAL_SOCKET) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.connect(address)

    def emit(self, record: logging.LogRecord) -> None:
        """Send; an entry that the journal does not take is lost, the agent goes on."""
        try:
            entry = _journal_entry(record)
            self._socket.send(b"".join(_journal_field(key, str(value)) for key, value in entry.items()))
        except Exception:  # noqa: BLE001 - as logging's own handlers: whatever cannot be written never ends who wrote it
            self.handleError(record)

    def close(self) -> None:
        """Close the socket. May be called twice."""
        self._socket.close()
        super().close()


def _journal_entry(record: logging.LogRecord) -> dict[str, object]:
    message = record.getMessage()
    if record.exc_info:
        message += "\n" + logging.Formatter().formatException(record.exc_info)
    return {
        "MESSAGE": message,
        "PRIORITY": _PRIORITY.get(record.levelno, 6),
        "SYSLOG_IDENTIFIER": "lineside",
        "LOGGER": record.name,
        **{f"LINESIDE_{key.upper()}": value for key, value in fields_of(record).items()},
    }


def _journal_field(key: str, value: str) -> bytes:
    """`KEY=value` on a line, or the key, a length of 64 bits (little-endian) and the value where it holds line ends."""
    data = value.encode(errors="backslashreplace")  # names of files need not be UTF-8
    if b"\n" in data:
        return key.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return key.encode() + b"=" + data + b"\n"


def set_up(level: str = "info", form: LogFormat = "auto") -> None:
    """Send all logs of this process to stderr or to the journal; replaces what was set up before.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `auto` takes the journal under systemd, JSON where its socket cannot be had, else lines for people.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.addHandler(_handler(form))
    root.setLevel(level.upper())


def _handler(form: LogFormat) -> logging.Handler:
    chosen = form
    if form == "auto":
        chosen = "journal" if _stderr_is_the_journal() else "terminal"
    if chosen == "journal":
        try:
            return JournalHandler()
        except OSError:
            chosen = "json"
    handler = logging.StreamHandler(_own_stderr())
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(JsonFormatter() if chosen == "json" else TerminalFormatter(colour=colour))
    return cast("logging.Handler", handler)


def _own_stderr() -> TextIO:
    """A copy of stderr, so that no entry is lost while native code is kept from writing there (`agent.models.native_talk`)."""
    try:
        copy = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # stderr is no file, as in some tests
        return sys.stderr
    return os.fdopen(copy, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")


def _stderr_is_the_journal() -> bool:
    """JOURNAL_STREAM names the device and inode of the stream that systemd connected (systemd.exec)."""
    stream = os.environ.get("JOURNAL_STREAM", "")
    try:
        stat = Path("/proc/self/fd/2").stat()
    except OSError:
        return False
    return stream == f"{stat.st_dev}:{stat.st_ino}"
