"""What tests of a full and of a read-only disk do with a spool and with a whole line."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

from harness.plant import READY_S, ROOT
from spool_driver import event

if TYPE_CHECKING:
    from harness.plant import Plant

    from agent.spool.spool import Spool

CAPACITY = 50


def accept(spool: Spool, numbers: range) -> None:
    with spool.changed:
        for number in numbers:
            spool.accept(spool.events, event(number))
    spool.flush()


def said(plant: Plant) -> dict:
    """The retained status at the broker."""
    command = ["mosquitto_sub", "-p", str(plant.broker.port), "-t", f"{ROOT}/status", "-C", "1", "-W", "60"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=90).stdout)


def wait_said(plant: Plant, state: str) -> dict:
    """Wait for a status; a disk is tried again after 30 s at most."""
    until_s = time.monotonic() + READY_S
    while (status := said(plant))["state"] != state:
        assert time.monotonic() < until_s, status
        time.sleep(0.2)  # between two looks at the broker
    return status


def wait_durable(plant: Plant) -> None:
    """Wait until the spool is written again; that so small a disk has little room is told all the same."""
    until_s = time.monotonic() + READY_S
    while any("not durable" in reason for reason in said(plant)["reasons"]):
        assert time.monotonic() < until_s, said(plant)
        time.sleep(0.2)  # between two looks at the broker
