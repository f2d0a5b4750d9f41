"""A server with one blob and one small file, and wires to it."""

from __future__ import annotations

import pytest
from file_server import FileServer
from one_blob import CONTENT, FakeClock

from cloud_sync.wire import HttpWire


@pytest.fixture
def server():
    with FileServer({"blob": CONTENT, "file": b"content"}) as server:
        yield server


@pytest.fixture
def time():
    return FakeClock()


@pytest.fixture
def wire(server, time):
    with HttpWire(server.url, clock=time.clock) as wire:
        yield wire


@pytest.fixture
def impatient(server, time):
    """Gives up on a line after a fifth of a second."""
    with HttpWire(server.url, clock=time.clock, timeout_s=0.2, retries=0) as wire:
        yield wire
