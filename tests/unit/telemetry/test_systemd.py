"""What goes through systemd's socket, and what happens where there is none."""

from __future__ import annotations

import os
import socket

import pytest
from manager import Manager

from agent.telemetry.systemd import Notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_fields_arrive_as_lines_of_one_datagram(tmp_path, abstract):
    """At a path, or at an abstract name, which begins with `@`."""
    address = f"@lineside-test-{os.getpid()}-{tmp_path.name}" if abstract else None
    with Manager(tmp_path, address=address) as manager:
        notifier = Notifier(manager.address)
        assert notifier.tell(READY=1, STATUS="one\nline")
        manager.wait_for("READY")
        assert manager.told == [{"READY": "1", "STATUS": "one line"}]
        notifier.close()
        notifier.close()
        assert not notifier.tell(READY=1)


def test_without_a_manager_nothing_is_told_and_nothing_fails(tmp_path):
    """No NOTIFY_SOCKET, an empty one, or one where nobody listens."""
    assert not Notifier.of({}).tell(READY=1)
    assert not Notifier.of({"NOTIFY_SOCKET": ""}).is_heard
    assert not Notifier.of({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY=1)


def test_a_manager_that_does_not_listen_makes_nobody_wait(tmp_path):
    """A full socket is tried again at the next occasion."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(address)
        notifier = Notifier(address)
        assert not all(notifier.tell(STATUS="x" * 1000) for _ in range(10_000))
        notifier.close()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 30.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "41"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_the_process_that_is_meant(environment, watchdog_s):
    """A child inherits the variables, not the duty."""
    assert Notifier.of({"NOTIFY_SOCKET": "/run/x", **environment}, pid=42).watchdog_s == watchdog_s


def test_without_a_socket_there_is_no_watchdog():
    """Nobody would hear it."""
    assert Notifier.of({"WATCHDOG_USEC": "30000000"}, pid=42).watchdog_s is None
