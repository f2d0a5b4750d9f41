"""The disk is full: events go on in memory, bounded, counted and announced; when there is room again the rest is written."""

from __future__ import annotations

import time

import pytest
from broker import needs_mosquitto
from harness.plant import Plant
from small_disk import SmallDisk, needs_root
from small_disk_use import CAPACITY, accept, wait_durable, wait_said
from spool_judge import disorder, drain, open_and_drain

from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool

pytestmark = [needs_root, pytest.mark.timeout(600)]

DISKS = {"tmpfs": (1 << 20, False), "ext4": (8 << 20, True)}


@pytest.mark.parametrize("when", ["before the start", "while running"])
@pytest.mark.parametrize("kind", DISKS)
def test_events_stay_in_memory_until_there_is_room_again(tmp_path, chance, storage_row, kind, when):
    """However little is left. Those beyond the bound are announced as `disk_full`, and all that is there again is durable."""
    size_bytes, is_ext4 = DISKS[kind]
    leaves_bytes = chance.pick([0, 30_000], [0, 1, 4096, 8192, 12_288, 20_000, 30_000, 40_000, 60_000, 100_000])
    missing = disordered = 0
    for leave_bytes in leaves_bytes:
        folder, told = tmp_path / f"state-{leave_bytes}", []
        with SmallDisk(folder, size_bytes, fails=is_ext4) as disk:
            spool = Spool(
                SpoolSettings(flush_ms=60_000),
                folder,
                capacity=CAPACITY,
                on_fault=lambda *what, told=told: told.append(what),
            )
            if when == "before the start":
                disk.fill(leave_bytes=leave_bytes)
            spool.open()
            disk.fill(leave_bytes=leave_bytes)
            for first in range(0, 300, 10):
                accept(spool, range(first, first + 10))
            with spool.changed:
                assert len(spool.events) <= 2 * CAPACITY + 100, "memory is bounded"
            assert [cause for cause, sentence in told if sentence] == ["spool"]
            assert spool.dropped["disk_full"] > 0
            disk.empty()
            accept(spool, range(300, 310))
            assert spool.fault is None
            assert told[-1] == ("spool", None)
            spool.close()
            found = open_and_drain(folder)
            assert {record.reason for record in found.records if record.is_gap} == {"disk_full"}
            missing += len(set(range(310)) - found.covered)
            disordered += len(disorder(found.records))
    storage_row(f"disk full, {kind}, {when}", len(leaves_bytes), 310, lost=missing, reordered=disordered)


def test_what_waits_on_a_full_disk_is_still_handed_out(tmp_path):
    """Reading needs no room, and what is confirmed comes no second time from the same agent."""
    with SmallDisk(tmp_path / "state", 1 << 20) as disk:
        spool = Spool(SpoolSettings(flush_ms=60_000), tmp_path / "state", capacity=CAPACITY)
        spool.open()
        accept(spool, range(400))
        disk.fill()
        records = drain(spool)
        assert [record.first for record in records] == list(range(400))
        spool.record_confirmations()
        disk.empty()
        spool.close()


def test_a_disk_that_the_spool_has_filled_by_itself_is_well_again_when_the_broker_has_everything(tmp_path):
    """Nobody has to make room, it can be filled again, and a restart sends nothing twice."""
    folder = tmp_path / "state"
    with SmallDisk(folder, 1 << 20):
        spool = Spool(SpoolSettings(flush_ms=60_000), folder, capacity=CAPACITY)
        spool.open()
        for _ in range(2):
            made = 0
            while spool.fault is None:
                accept(spool, range(made, made + 20))
                made += 20
            assert made > 500
            assert len(drain(spool)) == made
            spool.flush()
            assert spool.fault is None
            assert len(spool.events) == 0
            with spool.changed:
                spool.events.disconnect()
        spool.close()
        assert open_and_drain(folder).records == []


@needs_mosquitto
@pytest.mark.parametrize("kind", DISKS)
def test_the_agent_starts_works_and_ends_on_a_full_disk(tmp_path, row, kind):
    """It infers, publishes, is degraded with the reason; with room again it is not. Nothing is lost, and the end is a good one."""
    size_bytes, is_ext4 = DISKS[kind]
    with SmallDisk(tmp_path / "state", size_bytes, fails=is_ext4) as disk, Plant(tmp_path) as plant:
        disk.fill()
        plant.start()
        status = wait_said(plant, "degraded")
        assert any("full" in reason for reason in status["reasons"]), status
        plant.wait_more(50)
        assert plant.stop() == 0, plant.agent.log
        assert plant.agent.log.count("events are not durable") == 1
        plant.start()
        wait_said(plant, "degraded")
        disk.empty()
        since_s = time.monotonic()
        wait_durable(plant)
        plant.heal(since_s)
        disk.fill()
        plant.wait_more(200)
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row(f"agent on a full disk, {kind}", 3, plant, verdict, "at two starts, and while it runs")
