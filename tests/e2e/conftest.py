"""What tests of the whole agent share: a broker, and somebody who hears everything that it is told."""

from __future__ import annotations

import pytest
from broker import Mosquitto, Subscriber


@pytest.fixture
def broker():
    with Mosquitto() as running:
        yield running


@pytest.fixture
def subscriber(broker):
    with Subscriber(broker.port, "lineside/#") as listening:
        yield listening
