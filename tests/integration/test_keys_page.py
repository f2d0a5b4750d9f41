"""The page of keys, followed as it stands: after each of its steps a device that knows the registry and one that is new both believe it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from datetime import datetime, timezone

import pytest
from page import Follower

from cloud_sync.trust import TrustedRepository
from cloud_sync.wire import FolderWire

pytestmark = [
    pytest.mark.timeout(300),  # some 25 commands, on a machine that may be shared
    pytest.mark.skipif(
        importlib.util.find_spec("elpv_dataset") is None,
        reason="elpv_dataset is not installed: pip install 'lineside[demo]'",
    ),
]
ONLINE = ("timestamp", "snapshot", "targets")


def believed(folder, public, root):
    """What a device with this memory knows after one look."""
    device = TrustedRepository(folder, FolderWire(public), root=root, now=datetime.now(timezone.utc))
    device.refresh()
    return device.delegation("solar-cell"), device.read_target("keys/assignment.json", 1 << 16)


def test_devices_believe_the_registry_after_each_step_of_the_page(tmp_path, request):
    """Nobody has to be visited, whichever key is replaced; in the end none of the former ones signs anything."""
    if request.config.getoption("--faults") != "all":
        pytest.skip("40 s; --faults=all follows the page")
    public, known = tmp_path / "registry/public", tmp_path / "known"
    root, assigning = None, []
    with Follower("docs/how-to/keys.md", tmp_path, {}) as follower:
        for step in follower.steps:
            follower.take(step)
            root = root or (public / "metadata/1.root.json").read_bytes()
            found, keys = believed(known, public, root)
            assert found is not None
            assert (found, keys) == believed(tmp_path / "new", public, root)
            shutil.rmtree(tmp_path / "new")
            assigning.append(keys)
    first, last = (json.loads(content)["signed"]["roles"] for content in (root, (known / "root.json").read_bytes()))
    assert not [role for role in ONLINE if set(first[role]["keyids"]) & set(last[role]["keyids"])]
    assert len(set(first["root"]["keyids"]) & set(last["root"]["keyids"])) == 2
    assert not set(json.loads(assigning[0])["keys"]) & set(json.loads(assigning[-1])["keys"])
    assert found.min_release == 1
