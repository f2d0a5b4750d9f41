"""A sync and the adoption behind it are killed as they come to their n-th fsync: there is a whole model, and the next run converges."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from itertools import count

import pytest
import sync_driver
from crashing import killed_at
from folder_registry import FolderRegistry
from strace_log import needs_strace
from syncing import HOME, Device

pytestmark = pytest.mark.timeout(1800)

_KILLED = 137
"""What strace ends with when its child was killed, or -9 where it kills itself likewise."""
OLD = random.Random(3).randbytes(300_000)
NEW = OLD[:150_000] + b"trained again" + OLD[150_013:]


@pytest.fixture
def registry(tmp_path):
    """Version 2 of one model, which comes as a patch, and another model, which comes whole."""
    registry = FolderRegistry(tmp_path / "registry")
    registry.publish("parts", "1", {"model.tflite": OLD, "golden/1.png": b"png"})
    registry.publish("parts", "2", {"model.tflite": NEW, "golden/1.png": b"png"})
    registry.publish("cells", "1", {"model.tflite": OLD[:50_000]})
    registry.offer_patch(OLD, NEW)
    return registry


def prepared(tmp_path, registry, start: str) -> Device:
    """A device before its first sync, or one that runs version 1."""
    device = Device(tmp_path / "state", registry, {"parts": "stable", "cells": "stable"})
    device.state_dir.mkdir()
    if start == "second":
        registry.assign("channel:stable", {"parts": "1"})
        device.sync()
        device.adopt()
    registry.assign("channel:stable", {"parts": "2", "cells": "1"})
    return device


def copied(device: Device, to) -> Device:
    shutil.copytree(device.state_dir, to)
    return Device(to, device.registry, device.models)


class Judge:
    """What may be there after a kill, and that the next run comes to its end."""

    def __init__(self, start: str, whole_bytes: int) -> None:
        self._before = {"parts": "1", "cells": None} if start == "second" else {"parts": None, "cells": None}
        self._whole_bytes = whole_bytes
        self.judged = self.lost = 0

    def judge(self, device: Device) -> None:
        store = device.store
        for name, before in self._before.items():
            active = store.active(name)
            self.judged += 1
            self.lost += active is None and before is not None
            assert active is None or active.version in (before, {"parts": "2", "cells": "1"}[name])
        assert all(store.is_whole(digest) for digest in store.digests())
        outcome = device.sync()
        assert outcome.error is None or outcome.error["code"] == "not-assigned", outcome
        assert outcome.bytes <= self._whole_bytes
        device.adopt()
        assert {name: store.active(name).version for name in self._before} == {"parts": "2", "cells": "1"}
        assert (device.sync().state, device.store.staged()) == ("current", {})
        leftovers = [*(device.folder / "blobs").iterdir(), *(device.state_dir / "store" / "staging").iterdir()]
        assert leftovers == []


def clean_bytes(device: Device, to) -> int:
    """How much comes when nobody is killed."""
    return copied(device, to).sync().bytes


@needs_strace
@pytest.mark.parametrize("start", ["first", "second"])
def test_a_sync_that_is_killed_at_each_fsync_leaves_a_whole_model_and_is_repeated(
    tmp_path, registry, chance, storage_row, start
):
    """From poll to activation, in a process of its own; SQLite's fsyncs among them."""
    base = prepared(tmp_path, registry, start)
    judge = Judge(start, clean_bytes(base, tmp_path / "clean"))
    kills = 0
    for number in chance.pick(sorted(chance.random.sample(range(1, 22), 2)), count(1)):
        device = copied(base, tmp_path / f"at-{number}")
        order = tmp_path / f"order-{number}"
        order.write_bytes(device.order.encode())
        inject = f"inject=fsync,fdatasync:signal=KILL:when={number}"
        under = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject]
        done = subprocess.run(
            [*under, sys.executable, sync_driver.__file__, str(order)],
            check=False,
            capture_output=True,
            timeout=300,
            cwd=HOME,
        )
        assert done.returncode in (0, -9, _KILLED), done.stderr.decode()
        was_killed = done.returncode != 0
        kills += was_killed
        judge.judge(device)
        shutil.rmtree(device.state_dir)
        if not was_killed and chance.runs_all:
            break
    storage_row(f"sync killed at the n-th fsync, {start} version", kills, judge.judged, lost=judge.lost)


@pytest.mark.parametrize("start", ["first", "second"])
def test_a_sync_that_is_killed_at_each_change_of_the_disk_is_repeated(tmp_path, registry, chance, storage_row, start):
    """Also between the fsyncs: at each name that is made, changed or removed, and each file that is opened to be written."""
    base = prepared(tmp_path, registry, start)
    judge = Judge(start, clean_bytes(base, tmp_path / "clean"))
    kills = 0
    for number in count(chance.random.randint(1, 25), chance.pick(25, 1)):
        device = copied(base, tmp_path / f"at-{number}")
        content = device.order.encode()
        was_killed = killed_at(number, lambda content=content: sync_driver.main(content))
        kills += was_killed
        judge.judge(device)
        shutil.rmtree(device.state_dir)
        if not was_killed:
            break
    storage_row(f"sync killed at the n-th change of the disk, {start} version", kills, judge.judged, lost=judge.lost)
