"""A registry in memory and a device that has polled it once."""

from __future__ import annotations

import pytest
from tuf_device import TrustingDevice
from tuf_simulator import Simulator


@pytest.fixture
def registry():
    return Simulator()


@pytest.fixture
def fresh(registry, tmp_path):
    """Never polled."""
    with TrustingDevice(tmp_path / "trusted", registry) as device:
        yield device


@pytest.fixture
def device(fresh):
    """Has polled once."""
    fresh.refresh()
    return fresh
