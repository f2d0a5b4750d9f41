"""What a service may still take, read from trees of files as the kernel lays them out."""

from __future__ import annotations

import pytest

from agent.telemetry.cgroup import memory_left_bytes
from agent.telemetry.machine import hottest_c


@pytest.fixture
def tree(tmp_path):
    """A service in a slice; `write` sets the files of a group."""
    (tmp_path / "membership").write_text("1:name=systemd:/ignored\n0::/system.slice/lineside.service\n")
    root = tmp_path / "cgroup"

    def write(group: str, **files: object) -> None:
        folder = root / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name.replace("_", ".", 1)).write_text(f"{content}\n")

    write.left = lambda: memory_left_bytes(root, tmp_path / "membership")
    return write


def test_a_service_may_take_what_its_bound_leaves(tree):
    """The cache that can be given back is not taken."""
    tree(
        "system.slice/lineside.service", memory_max=1000, memory_current=700, memory_stat="anon 500\ninactive_file 150"
    )
    assert tree.left() == 450


def test_the_tightest_bound_counts(tree):
    """`memory.high` slows the service down before `memory.max` kills it; a slice around it may be fuller than both."""
    tree("system.slice/lineside.service", memory_max=1000, memory_high=900, memory_current=700)
    assert tree.left() == 200
    tree("system.slice", memory_max=5000, memory_current=4950)
    assert tree.left() == 50
    tree("", memory_max=60, memory_current=40)
    assert tree.left() == 20


def test_nothing_is_left_beyond_the_bound(tree):
    """`memory.high` can be exceeded."""
    tree("system.slice/lineside.service", memory_high=100, memory_current=700)
    assert tree.left() == 0


def test_without_a_bound_the_machine_alone_counts(tree, tmp_path):
    """`max` is no bound; a machine without version 2 has no such line."""
    tree("system.slice/lineside.service", memory_max="max", memory_current=700)
    assert tree.left() is None
    (tmp_path / "membership").write_text("4:memory:/x\n")
    assert tree.left() is None
    (tmp_path / "membership").unlink()
    assert tree.left() is None


def test_a_container_sees_itself_as_the_root(tree, tmp_path):
    """Its own group is `/` in its namespace, and has a bound."""
    (tmp_path / "membership").write_text("0::/\n")
    tree("", memory_max=1000, memory_current=400)
    assert tree.left() == 600


def test_a_sensor_that_is_switched_off_is_not_hot(monkeypatch):
    """Its driver says 511 °C; a machine without a sensor has no temperature."""
    entry = type("Entry", (), {})
    hot, off = entry(), entry()
    hot.current, off.current = 61.5, 511.0
    monkeypatch.setattr("psutil.sensors_temperatures", lambda: {"cpu": [hot], "gpu": [off]})
    assert hottest_c() == 61.5
    monkeypatch.setattr("psutil.sensors_temperatures", lambda: {"gpu": [off]})
    assert hottest_c() is None
