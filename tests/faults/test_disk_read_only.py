"""The disk is read-only, from the start or all of a sudden: the agent works without it, says so, and refuses nothing."""

from __future__ import annotations

import os
import time

import pytest
from broker import needs_mosquitto
from harness.plant import PERSISTENT, Plant
from small_disk import SmallDisk, needs_root
from small_disk_use import CAPACITY, accept, wait_durable, wait_said

from agent.core.errors import AlreadyRunning
from agent.lock import StateLock, holder
from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool

pytestmark = [needs_root, pytest.mark.timeout(600)]


def test_the_folder_is_locked_where_no_file_can_be_written(tmp_path):
    """A second start is refused all the same, also one that can write again; the pid is known."""
    with SmallDisk(tmp_path / "state", 1 << 20) as disk:
        disk.read_only()
        with StateLock(disk.folder) as lock:
            assert "Read-only" in (lock.fault or "")
            assert holder(disk.folder) == os.getpid()
            for change in (disk.read_only, disk.writable):
                change()
                with pytest.raises(AlreadyRunning, match=str(os.getpid())):
                    StateLock(disk.folder).acquire()
        with StateLock(disk.folder) as lock:
            assert lock.fault is None


def test_events_stay_in_memory_until_the_disk_can_be_written_again(tmp_path, storage_row):
    """The file system fails under the open file; a restart finds everything that had been accepted before."""
    with SmallDisk(tmp_path / "state", 8 << 20, fails=True) as disk:
        spool = Spool(SpoolSettings(flush_ms=60_000), disk.folder, capacity=CAPACITY)
        spool.open()
        accept(spool, range(100))
        disk.fail()
        for first in range(100, 300, 10):
            accept(spool, range(first, first + 10))
        assert spool.fault is not None
        assert spool.dropped["disk_error"] > 0
        spool.close()
        disk.mend()
        spool = Spool(SpoolSettings(flush_ms=60_000), disk.folder, capacity=CAPACITY)
        spool.open()
        assert (spool.fault, spool.damaged, len(spool.events)) == (None, 0, 100)
        spool.close()
    storage_row("disk fails and is read-only", 1, 100)


@needs_mosquitto
def test_the_agent_starts_works_and_ends_on_a_read_only_disk(tmp_path, row):
    """Without lock file, socket and spool, which are told; once it can be written again, it is."""
    with SmallDisk(tmp_path / "state", 2 << 20) as disk, Plant(tmp_path) as plant:
        plant.start()
        assert plant.stop() == 0, plant.agent.log
        disk.read_only()
        plant.start()
        reasons = " ".join(wait_said(plant, "degraded")["reasons"])
        for part in ("agent.lock", "control socket", "not durable"):
            assert part in reasons
        assert plant.stop() == 0, plant.agent.log
        plant.start()
        plant.wait_more(50)
        disk.writable()
        since_s = time.monotonic()
        wait_durable(plant)
        plant.heal(since_s)
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("agent on a read-only disk", 2, plant, verdict, "at two starts")


@needs_mosquitto
def test_the_agent_works_on_when_the_disk_becomes_read_only(tmp_path, row):
    """As a dying card does it; it ends well, and starts on it again."""
    with (
        SmallDisk(tmp_path / "state", 8 << 20, fails=True) as disk,
        Plant(tmp_path, broker_options=PERSISTENT) as plant,
    ):
        plant.start()
        since_s = time.monotonic()
        disk.fail()
        plant.heal(since_s)
        plant.broker.stop()  # what cannot be sent has to be written
        plant.broker.start()
        wait_said(plant, "degraded")
        plant.wait_more(100)
        assert plant.stop() == 0, plant.agent.log
        plant.start()
        wait_said(plant, "degraded")
        assert plant.stop() == 0, plant.agent.log
        disk.mend()
        verdict = plant.verdict()
    row("disk fails under the agent", 1, plant, verdict)
