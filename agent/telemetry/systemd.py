"""What systemd is told: sd_notify(3) is a datagram on a unix socket. Without NOTIFY_SOCKET nothing is told, and nothing fails."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """One thread.

    Attributes:
        watchdog_s: A service that says nothing for so long is killed (WatchdogSec=); None where nobody watches.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        """Open the socket; nothing is sent.

        Args:
            address: A path, or a name with `@` for an abstract one; None where there is no service manager.
            watchdog_s: See above.
        """
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self.watchdog_s = watchdog_s if address else None

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int | None = None) -> Notifier:
        """What systemd.exec(5) says: NOTIFY_SOCKET, WATCHDOG_USEC, and WATCHDOG_PID, which may mean another process.

        Args:
            environment: Of the process.
            pid: Of the process, None for this one.
        """
        usec = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", "") in ("", str(pid or os.getpid()))
        watched = meant and usec.isdecimal() and int(usec) > 0
        return cls(environment.get("NOTIFY_SOCKET") or None, int(usec) / 1e6 if watched else None)

    @property
    def is_heard(self) -> bool:
        """Whether there is somebody to tell."""
        return self._socket is not None

    def tell(self, **fields: str | int) -> bool:
        """Send `KEY=value` lines in one datagram.

        Returns:
            False if nobody takes it now: there is no service manager, or it is busy. Never waits, never raises.
        """
        if self._socket is None or self._address is None:
            return False
        lines = (f"{key}={value}".replace("\n", " ") for key, value in fields.items())
        try:
            self._socket.sendto("\n".join(lines).encode(errors="backslashreplace"), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket. May be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
