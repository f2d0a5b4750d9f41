"""A power cut at any moment of two updates: what was adopted is there and whole, and the next sync converges."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys

import pytest
import sync_driver
from folder_registry import FolderRegistry
from power_cut import Disk
from strace_log import needs_strace, recorded
from syncing import HOME, Device

pytestmark = [needs_strace, pytest.mark.timeout(1800)]

OLD = random.Random(6).randbytes(60_000)
NEW = OLD[:30_000] + b"trained again" + OLD[30_013:]


def test_a_power_cut_leaves_what_was_adopted_and_a_state_that_goes_on(tmp_path, chance, storage_row):
    """From the first start on, the first version whole and the second one as a patch; 100 moments with --faults=all."""
    registry = FolderRegistry(tmp_path / "registry")
    registry.publish("parts", "1", {"model.tflite": OLD, "golden/1.png": b"png"})
    registry.publish("parts", "2", {"model.tflite": NEW, "golden/1.png": b"png"})
    registry.offer_patch(OLD, NEW)
    registry.assign("channel:stable", {"parts": "1"})
    before = shutil.copytree(registry.folder, tmp_path / "before")
    registry.assign("channel:stable", {"parts": "2"})
    state = tmp_path / "state"
    state.mkdir()
    orders = []
    for number, folder in enumerate((before, registry.folder)):
        device = Device(state, registry, options={"import_dir": folder})
        orders.append(tmp_path / f"order-{number}")
        orders[-1].write_bytes(device.order.encode())
    command = [sys.executable, sync_driver.__file__, *map(str, orders), str(state)]
    log = tmp_path / "log"
    done = subprocess.run(recorded(log, command), check=False, capture_output=True, timeout=300, cwd=HOME)
    assert (done.returncode, done.stdout) == (0, b"adopted\n" * 2), done.stderr.decode()
    with log.open() as lines:
        disk = Disk(state, lines, ignored=("-shm", "lock"))
    count = chance.pick(8, 100)
    lost = 0
    for number, moment in enumerate(sorted(chance.random.choices(range(1, disk.moments + 1), k=count))):
        disk.go_to(moment)
        left = tmp_path / f"cut-{number}"
        left.mkdir()
        disk.cut(left, chance.random)
        lost += judge(Device(left, registry), disk.said.count(b"adopted"), f"moment {moment} of {disk.moments}")
        shutil.rmtree(left)
    storage_row("power cut while a sync goes on", count, count, lost=lost)


def judge(device: Device, adopted: int, moment: str) -> bool:
    """Whether an adopted version is lost; all else that is wrong fails at once."""
    active = device.store.active("parts")
    allowed = {0: (None, "1"), 1: ("1", "2"), 2: ("2",)}[adopted]
    is_lost = (active and active.version) not in allowed
    if is_lost:
        print(f"{moment}, adopted {adopted}: {active}")
    if active is not None:
        assert device.store.is_whole(active.digest), moment
    assert all(device.store.is_whole(version.digest) for version in device.store.staged().values()), moment
    outcome = device.sync()
    assert outcome.error is None, f"{moment}: {outcome.error}"
    device.adopt()
    assert device.store.active("parts").version == "2", moment
    assert device.store.is_whole(device.store.active("parts").digest), moment
    return is_lost
